/**
 * The end of a socket: what its code and reason ask for, and how long to wait before the next.
 *
 * The one idea: 4000 to 4499 mean come back (after `retry_ms` of the reason, if it says so), 4500
 * to 4999 mean that something must be put right first. Any other loss: come back.
 *
 * It refuses to know sockets.
 */

const BACKOFF_FIRST_MS = 400;
const BACKOFF_MOST_MS = 15_000;
/** The token is wrong, or has ended: another one may mend it. */
export const UNAUTHORISED = 4504;
export const EXPIRED = 4507;
export const SUSPENDED = 4508;

/**
 * The wait (ms) before attempt number `attempt` (0, 1, …): full jitter under a doubling ceiling.
 * @param {number} attempt
 * @param {() => number} [random]
 */
export function backoffMs(attempt, random = Math.random) {
  const ceiling = Math.min(BACKOFF_MOST_MS, BACKOFF_FIRST_MS * 2 ** Math.min(attempt, 16));
  return Math.floor(random() * ceiling);
}

/**
 * What a close code and reason ask for: {code, name, what, message, untilMs, retryMs, final}.
 * `what`, `message` and `untilMs` are null where the relay does not say them.
 * @param {number} code
 * @param {string} reason
 * @returns {import('../words/types.js').CloseInfo}
 */
export function readClose(code, reason) {
  /** @type {Record<string, any>} */
  let parsed = {};
  try {
    parsed = JSON.parse(reason) ?? {};
  } catch {
    // Anything but JSON is a reason for people.
  }
  const retryMs = Number.isFinite(parsed.retry_ms) ? Math.max(0, parsed.retry_ms) : 0;
  return {
    code,
    name: typeof parsed.reason === 'string' ? parsed.reason : String(reason || ''),
    what: typeof parsed.what === 'string' ? parsed.what : null,
    message: typeof parsed.message === 'string' ? parsed.message : null,
    untilMs: Number.isFinite(parsed.until_ms) ? parsed.until_ms : null,
    retryMs: Math.min(retryMs, 60_000),
    final: code >= 4500 && code <= 4999,
  };
}

/**
 * Whether a close is about the token, so that a fresh one may be let in.
 * @param {{code: number}} close
 */
export const isAboutToken = ({ code }) => code === UNAUTHORISED || code === EXPIRED;
