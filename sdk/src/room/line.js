/**
 * A line on its way: written by this user, not yet known to be stored.
 *
 * The one idea: it is one object from the moment it is written until it is stored, and after; a view
 * can keep one element for it.
 */

/** @typedef {{code: string, message: string} & Record<string, any>} PlainError */

/**
 * What a line is made of.
 * @typedef {object} LineFields
 * @property {string} room
 * @property {string} text
 * @property {string} nonce
 * @property {number} ts
 * @property {string} [user] empty: whoever this is
 * @property {string} [kind]
 * @property {any} [meta]
 * @property {string|null} [reply]
 * @property {string[]|null} [mentions]
 * @property {number|null} [submitted]
 * @property {PlainError|null} [error]
 */

/** Who sends lines; see sender.js. @typedef {{cancel: (line: Line) => boolean, retry: (line: Line) => boolean}} Owner */

export class Line {
  /** @type {Owner|null} */
  #owner = null;
  /** @type {{resolve: (stored: {id: string|null}) => void, reject: (error: Error) => void}[]} */
  #waiting = [];

  /** @param {LineFields} fields */
  constructor({ room, user = '', text, nonce, ts, ...more }) {
    const { kind = 'text', meta = null, reply = null, mentions = null } = more;
    const { submitted = null, error = null } = more;
    this.type = 'message';
    /** @type {'pending'|'failed'|'stored'|'cancelled'} */
    this.state = error ? 'failed' : 'pending';
    /** @type {string|null} */
    this.id = null;
    /** @type {number|null} */
    this.m = null;
    this.room = room;
    this.user = user;
    this.kind = kind;
    this.text = text;
    this.nonce = nonce;
    this.ts = ts;
    this.meta = meta;
    this.reply = reply;
    this.mentions = mentions;
    /** Whether others see it although it waits for Redis. */
    this.local = false;
    this.ephemeral = false;
    /** The id that the relay gave; the event is still to come. @type {string|null} */
    this.acknowledged = null;
    /** Why it failed. @type {PlainError|null} */
    this.error = error;
    /** When it is sent again, ms since 1970. @type {number|null} */
    this.retryAt = null;
    /** The code of the error that it waits because of. @type {string|null} */
    this.waitsFor = null;
    /** When it was first sent, ms since 1970. @type {number|null} */
    this.submitted = submitted;
    this.inFlight = false;
    /** @type {number|null} */
    this.edited = null;
    /** @type {number|null} */
    this.deleted = null;
    /** @type {{emoji: string, count: number, users: string[]}[]} */
    this.reactions = [];
    /** @type {string|null} */
    this.asOf = null;
  }

  /** Takes it back, if no relay can have it. @returns {boolean} whether it is gone */
  cancel() {
    return this.#owner?.cancel(this) ?? false;
  }

  /** Sends it again, as the same line, if it failed. @returns {boolean} whether it did */
  retry() {
    return this.#owner?.retry(this) ?? false;
  }

  /** @param {Owner} owner */
  belongsTo(owner) {
    this.#owner = owner;
  }

  /** @returns {Promise<{id: string|null}>} resolves when it is stored */
  stored() {
    if (this.acknowledged !== null) return Promise.resolve({ id: this.acknowledged });
    const stored = new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
    stored.catch(() => {});
    return stored;
  }

  /** @param {string|null} id */
  settle(id) {
    for (const { resolve } of this.#waiting.splice(0)) resolve({ id });
  }

  /** @param {Error} error */
  fail(error) {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  /** What is kept of it across a reload. */
  written() {
    const { room, text, nonce, ts, kind, meta, reply, mentions, submitted, error } = this;
    return { room, text, nonce, ts, kind, meta, reply, mentions, submitted, error };
  }
}

/** 128 random bits as text. */
export function makeNonce(crypto = globalThis.crypto) {
  if (!crypto?.getRandomValues) {
    throw new TypeError('crypto.getRandomValues is needed: here a polyfill must bring it');
  }
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** @param {any} line */
export function isLine(line) {
  return (
    ['room', 'text', 'nonce'].every((name) => typeof line?.[name] === 'string')
    && Number.isFinite(line.ts)
  );
}
