/**
 * Lists of people that one asks for: the members of a room, who is banned or muted there, whom one blocks.
 *
 * The one idea: a dialogue with one page after another, and beside each row the one thing to do about it.
 *
 * It refuses to know what is done: it says what was chosen.
 */

import { html, nothing } from 'lit-html';
import { repeat } from 'lit-html/directives/repeat.js';

import { openDialogue } from '../overlays/dialogue.js';
import { explain, until } from '../words.js';
import { avatar } from './avatar.js';

const COUNT = 100;

/**
 * Shows a list.
 * @param {string} title
 * @param {object} list
 * @param {(cursor: string|null, prefix: string) => Promise<{cursor: string|null, rows: object[]}>} list.load a
 *   page of rows {user, about: string, act?: string}
 * @param {(row: object) => Promise<void>} [list.act] what the button of a row does; the row goes then
 * @param {boolean} [list.hasSearch] whether names can be looked for by how they begin
 * @param {string} list.empty what is said if there is nobody
 * @param {object} about {nameOf: (user) => string, avatarOf: (user) => string|undefined, renamed: (hear) => end,
 *   which calls `hear` when people are called otherwise}
 * @returns {Promise<null>} once it is put away
 */
export function showPeople(title, { load, act, hasSearch = false, empty }, about) {
  const { dialog, draw, show, end } = openDialogue(title, () => end(null));
  let rows = [];
  let cursor = null;
  let prefix = '';
  let note = '';
  /** The newest question: answers to older ones come too late. */
  let asked = 0;
  let isAsking = false;

  const next = async (isFirst) => {
    asked += 1;
    const mine = asked;
    isAsking = true;
    drawNow();
    try {
      const page = await load(isFirst ? null : cursor, prefix);
      if (mine !== asked) return;
      cursor = page.cursor;
      rows = [...(isFirst ? [] : rows), ...page.rows];
      note = '';
    } catch (error) {
      if (mine === asked) note = `${explain(error)}.`;
    }
    if (mine === asked) isAsking = false;
    drawNow();
  };
  const more = async () => {
    await next(false);
    // The button was hidden meanwhile, and with it the focus.
    const button = dialog.querySelector('.more-rows');
    (button.hidden ? dialog.querySelector('ul') : button).focus();
  };
  const doIt = async (row) => {
    row.isBusy = true;
    note = '';
    drawNow();
    let index = rows.indexOf(row);
    try {
      await act(row);
      index = rows.indexOf(row);
      rows = rows.filter((one) => one !== row);
    } catch (error) {
      note = `${explain(error)}.`;
    }
    row.isBusy = false;
    drawNow();
    // It was on the button, which is gone or was disabled.
    const buttons = dialog.querySelectorAll('.member button');
    (buttons[Math.min(index, buttons.length - 1)] ?? dialog.querySelector('ul')).focus();
  };
  const rowOf = (row) => {
    const { user } = row;
    const name = about.nameOf(user);
    return html`<li class="member" data-user=${user}
      >${avatar(user, name, about.avatarOf(user))}<span class="member-name" dir="auto"
        >${name === user ? user : `${name} · ${user}`}</span
      ><span class="quiet">${row.about}</span>${
        row.act
          ? html`<button type="button" aria-label="${row.act} ${name}" ?disabled=${row.isBusy}
              @click=${() => doIt(row)}>${row.act}</button>`
          : nothing
      }</li>`;
  };
  const typed = ({ target }) => {
    prefix = target.value.trim();
    next(true);
  };
  const field = html`<input type="search" placeholder="User names that begin with …"
    aria-label="User names that begin with" @input=${typed}>`;
  const drawNow = () => {
    const isEmpty = rows.length === 0 && cursor === null && !isAsking;
    draw(html`
      ${hasSearch ? field : nothing}
      <ul class="member-list" tabindex="0">${repeat(rows, (row) => row, rowOf)}</ul>
      <p class="quiet" role="status">${note || (isEmpty ? empty : '')}</p>
      <div class="buttons">
        <button type="button" class="more-rows" ?hidden=${isAsking || cursor === null}
          @click=${more}>Show more</button>
        <button type="submit" class="confirm primary">Close</button>
      </div>`);
  };
  const endRenamed = about.renamed(drawNow);
  next(true);
  return show(hasSearch ? 'input' : '.confirm').finally(endRenamed);
}

/** The members of a room. */
export const membersOf = (room) => ({
  hasSearch: true,
  empty: 'Nobody is called so.',
  async load(cursor, prefix) {
    const page = await room.members({ cursor, count: COUNT, prefix: prefix || undefined });
    const rows = page.members.map(({ user, role }) => ({ user, about: role }));
    return { cursor: page.cursor, rows };
  },
});

/** Who is banned or muted in a room. */
export const sanctionsOf = (room) => ({
  empty: 'Nobody is banned or muted.',
  async load(cursor) {
    const { sanctions, cursor: next } = await room.sanctions({ cursor, count: COUNT });
    const rows = sanctions.flatMap(({ user, banned_until: banned, muted_until: muted }) => [
      ...(isSet(banned)
        ? [{ user, about: `banned${until({ until_ms: banned })}`, act: 'Unban', action: 'unban' }]
        : []),
      ...(isSet(muted)
        ? [{ user, about: `muted${until({ until_ms: muted })}`, act: 'Unmute', action: 'unmute' }]
        : []),
    ]);
    return { cursor: next ?? null, rows };
  },
  act: ({ user, action }) => room.mod(action, user),
});

/** Whom one takes no direct messages from. */
export const blockedBy = (client) => ({
  empty: 'You block nobody.',
  async load(cursor) {
    const room = `@${client.user}`;
    const fields = { room, count: COUNT, ...(cursor === null ? {} : { cursor }) };
    const { sanctions = [], cursor: next } = await client.request('sanctions', fields);
    const rows = sanctions
      .filter(({ banned_until: banned }) => isSet(banned))
      .map(({ user, banned_until: banned }) => ({
        user,
        about: `blocked${until({ until_ms: banned })}`,
        act: 'Unblock',
      }));
    return { cursor: next ?? null, rows };
  },
  act: ({ user }) => client.request('mod', { room: `@${client.user}`, action: 'unban', user }),
});

const isSet = (ms) => ms !== null && ms !== undefined;
