/**
 * What a client is made with, checked.
 *
 * The one idea: what cannot work is told at once, with a sentence.
 */

import { isPrivate, socketUrl } from '../link/address.js';

/**
 * @typedef {object} ClientOptions
 * @property {string} [url] a relay: `wss://host/ws`, `https://host`, `ws://host:port/ws` or `host:port`
 * @property {string[]} [urls] several of them, tried in turn
 * @property {string} [user] who connects: a relay that knows us by another name is left at once. Without
 *   `getToken` the address names the user, which relays believe with `--auth none` only
 * @property {import('../link/tokens.js').GetToken} [getToken] asks the application for a token. `reason` is
 *   `start`, `ending`, `expired`, `revoked` or `refused`
 * @property {boolean} [insecure] sends tokens over `ws://` to other machines too, where everybody on the way
 *   can read them
 * @property {import('../room/outgoing.js').LineStorage|null} [storage] where unsent messages survive a reload;
 *   default `sessionStorage` where there is one; null: nowhere
 * @property {number} [keepItems] messages kept in memory for each room, 2,000 if absent
 * @property {boolean} [connect] false: not before `connect()`
 * @property {any} [WebSocket] the class for sockets; default: the global one
 * @property {typeof globalThis.fetch|null} [fetch] for streams where no socket gets through; null: none
 * @property {() => number} [random]
 */

/** @param {ClientOptions} options */
export function checked(options) {
  const { url, urls = url === undefined ? [] : [url], user, getToken, insecure = false } = options;
  const { WebSocket = globalThis.WebSocket, keepItems = 2000, random, connect = true } = options;
  const { storage = defaultStorage(), fetch = globalThis.fetch?.bind(globalThis) ?? null } =
    options;
  if (!WebSocket) {
    throw new TypeError(
      'no WebSocket here: pass a class as the option WebSocket, as of the package ws',
    );
  }
  if (!Array.isArray(urls) || urls.length === 0)
    throw new TypeError('at least one relay URL is needed');
  if (getToken !== undefined && typeof getToken !== 'function') {
    throw new TypeError('getToken is not a function');
  }
  const sockets = urls.map((relay) => socketUrl(relay, getToken ? null : user));
  const open = sockets.find((socket) => getToken && !insecure && !isPrivate(socket));
  if (open) throw new TypeError(`tokens need wss:// (or insecure: true) to get to ${open}`);
  return {
    sockets,
    user: user ?? null,
    getToken,
    storage,
    fetch,
    WebSocket,
    keepItems,
    random,
    connect,
  };
}

/** @returns {Storage|null} */
function defaultStorage() {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    // Forbidden.
    return null;
  }
}
