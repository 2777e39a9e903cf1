/**
 * Moments at which a connection is to be doubted: the network changed, the page woke up.
 *
 * The one idea: where there is no page, there are none.
 */

export class Wakes {
  #wake;
  #wakeIfVisible = () => {
    if (globalThis.document.visibilityState === 'visible') this.#wake();
  };
  #isListening = false;

  /** @param {() => void} wake */
  constructor(wake) {
    this.#wake = () => wake();
  }

  listen() {
    if (!this.#isListening) this.#each('addEventListener');
    this.#isListening = true;
  }

  unlisten() {
    if (this.#isListening) this.#each('removeEventListener');
    this.#isListening = false;
  }

  /** @param {'addEventListener'|'removeEventListener'} change */
  #each(change) {
    if (typeof globalThis.addEventListener === 'function') {
      for (const name of ['online', 'offline', 'pageshow']) globalThis[change](name, this.#wake);
    }
    const { document } = globalThis;
    if (document?.visibilityState !== undefined) {
      document[change]('visibilitychange', this.#wakeIfVisible);
    }
  }
}
