/**
 * What a client takes for its socket: the way to a hub.
 *
 * The one idea: a hub is behind a port; where it runs, and what a port is there, is known to carriers.js.
 */

/**
 * @typedef {object} Port
 * @property {(message: Record<string, any>) => void} post
 * @property {(listener: (message: Record<string, any>) => void) => () => void} listen returns what ends it
 */

let last = 0;
const here = () => Math.random().toString(36).slice(2);
const PAGE = here();

/**
 * A class for sockets over this port.
 * @param {Port} port
 * @param {Promise<string>} [held] the lock that this page holds as long as it lives, once it does
 * @returns {new (url: string, protocols?: string[]) => any}
 */
export function socketClass(port, held) {
  return class SharedSocket {
    /** @type {((event: any) => void)|null} */
    onopen = null;
    /** @type {((event: any) => void)|null} */
    onmessage = null;
    /** @type {((event: any) => void)|null} */
    onclose = null;
    #id;
    #unlisten;
    #isOpen = false;
    #isClosed = false;

    /**
     * @param {string} url
     * @param {string[]} [protocols]
     */
    constructor(url, protocols) {
      last += 1;
      this.#id = `${PAGE}-${last}`;
      const open = async () => {
        // Whoever asked for it earlier than this page would take the page for ended.
        const lock = await held;
        if (this.#isClosed) return;
        port.post({ open: this.#id, url, protocols, lock });
      };
      this.#unlisten = port.listen((message) => {
        if (message.newHub) {
          // The one before has ended with its tab, and the socket with it.
          if (this.#isOpen) this.#ended(1006, '');
          else open();
        } else if (message.to === this.#id) this.#hear(message);
      });
      open();
    }

    /** @param {string} data */
    send(data) {
      port.post({ say: this.#id, data });
    }

    /** @param {number} [code] 4000: the socket behind it is dead */
    close(code) {
      this.#isClosed = true;
      this.#unlisten();
      port.post({ close: this.#id, code });
    }

    /** @param {Record<string, any>} message */
    #hear({ opened, data, closed }) {
      if (opened) {
        this.#isOpen = true;
        this.onopen?.({});
      }
      if (data !== undefined) this.onmessage?.({ data });
      if (closed) this.#ended(closed.code, closed.reason);
    }

    /**
     * @param {number} code
     * @param {string} reason
     */
    #ended(code, reason) {
      this.#unlisten();
      this.onclose?.({ code, reason });
    }
  };
}

/**
 * Lets a hub serve what comes through a port.
 * @param {import('./hub.js').Hub} hub
 * @param {Port} port
 * @returns {() => void} ends it
 */
export function serve(hub, port) {
  /** By the lock of the page that has them. @type {Map<string, Set<string>>} */
  const sockets = new Map();
  const watch = (/** @type {string} */ lock, /** @type {string} */ id) => {
    const known = sockets.get(lock);
    if (known) {
      known.add(id);
      return;
    }
    const ids = new Set([id]);
    sockets.set(lock, ids);
    // The lock is free when the page that held it has ended, however it did.
    navigator.locks.request(lock, () => {
      sockets.delete(lock);
      for (const ended of ids) hub.close(ended);
    });
  };
  return port.listen(({ open, say, close, code, url, protocols, data, lock }) => {
    if (open) {
      hub.open(open, (frame) => port.post({ to: open, ...frame }), { url, protocols });
      if (lock) watch(lock, open);
    } else if (say) hub.say(say, data);
    else if (close) hub.close(close, code);
  });
}
