/**
 * Names of users and rooms.
 *
 * The one idea: what a name means stands in the name: `@alice` is a user's personal room,
 * `dm:alice,bob` the room of two, every other name an ordinary room.
 *
 * It refuses to know display names: profiles.js does.
 */

/** Characters that show something; U+2800 is braille without a dot. */
const USER_FORM = /^(?![@*])[^,\p{C}\p{Z}\p{DI}\u2800]+$/u;

/**
 * Why this cannot be a user's name; empty: it can.
 * @param {string} name
 */
export function nameProblem(name) {
  if (name === '') return 'A name is needed.';
  if (new TextEncoder().encode(name).length > 96) return 'This name is too long.';
  return USER_FORM.test(name) ? '' : 'No spaces or commas, and no @ or * at the start.';
}

/** What leaves no mark where it is drawn, or moves what stands beside it; but not joiners. */
const UNSEEN =
  /\u034f|(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0]/gu;
/** Joiners where they join nothing. */
const LOOSE = /(?<![\p{L}\p{M}\p{Emoji}])[\u200c\u200d]+|[\u200c\u200d]+(?![\p{L}\p{Emoji}])/gu;

/**
 * A display name as people see it: without what they cannot see. Empty: there is nothing to see.
 * @param {unknown} name
 */
export const visibleName = (name) =>
  typeof name === 'string'
    ? name.replace(UNSEEN, '').replace(LOOSE, '').replace(/\s+/g, ' ').trim()
    : '';

/**
 * What is the same for names that look alike at a glance: other letter case, other forms of letters.
 * @param {string} name
 */
export const foldedName = (name) =>
  visibleName(name)
    .replace(/[\u200c\u200d]/g, '')
    .normalize('NFKC')
    .toLowerCase();

/**
 * The name of the room of two users. Names are ordered by their bytes.
 * @param {string} a
 * @param {string} b
 */
export function directRoom(a, b) {
  return `dm:${[a, b].sort(byBytes).join(',')}`;
}

/**
 * The other user of a direct room; null: it is none of ours.
 * @param {string} name
 * @param {string} user
 * @returns {string|null}
 */
export function otherSide(name, user) {
  if (!name.startsWith('dm:')) return null;
  const both = name.slice(3).split(',');
  return both.includes(user) ? (both.find((one) => one !== user) ?? null) : null;
}

/**
 * Orders texts as their UTF-8 bytes are ordered, which is by code point.
 * @param {string} a
 * @param {string} b
 */
export function byBytes(a, b) {
  const [left, right] = [[...a], [...b]];
  const at = left.findIndex((character, index) => character !== right[index]);
  if (at < 0) return left.length - right.length;
  if (at >= right.length) return 1;
  return Number(left[at]?.codePointAt(0)) - Number(right[at]?.codePointAt(0));
}
