/**
 * What works of the store behind the relay: `back` (everything), `writes_refused` or `away`.
 *
 * The one idea: the relay says it of all rooms, or of single rooms that differ; what it says of all
 * replaces what it said of single ones.
 *
 * It refuses to stop anything: what is sent meanwhile waits at the relay.
 */

/** @typedef {import('../words/types.js').Frame} Frame */
const STATES = new Set(['back', 'writes_refused', 'away']);

export class Upstream {
  #all = 'back';
  #rooms = new Map();

  /**
   * The state of a room; without a name, of all that are not said to differ.
   * @param {string|null} [room]
   */
  of(room) {
    return this.#rooms.get(room) ?? this.#all;
  }

  /**
   * The relay's frame `upstream`. A state that is not known changes nothing.
   * @param {Frame} frame
   */
  hear({ state, rooms }) {
    if (!STATES.has(state)) return;
    if (!Array.isArray(rooms)) {
      this.#all = state;
      this.#rooms.clear();
      return;
    }
    for (const room of rooms) {
      if (state === this.#all) this.#rooms.delete(room);
      else this.#rooms.set(room, state);
    }
  }

  /** On a new connection: the relay tells anew what is wrong. */
  reset() {
    this.#all = 'back';
    this.#rooms.clear();
  }
}
