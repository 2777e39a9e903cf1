/**
 * What a reader tells a room without being asked: that they are typing, how far they have read.
 *
 * The one idea: both are told at most every so often, the newest in the end; and none of it matters
 * enough to be an error.
 *
 * It refuses to tell the same twice.
 */

import { monotonicMs } from '../link/time.js';
import { isCut, isPassing, pauseMs } from '../words/error.js';
import { compareIds } from '../words/id.js';

/** @typedef {import('./state.js').RoomState} RoomState */
/** @typedef {import('./follow.js').Inside} Inside */

/** A little more than the 2 s within which relays drop a repeated signal. */
const TYPING_EVERY_MS = 2100;
const READ_EVERY_MS = 1000;

export class Telling {
  #room;
  #link;
  #typingAt = -Infinity;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #typingTimer;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #readTimer;
  #readAt = -Infinity;
  /** The position that is to be told. @type {string|null} */
  #seen = null;
  /** The position that was told last on this connection. @type {string|null} */
  #told = null;

  /**
   * @param {RoomState} room
   * @param {Inside} link
   */
  constructor(room, link) {
    this.#room = room;
    this.#link = link;
  }

  /** On a new connection: what was told may not have arrived, what could not be told can be. */
  reset() {
    this.#told = null;
    this.#tellReadSoon();
  }

  stop() {
    clearTimeout(this.#readTimer);
    this.#readTimer = undefined;
    this.endTyping();
  }

  /** The user typed: told at once, or when it may be told again. */
  typing() {
    if (this.#typingTimer) return;
    const tell = () => {
      this.#typingTimer = undefined;
      this.#typingAt = monotonicMs();
      this.#link.request('signal', { room: this.#room.name, name: 'typing' }).catch(() => {});
    };
    const waitMs = this.#typingAt + TYPING_EVERY_MS - monotonicMs();
    if (waitMs <= 0) tell();
    else this.#typingTimer = setTimeout(tell, waitMs);
  }

  /** What was typed is sent or taken back. */
  endTyping() {
    clearTimeout(this.#typingTimer);
    this.#typingTimer = undefined;
  }

  /** The reader has seen all there is. */
  read() {
    const id = this.#room.role === null ? null : this.#position();
    if (id === null) return;
    this.#seen = id;
    this.#tellReadSoon();
  }

  #tellReadSoon() {
    if (this.#readTimer) return;
    const waitMs = this.#readAt + READ_EVERY_MS - monotonicMs();
    if (waitMs <= 0) this.#tellRead();
    else this.#later(waitMs);
  }

  /** @param {number} waitMs */
  #later(waitMs) {
    this.#readTimer = setTimeout(() => {
      this.#readTimer = undefined;
      this.#tellRead();
    }, waitMs);
  }

  #tellRead() {
    const id = this.#seen;
    if (id === null) return;
    this.#seen = null;
    this.#told = id;
    this.#readAt = monotonicMs();
    this.#link.request('read', { room: this.#room.name, id }).then(
      (answer) => this.#link.changed(this.#room.haveRead(answer.id ?? id, answer.unread ?? 0)),
      (error) => {
        // What was told since says more.
        if (this.#told !== id || !(isPassing(error) || isCut(error))) return;
        this.#told = null;
        this.#seen ??= id;
        if (isPassing(error) && !this.#readTimer) this.#later(pauseMs(error));
      },
    );
  }

  /** The newest message's id, if a message of somebody else up to it was not read before. */
  #position() {
    const { items, counts } = this.#room;
    const newest = items.findLast((item) => item.type === 'message' && item.id !== null);
    const others = items.findLast((item) => counts.isOthers(item));
    if (!others || !newest) return null;
    for (const known of [counts.cursor, this.#told]) {
      if (known !== null && compareIds(others.id, known) <= 0) return null;
    }
    return newest.id;
  }
}
