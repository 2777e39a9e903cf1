/**
 * A room that is followed, as applications hold it.
 *
 * The one idea: its methods are the relay's operations, its events are those of the room, each once and
 * in order, also across reconnections. What is known of the room is there to read.
 *
 * It refuses to keep anything of its own: room/state.js does.
 */

import { Line, makeNonce } from '../room/line.js';
import { compact } from '../room/sender.js';
import { Emitter } from '../words/emitter.js';
import { ChatError } from '../words/error.js';
import { otherSide } from '../words/names.js';
import { bounded, quiet } from '../words/wait.js';

/** @typedef {import('../words/types.js').CallOptions} CallOptions */
/** @typedef {import('../words/types.js').Message} Message */
/** @typedef {import('../words/types.js').Person} Person */

/**
 * @typedef {object} SendOptions
 * @property {string} [kind] `text` if absent
 * @property {any} [meta] any JSON
 * @property {string} [replyTo] the id of the message that this one answers
 * @property {string[]} [mentions] users who get a notice
 * @property {string} [nonce] of your own: a word that stands for this message; stored once. While a message
 *   with it is on its way, it is that message
 * @property {boolean} [ephemeral] delivered to who is there, and not stored
 */

/**
 * @typedef {object} RoomEvents
 * @property {import('../words/types.js').MessageEvent} message
 * @property {import('../words/types.js').EditEvent} edit
 * @property {import('../words/types.js').DeleteEvent} delete
 * @property {import('../words/types.js').ReactionEvent} reaction
 * @property {import('../words/types.js').MemberEvent} member
 * @property {import('../words/types.js').PresenceEvent} presence
 * @property {import('../words/types.js').SignalEvent} typing
 * @property {import('../words/types.js').SignalEvent} signal
 * @property {import('../words/types.js').ReadEvent} read
 * @property {import('../words/types.js').SettingsEvent} settings
 * @property {import('../words/types.js').EraseEvent} erase
 * @property {{user: string, data: Record<string, any>}} profile who is there changed name, avatar or words
 * @property {Room} reload what was known is gone, another page took its place: read `messages` again
 * @property {ChatError} lost the room cannot be read any longer
 * @property {Line} pending a line of ours, as soon as it is written
 * @property {import('../room/state.js').Change[]} change what is known of the room is not what it was
 */

const EVENTS = [
  ...['message', 'edit', 'delete', 'reaction', 'member', 'presence', 'typing', 'signal', 'read'],
  ...['settings', 'erase', 'profile', 'reload', 'lost', 'pending', 'change'],
];

/** The event of a frame, where it is called otherwise. @type {Map<string, keyof RoomEvents>} */
const NAMES = new Map([
  ['react', 'reaction'],
  ['room', 'settings'],
  ['occupancy', 'presence'],
]);

/** @extends {Emitter<RoomEvents>} */
export class Room extends Emitter {
  #client;
  #follow;

  /**
   * @param {import('./chat.js').ChatClient} client
   * @param {import('../room/follow.js').Follow} follow
   * @param {(line: Line) => void} add keeps a line until it is stored
   */
  constructor(client, follow, add) {
    super(EVENTS);
    this.#client = client;
    this.#follow = follow;
    this.#add = add;
    FOLLOWS.set(this, follow);
  }

  #add;

  get #state() {
    return this.#follow.room;
  }

  get name() {
    return this.#state.name;
  }

  /** The other user, if it is the room of two; null: it is not. */
  get other() {
    return otherSide(this.name, this.#state.user);
  }

  /** The stored messages that are known, oldest first. @returns {Message[]} */
  get messages() {
    const messages = this.#state.items.filter((item) => item.type === 'message' && item.id);
    return /** @type {any} */ (messages);
  }

  /** Lines of ours that are not stored yet, in order. @returns {Line[]} */
  get pending() {
    return this.#state.tail.filter((item) => item instanceof Line);
  }

  /** Who is there, as far as it is known. @returns {Person[]} */
  get people() {
    return [...this.#state.people.values()];
  }

  /** Our role: `member`, `moderator`, `owner`; null: no member. */
  get role() {
    return this.#state.role;
  }

  /** The id of the last event that is known; null: none is. */
  get cursor() {
    return this.#state.cursor;
  }

  /**
   * Why it cannot be read now; null: it can.
   * @returns {ChatError|null}
   */
  get error() {
    const { problem } = this.#state;
    if (problem === null) return null;
    const { code, message, ...details } = problem;
    return new ChatError(code, message, details);
  }

  /**
   * Writes a message. It is sent until the room has stored it, once, whatever breaks meanwhile.
   * @param {string} text
   * @param {SendOptions & CallOptions} [options] the signal takes the message back if no relay has it yet
   * @returns {Promise<{id: string|null}>} when it is stored; null: ephemeral
   * @throws {ChatError} why it will not be; then `pending` has the line, to be sent again by `retry()`
   */
  send(text, options = {}) {
    const { kind = 'text', meta = null, replyTo = null, mentions = null } = options;
    const { ephemeral = false, signal, timeoutMs } = options;
    let { nonce } = options;
    const { name: room } = this;
    if (ephemeral) {
      const fields = compact({ room, text, kind: kind === 'text' ? null : kind, meta, mentions });
      const sent = this.#ask(
        'send',
        { ...fields, reply: replyTo ?? undefined, ephemeral },
        options,
      );
      return quiet(sent);
    }
    const why = this.#whyNot(signal, meta);
    if (why) return quiet(Promise.reject(why));
    try {
      nonce ??= makeNonce();
    } catch (error) {
      // There is no crypto.
      return quiet(Promise.reject(error));
    }
    const { user } = this.#state;
    const ts = Date.now();
    const known = this.pending.find((one) => one.nonce === nonce);
    const line =
      known ?? new Line({ room, user, text, nonce, ts, kind, meta, reply: replyTo, mentions });
    const stored = line.stored();
    if (known) line.retry();
    else {
      this.#add(line);
      this.#follow.show(line);
      // Who hears of it may take it back.
      this.emit('pending', line);
      if (line.state === 'pending') this.#follow.sendSoon();
    }
    // The line shows why it failed.
    return quiet(bounded(stored, { signal, timeoutMs }, () => line.cancel()));
  }

  /**
   * Gives a message another text.
   * @param {string} id
   * @param {string} text
   * @param {{meta?: any} & CallOptions} [options]
   * @returns {Promise<{id: string}>}
   */
  edit(id, text, options = {}) {
    return this.#ask('edit', { id, text, meta: options.meta }, options);
  }

  /**
   * Deletes a message, for all and for ever.
   * @param {string} id
   * @param {{reason?: string} & CallOptions} [options]
   * @returns {Promise<{id: string}>}
   */
  delete(id, options = {}) {
    return this.#ask('delete', { id, reason: options.reason }, options);
  }

  /**
   * Puts our reaction to a message, or takes it back.
   * @param {string} id
   * @param {string} emoji
   * @param {{remove?: boolean} & CallOptions} [options]
   * @returns {Promise<boolean>} whether anything changed
   */
  async react(id, emoji, options = {}) {
    const { remove } = options;
    return Boolean((await this.#ask('react', { id, emoji, remove }, options)).changed);
  }

  /**
   * An ephemeral event of a name of your own, to who is there.
   * @param {string} name
   * @param {any} [data] any JSON
   * @param {CallOptions} [options]
   */
  async signal(name, data, options) {
    await this.#ask('signal', { name, data }, options);
  }

  /** Tells that we are typing, at most about every two seconds. Never fails. */
  typing() {
    this.#follow.telling.typing();
  }

  /**
   * A page of messages as they are now. Without a position the newest ones.
   * @param {{before?: string, after?: string, around?: string, count?: number} & CallOptions} [options]
   * @returns {Promise<{events: import('../words/types.js').MessageEvent[], last: string, more: boolean}>}
   */
  history({ before, after, around, count, ...options } = {}) {
    return this.#ask('history', { before, after, around, count }, options);
  }

  /**
   * A page of members. With `prefix` those whose names begin with it; `count` then bounds how many are
   * examined.
   * @param {{cursor?: string|null, count?: number, prefix?: string} & CallOptions} [options]
   * @returns {Promise<{cursor: string|null, members: {user: string, role: string, joined: number}[]}>}
   */
  async members({ cursor, count = 100, prefix, ...options } = {}) {
    const answer = await this.#ask('members', { cursor, count, prefix }, options);
    return { cursor: answer.cursor ?? null, members: answer.members ?? [] };
  }

  /**
   * The role of a user; null: no member.
   * @param {string} user
   * @param {CallOptions} [options]
   * @returns {Promise<string|null>}
   */
  async roleOf(user, options) {
    let cursor = null;
    do {
      const page = await this.members({ cursor, count: 1000, prefix: user, ...options });
      const found = page.members.find((member) => member.user === user);
      if (found) return found.role;
      cursor = page.cursor;
    } while (cursor !== null);
    return null;
  }

  /**
   * A page of who is there.
   * @param {{cursor?: string|null, count?: number} & CallOptions} [options]
   * @returns {Promise<{cursor: string|null, users: number, connections: number, list: Person[]}>}
   */
  who({ cursor, count, ...options } = {}) {
    return this.#ask('who', { cursor, count }, options);
  }

  /**
   * How many users are there.
   * @param {CallOptions} [options]
   * @returns {Promise<number|null>} null: nobody can tell now
   */
  async online(options) {
    return (await this.#client.online([this.name], options)).get(this.name) ?? null;
  }

  /**
   * We have read all messages up to this one; without an id, all that there is. Without an id it is told
   * in a while, once, and never fails.
   * @param {string} [id]
   * @param {CallOptions} [options]
   * @returns {Promise<void>}
   */
  async read(id, options) {
    if (id === undefined) {
      this.#follow.telling.read();
      return;
    }
    const answer = await this.#ask('read', { id }, options);
    this.#follow.changed(this.#state.haveRead(answer.id ?? id, answer.unread ?? 0));
  }

  /**
   * What we have not read, counted by the room.
   * @param {CallOptions} [options]
   * @returns {Promise<{unread: number, mentions: number, cursor: string, last: string}|null>} null: no member
   */
  async unread(options) {
    return (await this.#client.unread([this.name], options)).get(this.name) ?? null;
  }

  /**
   * What the room is: topic, access, limits, our role, …; changes it if `set` is given.
   * @param {{set?: Record<string, string|number|boolean>} & CallOptions} [options]
   * @returns {Promise<Record<string, any>>}
   */
  async room({ set, ...options } = {}) {
    const { settings } = await this.#ask('room', { set }, options);
    this.#follow.changed(this.#state.setAbout(settings));
    return settings;
  }

  /**
   * Moderates.
   * @param {'kick'|'ban'|'unban'|'mute'|'unmute'|'role'} action
   * @param {string} user
   * @param {{role?: string, forMs?: number, reason?: string} & CallOptions} [options]
   * @returns {Promise<boolean>} whether anything changed
   */
  async mod(action, user, { role, forMs, reason, ...options } = {}) {
    const fields = { action, user, role, for_ms: forMs, reason };
    return Boolean((await this.#ask('mod', fields, options)).changed);
  }

  /**
   * Who is banned or muted here, for moderators.
   * @param {{cursor?: string|null, count?: number} & CallOptions} [options]
   * @returns {Promise<{cursor: string|null, sanctions: {user: string, banned_until: number|null, muted_until: number|null}[]}>}
   */
  sanctions({ cursor, count, ...options } = {}) {
    return this.#ask('sanctions', { cursor, count }, options);
  }

  /**
   * Ends the membership and forgets the room. Lines still unsent here fail with `LEFT`.
   * @param {CallOptions} [options]
   */
  leave(options) {
    return this.#client.end(this.name, this.#follow.isMember ? 'leave' : 'unsubscribe', options);
  }

  /**
   * Forgets the room; the membership stays.
   * @param {CallOptions} [options]
   */
  unsubscribe(options) {
    return this.#client.end(this.name, 'unsubscribe', options);
  }

  /**
   * Why a line cannot even wait to be sent; null: it can.
   * @param {AbortSignal|undefined} signal
   * @param {any} meta
   */
  #whyNot(signal, meta) {
    if (signal?.aborted) return signal.reason;
    if (this.#follow.hasEnded) return new ChatError('LEFT', 'The room was left');
    try {
      JSON.stringify(meta);
    } catch (error) {
      return new ChatError('INVALID', `meta is no JSON: ${error}`, { what: 'meta' });
    }
    return this.#client.whyNot();
  }

  /**
   * @param {string} op
   * @param {Record<string, any>} fields
   * @param {CallOptions} [options]
   * @returns {Promise<any>}
   */
  #ask(op, fields, options) {
    return this.#client.request(op, { room: this.name, ...compact(fields) }, options);
  }
}

/** For the parts of this package alone: what a room is made of. @type {WeakMap<Room, import('../room/follow.js').Follow>} */
const FOLLOWS = new WeakMap();

/** @param {Room} room @returns {import('../room/follow.js').Follow} */
export function followOf(room) {
  const follow = FOLLOWS.get(room);
  if (!follow) throw new TypeError('not a room of this client');
  return follow;
}

/**
 * Tells the listeners of a room what has happened there.
 * @param {Room} room
 * @param {import('../words/types.js').Frame} event
 */
export function tellEvent(room, event) {
  // It comes again once it is stored.
  if (event.local) return;
  const isTyping = event.type === 'signal' && event.name === 'typing';
  const name = isTyping ? 'typing' : (NAMES.get(event.type) ?? event.type);
  if (EVENTS.includes(name)) room.emit(name, /** @type {any} */ (event));
}
