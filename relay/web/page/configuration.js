/**
 * Where the page connects, and where it gets its user's token.
 *
 * The one idea: the relay that served the page says it in `config.json`. No address comes from the
 * page's own URL: a link must not say where somebody connects.
 *
 * It refuses to keep tokens: the client does, in memory.
 */

/** So long the page waits for `config.json`. */
const CONFIG_TIMEOUT_MS = 3000;

/**
 * What the relay says: {relays, auth, tokenUrl}. `relays` begins with the relay that the page came
 * from; `tokenUrl` is null if there is none.
 * @param {{href: string}} location
 * @param {typeof fetch} fetch
 */
export async function loadConfiguration({ href }, fetch) {
  // Beside the page, which may be under a path of a proxy.
  const { protocol, host, pathname } = new URL('ws', href);
  const own = `${protocol === 'https:' ? 'wss' : 'ws'}://${host}${pathname}`;
  try {
    const signal = AbortSignal.timeout(CONFIG_TIMEOUT_MS);
    const answer = await fetch('config.json', { cache: 'no-store', signal });
    const { relays, auth, token_url: tokenUrl } = await answer.json();
    return {
      relays: [...new Set([own, ...relays])],
      auth: auth ?? 'none',
      tokenUrl: tokenUrl ? new URL(tokenUrl, href).href : null,
    };
  } catch {
    return { relays: [own], auth: 'none', tokenUrl: null };
  }
}

/**
 * The client's `getToken`: asks the application's endpoint, by its own cookies too.
 * @param {string} tokenUrl
 * @param {string} user whom the token must name
 * @param {typeof fetch} fetch
 */
export function tokenGetter(tokenUrl, user, fetch) {
  const url = new URL(tokenUrl);
  url.searchParams.set('user', user);
  return async ({ signal }) => {
    const answer = await fetch(url.href, { cache: 'no-store', credentials: 'include', signal });
    if (!answer.ok) throw new Error(`it answered ${answer.status}`);
    return (await answer.json()).token;
  };
}
