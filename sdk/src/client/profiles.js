/**
 * Who users are: display names, avatars, words about themselves.
 *
 * The one idea: whoever draws a name asks for it by user and gets what is known at once; what is
 * not known, or known for long, is asked for in one question for all, and `changed` says when to
 * draw again.
 *
 * It refuses to tell anything the relay did not say: an unknown user is called by their name there.
 */

import { monotonicMs } from '../link/time.js';
import { isPassing, pauseMs } from '../words/error.js';
import { compareIds, isId } from '../words/id.js';
import { foldedName, nameProblem, visibleName } from '../words/names.js';
import { own } from '../words/own.js';

/** @typedef {import('../words/types.js').Frame} Frame */

const STALE_MS = 5 * 60_000;
const GATHER_MS = 30;
/** A relay counts each of them as an operation. */
const ASK_MOST = 20;
const ASK_EVERY_MS = 400;
const AWAY_MS = 5000;

export class Profiles {
  #request;
  #changed;
  /** `ref`: the id of the last frame. @type {Map<string, {profile: Frame|null, at: number, ref?: string}>} */
  #known = new Map();
  /** @type {Set<string>} */
  #wanted = new Set();
  /**
   * Folded name -> the users who are called so, by display name or by user name.
   * @type {Map<string, Set<string>>}
   */
  #called = new Map();
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  #isRefused = false;

  /**
   * @param {object} link
   * @param {(op: string, fields: Frame) => Promise<any>} link.request
   * @param {(users: string[]) => void} link.changed profiles of these users are not what they were
   */
  constructor({ request, changed }) {
    this.#request = request;
    this.#changed = changed;
  }

  /**
   * What is known of a user: {name?, avatar?, status?, last_seen?, online?, shown?}, or null.
   * @param {string} user
   */
  of(user) {
    const known = this.#known.get(user);
    if (!known || monotonicMs() - known.at > STALE_MS) this.#want(user);
    return known?.profile ?? null;
  }

  /**
   * What to call a user, so that no two are taken for each other: the display name, with the user name
   * behind it if another user who is known is called alike; the user name if there is nothing to see.
   * @param {string} user
   */
  nameOf(user) {
    const name = visibleName(this.of(user)?.name);
    if (name === '' || name === user) return user;
    // Nobody may write what stands behind the names of others.
    if (/[(\uff08].*@.*[)\uff09]\s*$/u.test(name)) return `${name} (@${user})`;
    const isShared = [...(this.#called.get(foldedName(name)) ?? [])].some(
      (other) => other !== user,
    );
    return isShared ? `${name} (@${user})` : name;
  }

  /**
   * Asks anew: now.
   * @param {string} user
   */
  refresh(user) {
    this.#want(user);
  }

  /**
   * The relay tells what a user says of themselves: all of it, what is not set is left out.
   * @param {string} user
   * @param {Frame} data
   * @param {unknown} ref of two frames the one with the greater id counts
   */
  hear(user, { name, avatar, status }, ref) {
    const known = this.#known.get(user);
    // Nobody has asked for it: who draws it first will.
    if (!known) return;
    if (isId(ref)) {
      const { ref: before } = known;
      if (before !== undefined && compareIds(ref, before) < 0) return;
      known.ref = ref;
    }
    const said = JSON.parse(JSON.stringify({ name, avatar, status }));
    const { name: _name, avatar: _avatar, status: _status, ...rest } = known.profile ?? {};
    const changed = this.#learn(user, { ...said, ...rest });
    if (changed.length) this.#changed(changed);
  }

  /** On a new connection: questions may be answered again. */
  reset() {
    this.#isRefused = false;
    if (this.#wanted.size) this.#soon();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** @param {string} user */
  #want(user) {
    // For a name that nobody can have, a relay refuses the whole question.
    if (this.#wanted.has(user) || nameProblem(user)) return;
    this.#wanted.add(user);
    this.#soon();
  }

  #soon(waitMs = GATHER_MS) {
    if (this.#isRefused) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#ask();
    }, waitMs);
  }

  #ask() {
    const users = [...this.#wanted].slice(0, ASK_MOST);
    this.#request('profiles', { users }).then(
      (/** @type {Frame} */ { profiles = {} }) => {
        // Users that cannot be asked for now are asked for again, after all others.
        const isAway = (/** @type {string} */ user) => Boolean(own(profiles, user)?.error);
        const told = users.filter((user) => !isAway(user));
        const changed = told.flatMap((user) => this.#learn(user, own(profiles, user) ?? null));
        for (const user of users) this.#wanted.delete(user);
        for (const user of users.filter(isAway)) this.#wanted.add(user);
        if (changed.length) this.#changed([...new Set(changed)]);
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

  /**
   * @param {string} user
   * @param {Frame|null} profile
   * @returns {string[]} who is to be called otherwise, or said something else
   */
  #learn(user, profile) {
    const known = this.#known.get(user);
    const before = known?.profile ?? null;
    this.#known.set(user, { ...known, profile, at: monotonicMs() });
    if (known && JSON.stringify(before) === JSON.stringify(profile)) return [];
    const others = new Set();
    for (const name of namesOf(user, before)) this.#called.get(name)?.delete(user);
    for (const name of [...namesOf(user, before), ...namesOf(user, profile)]) {
      for (const other of this.#called.get(name) ?? []) others.add(other);
    }
    for (const name of namesOf(user, profile)) {
      const called = this.#called.get(name) ?? new Set();
      this.#called.set(name, called.add(user));
    }
    const isNews = JSON.stringify(before) !== JSON.stringify(profile);
    return [...(isNews ? [user] : []), ...others];
  }
}

/**
 * What a user is called, folded: by user name, and by display name.
 * @param {string} user
 * @param {Frame|null} profile
 */
const namesOf = (user, profile) =>
  new Set([foldedName(user), foldedName(profile?.name ?? '')].filter(Boolean));
