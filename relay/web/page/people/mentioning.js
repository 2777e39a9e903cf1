/**
 * Whom a text mentions.
 *
 * The one idea: who is here, has written or is a known member is known at once; whoever else is meant is
 * asked of the room by how the name begins. What counts is what messages/text.js would mark. Letter case does
 * not matter.
 *
 * It refuses to hold up a text for long: who is not known by then is told to the writer.
 */

import { readMentions } from '../messages/text.js';
import { calledIn, folded } from './called.js';

/** As many users a message may mention. */
const MENTIONS_MOST = 50;
/** As many unknown names of one text are asked for. */
const ASK_MOST = 5;
const PATIENCE_MS = 1500;
const COUNT = 1000;
/**
 * What may be the name of somebody unknown. `@2` is a time or a number more often, and `@types/node` a package.
 */
const WORD = /(?<![^\s([{"'“„«])@(\p{L}[\p{L}\p{N}_.-]{0,95})(?![\p{L}\p{N}_.-]*\/)/gu;

/** One room, and who is known to be in it. */
export class Mentioning {
  #room;
  #known;
  /** Users of whom the room has told. */
  #told = new Set();
  #asked = new Set();

  /**
   * @param {{members: (options: object) => Promise<{members: {user: string}[]}>}} room
   * @param {() => Iterable<string>} known who is known to be there without being asked for
   */
  constructor(room, known) {
    this.#room = room;
    this.#known = known;
  }

  /** All who are known by now. */
  people() {
    return [...new Set([...this.#known(), ...this.#told])];
  }

  /**
   * Learns who else is called so, once for each beginning.
   * @param {string} typed
   * @returns {Promise<boolean>} whether there is news
   */
  async learn(typed) {
    const before = this.#told.size;
    const beginnings = new Set([typed, folded(typed)]);
    await Promise.all(
      [...beginnings].map(async (prefix) => {
        if (prefix === '' || this.#asked.has(prefix)) return;
        this.#asked.add(prefix);
        try {
          const options = { prefix, count: COUNT, timeoutMs: PATIENCE_MS };
          for (const { user } of (await this.#room.members(options)).members) this.#told.add(user);
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
   * @param {boolean} isConnected without a connection nobody is asked for
   * @returns {Promise<{users: string[], unknown: string[], tooMany: number}>} users to be told, words that
   *   nobody is called, and how many users are too many
   */
  async of(text, self, isConnected = true) {
    const strange = this.#read(text).unknown.slice(0, ASK_MOST);
    if (isConnected) await Promise.all(strange.map((word) => this.learn(word)));
    const { users, unknown } = this.#read(text);
    const others = users.filter((user) => user !== self);
    return {
      users: others.slice(0, MENTIONS_MOST),
      unknown,
      tooMany: Math.max(0, others.length - MENTIONS_MOST),
    };
  }

  #read(text) {
    const { users, words } = readMentions(text, calledIn(this.people()));
    const unknown = [...words.matchAll(WORD)].map(([, word]) => word.replace(/[.-]+$/, ''));
    return { users, unknown: [...new Set(unknown)] };
  }
}
