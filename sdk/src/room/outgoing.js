/**
 * Lines on their way: written by this user, not yet known to be stored.
 *
 * The one idea: a line keeps its random nonce until it is stored, through lost connections, other
 * relays and a reload of the page; the room stores each nonce once, so repeating is harmless. Several
 * pages may use one storage: each writes its own lines, and takes over those of pages before it.
 *
 * It refuses to send: it remembers, in order, and forgets what is stored.
 */

import { isLine, Line } from './line.js';

const FORM_VERSION = 1;

/**
 * Where lines outlive the page: `sessionStorage`, `localStorage`, or anything like them. Its methods may
 * return promises.
 * @typedef {object} LineStorage
 * @property {(key: string) => string|null|Promise<string|null>} getItem
 * @property {(key: string, value: string) => void|Promise<void>} setItem
 * @property {(key: string) => void|Promise<void>} removeItem
 */

export class Outgoing {
  #storage;
  #key = '';
  /** @type {Line[]} */
  #lines = [];
  /** Whose lines these are, of all pages with this storage. */
  #owner = Math.random().toString(36).slice(2);
  /** The nonces of lines that were taken over. @type {Set<string>} */
  #taken = new Set();
  /** Where writing takes a while: one after the other. @type {Promise<void>} */
  #writing = Promise.resolve();
  /** Whether what is written next has all that changed until then. */
  #isToWrite = false;

  /** @param {LineStorage|null} storage null: nowhere */
  constructor(storage) {
    this.#storage = storage;
  }

  /**
   * Takes the lines that this user had not sent when an earlier page ended.
   * @param {string} user
   * @returns {Promise<void>|null} null: they are there
   */
  load(user) {
    this.#key = `redis-chat.outgoing.${user}`;
    let kept;
    try {
      kept = this.#storage?.getItem(this.#key) ?? null;
    } catch {
      return null;
    }
    const take = (/** @type {string|null} */ text) => {
      const known = new Set(this.#lines.map((line) => line.nonce));
      const found = parsed(text);
      this.#taken = new Set(found.map(({ nonce }) => nonce));
      const lines = found
        .filter((line) => !known.has(line.nonce))
        // Its page may be alive, and send it: from now on it counts as sent when it was written.
        .map((line) => new Line({ ...line, user, submitted: line.submitted ?? line.ts }));
      this.#lines = [...lines, ...this.#lines];
      if (this.#lines.length > 0) this.save();
    };
    if (kept === null || typeof kept === 'string') {
      take(kept);
      return null;
    }
    return kept.then(take, () => {});
  }

  /**
   * All lines of a room in the order they were written.
   * @param {string} room
   */
  of(room) {
    return this.#lines.filter((line) => line.room === room);
  }

  /** @returns {readonly Line[]} */
  all() {
    return this.#lines;
  }

  /** The rooms that lines are waiting for. */
  rooms() {
    return [...new Set(this.#lines.map((line) => line.room))];
  }

  /** @param {Line} line */
  add(line) {
    this.#lines.push(line);
    this.save();
  }

  /**
   * Forgets a line that is stored or given up.
   * @param {object} line
   */
  remove(line) {
    const before = this.#lines.length;
    this.#lines = this.#lines.filter((one) => one !== line);
    if (this.#lines.length !== before) this.save();
  }

  /** Writes down what changed in a line. */
  save() {
    const storage = this.#storage;
    if (!storage || !this.#key || this.#isToWrite) return;
    try {
      const kept = storage.getItem(this.#key);
      if (kept === null || typeof kept === 'string') {
        Promise.resolve(this.#write(storage, kept)).catch(() => {});
      } else {
        Promise.resolve(kept).catch(() => {});
        this.#isToWrite = true;
        this.#writing = this.#writing
          .then(() => storage.getItem(this.#key))
          .finally(() => {
            this.#isToWrite = false;
          })
          .then((now) => this.#write(storage, now))
          .catch(() => {});
      }
    } catch {
      // Full or forbidden storage costs the memory across a reload, nothing else.
    }
  }

  /**
   * @param {LineStorage} storage
   * @param {string|null} kept
   */
  #write(storage, kept) {
    const owner = this.#owner;
    const ours = this.#lines.map((line) => ({ ...line.written(), owner }));
    const nonces = new Set([...this.#taken, ...ours.map(({ nonce }) => nonce)]);
    const others = parsed(kept).filter((line) => line.owner !== owner && !nonces.has(line.nonce));
    const lines = [...others, ...ours];
    if (lines.length === 0) return storage.removeItem(this.#key);
    return storage.setItem(this.#key, JSON.stringify({ version: FORM_VERSION, lines }));
  }
}

/**
 * @param {string|null} text
 * @returns {any[]}
 */
function parsed(text) {
  try {
    const { version, lines } = JSON.parse(text ?? '{}');
    return version === FORM_VERSION && Array.isArray(lines) ? lines.filter(isLine) : [];
  } catch {
    return [];
  }
}
