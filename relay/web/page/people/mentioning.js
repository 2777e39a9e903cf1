/**
 * Whom a text mentions.
 *
 * The one idea: who is here, has written or is a known member is known at once; whoever else is meant is
 * asked of the room by how the name begins. Letter case does not matter.
 *
 * It refuses to hold up a text for long: who is not known by then is told to the writer.
 */

import { findMentions } from '../../sdk.js';

/** As many users a message may mention. */
const MENTIONS_MOST = 50;
/** As many unknown names of one text are asked for. */
const ASK_MOST = 5;
const PATIENCE_MS = 1500;
const COUNT = 1000;
/** Where a name may begin; what stands before it is no letter. */
const WORD = /(?<![^\s([{"'“„«/])@([\p{L}\p{N}][\p{L}\p{N}_.-]{0,95})/gu;

const folded = (name) => name.toLocaleLowerCase();

export class Mentioning {
  #on;
  /** Of the room looked at: folded name -> user, as the room has told. */
  #told = new Map();
  #asked = new Set();
  #room = null;

  /**
   * @param {{known: () => Iterable<string>, room: () => object|null}} on `room`: the followed room looked at
   */
  constructor(on) {
    this.#on = on;
  }

  /** All who are known by now: folded name -> user. */
  people() {
    this.#look();
    return new Map([...this.#told, ...[...this.#on.known()].map((user) => [folded(user), user])]);
  }

  /**
   * Learns who else is called so, once for each beginning.
   * @param {string} typed
   * @returns {Promise<boolean>} whether there is news
   */
  async learn(typed) {
    this.#look();
    const room = this.#room;
    const before = this.#told.size;
    const beginnings = new Set([typed, folded(typed)]);
    await Promise.all(
      [...beginnings].map(async (prefix) => {
        if (room === null || prefix === '' || this.#asked.has(prefix)) return;
        this.#asked.add(prefix);
        try {
          const { members } = await room.members({ prefix, count: COUNT, timeoutMs: PATIENCE_MS });
          if (room !== this.#room) return;
          for (const { user } of members) this.#told.set(folded(user), user);
        } catch {
          this.#asked.delete(prefix);
        }
      }),
    );
    return this.#told.size > before;
  }

  /**
   * @param {string} text
   * @param {string} self who writes
   * @returns {Promise<{users: string[], unknown: string[], tooMany: number}>} users to be told, words that
   *   nobody is called, and how many users are too many
   */
  async of(text, self) {
    const strange = () => {
      const people = this.people();
      const words = [...text.matchAll(WORD)].map(([, word]) => word.replace(/[.-]+$/, ''));
      const found = new Set(this.#find(text, people).map(folded));
      return [...new Set(words)].filter(
        (word) => ![...found].some((user) => folded(word).startsWith(user)),
      );
    };
    await Promise.all(
      strange()
        .slice(0, ASK_MOST)
        .map((word) => this.learn(word)),
    );
    const users = this.#find(text, this.people()).filter((user) => user !== self);
    return {
      users: users.slice(0, MENTIONS_MOST),
      unknown: strange(),
      tooMany: Math.max(0, users.length - MENTIONS_MOST),
    };
  }

  #find(text, people) {
    const found = findMentions(text, (name) => people.has(folded(name)));
    return [...new Set(found.map(({ user }) => people.get(folded(user))))];
  }

  #look() {
    const room = this.#on.room();
    if (room === this.#room) return;
    this.#room = room;
    this.#told.clear();
    this.#asked.clear();
  }
}
