/**
 * Addresses of relays.
 *
 * The one idea: people write `host:port`; sockets want a URL with the user in it.
 */

/**
 * The socket URL of a relay: `host:port` and `http(s)://host` are understood too.
 * @param {string} relay
 * @param {string|null|undefined} user whom the URL names; null: a token will
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
  if (user) url.searchParams.set('user', user);
  return url.href;
}

/**
 * Whether only this machine and the relay read what is sent to a socket URL.
 * @param {string} url
 */
export function isPrivate(url) {
  const { protocol, hostname } = new URL(url);
  return protocol === 'wss:' || isLoopback(hostname);
}

/**
 * Whether a host, as `URL` writes it, is this machine.
 * @param {string} hostname
 */
function isLoopback(hostname) {
  return /^(localhost|.*\.localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(hostname);
}

/**
 * What a relay serves over HTTP beside its socket.
 * @param {string} socketUrl
 * @param {string} path relative to the folder of the socket: `healthz`, `v1/events`
 */
export function httpUrl(socketUrl, path) {
  const url = new URL(path, socketUrl.replace(/^ws/, 'http'));
  url.search = new URL(socketUrl).search;
  return url.href;
}
