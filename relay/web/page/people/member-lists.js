/**
 * Lists of people that one asks for: the members of a room, who is banned or muted there, whom one blocks.
 *
 * The one idea: a dialogue with one page after another, and beside each row the one thing to do about it.
 *
 * It refuses to know what is done: it says what was chosen.
 */

import { make, makeButton, setText } from '../elements.js';
import { openDialogue } from '../overlays/dialogue.js';
import { explain, until } from '../words.js';
import { dressAvatar, makeAvatar } from './avatar.js';

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
  const { form, show, end } = openDialogue(title);
  const field = make('input');
  field.type = 'search';
  field.placeholder = 'User names that begin with …';
  field.setAttribute('aria-label', 'User names that begin with');
  const list = make('ul', 'member-list');
  list.tabIndex = 0;
  const note = make('p', 'quiet');
  note.setAttribute('role', 'status');
  const more = makeButton('more-rows', 'Show more');
  const close = makeButton('confirm primary', 'Close');
  const buttons = make('div', 'buttons');
  buttons.append(more, close);
  form.append(...(hasSearch ? [field] : []), list, note, buttons);
  let cursor = null;
  /** The newest question: answers to older ones come too late. */
  let asked = 0;

  const next = async (isFirst) => {
    asked += 1;
    const mine = asked;
    more.hidden = true;
    try {
      const page = await load(isFirst ? null : cursor, field.value.trim());
      if (mine !== asked) return;
      cursor = page.cursor;
      if (isFirst) list.replaceChildren();
      list.append(...page.rows.map(makeRow));
      sayIfEmpty();
      more.hidden = cursor === null;
    } catch (error) {
      if (mine === asked) setText(note, `${explain(error)}.`);
    }
  };
  const sayIfEmpty = () => {
    setText(note, list.childElementCount || cursor !== null ? '' : empty);
  };
  /** Shows what the person of a row is called now. */
  const dress = (item) => {
    const { user } = item.dataset;
    const name = about.nameOf(user);
    dressAvatar(item.querySelector('.avatar'), user, name, about.avatarOf(user));
    setText(item.querySelector('.member-name'), name === user ? user : `${name} · ${user}`);
    const button = item.querySelector('button');
    button?.setAttribute('aria-label', `${button.textContent} ${name}`);
  };
  const makeRow = (row) => {
    const { user } = row;
    const item = make('li', 'member');
    item.dataset.user = user;
    const words = make('span', 'member-name');
    words.dir = 'auto';
    item.append(makeAvatar(), words, make('span', 'quiet', row.about));
    if (row.act) {
      const button = makeButton('', row.act);
      button.addEventListener('click', async () => {
        button.disabled = true;
        setText(note, '');
        try {
          await act(row);
          const beside = item.nextElementSibling ?? item.previousElementSibling;
          item.remove();
          (beside?.querySelector('button') ?? list).focus();
          sayIfEmpty();
        } catch (error) {
          button.disabled = false;
          button.focus();
          setText(note, `${explain(error)}.`);
        }
      });
      item.append(button);
    }
    dress(item);
    return item;
  };
  field.addEventListener('input', () => next(true));
  more.addEventListener('click', () => next(false));
  close.addEventListener('click', () => end(null));
  form.addEventListener('submit', (event) => event.preventDefault());
  const endRenamed = about.renamed(() => [...list.children].forEach(dress));
  next(true);
  return show(hasSearch ? field : close).finally(endRenamed);
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
