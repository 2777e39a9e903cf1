/**
 * Addresses of relays.
 *
 * The one idea: people write `host:port`; sockets want a URL with the user in it.
 */

/** The relays of a page: the one it came from, then those of its `relays` parameters. */
export function relays({ protocol, host, search }) {
  const own = `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/ws`;
  const others = new URLSearchParams(search).getAll('relays').flatMap((list) => list.split(','));
  return [...new Set([own, ...others.map((relay) => relay.trim()).filter(Boolean)])];
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
