/**
 * What one reader knows of one room: the fold of its events (fold.js, amend.js) over its pages.
 *
 * The one idea: pages replace, events append, and a line of our own is the same object from the
 * moment it is typed until it is stored, so a view can keep one element for it. Every function that
 * changes the room returns the list of changes, small enough to draw one by one:
 *
 *     {what: 'replace'}             everything is new: draw the room again
 *     {what: 'append', item}        one more item, after the others of its kind
 *     {what: 'prepend', items}      older items, in order, before all others
 *     {what: 'insert', item}        a notice of the past, at its place among the stored items
 *     {what: 'settle', item}        a waiting line is stored: it moves up among the stored items
 *     {what: 'update', item}        its state or its text changed
 *     {what: 'remove', items}       they are no longer here
 *     {what: 'people'} {what: 'typing'} {what: 'about'} {what: 'receipts'}
 *     {what: 'doubt'}               what is unread is not known exactly: ask the room
 *
 * `items` are stored messages and notices in the room's order; `tail` are lines without an id: ours
 * that wait or failed, and those a relay showed while Redis was away.
 *
 * It refuses to do I/O, to read the clock and to know the page. The order of durable events is the
 * caller's to keep: ask `place` first.
 */

import { compareIds, NOWHERE } from '../words/id.js';
import { amend, concerns, isAmendment, messageItem } from './amend.js';
import { RoomFacts } from './facts.js';
import { applyPresence, FOLDS, noticeItem } from './fold.js';
import { Unread } from './unread.js';

export { TYPING_MS } from './fold.js';

/** @typedef {Record<string, any>} Item a message, a notice or a line of ours */
/** @typedef {import('../words/types.js').Frame} Frame */
/** @typedef {import('../words/types.js').Person} Person */
/** @typedef {import('./line.js').Line} Line */
/** @typedef {import('./line.js').PlainError} PlainError */
/** @typedef {{what: string, item?: any, items?: any[]}} Change see above */

/** Events that are shown, and are no messages. */
const NOTICES = new Set(['member', 'room']);
/** Ids remembered against late twins. */
const RECENT_IDS = 256;

/**
 * Whether a room's problem is that there is nothing to read: writing there makes it anew.
 * @param {PlainError|null} problem
 */
export const hasEnded = (problem) => problem?.code === 'ENDED' || problem?.code === 'NEW';

export class RoomState extends RoomFacts {
  /**
   * @param {string} name the room
   * @param {{user: string}} me the reader
   */
  constructor(name, me) {
    super();
    this.name = name;
    this.me = me;
    /** Whether the reader looks at what is not the newest: then nothing is trimmed. */
    this.readingBack = false;
    /** Whether it is the room of two people. */
    this.isDirect = name.startsWith('dm:');
    /** Id of the last durable event processed; null: no page has come yet. @type {string|null} */
    this.cursor = null;
    /** Stored messages and notices, oldest first. @type {Item[]} */
    this.items = [];
    /** Lines without an id, shown after the items. @type {any[]} */
    this.tail = [];
    /** Whether the room holds messages older than the first item. */
    this.moreBefore = false;
    /** Users online now, as the room counts them. */
    this.online = 0;
    /** user -> {user, status, connections, since} @type {Map<string, Person>} */
    this.people = new Map();
    /** Whether `people` holds everybody who is online. */
    this.peopleComplete = false;
    /** Whether the room is so full that it tells only how many are online. */
    this.isCrowded = false;
    /** user -> time (ms) when the typing signal ends @type {Map<string, number>} */
    this.typing = new Map();
    /** What the reader has not read. */
    this.counts = new Unread(me);
    /** user -> id up to which that user has read, as far as it was told @type {Map<string, string>} */
    this.readers = new Map();
    /** Messages that are quoted but not among the items: id -> item, or null: gone. @type {Map<string, Item|null|undefined>} */
    this.quoted = new Map();
    /** The first message the reader has not seen; drawn with a mark. @type {Item|null} */
    this.firstUnread = null;
    /**
     * Why it cannot be read, that it `ENDED`, or that it is a direct room not yet made (`NEW`):
     * {code, message, …}; null: all is well.
     * @type {PlainError|null}
     */
    this.problem = null;
    this.background = true;
    /** @type {Map<string, Item>} */
    this.byId = new Map();
    /** @type {string[]} */
    this.recent = [];
    /** @type {Frame[]|null} */
    this.presenceDuringWho = null;
    /** Position from which what is new is marked while the reader looks; null: nothing is. @type {string|null} */
    this.markAfter = null;
    /** Whether the reader came before it was known what is unread. */
    this.awaitsCount = false;
    /** For each page on its way: what happened to messages meanwhile. @type {Set<Frame[]>} */
    this.meanwhile = new Set();
    /** Events that were folded in and not told yet. @type {Frame[]} */
    this.applied = [];
  }

  /** The reader. */
  get user() {
    return this.me.user;
  }

  get unread() {
    return this.counts.count;
  }

  get mentions() {
    return this.counts.mentions;
  }

  /**
   * Where a durable event stands: `next` follows the cursor, `known` has been processed, `gap` is
   * neither: only the relay can tell what is missing, or that the past changed.
   * @param {Frame} event
   */
  place(event) {
    if (this.cursor === null) return 'gap';
    if (event.prev === this.cursor) return 'next';
    if (this.byId.has(event.id) || this.recent.includes(event.id)) return 'known';
    return 'gap';
  }

  /**
   * Folds one event in; durable ones in the room's order.
   * @param {Frame} event
   * @param {number} nowMs
   */
  apply(event, nowMs) {
    /** @type {Change[]} */
    const changes = [];
    if (event.id !== undefined) this.#advance(event.id);
    this.applied.push(event);
    if (isAmendment(event.type)) {
      this.#amend(event, changes);
      return changes;
    }
    FOLDS.get(event.type)?.(this, event, changes, nowMs);
    return changes;
  }

  /**
   * Puts a page in place of everything stored. Waiting lines stay unless the page has them.
   * @param {Frame} page
   */
  replace(page) {
    const waiting = this.tail.filter((item) => item.user === this.user && !item.ephemeral);
    this.items = [];
    this.tail = waiting;
    this.byId.clear();
    this.quoted.clear();
    this.readers.clear();
    this.recent = [];
    this.firstUnread = null;
    const isStillEnded = page.last === NOWHERE && (page.role ?? null) === null;
    if (!hasEnded(this.problem) || !isStillEnded) this.problem = null;
    for (const event of page.events) this.#insert(event, this.items.length, page.last);
    // The inbox may have counted before the first page was made.
    const known = this.cursor ?? this.counts.countedTo;
    if (this.background && known !== null) this.#countUnread(known);
    this.cursor = page.last;
    this.#mark();
    this.moreBefore = Boolean(page.more);
    if (page.role !== undefined) this.role = page.role;
    if (page.online !== undefined) this.online = page.online;
    this.#dropPassed();
    return [{ what: 'replace' }, { what: 'about' }];
  }

  /**
   * Folds the answer to "what have I missed since my cursor?".
   * @param {Frame} answer
   * @param {number} nowMs
   */
  catchUp(answer, nowMs) {
    /** @type {Change[]} */
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

  /**
   * A page of older messages is asked for: what happens to messages before it comes may not yet be
   * in it.
   * @returns {object[]} to be handed over with the page, or to `forgetPage`
   */
  expectPage() {
    /** @type {Frame[]} */
    const meanwhile = [];
    this.meanwhile.add(meanwhile);
    return meanwhile;
  }

  /** @param {Frame[]} meanwhile */
  forgetPage(meanwhile) {
    this.meanwhile.delete(meanwhile);
  }

  /**
   * Puts a page of older messages before all others.
   * @param {Frame} page
   * @param {Frame[]} [meanwhile]
   */
  prepend(page, meanwhile = []) {
    const items = [];
    for (const event of page.events) {
      if (this.byId.has(event.id)) continue;
      const item = this.#insert(event, items.length, page.last);
      for (const later of meanwhile) if (concerns(later, item.id)) amend(item, later);
      items.push(item);
    }
    this.moreBefore = Boolean(page.more);
    const before = this.firstUnread;
    this.#mark();
    /** @type {Change[]} */
    const changes = [{ what: 'prepend', items }, { what: 'about' }];
    if (before && before !== this.firstUnread) changes.push({ what: 'update', item: before });
    return changes;
  }

  /**
   * Puts notices of the past at their places: pages have only messages.
   * @param {Frame[]} events what came after the first item
   * @returns {Change[]}
   */
  insertNotices(events) {
    const oldest = this.oldest();
    const isMissing = (/** @type {Frame} */ { type, id }) =>
      NOTICES.has(type)
      && !this.byId.has(id)
      && oldest !== null
      && compareIds(id, oldest) > 0
      && compareIds(id, this.cursor ?? NOWHERE) <= 0;
    return events.filter(isMissing).map((event) => {
      const item = noticeItem(event);
      const at =
        this.items.findLastIndex(({ id }) => id !== null && compareIds(id, event.id) < 0) + 1;
      this.items.splice(at, 0, item);
      this.byId.set(event.id, item);
      return { what: 'insert', item };
    });
  }

  /**
   * Keeps a message that is quoted; undefined: it is gone.
   * @param {string} id
   * @param {Frame|null} [event]
   * @param {string|null} [last]
   * @param {Frame[]} [meanwhile]
   */
  quote(id, event = null, last = null, meanwhile = []) {
    const item = event ? messageItem(event, last) : null;
    for (const later of meanwhile) if (item && concerns(later, id)) amend(item, later);
    this.quoted.set(id, item);
    const answers = this.items.filter((one) => one.reply === id);
    return answers.map((one) => ({ what: 'update', item: one }));
  }

  /** The id of the newest message; null: none is known. */
  newest() {
    return this.items.findLast((item) => item.type === 'message' && item.id)?.id ?? null;
  }

  /** The id to ask older messages before; null: there is nothing to ask from. */
  oldest() {
    return this.items.find((item) => item.type === 'message' && item.id)?.id ?? null;
  }

  /**
   * Shows a line of our own that is not stored yet.
   * @param {Line} line
   */
  addLine(line) {
    this.tail.push(line);
    return [{ what: 'append', item: line }];
  }

  /**
   * Takes away a line that will not be stored.
   * @param {string|null} nonce
   * @param {string} [user]
   */
  removeLine(nonce, user = this.user) {
    const line = this.tail.find((item) => item.nonce === nonce && item.user === user);
    if (!line) return [];
    this.tail = this.tail.filter((item) => item !== line);
    return [{ what: 'remove', items: [line] }];
  }

  /**
   * The relay knows the stored id of a line. The event itself may come now, or have passed.
   * @param {Line} line
   * @param {string} id
   */
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

  /**
   * Keeps memory bounded: forgets the oldest items beyond `most`; history brings them back.
   * @param {number} most
   */
  trim(most) {
    if (this.items.length <= most) return [];
    const items = this.items.splice(0, this.items.length - most);
    for (const { id, reply } of items) {
      this.byId.delete(id);
      if (!this.items.some((item) => item.reply === reply)) this.quoted.delete(reply);
    }
    this.moreBefore = true;
    return [{ what: 'remove', items }, { what: 'about' }];
  }

  /**
   * The room ended, or we may no longer read it. What it held is gone.
   * @param {PlainError|null} problem
   */
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
   * @param {Person[]} list
   * @param {number} users
   * @param {boolean} complete
   */
  setPeople(list, users, complete) {
    const meanwhile = this.presenceDuringWho ?? [];
    this.presenceDuringWho = null;
    this.people = new Map(list.map((person) => [person.user, person]));
    this.peopleComplete = complete;
    this.online = users;
    this.isCrowded = false;
    for (const event of meanwhile) {
      if (event.type === 'presence') applyPresence(this, event);
      else FOLDS.get(event.type)?.(this, event, [], 0);
    }
    return [{ what: 'people' }, { what: 'about' }];
  }

  /** Whether the list of people contradicts the count: `who` should be asked again. */
  peopleDoubtful() {
    return this.isCrowded || (this.peopleComplete && this.people.size !== this.online);
  }

  /**
   * Ends typing signals that are over.
   * @param {number} nowMs
   */
  expireTyping(nowMs) {
    const before = this.typing.size;
    for (const [user, end] of this.typing) if (end <= nowMs) this.typing.delete(user);
    return this.typing.size === before ? [] : [{ what: 'typing' }];
  }

  /**
   * The reader looks at the room, or away from it.
   * @param {boolean} background
   */
  setBackground(background) {
    if (background === this.background) return [];
    this.background = background;
    if (background) {
      const mark = this.firstUnread;
      this.firstUnread = null;
      this.markAfter = null;
      this.counts.clear(this.cursor);
      return mark ? [{ what: 'update', item: mark }] : [];
    }
    this.awaitsCount = this.counts.cursor === null;
    if (this.unread > 0) this.markAfter = this.counts.seenTo ?? this.counts.cursor;
    this.#mark();
    this.counts.clear(this.cursor);
    const mark = this.firstUnread;
    return mark ? [{ what: 'update', item: mark }, { what: 'about' }] : [{ what: 'about' }];
  }

  /**
   * The room's own count of what is unread: {unread, mentions, cursor, last}.
   * @param {any} count
   */
  settleUnread(count) {
    this.counts.settle(count, this.items);
    return this.#countsChanged();
  }

  /**
   * Everything up to `id` was read, here or on another device.
   * @param {string} id
   * @param {number} [left]
   */
  haveRead(id, left = 0) {
    this.counts.read(id, this.items, left);
    return this.#countsChanged();
  }

  #countsChanged() {
    if (this.background) return [{ what: 'about' }];
    const before = this.firstUnread;
    // The reader who looks already sees what was new on coming, and only that.
    if (this.awaitsCount && this.unread > 0 && before === null) {
      this.markAfter = this.counts.cursor;
      this.#mark();
    }
    this.awaitsCount = false;
    this.counts.clear(this.cursor);
    const mark = this.firstUnread;
    return mark && mark !== before
      ? [{ what: 'update', item: mark }, { what: 'about' }]
      : [{ what: 'about' }];
  }

  /** Finds the message before which the reader's mark stands. */
  #mark() {
    const after = this.markAfter;
    if (after === null) return;
    const isMarked = (/** @type {Item} */ item) =>
      this.counts.isOthers(item) && compareIds(item.id, after) > 0;
    this.firstUnread = this.items.find(isMarked) ?? null;
  }

  /**
   * What a page brought that lies after the position we had, or after what the room has counted.
   * @param {string} cursor
   */
  #countUnread(cursor) {
    for (const item of this.items) {
      if (compareIds(item.id, cursor) <= 0) continue;
      if (this.counts.add(item)) this.firstUnread ??= item;
    }
  }

  /**
   * Something happened to a message, which may be here, quoted, on its way, or unknown.
   * @param {Frame} event
   * @param {Change[]} changes
   */
  #amend(event, changes) {
    for (const meanwhile of this.meanwhile) meanwhile.push(event);
    const { ref } = event;
    const item = this.byId.get(ref);
    if (event.type === 'delete') {
      if (item && this.counts.take(item, event.id)) changes.push({ what: 'about' });
      // Whose it was is not known here: the room is to be asked.
      const isFar =
        this.unread > 0
        && this.counts.cursor !== null
        && !item
        && compareIds(ref, this.counts.cursor) > 0;
      if (isFar) changes.push({ what: 'doubt' });
    }
    const quoted = this.quoted.get(ref);
    if (item && amend(item, event)) changes.push({ what: 'update', item });
    if (!quoted || !amend(quoted, event)) return;
    for (const one of this.items) {
      if (one.reply === ref) changes.push({ what: 'update', item: one });
    }
  }

  /** @param {string} id */
  #advance(id) {
    if (this.cursor !== null) this.recent.push(this.cursor);
    if (this.recent.length > RECENT_IDS) this.recent.shift();
    this.cursor = id;
  }

  /**
   * A message from a page. One of our waiting lines may be it.
   * @param {Frame} event
   * @param {number} index
   * @param {string|null} asOf
   */
  #insert(event, index, asOf) {
    const item = this.takeLine(event) ?? {};
    Object.assign(item, messageItem(event, asOf));
    this.items.splice(index, 0, item);
    if (item.id) this.byId.set(item.id, item);
    return item;
  }

  /**
   * The waiting line that this event is the stored form of, taken out of the tail.
   * @param {Frame} event
   */
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
    const { cursor } = this;
    if (cursor === null) return [];
    const passed = this.tail.filter(
      (item) => item.acknowledged && compareIds(item.acknowledged, cursor) <= 0,
    );
    this.tail = this.tail.filter((item) => !passed.includes(item));
    return passed;
  }
}
