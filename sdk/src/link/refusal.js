/**
 * Why no socket can be opened: nobody is there, or the relay refuses this page.
 *
 * The one idea: a browser does not tell why a socket failed. If the relay answers a plain request from
 * here and takes no socket, it refuses: mostly because the page's origin is not allowed.
 *
 * It refuses to read the answer: that one came says enough.
 */

import { ChatError } from '../words/error.js';
import { httpUrl } from './address.js';

const PATIENCE_MS = 5000;

/**
 * @param {string} socketUrl of the relay
 * @param {typeof globalThis.fetch|null|undefined} ask how to send a request
 * @returns {Promise<ChatError|null>} null: nobody is there, or it cannot be told
 */
export async function refusalOf(socketUrl, ask) {
  if (!ask) return null;
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
  try {
    await ask(httpUrl(socketUrl, 'healthz').replace(/[?].*/, ''), {
      mode: 'no-cors',
      cache: 'no-store',
      credentials: 'omit',
      signal: patience.signal,
    });
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
  return new ChatError('REFUSED', 'The relay is there but takes no connection from this page');
}
