/**
 * What is known of a room, for user interfaces.
 *
 *     const store = createRoomStore(await chat.join('lobby'));
 *     const end = store.subscribe(() => draw(store.getSnapshot()));
 *
 * The one idea: a snapshot never changes. What changed in a room is another object in the next snapshot,
 * what did not is the same one, so a user interface compares objects and draws few.
 *
 * It refuses to keep messages of its own: the room has them.
 */

import { followOf } from './client/room.js';
import { Line } from './room/line.js';
import { report } from './words/emitter.js';
import { ChatError } from './words/error.js';

/** @typedef {import('./client/room.js').Room} Room */
/** @typedef {import('./words/types.js').Message} Message */
/** @typedef {import('./words/types.js').Person} Person */

/** How many of the members' roles are asked for: owners and moderators are among the first. */
const ROLES_COUNT = 200;

/**
 * A message, or a notice that something happened in the room.
 * @typedef {object} ItemState
 * @property {string} key stays the same from the moment a line is written, also when it is stored
 * @property {'message'|'notice'} type
 * @property {'stored'|'pending'|'failed'} state
 * @property {import('./room/line.js').PlainError|null} [error] why it failed
 * @property {number|null} [retryAt] when it is sent again, ms since 1970
 * @property {import('./words/types.js').Frame} [event] of a notice: the event `member` or `room`
 * @property {(() => boolean)} [cancel] of a line of ours that is not stored
 * @property {(() => boolean)} [retry]
 * @typedef {ItemState & Partial<Message>} StoreItem
 *
 * @typedef {object} RoomSnapshot
 * @property {string} name
 * @property {readonly StoreItem[]} items messages and notices, oldest first, and at the end our lines that
 *   are not stored yet
 * @property {string|null} firstUnread the key of the first message that was not read when `look(true)` was
 *   called
 * @property {number} unread 0 while somebody looks
 * @property {number} mentions those among them that mention this user
 * @property {boolean} moreBefore whether there are older messages
 * @property {readonly Person[]} people who is there, as far as it is known
 * @property {number} online how many are there
 * @property {readonly string[]} typing users, without this one
 * @property {ReadonlyMap<string, string>} readers user -> the id up to which that user has read
 * @property {ReadonlyMap<string, string>} roles user -> role, as far as it is known
 * @property {string|null} role
 * @property {string} topic
 * @property {boolean} frozen
 * @property {string} access `open` or `members`
 * @property {number} slowMs
 * @property {number|null} maxText bytes that a text may have
 * @property {number|null} mutedUntil ms since 1970, Infinity: for ever; null: not muted
 * @property {ChatError|null} error why the room cannot be read now
 *
 * @typedef {object} RoomStore
 * @property {Room} room
 * @property {(listener: () => void) => () => void} subscribe calls the listener after changes, once for all
 *   that changed in a turn; returns what ends it
 * @property {() => RoomSnapshot} getSnapshot
 * @property {(count?: number) => Promise<boolean>} older loads older messages; false: there are none
 * @property {(id: string) => Message|null|undefined} quoted a message that another one answers; undefined: it
 *   is on its way, and the store changes when it is there; null: it is gone
 * @property {() => Promise<void>} notices loads what else happened since the first message that is known:
 *   members, settings. Never fails
 * @property {(isLooking: boolean) => void} look whether somebody looks at the room now
 */

/** @type {WeakMap<Room, RoomStore>} */
const STORES = new WeakMap();

/**
 * The store of a room; the same one each time.
 * @param {Room} room
 * @returns {RoomStore}
 */
export function createRoomStore(room) {
  const known = STORES.get(room);
  if (known) return known;
  const store = makeStore(room);
  STORES.set(room, store);
  return store;
}

/**
 * @param {Room} room
 * @returns {RoomStore}
 */
function makeStore(room) {
  const follow = followOf(room);
  const state = follow.room;
  /** @type {Set<() => void>} */
  const listeners = new Set();
  /** @type {WeakMap<object, StoreItem>} */
  let copies = new WeakMap();
  /** @type {RoomSnapshot|null} */
  let snapshot = null;
  /** Parts of the snapshot that stay as they are until their kind of change comes. @type {Map<string, any>} */
  const parts = new Map();
  let isToldSoon = false;

  const part = (/** @type {string} */ name, /** @type {() => any} */ make) => {
    if (!parts.has(name)) parts.set(name, make());
    return parts.get(name);
  };
  const copy = (/** @type {any} */ item) => {
    const made = copies.get(item) ?? copyOf(item, state.user);
    copies.set(item, made);
    return made;
  };

  room.on('change', (changes) => {
    snapshot = null;
    for (const { what, item } of changes) {
      if (what === 'people') for (const name of ['people', 'roles']) parts.delete(name);
      if (what === 'typing' || what === 'receipts') parts.delete(what);
      if (item) copies.delete(item);
      // What it answers may be what changed.
      const answered = item?.reply && state.quoted.get(item.reply);
      if (answered) copies.delete(answered);
      if (what === 'replace') {
        copies = new WeakMap();
        parts.clear();
      }
      if (!['people', 'typing', 'receipts', 'about'].includes(what)) parts.delete('items');
    }
    if (isToldSoon) return;
    isToldSoon = true;
    queueMicrotask(() => {
      isToldSoon = false;
      for (const listener of [...listeners]) {
        try {
          listener();
        } catch (error) {
          report(error);
        }
      }
    });
  });

  return {
    room,
    subscribe(listener) {
      const one = () => listener();
      listeners.add(one);
      return () => void listeners.delete(one);
    },
    getSnapshot() {
      const { firstUnread, problem } = state;
      snapshot ??= Object.freeze({
        name: state.name,
        items: part('items', () => Object.freeze([...state.items, ...state.tail].map(copy))),
        firstUnread: firstUnread && copy(firstUnread).key,
        unread: state.unread,
        mentions: state.mentions,
        moreBefore: state.moreBefore,
        people: part('people', () => Object.freeze([...state.people.values()])),
        online: state.online,
        typing: part('typing', () => Object.freeze([...state.typing.keys()])),
        readers: part('receipts', () => new Map(state.readers)),
        roles: part('roles', () => new Map(state.roles)),
        role: state.role,
        topic: state.topic,
        frozen: state.frozen,
        access: state.access,
        slowMs: state.slowMs,
        maxText: state.maxText,
        mutedUntil: state.mutedUntil,
        error: problem && errorOf(problem),
      });
      return snapshot;
    },
    older: (count = 50) => follow.pages.older(count),
    quoted(id) {
      const item = state.byId.get(id) ?? state.quoted.get(id);
      if (item === undefined) follow.pages.quoted(id);
      return /** @type {any} */ (item && copy(item));
    },
    notices: () => follow.learnNotices(),
    look: (isLooking) => follow.look(isLooking),
  };
}

/** @type {WeakMap<object, ChatError>} */
const ERRORS = new WeakMap();

/** @param {import('./room/line.js').PlainError} problem */
function errorOf(problem) {
  const error = ERRORS.get(problem) ?? new ChatError(problem.code, problem.message, problem);
  ERRORS.set(problem, error);
  return error;
}

/** Of messages that are not stored: they may have no nonce. @type {WeakMap<object, string>} */
const MARKS = new WeakMap();
let marks = 0;

/** @param {object} item */
function mark(item) {
  const known = MARKS.get(item);
  if (known) return known;
  marks += 1;
  const made = `#${marks}`;
  MARKS.set(item, made);
  return made;
}

/**
 * @param {any} item
 * @param {string} user
 * @returns {StoreItem}
 */
function copyOf(item, user) {
  const { inFlight: _inFlight, submitted: _submitted, asOf: _asOf, ...shown } = item;
  const isOurs = item.user === user && item.nonce;
  const key = isOurs || !item.id ? `${item.user} ${item.nonce ?? mark(item)}` : item.id;
  const isLine = item instanceof Line && item.state !== 'stored';
  const acts = isLine ? { cancel: () => item.cancel(), retry: () => item.retry() } : {};
  const reactions = shown.reactions?.map((/** @type {any} */ one) => ({
    ...one,
    users: [...one.users],
  }));
  return Object.freeze({ ...shown, ...(reactions && { reactions }), ...acts, key });
}

/**
 * Learns the roles of a room's members: of the first of them, owners and moderators among these.
 * @param {Room} room
 */
export async function learnRoles(room) {
  const { members } = await room.members({ count: ROLES_COUNT });
  const follow = followOf(room);
  follow.changed(follow.room.setRoles(members));
}

/**
 * What a room is made of, live: for user interfaces that draw change by change, told by the client's event
 * `room`. It is to be read only.
 * @param {Room} room
 */
export const stateOf = (room) => followOf(room).room;

export { isYes } from './room/facts.js';
export { hasEnded } from './room/state.js';
export { candidates, findMentions, mentionsIn, unfinishedMention } from './words/mentions.js';
export { foldedName, nameProblem, visibleName } from './words/names.js';
export { moderates, rank } from './words/roles.js';
