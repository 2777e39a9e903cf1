/**
 * Why no socket can be opened: nobody is there, or the relay refuses this page.
 *
 * The one idea: a browser does not tell why a socket failed. If the relay answers a plain request from
 * here and takes no socket, it refuses: mostly because the page's origin is not allowed.
 *
 * It refuses to read the answer: that one came says enough.
 */

import { ChatError } from './error.js';

const PATIENCE_MS = 5000;

/**
 * @param {string} socketUrl of the relay
 * @param {typeof fetch|undefined} ask how to send a request
 * @returns {Promise<ChatError|null>} null: nobody is there, or it cannot be told
 */
export async function refusalOf(socketUrl, ask) {
  if (!ask) return null;
  const url = new URL('healthz', socketUrl.replace(/^ws/, 'http'));
  url.search = '';
  try {
    await ask(url.href, {
      mode: 'no-cors',
      cache: 'no-store',
      credentials: 'omit',
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
  } catch {
    return null;
  }
  return new ChatError('REFUSED', 'The relay is there but takes no connection from this page');
}
