/** One user: the profile, where the user is online, the list of rooms; suspending and ending sockets. */

import { html } from 'lit-html';

import { ask } from '../../page/overlays/dialogue.js';
import { linkTo, number, time, until } from '../words.js';
import { answered, numbers, PAGE, pages, table } from './parts.js';

const HOUR_MS = 3_600_000;
/** For how long one may be suspended. */
const TIMES = [
  [String(HOUR_MS), 'an hour'],
  [String(24 * HOUR_MS), 'a day'],
  [String(7 * 24 * HOUR_MS), 'a week'],
  ['', 'for ever'],
];

export async function load({ api, signal, cursors, name: user }) {
  const room = `@${user}`;
  const query = { user, count: PAGE, cursor: cursors.follows ?? null };
  const frames = [
    { op: 'profiles', users: [user] },
    { op: 'room', room },
    { op: 'who', room, count: 1 },
  ];
  const [[profiles, settings, who], own] = await Promise.all([
    api.askAll(frames, signal),
    api.get('ops/user', query, signal),
  ]);
  return { profiles, settings, who, own };
}

export function draw({ profiles, settings, who, own }, page) {
  const { name, turn, cursors } = page;
  const { suspended_until: suspended, cursor, rooms } = own;
  const link = ({ room }) => html`<a href=${linkTo('room', room)}>${room}</a>`;
  const columns = [
    ['Room', link],
    ['Since (UTC)', ({ since }) => time(since), 'time'],
  ];
  return html`
    <h1 dir="auto" data-value="user">${name}</h1>
    ${answered(profiles, (found) => known(found.profiles[name], settings, who, suspended))}
    <p class="buttons">
      ${
        suspended !== null
          ? html`<button type="button" data-act="unsuspend" @click=${() => unsuspend(page)}>End the suspension</button>`
          : html`<button type="button" data-act="suspend" @click=${() => suspend(page)}>Suspend …</button>`
      }
      <button type="button" data-act="kick" @click=${() => kick(page)}>End all sockets …</button>
      <a href=${linkTo('room', `@${name}`)}>Personal room</a>
    </p>
    <h2>Rooms in the user’s list</h2>
    ${table({ list: 'follows', columns, rows: rooms, key: ({ room }) => room })}
    ${pages({ cursor, isFirst: !cursors.follows }, (next) => turn('follows', next))}`;
}

function known(profile, settings, who, suspended) {
  const sockets = who instanceof Error ? 0 : who.connections;
  const tokens = settings instanceof Error ? 0 : settings.settings.tokens_after;
  return numbers([
    ['name', 'Name', profile?.name ?? '–'],
    ['online', 'Online', sockets > 0 ? 'yes' : 'no'],
    ['status', 'Status', who.list?.[0]?.status ?? '–'],
    ['sockets', 'Sockets on all relays', number(sockets)],
    ['seen', 'Last seen (UTC)', time(profile?.last_seen ?? 0)],
    ['suspended', 'Suspended', suspended === null ? 'no' : until(suspended)],
    ['tokens', 'Tokens count from (UTC)', time(tokens ?? 0)],
  ]);
}

async function suspend({ name, act }) {
  const given = await ask({
    title: `Suspend ${name}?`,
    text: 'All sockets of the user are closed, and every login is refused.',
    confirm: 'Suspend',
    fields: [
      { name: 'time', label: 'For', options: TIMES },
      { name: 'reason', label: 'Reason, which the user is shown', maxLength: 200 },
    ],
  });
  if (!given) return;
  const frame = moderation('ban', name);
  if (given.time) frame.for_ms = Number(given.time);
  if (given.reason) frame.reason = given.reason;
  await act(frame);
}

async function unsuspend({ name, act }) {
  const given = await ask({ title: `End the suspension of ${name}?`, confirm: 'End it' });
  if (given) await act(moderation('unban', name));
}

async function kick({ name, act }) {
  const text = 'They are closed now; the user may come back.';
  const given = await ask({ title: `End all sockets of ${name}?`, text, confirm: 'End them' });
  if (given) await act(moderation('kick', name));
}

const moderation = (action, user) => ({ op: 'mod', room: `@${user}`, action, user });
