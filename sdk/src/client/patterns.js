/**
 * Patterns of rooms that are watched: events of all ordinary rooms whose names match.
 *
 * The one idea: a pattern has no cursor. Each connection begins to watch anew, and what came in between
 * is told as a gap; the events themselves are those that the client passes on as `event`.
 *
 * It refuses to hide a gap.
 */

import { failure, isCut, isPassing, pauseMs } from '../words/error.js';

/** @typedef {import('../words/types.js').Frame} Frame */
/** @typedef {import('../words/error.js').ChatError} ChatError */

/** The relay looks at every room first. */
const WATCH_MS = 120_000;

export class Patterns {
  #request;
  #changed;
  #watched = new Set();
  #timers = new Map();

  /** @param {{request: Function, changed: (what: object) => void}} link */
  constructor({ request, changed }) {
    this.#request = request;
    this.#changed = changed;
  }

  /**
   * Watches a pattern, on this connection and all later ones.
   * @param {string} match
   */
  async watch(match) {
    this.#watched.add(match);
    try {
      await this.#request('watch', { match }, { timeoutMs: WATCH_MS });
    } catch (error) {
      if (isCut(error)) return;
      this.#forget(match);
      throw error;
    }
  }

  /**
   * Ends it.
   * @param {string} match
   */
  async unwatch(match) {
    this.#forget(match);
    try {
      await this.#request('unwatch', { match });
    } catch (error) {
      if (!isCut(error)) throw error;
    }
  }

  /** On a new connection. */
  reset() {
    this.stop();
    for (const match of this.#watched) this.#again(match);
  }

  /** The connection has ended. */
  stop() {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  /**
   * A frame `watch` of the relay.
   * @param {Frame} frame
   */
  hear({ lost, match, ...error }) {
    if (lost) this.#changed({ lost });
    else this.#refused(match, failure(error));
  }

  /** @param {string} match */
  #again(match) {
    this.#request('watch', { match }, { timeoutMs: WATCH_MS }).then(
      () => this.#changed({ match, gap: true }),
      (/** @type {ChatError} */ error) => {
        if (!isCut(error)) this.#refused(match, error);
      },
    );
  }

  /**
   * It is not watched now; later perhaps.
   * @param {string} match
   * @param {ChatError} error
   */
  #refused(match, error) {
    if (!this.#watched.has(match)) return;
    if (!isPassing(error)) {
      this.#forget(match);
      this.#changed({ match, error });
      return;
    }
    clearTimeout(this.#timers.get(match));
    const again = () => {
      this.#timers.delete(match);
      this.#again(match);
    };
    this.#timers.set(match, setTimeout(again, pauseMs(error)));
  }

  /** @param {string} match */
  #forget(match) {
    this.#watched.delete(match);
    clearTimeout(this.#timers.get(match));
    this.#timers.delete(match);
  }
}
