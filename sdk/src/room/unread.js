/**
 * How much of a room its reader has not read.
 *
 * The one idea: the room counts exactly (`CHAT.UNREAD`) as of some id; what comes after that id is
 * counted here, one by one, until the room is asked again. One's own messages and deleted ones are
 * not counted.
 *
 * It refuses to decide when something has been read.
 */

import { compareIds } from '../words/id.js';

/** @typedef {import('../words/types.js').Frame} Frame */
/** @typedef {import('./state.js').Item} Item */

/**
 * @param {string} id
 * @param {string|null} position
 */
const isAfter = (id, position) => position === null || compareIds(id, position) > 0;

export class Unread {
  /** @param {{user: string}} me the reader */
  constructor(me) {
    this.me = me;
    this.count = 0;
    /** Those among them that mention the reader. */
    this.mentions = 0;
    /** Id up to which all is read; null: not known. @type {string|null} */
    this.cursor = null;
    /** Id up to which the reader has seen the room here, told to the room or not. @type {string|null} */
    this.seenTo = null;
    /** Id up to which the room itself has counted; null: it was not asked. @type {string|null} */
    this.countedTo = null;
  }

  /**
   * Whether this message would count if nothing had been read.
   * @param {Item} item
   */
  isOthers(item) {
    return (
      item.type === 'message'
      && item.id !== null
      && item.user !== this.me.user
      && (item.deleted ?? null) === null
    );
  }

  /**
   * Whether it lies after what is read.
   * @param {Item} item
   */
  isNew(item) {
    return this.isOthers(item) && isAfter(item.id, this.cursor) && isAfter(item.id, this.seenTo);
  }

  /**
   * A message came while the reader looked away.
   * @param {Item} item
   */
  add(item) {
    if (!this.isNew(item) || !isAfter(item.id, this.countedTo)) return false;
    this.#change(item, 1);
    return true;
  }

  /**
   * A message is about to be deleted by the event of this id.
   * @param {Item} item
   * @param {string} eventId
   */
  take(item, eventId) {
    if (this.count === 0 || !this.isNew(item) || !isAfter(eventId, this.countedTo)) return false;
    this.#change(item, -1);
    return true;
  }

  /**
   * The room's own count, and on top what came after it.
   * @param {{unread: number, mentions?: number, cursor: string, last: string}} count
   * @param {Item[]} items what is known of the room
   */
  settle({ unread, mentions = 0, cursor, last }, items) {
    Object.assign(this, { count: unread, mentions, cursor, seenTo: null, countedTo: last });
    for (const item of items) this.add(item);
  }

  /**
   * Everything up to `id` is read; the room said that `left` messages after it are not.
   * @param {string} id
   * @param {Item[]} items
   * @param {number} [left]
   */
  read(id, items, left = 0) {
    if (this.cursor !== null && compareIds(id, this.cursor) < 0) return;
    const after = items.filter((item) => this.isOthers(item) && compareIds(item.id, id) > 0);
    // What came after that answer was made is known only here, what was never loaded only there.
    const first = items.find((item) => item.id !== null);
    const reaches = first !== undefined && compareIds(first.id, id) <= 0;
    this.cursor = id;
    this.count = reaches ? after.length : left;
    const mentions = after.filter((item) => this.#mentions(item)).length;
    this.mentions = Math.min(this.count, mentions);
  }

  /**
   * The reader sees everything up to `id`.
   * @param {string|null} id
   */
  clear(id) {
    this.count = 0;
    this.mentions = 0;
    this.seenTo = id;
  }

  /**
   * @param {Item} item
   * @param {number} by
   */
  #change(item, by) {
    this.count = Math.max(0, this.count + by);
    if (this.#mentions(item)) this.mentions = Math.max(0, this.mentions + by);
  }

  /** @param {Item} item */
  #mentions(item) {
    return item.mentions?.includes(this.me.user) ?? false;
  }
}
