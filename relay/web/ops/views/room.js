/** One room: its settings, members, who is there, and sanctions. Its messages only if they are asked for. */

import { html, nothing } from 'lit-html';

import { linkTo, number, time, until } from '../words.js';
import { answered, PAGE, pages, table } from './parts.js';

/** Messages that are shown at once. */
const MESSAGES = 20;
const LISTS = ['members', 'who', 'sanctions'];
/** Settings whose numbers are moments. */
const MOMENTS = new Set(['created', 'last_seen', 'tokens_after']);

export async function load({ api, signal, cursors, name: room }) {
  const list = (op) => ({ op, room, count: PAGE, ...(cursors[op] ? { cursor: cursors[op] } : {}) });
  const frames = [{ op: 'room', room }, ...LISTS.map(list)];
  const [settings, members, who, sanctions] = await api.askAll(frames, signal);
  return { settings, members, who, sanctions, messages: null };
}

/** The last messages, or those before one. */
export async function loadMessages({ api, signal, name: room, before }) {
  const frame = { op: 'history', room, count: MESSAGES };
  return api.ask(before ? { ...frame, before } : frame, signal);
}

export function draw({ settings, members, who, sanctions, messages }, page) {
  const { name, cursors, turn, showMessages } = page;
  const turned = (list) => [{ isFirst: !cursors[list] }, (cursor) => turn(list, cursor)];
  const paged = (list, answer, show) =>
    answered(answer, (found) => {
      const [state, go] = turned(list);
      return html`${show(found)}${pages({ ...state, cursor: found.cursor }, go)}`;
    });
  return html`
    <h1 dir="auto" data-value="room">${name}</h1>
    <h2>Settings</h2>
    ${answered(settings, (found) => fields(found.settings))}
    <h2>Members</h2>
    ${paged('members', members, (found) => membersOf(found))}
    <h2>Online</h2>
    ${paged('who', who, (found) => present(found))}
    <h2>Banned and muted</h2>
    ${paged('sanctions', sanctions, (found) => sanctioned(found))}
    <h2>Messages</h2>
    ${
      messages === null
        ? html`<p class="buttons"><button type="button" data-act="messages" @click=${() => showMessages(null)}>
            Show the last ${MESSAGES}</button></p>`
        : answered(messages, (found) => told(found, showMessages))
    }`;
}

const user = ({ user }) => html`<a href=${linkTo('user', user)}>${user}</a>`;
const key = ({ user }) => user;

function fields(settings) {
  const rows = Object.entries(settings).map(([field, value]) => ({ field, value }));
  const shown = ({ field, value }) => (MOMENTS.has(field) ? time(value) : String(value ?? '–'));
  const columns = [
    ['Field', ({ field }) => field],
    ['Value', shown],
  ];
  return table({ list: 'settings', columns, rows, key: ({ field }) => field });
}

function membersOf({ members }) {
  const columns = [
    ['User', user],
    ['Role', ({ role }) => role],
    ['Joined (UTC)', ({ joined }) => time(joined), 'time'],
  ];
  return table({ list: 'members', columns, rows: members, key });
}

function present({ users, connections, list }) {
  const columns = [
    ['User', user],
    ['Status', ({ status }) => status],
    ['Connections', ({ connections }) => number(connections), 'number'],
    ['Since (UTC)', ({ since }) => time(since), 'time'],
  ];
  return html`
    <p class="quiet">${number(users)} users, ${number(connections)} connections</p>
    ${table({ list: 'who', columns, rows: list, key })}`;
}

function sanctioned({ sanctions }) {
  const columns = [
    ['User', user],
    ['Banned', ({ banned_until: ms }) => until(ms ?? -1)],
    ['Muted', ({ muted_until: ms }) => until(ms ?? -1)],
  ];
  return table({ list: 'sanctions', columns, rows: sanctions, key });
}

function told({ events, more }, showMessages) {
  const said = ({ text, deleted, by }) =>
    deleted || by ? html`<em>deleted</em>` : html`<span class="message-text">${text ?? ''}</span>`;
  const columns = [
    ['Time (UTC)', ({ ts }) => time(ts), 'time'],
    ['User', user],
    ['Kind', ({ kind, type }) => kind ?? type],
    ['Text', said],
    ['Meta', ({ meta }) => (meta === undefined ? '' : JSON.stringify(meta))],
  ];
  const [oldest] = events;
  return html`
    ${table({ list: 'messages', columns, rows: events, key: ({ id }) => id })}
    <p class="buttons">
      <button type="button" data-act="messages" @click=${() => showMessages(null)}>The last ${MESSAGES}</button>
      ${
        more && oldest
          ? html`<button type="button" data-act="older" @click=${() => showMessages(oldest.id)}>Older</button>`
          : nothing
      }
    </p>`;
}
