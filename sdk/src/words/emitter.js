/**
 * Events of an object, by name.
 *
 * The one idea: `on` returns what takes it back. A listener that throws disturbs nobody else.
 */

/**
 * Reports what a listener has thrown, as an event of the platform would.
 * @param {unknown} error
 */
export function report(error) {
  queueMicrotask(() => {
    throw error;
  });
}

/**
 * @template {object} Events name of an event -> what listeners get
 */
export class Emitter {
  /** @type {Map<PropertyKey, Set<(detail: any) => void>>} */
  #listeners = new Map();
  /** @type {ReadonlySet<string>} */
  #names;

  /** @param {readonly string[]} names the events that there are */
  constructor(names) {
    this.#names = new Set(names);
  }

  /**
   * Calls `listener` at each event of this name from now on.
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(detail: Events[Name]) => void} listener
   * @returns {() => void} ends it
   */
  on(name, listener) {
    if (!this.#names.has(String(name))) {
      throw new TypeError(`no event ${String(name)}: there are ${[...this.#names].join(', ')}`);
    }
    if (typeof listener !== 'function') throw new TypeError('a listener is a function');
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    // Of its own, so that the same function may listen twice.
    const one = (/** @type {any} */ detail) => listener(detail);
    listeners.add(one);
    return () => void listeners.delete(one);
  }

  /**
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {Events[Name]} [detail]
   */
  emit(name, detail) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(detail);
      } catch (error) {
        report(error);
      }
    }
  }
}
