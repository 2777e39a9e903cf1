/**
 * Waits that end: by a signal, by a time, or by what was waited for.
 */

import { ChatError } from './error.js';

/**
 * A promise whose failure nobody has to wait for: it does not end a Node process.
 * @template {Promise<any>} P
 * @param {P} promise
 * @returns {P}
 */
export function quiet(promise) {
  promise.catch(() => {});
  return promise;
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {import('./types.js').CallOptions} [options]
 * @param {() => void} [given] called if the wait ends before the promise does
 * @returns {Promise<T>}
 */
export function bounded(promise, { signal, timeoutMs } = {}, given = () => {}) {
  if (!signal && timeoutMs === undefined) return promise;
  promise.catch(() => {});
  if (signal?.aborted) {
    given();
    return Promise.reject(signal.reason);
  }
  return new Promise((resolve, reject) => {
    const aborted = () => end(signal?.reason);
    const timer =
      timeoutMs === undefined || timeoutMs > 2 ** 31 - 1
        ? undefined
        : setTimeout(() => end(new ChatError('TIMEOUT', 'No answer in time')), timeoutMs);
    const free = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
    };
    const end = (/** @type {any} */ why) => {
      free();
      given();
      reject(why);
    };
    promise.then(
      (value) => {
        free();
        resolve(value);
      },
      (error) => {
        free();
        reject(error);
      },
    );
    if (signal?.aborted) aborted();
    else signal?.addEventListener('abort', aborted, { once: true });
  });
}
