/**
 * Addresses of relays.
 *
 * The one idea: people write `host:port`; sockets want a URL with the user in it.
 */

/**
 * The relays of a page: the one it came from, then those that this one names. No address comes from
 * the page's own URL: a link must not say where somebody connects.
 * @param {{protocol: string, host: string}} location
 * @param {(url: string) => Promise<Response>} fetch
 * @returns {Promise<string[]>}
 */
export async function relays({ protocol, host }, fetch) {
  const own = `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/ws`;
  try {
    const answer = await fetch('config.json');
    const { relays: others } = await answer.json();
    return [...new Set([own, ...others])];
  } catch {
    return [own];
  }
}

/**
 * The socket URL of a relay: `host:port` and `http(s)://host` are understood too.
 * @throws {TypeError} if it cannot be read
 */
export function socketUrl(relay, user) {
  const text = /^[a-z]+:\/\//i.test(relay) ? relay : `ws://${relay}`;
  let url;
  try {
    url = new URL(text.replace(/^http/i, 'ws'));
  } catch {
    throw new TypeError(`not a relay address: ${relay}`);
  }
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') {
    throw new TypeError(`not a relay address: ${relay}`);
  }
  if (url.pathname === '/') url.pathname = '/ws';
  url.searchParams.set('user', user);
  return url.href;
}
