/**
 * Who users are: display names, avatars, words about themselves.
 *
 * The one idea: whoever draws a name asks for it by user and gets what is known at once; what is
 * not known, or known for long, is asked for in one question for all, and `changed` says when to
 * draw again.
 *
 * It refuses to tell anything the relay did not say: an unknown user is called by their name there.
 */

import { own } from './own.js';
import { isPassing, pauseMs } from './sender.js';
import { monotonicMs } from './time.js';

const STALE_MS = 5 * 60_000;
const GATHER_MS = 30;
/** A relay counts each of them as an operation. */
const ASK_MOST = 20;
const ASK_EVERY_MS = 400;
const AWAY_MS = 5000;

export class Profiles {
  #request;
  #changed;
  /** user -> {profile: object|null, at: ms} */
  #known = new Map();
  #wanted = new Set();
  #timer = null;
  #isRefused = false;

  /**
   * @param {object} link
   * @param {(op, fields) => Promise<object>} link.request
   * @param {(users: string[]) => void} link.changed profiles of these users are not what they were
   */
  constructor({ request, changed }) {
    this.#request = request;
    this.#changed = changed;
  }

  /** What is known of a user: {name?, avatar?, status?, last_seen?, online?, shown?}, or null. */
  of(user) {
    const known = this.#known.get(user);
    if (!known || monotonicMs() - known.at > STALE_MS) this.#want(user);
    return known?.profile ?? null;
  }

  /** What to call a user. */
  nameOf(user) {
    return this.of(user)?.name || user;
  }

  /** Asks anew: now. */
  refresh(user) {
    this.#want(user);
  }

  /** The relay tells what a user says of themselves: all of it, what is not set is left out. */
  hear(user, { name, avatar, status }) {
    const known = this.#known.get(user);
    // Nobody has asked for it: who draws it first will.
    if (!known) return;
    const said = JSON.parse(JSON.stringify({ name, avatar, status }));
    const { name: _name, avatar: _avatar, status: _status, ...rest } = known.profile ?? {};
    if (this.#learn(user, { ...said, ...rest })) this.#changed([user]);
  }

  /** On a new connection: questions may be answered again. */
  reset() {
    this.#isRefused = false;
    if (this.#wanted.size) this.#soon();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  #want(user) {
    if (this.#wanted.has(user) || user === '*' || user === '') return;
    this.#wanted.add(user);
    this.#soon();
  }

  #soon(waitMs = GATHER_MS) {
    if (this.#isRefused) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#ask();
    }, waitMs);
  }

  #ask() {
    const users = [...this.#wanted].slice(0, ASK_MOST);
    this.#request('profiles', { users }).then(
      ({ profiles = {} }) => {
        // Users that cannot be asked for now are asked for again, after all others.
        const isAway = (user) => Boolean(own(profiles, user)?.error);
        const told = users.filter((user) => !isAway(user));
        const changed = told.filter((user) => this.#learn(user, own(profiles, user) ?? null));
        for (const user of users) this.#wanted.delete(user);
        for (const user of users.filter(isAway)) this.#wanted.add(user);
        if (changed.length) this.#changed(changed);
        const isAnyTold = told.length > 0;
        if (this.#wanted.size) this.#soon(isAnyTold ? ASK_EVERY_MS : AWAY_MS);
      },
      (error) => {
        if (isPassing(error)) this.#soon(pauseMs(error));
        // The next connection asks again; so does whoever draws them, if the relay can tell.
        else this.#isRefused = true;
      },
    );
  }

  #learn(user, profile) {
    const before = this.#known.get(user)?.profile ?? null;
    this.#known.set(user, { profile, at: monotonicMs() });
    return JSON.stringify(before) !== JSON.stringify(profile);
  }
}
