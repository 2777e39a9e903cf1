/**
 * The rooms of this user as the relay lists them, followed here or not.
 *
 * The one idea: the list is loaded whole, and notices keep it right in between; a notice about a
 * room that is not in it means that the list is to be loaded again. What a followed room knows of
 * itself is better than what stands here.
 *
 * It refuses to follow rooms.
 */

import { monotonicMs } from '../link/time.js';
import { isPassing, pauseMs } from '../words/error.js';
import { compareIds, isId } from '../words/id.js';

/** @typedef {import('../words/types.js').Frame} Frame */
/** @typedef {import('../room/state.js').RoomState} RoomState */

const COUNT = 1000;
const SOON_MS = 300;
const STALE_MS = 60_000;

/** @typedef {{room: string, unread: number, mentions?: number, cursor: string, last: string, message?: Frame}} Entry */

export class Inbox {
  #request;
  #changed;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  #loadedAt = -Infinity;
  /** By room. @type {Map<string, Entry>} */
  entries = new Map();

  /** @param {{request: Function, changed: (entries: Entry[]|null) => void}} link `changed` gets
   *    the entries if the whole list came, null if something in it changed */
  constructor({ request, changed }) {
    this.#request = request;
    this.#changed = changed;
  }

  /** Loads the list. A relay that has none leaves it empty. */
  async load() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      const entries = new Map();
      /** @type {string|null} */
      let cursor = null;
      do {
        /** @type {Frame} */
        const more = cursor === null ? {} : { cursor };
        /** @type {Frame} */
        const page = await this.#request('inbox', { count: COUNT, ...more });
        // A room may have moved between two pages: the later one knows better.
        for (const entry of page.rooms ?? []) {
          // A room that cannot be asked now: what was known of it stays.
          const known = entry.error ? this.entries.get(entry.room) : entry;
          if (known) entries.set(entry.room, known);
        }
        cursor = page.cursor ?? null;
      } while (cursor !== null);
      this.entries = entries;
      this.#loadedAt = monotonicMs();
      this.#changed([...entries.values()]);
    } catch (error) {
      // What was known stays.
      if (isPassing(error)) this.#timer ??= setTimeout(() => this.load(), pauseMs(error));
    }
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Loads the list if that was long ago: rooms that are not followed have changed since. */
  refresh() {
    if (monotonicMs() - this.#loadedAt > STALE_MS) this.loadSoon();
  }

  /** Loads the list in a moment, once for all who ask in it. */
  loadSoon() {
    this.#timer ??= setTimeout(() => this.load(), SOON_MS);
  }

  /**
   * One of the relay's notices to this user.
   * @param {Frame} notice
   */
  hear({ kind, room, id, unread }) {
    if (typeof room !== 'string') return;
    const entry = this.entries.get(room);
    if (kind === 'read') {
      if (!entry || !isId(id)) return;
      entry.unread = unread ?? 0;
      entry.cursor = id;
      if (entry.unread === 0) entry.mentions = 0;
    } else if (!entry) {
      this.loadSoon();
      return;
    } else if (isId(id) && (!isId(entry.last) || compareIds(id, entry.last) > 0)) {
      entry.last = id;
      entry.unread += 1;
      if (kind === 'mention') entry.mentions = (entry.mentions ?? 0) + 1;
    }
    this.#changed(null);
  }

  /** @param {string} room */
  forget(room) {
    this.entries.delete(room);
  }
}
