/**
 * A client whose tabs share one socket.
 *
 *     const chat = createSharedClient({ url: 'wss://chat.example.com/ws', user: 'alice', getToken });
 *
 * The one idea: all tabs of one origin, URL and user that are made so have one connection to the relay, in
 * a SharedWorker, or in one of them. Each has rooms, messages and events of its own, as without it. The
 * token of the tab that came first opens the socket; each tab renews it in time.
 *
 * Where neither is to be had, it is a client like any other.
 */

import { ChatClient } from './client/chat.js';
import { leaderPort, workerPort } from './shared/carriers.js';
import { socketClass } from './shared/socket.js';

/**
 * @typedef {object} SharedOptions
 * @property {string} user who connects
 * @property {string|URL} [worker] the address of `redis-chat/shared-worker.js`, where a bundler does not find it
 * @property {'worker'|'leader'} [carrier] only this one
 */

/**
 * Makes a client and connects it.
 * @param {import('./client/options.js').ClientOptions & SharedOptions} options
 * @returns {ChatClient}
 * @throws {TypeError} if it cannot work with these options
 */
export function createSharedClient({ worker, carrier, ...options }) {
  if (!options.user)
    throw new TypeError('a user is needed: tabs of others must not share the socket');
  const name = `redis-chat ${(options.urls ?? [options.url]).join(' ')} ${options.user}`;
  const WebSocket = sharedClass(name, worker, carrier);
  return new ChatClient(WebSocket ? { ...options, WebSocket } : options);
}

/**
 * @param {string} name
 * @param {string|URL|undefined} worker
 * @param {'worker'|'leader'|undefined} carrier
 */
function sharedClass(name, worker, carrier) {
  const hasLocks = globalThis.navigator?.locks !== undefined;
  if (!hasLocks) return null;
  if (carrier !== 'leader' && globalThis.SharedWorker !== undefined) {
    return socketClass(workerPort(name, worker), lifeLock());
  }
  if (carrier === 'worker' || globalThis.BroadcastChannel === undefined) return null;
  return socketClass(leaderPort(name), lifeLock());
}

/**
 * A lock that is held as long as this page lives, so that others hear when it ends.
 * @returns {Promise<string>} its name, once it is held
 */
function lifeLock() {
  const name = `redis-chat page ${Math.random()}`;
  return new Promise((resolve) => {
    navigator.locks.request(name, () => {
      resolve(name);
      return new Promise(() => {});
    });
  });
}
