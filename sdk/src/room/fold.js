/**
 * How each type of event changes what is known of a room.
 *
 * The one idea: one row per type of event that shows; any other only moves the cursor. Events that
 * change a message already said are in amend.js.
 *
 * It refuses to judge the order of events.
 */

import { compareIds } from '../words/id.js';
import { amend, concerns, messageItem } from './amend.js';
import { isYes } from './facts.js';

/** @typedef {import('./state.js').RoomState} RoomState */
/** @typedef {import('./state.js').Change} Change */
/** @typedef {import('../words/types.js').Frame} Frame */
/** @typedef {(room: RoomState, event: Frame, changes: Change[], nowMs: number) => void} Fold */

/** How long somebody counts as typing after the last signal, ms. */
export const TYPING_MS = 6000;

const LOSES_MEMBERSHIP = new Set(['leave', 'kick', 'ban']);

/** @type {Readonly<Record<string, Fold>>} */
const ROWS = {
  message(room, event, changes) {
    if (room.typing.delete(event.user)) changes.push({ what: 'typing' });
    if (room.problem?.code === 'ENDED' || room.problem?.code === 'NEW') {
      room.problem = null;
      changes.push({ what: 'about' });
    }
    if (event.local) {
      showLocal(room, event, changes);
      return;
    }
    const line = room.takeLine(event);
    const item = Object.assign(line ?? {}, messageItem(event));
    room.items.push(item);
    if (item.id) room.byId.set(item.id, item);
    changes.push({ what: line ? 'settle' : 'append', item });
    if (room.background && room.counts.add(item)) {
      room.firstUnread ??= item;
      changes.push({ what: 'about' });
    }
  },

  member(room, event, changes) {
    const { user, kind, role, until } = event;
    if (user === room.user) {
      if (role !== undefined) room.role = role;
      else if (LOSES_MEMBERSHIP.has(kind)) room.role = null;
      if (kind === 'mute') room.setMuted(until ?? 0);
      if (kind === 'unmute') room.setMuted(null);
      changes.push({ what: 'about' });
    }
    if (role !== undefined) room.roles.set(user, role);
    else if (LOSES_MEMBERSHIP.has(kind)) room.roles.delete(user);
    changes.push({ what: 'people' });
    if (event.id !== undefined) addNotice(room, event, changes);
  },

  /** What a user left in the room goes: in messages here, quoted or on their way; and notices. */
  erase(room, event, changes) {
    const { user } = event;
    for (const meanwhile of room.meanwhile) meanwhile.push(event);
    const names = (/** @type {Frame} */ { event: { user: of, by } }) => of === user || by === user;
    const notices = room.items.filter((item) => item.type === 'notice' && names(item));
    room.items = room.items.filter((item) => !notices.includes(item));
    for (const { id } of notices) room.byId.delete(id);
    if (notices.length) changes.push({ what: 'remove', items: notices });
    for (const item of room.items) {
      if (item.type !== 'message' || (item.id !== null && !concerns(event, item.id))) continue;
      if (item.user === user) room.counts.take(item, event.id);
      if (amend(item, event)) changes.push({ what: 'update', item });
    }
    for (const [id, quoted] of room.quoted) {
      if (!quoted || !concerns(event, id) || !amend(quoted, event)) continue;
      for (const item of room.items) {
        if (item.reply === id) changes.push({ what: 'update', item });
      }
    }
    room.roles.delete(user);
    if (room.readers.delete(user)) changes.push({ what: 'receipts' });
    if (user === room.user) room.role = null;
    if (room.typing.delete(user)) changes.push({ what: 'typing' });
    changes.push({ what: 'people' }, { what: 'about' });
    // How many of them lie before what is here is not known.
    if (room.unread > 0) changes.push({ what: 'doubt' });
  },

  room(room, event, changes) {
    const { topic, frozen, slow, access, max_text: maxText } = event.data ?? {};
    if (topic !== undefined) room.topic = topic;
    if (frozen !== undefined) room.frozen = isYes(frozen);
    if (slow !== undefined) room.slowMs = Number(slow) || 0;
    if (access !== undefined) room.access = access;
    // `default` is a number of the server, which is not told here.
    if (maxText !== undefined) room.maxText = Number(maxText) || null;
    addNotice(room, event, changes);
    changes.push({ what: 'about' });
  },

  presence(room, event, changes) {
    room.presenceDuringWho?.push(event);
    if (applyPresence(room, event)) changes.push({ what: 'typing' });
    changes.push({ what: 'people' }, { what: 'about' });
  },

  /** A crowded room tells only how many are there; who they are is not known any longer. */
  occupancy(room, event, changes) {
    room.presenceDuringWho?.push(event);
    room.online = event.users;
    room.isCrowded = true;
    room.peopleComplete = false;
    changes.push({ what: 'people' }, { what: 'about' });
  },

  signal(room, event, changes, nowMs) {
    if (event.name !== 'typing' || event.user === room.user) return;
    room.typing.set(event.user, nowMs + TYPING_MS);
    changes.push({ what: 'typing' });
  },

  read(room, { user, ref }, changes) {
    const known = room.readers.get(user);
    if (user === room.user || (known && compareIds(ref, known) <= 0)) return;
    room.readers.set(user, ref);
    changes.push({ what: 'receipts' });
  },
};

/** By type of event. @type {ReadonlyMap<string, Fold>} */
export const FOLDS = new Map(Object.entries(ROWS));

/**
 * Takes the resulting state of a presence event over.
 * @param {RoomState} room
 * @param {Frame} event
 * @returns {boolean} whether typing ended
 */
export function applyPresence(room, event) {
  const { user, kind } = event;
  if (event.users !== undefined) room.online = event.users;
  if (kind === 'leave') {
    room.people.delete(user);
    return room.typing.delete(user);
  }
  const known = room.people.get(user) ?? { user, connections: 1, since: event.ts };
  room.people.set(user, { ...known, status: event.status ?? '' });
  return false;
}

/**
 * @param {RoomState} room
 * @param {Frame} event
 * @param {Change[]} changes
 */
function addNotice(room, event, changes) {
  const item = noticeItem(event);
  room.items.push(item);
  room.byId.set(item.id, item);
  changes.push({ what: 'append', item });
}

/**
 * @param {Frame} event `member` or `room`
 * @returns {import('./state.js').Item}
 */
export const noticeItem = (event) => ({
  type: 'notice',
  state: 'stored',
  id: event.id,
  ts: event.ts,
  event,
});

/**
 * What a relay shows of a line that waits for Redis.
 * @param {RoomState} room
 * @param {Frame} event
 * @param {Change[]} changes
 */
function showLocal(room, event, changes) {
  const { user, nonce, ts = Date.now() } = event;
  const line = room.tail.find((item) => item.nonce === nonce && item.user === user);
  const item = line ?? messageItem({ ...event, id: undefined, ts });
  Object.assign(item, { state: 'pending', local: true, ephemeral: false });
  if (!line) room.tail.push(item);
  changes.push({ what: line ? 'update' : 'append', item });
}
