/**
 * Ids of events, `<ms>-<n>`.
 *
 * The one idea: an id is two integers of up to 64 bits. Both are written without leading zeros, so
 * the longer one is the greater one and equals in length compare digit by digit; no number of the
 * language is exact enough, and none is needed.
 *
 * It refuses to guess: what is no id compares with nothing.
 */

const FORM = /^(0|[1-9][0-9]{0,19})-(0|[1-9][0-9]{0,19})$/;

/** The position before the first event of a room. */
export const NOWHERE = '0-0';

/**
 * Whether this is the text of an id.
 * @param {unknown} text
 * @returns {text is string}
 */
export function isId(text) {
  return typeof text === 'string' && FORM.test(text);
}

/**
 * Orders two ids: negative if `a` is earlier, 0 if they are the same, positive if it is later.
 * @param {string} a
 * @param {string} b
 * @throws {TypeError} if one of them is no id
 */
export function compareIds(a, b) {
  if (!isId(a) || !isId(b)) throw new TypeError(`not an id: ${isId(a) ? b : a}`);
  const [aMs, aN] = a.split('-');
  const [bMs, bN] = b.split('-');
  return compareDigits(aMs, bMs) || compareDigits(aN, bN);
}

/**
 * @param {string} a
 * @param {string} b
 */
function compareDigits(a, b) {
  if (a.length !== b.length) return a.length - b.length;
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
