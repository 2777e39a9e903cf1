/**
 * Whether others are online: users that are watched without sharing a room with them.
 *
 * The one idea: a subscription to `@bob` brings bob's presence and nothing else; after anything
 * that may have been missed the relay says `reset`, and the state is asked for whole.
 *
 * It refuses to insist: if the relay keeps contacts to itself, nothing is known.
 */

import { failure, isPassing, pauseMs } from '../words/error.js';
import { own } from '../words/own.js';

/** @typedef {import('../words/types.js').Frame} Frame */

/** @typedef {{online: number, status: string, lastSeen: number}} Contact */

/** What comes of a contact; of oneself there is more. */
const OF_CONTACTS = new Set(['presence', 'occupancy', 'reset', 'reload', 'gone']);

export class Contacts {
  #request;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  #changed;
  /** null: not known @type {Map<string, Contact|null>} */
  #watched = new Map();

  /** @param {{request: Function, changed: (user: string) => void}} link */
  constructor({ request, changed }) {
    this.#request = request;
    this.#changed = changed;
  }

  /**
   * {online: connections or users there, status: shown word, lastSeen: ms or 0}, or null.
   * @param {string} user
   */
  of(user) {
    return this.#watched.get(user) ?? null;
  }

  /**
   * Keeps the state of a user known, now and after every reconnection.
   * @param {string} user
   */
  watch(user) {
    if (this.#watched.has(user)) return;
    this.#watched.set(user, null);
    this.#subscribe(user);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** On a new connection. */
  reset() {
    this.stop();
    for (const user of this.#watched.keys()) this.#subscribe(user);
  }

  /**
   * A frame about a room: whether it was for a contact.
   * @param {Frame} frame
   */
  frame({ type, room, users, kind, status, ts, ...more }) {
    if (typeof room !== 'string' || !room.startsWith('@') || !OF_CONTACTS.has(type)) return false;
    const user = room.slice(1);
    if (!this.#watched.has(user)) return false;
    if (type === 'reset' || type === 'reload') this.#ask(user);
    else if (type === 'gone') this.#refused(user, failure(more));
    else if (type === 'occupancy') {
      this.#set(user, { status: '', lastSeen: 0, ...this.of(user), online: users });
    } else if (type === 'presence') {
      const left = kind === 'leave' && !(users > 0);
      const { lastSeen = 0, status: before = '' } = this.of(user) ?? {};
      this.#set(user, {
        online: left ? 0 : (users ?? 1),
        status: left ? '' : (status ?? (kind === 'status' ? '' : before)),
        lastSeen: left ? ts : lastSeen,
      });
    }
    return true;
  }

  /** @param {string} user */
  #subscribe(user) {
    this.#request('subscribe', { room: `@${user}` }).then(
      (/** @type {Frame} */ { online = 0, status, last_seen: lastSeen = 0 }) => {
        this.#set(user, { online, status: status ?? '', lastSeen });
      },
      (/** @type {any} */ error) => this.#refused(user, error),
    );
  }

  /**
   * Those who are not known are asked for again: many at a time may be too many for the relay.
   * @param {string} user
   * @param {any} error
   */
  #refused(user, error) {
    this.#set(user, null);
    if (!isPassing(error)) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      for (const [user, state] of this.#watched) if (state === null) this.#subscribe(user);
    }, pauseMs(error));
  }

  /** @param {string} user */
  #ask(user) {
    this.#request('profiles', { users: [user] }).then(
      (/** @type {Frame} */ { profiles }) => {
        const { error, online = 0, shown, last_seen: lastSeen = 0 } = own(profiles, user) ?? {};
        if (error) this.#refused(user, failure(error));
        else this.#set(user, { online, status: shown ?? '', lastSeen });
      },
      (/** @type {any} */ error) => this.#refused(user, error),
    );
  }

  /**
   * @param {string} user
   * @param {Contact|null} state
   */
  #set(user, state) {
    this.#watched.set(user, state);
    this.#changed(user);
  }
}
