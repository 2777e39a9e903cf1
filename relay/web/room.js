/**
 * What one reader knows of one room: the fold of its events.
 *
 * The one idea: pages replace, events append, and a line of our own is the same object from the
 * moment it is typed until it is stored, so a view can keep one element for it. Every function that
 * changes the room returns the list of changes, small enough to draw one by one:
 *
 *     {what: 'replace'}             everything is new: draw the room again
 *     {what: 'append', item}        one more item, after the others of its kind
 *     {what: 'prepend', items}      older items, in order, before all others
 *     {what: 'settle', item}        a waiting line is stored: it moves up among the stored items
 *     {what: 'update', item}        its state or its text changed
 *     {what: 'remove', items}       they are no longer here
 *     {what: 'people'} {what: 'typing'} {what: 'about'}
 *
 * `items` are stored messages and notices in the room's order; `tail` are lines without an id: ours
 * that wait or failed, and those a relay showed while Redis was away.
 *
 * It refuses to do I/O, to read the clock and to know the page. The order of durable events is the
 * caller's to keep: ask `place` first.
 */

import { compareIds, NOWHERE } from './id.js';

/** How long somebody counts as typing after the last signal, ms. */
export const TYPING_MS = 6000;
/** Ids remembered against late twins. */
const RECENT_IDS = 256;

export class Room {
  /**
   * @param {string} name the room
   * @param {string} user the reader
   */
  constructor(name, user) {
    this.name = name;
    this.user = user;
    /** Id of the last durable event processed; null: no page has come yet. */
    this.cursor = null;
    /** Stored messages and notices, oldest first. */
    this.items = [];
    /** Lines without an id, shown after the items. */
    this.tail = [];
    /** Whether the room holds messages older than the first item. */
    this.moreBefore = false;
    this.role = null;
    this.topic = '';
    /** Users online now, as the room counts them. */
    this.online = 0;
    /** user -> {user, status, connections, since} */
    this.people = new Map();
    /** Whether `people` holds everybody who is online. */
    this.peopleComplete = false;
    /** user -> time (ms) when the typing signal ends */
    this.typing = new Map();
    /** Messages of others since the reader last looked. */
    this.unread = 0;
    /** The first message the reader has not seen; drawn with a mark. */
    this.firstUnread = null;
    /** Why it cannot be read, or that it `ENDED`: {code, message, …}; null: all is well. */
    this.problem = null;
    this.background = true;
    this.byId = new Map();
    this.recent = [];
    this.presenceDuringWho = null;
  }

  /**
   * Where a durable event stands: `next` follows the cursor, `known` has been processed, `gap` is
   * neither: only the relay can tell what is missing, or that the past changed.
   */
  place(event) {
    if (this.cursor === null) return 'gap';
    if (event.prev === this.cursor) return 'next';
    if (this.byId.has(event.id) || this.recent.includes(event.id)) return 'known';
    return 'gap';
  }

  /** Folds one event in; durable ones in the room's order. */
  apply(event, nowMs) {
    const changes = [];
    if (event.id !== undefined) this.#advance(event.id);
    const fold = FOLDS[event.type];
    if (fold) fold(this, event, changes, nowMs);
    return changes;
  }

  /** Puts a page in place of everything stored. Waiting lines stay unless the page has them. */
  replace(page) {
    const waiting = this.tail.filter((item) => item.user === this.user && !item.ephemeral);
    this.items = [];
    this.tail = waiting;
    this.byId.clear();
    this.recent = [];
    this.firstUnread = null;
    const isStillEnded = page.last === NOWHERE && (page.role ?? null) === null;
    if (this.problem?.code !== 'ENDED' || !isStillEnded) this.problem = null;
    for (const event of page.events) this.#insert(event, this.items.length);
    if (this.background && this.cursor !== null) this.#countUnread(this.cursor);
    this.cursor = page.last;
    this.moreBefore = Boolean(page.more);
    if (page.role !== undefined) this.role = page.role;
    if (page.online !== undefined) this.online = page.online;
    this.#dropPassed();
    return [{ what: 'replace' }, { what: 'about' }];
  }

  /** Folds the answer to "what have I missed since my cursor?". */
  catchUp(answer, nowMs) {
    const changes = [];
    for (const event of answer.events) {
      if (this.place(event) === 'known') continue;
      changes.push(...this.apply(event, nowMs));
    }
    if (!answer.more) this.cursor = answer.last;
    if (answer.role !== undefined) this.role = answer.role;
    if (answer.online !== undefined) this.online = answer.online;
    this.problem = null;
    const passed = this.#dropPassed();
    if (passed.length) changes.push({ what: 'remove', items: passed });
    changes.push({ what: 'about' });
    return changes;
  }

  /** Puts a page of older messages before all others. */
  prepend(page) {
    const items = [];
    for (const event of page.events) {
      if (this.byId.has(event.id)) continue;
      items.push(this.#insert(event, items.length));
    }
    this.moreBefore = Boolean(page.more);
    return [{ what: 'prepend', items }, { what: 'about' }];
  }

  /** The id to ask older messages before; null: there is nothing to ask from. */
  oldest() {
    return this.items.find((item) => item.type === 'message' && item.id)?.id ?? null;
  }

  /** Shows a line of our own that is not stored yet. */
  addLine(line) {
    this.tail.push(line);
    return [{ what: 'append', item: line }];
  }

  /** Takes away a line that will not be stored. */
  removeLine(nonce, user = this.user) {
    const line = this.tail.find((item) => item.nonce === nonce && item.user === user);
    if (!line) return [];
    this.tail = this.tail.filter((item) => item !== line);
    return [{ what: 'remove', items: [line] }];
  }

  /** The relay knows the stored id of a line. The event itself may come now, or have passed. */
  acknowledge(line, id) {
    line.acknowledged = id;
    const items = this.#dropPassed();
    return items.length ? [{ what: 'remove', items }] : [];
  }

  /** Forgets what another relay showed without it being stored. */
  dropLocal() {
    const items = this.tail.filter((item) => item.local && item.user !== this.user);
    this.tail = this.tail.filter((item) => !items.includes(item));
    for (const item of this.tail) item.local = false;
    return items.length ? [{ what: 'remove', items }] : [];
  }

  /** Keeps memory bounded: forgets the oldest items beyond `most`; history brings them back. */
  trim(most) {
    if (this.items.length <= most) return [];
    const items = this.items.splice(0, this.items.length - most);
    for (const item of items) this.byId.delete(item.id);
    this.moreBefore = true;
    return [{ what: 'remove', items }, { what: 'about' }];
  }

  /** The room ended, or we may no longer read it. What it held is gone. */
  end(problem) {
    const changes = this.replace({ events: [], last: NOWHERE, more: false, online: 0 });
    this.people.clear();
    this.typing.clear();
    this.problem = problem;
    return [...changes, { what: 'people' }, { what: 'typing' }];
  }

  /** A question "who is here?" is on its way: presence events must not get lost meanwhile. */
  expectPeople() {
    this.presenceDuringWho = [];
  }

  /**
   * The answer. Presence events carry the resulting state, so those that came meanwhile are applied
   * again on top, whichever side of the answer they belong to.
   */
  setPeople(list, users, complete) {
    const meanwhile = this.presenceDuringWho ?? [];
    this.presenceDuringWho = null;
    this.people = new Map(list.map((person) => [person.user, person]));
    this.peopleComplete = complete;
    this.online = users;
    for (const event of meanwhile) FOLDS.presence(this, event, []);
    return [{ what: 'people' }, { what: 'about' }];
  }

  /** Whether the list of people contradicts the count: `who` should be asked again. */
  peopleDoubtful() {
    return this.peopleComplete && this.people.size !== this.online;
  }

  /** Ends typing signals that are over. */
  expireTyping(nowMs) {
    const before = this.typing.size;
    for (const [user, end] of this.typing) if (end <= nowMs) this.typing.delete(user);
    return this.typing.size === before ? [] : [{ what: 'typing' }];
  }

  /** The reader looks at the room, or away from it. */
  setBackground(background) {
    if (background === this.background) return [];
    this.background = background;
    if (background) {
      const mark = this.firstUnread;
      this.firstUnread = null;
      return mark ? [{ what: 'update', item: mark }] : [];
    }
    this.unread = 0;
    return [{ what: 'about' }];
  }

  /** What a page brought that lies after the position we had. */
  #countUnread(cursor) {
    for (const item of this.items) {
      if (item.user === this.user || compareIds(item.id, cursor) <= 0) continue;
      this.unread += 1;
      this.firstUnread ??= item;
    }
  }

  #advance(id) {
    if (this.cursor !== null) this.recent.push(this.cursor);
    if (this.recent.length > RECENT_IDS) this.recent.shift();
    this.cursor = id;
  }

  /** A message from a page. One of our waiting lines may be it. */
  #insert(event, index) {
    const item = this.takeLine(event) ?? {};
    Object.assign(item, messageItem(event));
    this.items.splice(index, 0, item);
    if (item.id) this.byId.set(item.id, item);
    return item;
  }

  /** The waiting line that this event is the stored form of, taken out of the tail. */
  takeLine(event) {
    if (event.nonce === undefined) return null;
    const index = this.tail.findIndex(
      (item) => item.nonce === event.nonce && item.user === event.user,
    );
    return index < 0 ? null : this.tail.splice(index, 1)[0];
  }

  /**
   * Lines whose stored id is known and behind the cursor, but which are not among the items: they
   * lie before the page we have, or were deleted since. History tells, not we.
   */
  #dropPassed() {
    if (this.cursor === null) return [];
    const passed = this.tail.filter(
      (item) => item.acknowledged && compareIds(item.acknowledged, this.cursor) <= 0,
    );
    this.tail = this.tail.filter((item) => !passed.includes(item));
    return passed;
  }
}

/** One row per type of event that shows; any other only moves the cursor. */
const FOLDS = {
  message(room, event, changes, nowMs) {
    if (room.typing.delete(event.user)) changes.push({ what: 'typing' });
    if (room.problem?.code === 'ENDED') {
      room.problem = null;
      changes.push({ what: 'about' });
    }
    if (event.local) return showLocal(room, event, changes, nowMs);
    const line = room.takeLine(event);
    const item = Object.assign(line ?? {}, messageItem(event));
    room.items.push(item);
    if (item.id) room.byId.set(item.id, item);
    changes.push({ what: line ? 'settle' : 'append', item });
    if (event.user !== room.user && room.background) {
      room.unread += 1;
      room.firstUnread ??= item;
      changes.push({ what: 'about' });
    }
    return undefined;
  },

  member(room, event, changes) {
    const { user, kind, role } = event;
    if (user === room.user) {
      if (role !== undefined) room.role = role;
      else if (LOSES_MEMBERSHIP.has(kind)) room.role = null;
      changes.push({ what: 'about' });
    }
    if (event.id !== undefined) addNotice(room, event, changes);
  },

  room(room, event, changes) {
    if (event.data?.topic !== undefined) room.topic = event.data.topic;
    addNotice(room, event, changes);
    changes.push({ what: 'about' });
  },

  presence(room, event, changes) {
    room.presenceDuringWho?.push(event);
    const { user, kind } = event;
    if (kind === 'leave') {
      room.people.delete(user);
      if (room.typing.delete(user)) changes.push({ what: 'typing' });
    } else {
      const known = room.people.get(user) ?? { user, connections: 1, since: event.ts };
      room.people.set(user, { ...known, status: event.status ?? '' });
    }
    if (event.users !== undefined) room.online = event.users;
    changes.push({ what: 'people' }, { what: 'about' });
  },

  signal(room, event, changes, nowMs) {
    if (event.name !== 'typing' || event.user === room.user) return;
    room.typing.set(event.user, nowMs + TYPING_MS);
    changes.push({ what: 'typing' });
  },
};

const LOSES_MEMBERSHIP = new Set(['leave', 'kick', 'ban']);

function addNotice(room, event, changes) {
  const item = { type: 'notice', state: 'stored', id: event.id, ts: event.ts, event };
  room.items.push(item);
  room.byId.set(item.id, item);
  changes.push({ what: 'append', item });
}

function messageItem(event) {
  const { id = null, user, kind = 'text', text = '', ts, nonce = null, m = null } = event;
  const { meta = null, reply = null, mentions = null } = event;
  return {
    type: 'message', state: 'stored', id, user, kind, text, ts, nonce, m, meta, reply, mentions,
    local: false, ephemeral: id === null, error: null, retryAt: null,
  };
}

/** What a relay shows of a line that waits for Redis. */
function showLocal(room, event, changes, nowMs) {
  const { user, nonce, ts = nowMs } = event;
  const line = room.tail.find((item) => item.nonce === nonce && item.user === user);
  const item = line ?? messageItem({ ...event, id: undefined, ts });
  Object.assign(item, { state: 'pending', local: true, ephemeral: false });
  if (!line) room.tail.push(item);
  changes.push({ what: line ? 'update' : 'append', item });
}
