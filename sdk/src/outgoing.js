/**
 * Lines on their way: written by this user, not yet known to be stored.
 *
 * The one idea: a line keeps its random nonce until it is stored, through lost connections, other
 * relays and a reload of the page; the room stores each nonce once, so repeating is harmless.
 *
 * It refuses to send: it remembers, in order, and forgets what is stored.
 */

const FORM_VERSION = 1;

/** 128 random bits as text. */
export function makeNonce(crypto = globalThis.crypto) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export class Outgoing {
  #storage;
  #key;
  #lines = [];

  /**
   * @param {string} user whose lines these are
   * @param {Storage|null} storage where they outlive the page; null: nowhere
   */
  constructor(user, storage) {
    this.#storage = storage;
    this.#key = `redis-chat.outgoing.${user}`;
    this.#lines = this.#load(user);
  }

  /** All lines of a room in the order they were written. */
  of(room) {
    return this.#lines.filter((line) => line.room === room);
  }

  /** The rooms that lines are waiting for. */
  rooms() {
    return [...new Set(this.#lines.map((line) => line.room))];
  }

  find(nonce) {
    return this.#lines.find((line) => line.nonce === nonce) ?? null;
  }

  add(line) {
    this.#lines.push(line);
    this.save();
  }

  /** Forgets a line that is stored or given up. */
  remove(nonce) {
    const before = this.#lines.length;
    this.#lines = this.#lines.filter((line) => line.nonce !== nonce);
    if (this.#lines.length !== before) this.save();
  }

  /** Writes down what changed in a line. */
  save() {
    if (!this.#storage) return;
    try {
      if (this.#lines.length === 0) return void this.#storage.removeItem(this.#key);
      const lines = this.#lines.map(writeDown);
      this.#storage.setItem(this.#key, JSON.stringify({ version: FORM_VERSION, lines }));
    } catch {
      // Full or forbidden storage costs the memory across a reload, nothing else.
    }
  }

  #load(user) {
    try {
      const { version, lines } = JSON.parse(this.#storage?.getItem(this.#key) ?? '{}');
      if (version !== FORM_VERSION || !Array.isArray(lines)) return [];
      return lines.filter(isLine).map((line) => makeLine({ ...line, user }));
    } catch {
      return [];
    }
  }
}

/** A new line as the room shows it. */
export function makeLine(fields) {
  const { room, user, text, nonce, ts } = fields;
  const { kind = 'text', meta = null, reply = null, mentions = null } = fields;
  const { submitted = null, error = null } = fields;
  return {
    type: 'message',
    state: error ? 'failed' : 'pending',
    id: null,
    m: null,
    room,
    user,
    kind,
    text,
    nonce,
    ts,
    meta,
    reply,
    mentions,
    local: false,
    ephemeral: false,
    acknowledged: null,
    error,
    retryAt: null,
    waitsFor: null,
    submitted,
    inFlight: false,
    edited: null,
    deleted: null,
    reactions: [],
    asOf: null,
  };
}

function writeDown(line) {
  const { room, text, nonce, ts, kind, meta, reply, mentions, submitted, error } = line;
  return { room, text, nonce, ts, kind, meta, reply, mentions, submitted, error };
}

function isLine(line) {
  return (
    ['room', 'text', 'nonce'].every((name) => typeof line?.[name] === 'string')
    && Number.isFinite(line.ts)
  );
}
