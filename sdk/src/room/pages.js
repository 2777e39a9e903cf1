/**
 * Messages that are loaded when they are wanted: older ones, and those that are quoted.
 *
 * The one idea: while a page is on its way messages may change; what happens meanwhile goes into
 * the page when it comes.
 *
 * It refuses to move the cursor.
 */

import { isCut, isPassing, pauseMs } from '../words/error.js';

/** @typedef {import('./state.js').RoomState} RoomState */
/** @typedef {import('./follow.js').Inside} Inside */

/** @typedef {import('../words/types.js').Frame} Frame */

export class Pages {
  #room;
  #link;
  /** The page on its way. @type {Promise<boolean>|null} */
  #loading = null;
  /** What is quoted and could not be asked for. @type {Set<string>} */
  #missed = new Set();

  /**
   * @param {RoomState} room
   * @param {Inside} link
   */
  constructor(room, link) {
    this.#room = room;
    this.#link = link;
  }

  /**
   * Loads older messages.
   * @param {any} count
   * @returns {Promise<boolean>} whether there may be more
   */
  older(count) {
    const before = this.#room.oldest();
    if (!this.#room.moreBefore || before === null) return Promise.resolve(this.#room.moreBefore);
    this.#loading ??= this.#load(before, count).finally(() => {
      this.#loading = null;
    });
    return this.#loading;
  }

  /**
   * @param {any} before
   * @param {any} count
   */
  async #load(before, count) {
    const room = this.#room;
    const meanwhile = room.expectPage();
    try {
      const page = await this.#link.request('history', { room: room.name, before, count });
      if (room.oldest() === before) this.#link.changed(room.prepend(page, meanwhile));
      return room.moreBefore;
    } finally {
      room.forgetPage(meanwhile);
    }
  }

  /** What could not be asked for is asked for again: the room is level, or the relay may be able by now. */
  again() {
    const missed = [...this.#missed];
    this.#missed.clear();
    for (const id of missed) this.quoted(id);
  }

  /**
   * Fetches a message that is quoted but was not loaded. Not being there is an answer too.
   * @param {string} id
   */
  async quoted(id) {
    const room = this.#room;
    if (room.byId.has(id) || room.quoted.has(id)) return;
    room.quoted.set(id, undefined);
    const meanwhile = room.expectPage();
    try {
      const fields = { room: room.name, around: id, count: 1 };
      const page = await this.#link.request('history', fields);
      const event = page.events.find((/** @type {Frame} */ one) => one.id === id);
      this.#link.changed(room.quote(id, event, page.last, meanwhile));
    } catch (error) {
      const isAgain = isPassing(error);
      if (isAgain || isCut(error)) {
        room.quoted.delete(id);
        this.#missed.add(id);
        if (isAgain) setTimeout(() => this.again(), pauseMs(error));
      } else this.#link.changed(room.quote(id));
    } finally {
      room.forgetPage(meanwhile);
    }
  }
}
