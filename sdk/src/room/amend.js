/**
 * What becomes of a message after it was said: edited, deleted, reacted to, its author erased.
 *
 * The one idea: a message knows the id as of which it is shown, its own or that of the page that
 * brought it; only what happened later changes it. So each change counts once, whichever way the
 * message and the change arrived.
 *
 * An event that has lost its content (its message was deleted since, or trimmed) says nothing.
 *
 * It refuses to know rooms.
 */

import { compareIds } from '../words/id.js';

/** @typedef {import('./state.js').Item} Item */
/** @typedef {import('../words/types.js').Frame} Frame */

/** As many of those who reacted are named. */
export const NAMED_MOST = 10;

/**
 * Whether events of this type change messages.
 * @param {string} type
 */
export const isAmendment = (type) => Object.hasOwn(AMENDMENTS, type);

/**
 * Whether an edit, delete or react event refers to this message, or an erase event reaches it.
 * @param {Frame} event
 * @param {string} id
 */
export const concerns = (event, id) =>
  event.type === 'erase' ? compareIds(id, event.ref) <= 0 : id === event.ref;

/**
 * Folds an edit, delete, react or erase event into a message that it concerns.
 * @param {Item} item
 * @param {Frame} event
 * @returns {boolean} whether anything is to be drawn
 */
export function amend(item, event) {
  if (item.asOf !== null && compareIds(event.id, item.asOf) <= 0) return false;
  item.asOf = event.id;
  if (event.type === 'erase') return eraseUser(item, event);
  return item.deleted === null && Boolean(AMENDMENTS[event.type]?.(item, event));
}

/** What a deleted message says. */
const EMPTY = { text: '', meta: null, reply: null, mentions: null, edited: null };

/** By type of event. @type {Readonly<Record<string, (item: Item, event: Frame) => boolean>>} */
const AMENDMENTS = {
  edit(item, { text, meta = null, ts }) {
    if (text === undefined) return false;
    Object.assign(item, { text, meta, edited: ts });
    return true;
  },

  delete(item, { user, ts, reason = null }) {
    const by = user === item.user ? null : user;
    Object.assign(item, EMPTY, { reactions: [], deleted: ts, by, reason });
    return true;
  },

  react(item, { user, emoji, removed }) {
    if (emoji === undefined || user === undefined) return false;
    const known = item.reactions.find((/** @type {Frame} */ reaction) => reaction.emoji === emoji);
    if (removed) {
      if (!known) return false;
      known.count -= 1;
      known.users = known.users.filter((/** @type {string} */ name) => name !== user);
      if (known.count <= 0)
        item.reactions = item.reactions.filter((/** @type {Frame} */ one) => one !== known);
    } else if (known) {
      known.count += 1;
      if (known.users.length < NAMED_MOST) known.users.push(user);
    } else item.reactions.push({ emoji, count: 1, users: [user] });
    return true;
  },
};

/**
 * What a user left in a message goes; where a name must stay, the alias takes its place.
 * @param {Item} item
 * @param {Frame} event
 */
function eraseUser(item, { user, as, ts }) {
  if (item.user === user) {
    if (item.deleted === null) Object.assign(item, EMPTY, { reactions: [], deleted: ts, by: null });
    Object.assign(item, { user: as, nonce: null, reason: null });
    return true;
  }
  let isChanged = false;
  if (item.by === user) {
    Object.assign(item, { by: as, reason: null });
    isChanged = true;
  }
  if (item.mentions?.includes(user)) {
    item.mentions = item.mentions.map((/** @type {string} */ name) => (name === user ? as : name));
    isChanged = true;
  }
  for (const { emoji, users } of [...item.reactions]) {
    if (users.includes(user)) {
      isChanged = Boolean(AMENDMENTS.react?.(item, { user, emoji, removed: true })) || isChanged;
    }
  }
  return isChanged;
}

/**
 * The message of an event.
 * @param {Frame} event
 * @param {string|null} asOf the position of the page it came with, if it came with one
 * @returns {Item}
 */
export function messageItem(event, asOf = event.id ?? null) {
  const { id = null, user, kind = 'text', text = '', ts, nonce = null, m = null } = event;
  const { meta = null, reply = null, mentions = null, edited = null } = event;
  const { deleted = null, by = null, reason = null, reactions = [] } = event;
  return {
    type: 'message',
    state: 'stored',
    id,
    user,
    kind,
    text,
    ts,
    nonce,
    m,
    meta,
    reply,
    mentions,
    edited,
    deleted,
    by,
    reason,
    asOf,
    reactions: reactions.map((/** @type {Frame} */ { emoji, count, users }) => ({
      emoji,
      count,
      users: [...users],
    })),
    local: false,
    ephemeral: id === null,
    error: null,
    retryAt: null,
  };
}
