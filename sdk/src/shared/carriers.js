/**
 * Where the hub of several tabs runs: in a SharedWorker, or in the tab that holds a Web Lock.
 *
 * The one idea: both are a port to whoever opens sockets. When the tab with the lock ends, the next one gets
 * it, and all clients connect anew through it.
 */

import { Hub } from './hub.js';
import { serve } from './socket.js';

/** @typedef {import('./socket.js').Port} Port */
/** @typedef {(message: Record<string, any>) => void} Listener */

/**
 * What a `MessagePort` or a `BroadcastChannel` is as a port.
 * @param {MessagePort|BroadcastChannel} channel
 * @returns {Port}
 */
export function portOf(channel) {
  /** @type {Set<Listener>} */
  const listeners = new Set();
  channel.onmessage = (/** @type {any} */ { data }) => {
    for (const listener of [...listeners]) listener(data);
  };
  return {
    post: (message) => channel.postMessage(message),
    listen(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/**
 * The port to the worker of this name. Pages of one origin with the same name share it.
 * @param {string} name
 * @param {string|URL|undefined} url of `shared-worker.js`, if it is not beside this file
 * @returns {Port}
 */
export function workerPort(name, url) {
  const worker = url
    ? new SharedWorker(url, { name, type: 'module' })
    : new SharedWorker(new URL('../shared-worker.js', import.meta.url), { name, type: 'module' });
  return portOf(worker.port);
}

/**
 * The port to the tab that leads.
 * @param {string} name
 * @returns {Port}
 */
export function leaderPort(name) {
  const channel = portOf(new BroadcastChannel(name));
  /** A channel does not hear itself: what this page says to its own hub goes by here. */
  const [ours, theirs] = pair();
  let isLeader = false;
  navigator.locks.request(name, async () => {
    isLeader = true;
    const hub = new Hub();
    serve(hub, channel);
    serve(hub, theirs);
    channel.post({ newHub: true });
    theirs.post({ newHub: true });
    // For as long as the page lives.
    await new Promise(() => {});
  });
  return {
    post: (message) => (isLeader ? ours : channel).post(message),
    listen(listener) {
      const ends = [
        ours.listen(listener),
        channel.listen((message) => isLeader || listener(message)),
      ];
      return () => {
        for (const end of ends) end();
      };
    },
  };
}

/** Two ends of a way within the page. @returns {[Port, Port]} */
function pair() {
  /** @type {[Set<Listener>, Set<Listener>]} */
  const sides = [new Set(), new Set()];
  /** @returns {Port} */
  const end = (/** @type {0|1} */ own) => ({
    post: (message) =>
      queueMicrotask(() => {
        for (const listener of [...sides[1 - own]]) listener(message);
      }),
    listen(listener) {
      sides[own].add(listener);
      return () => void sides[own].delete(listener);
    },
  });
  return [end(0), end(1)];
}
