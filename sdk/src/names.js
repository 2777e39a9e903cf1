/**
 * Names of users and rooms.
 *
 * The one idea: what a name means stands in the name: `@alice` is a user's personal room,
 * `dm:alice,bob` the room of two, every other name an ordinary room.
 *
 * It refuses to know display names: profiles.js does.
 */

const USER_FORM = /^[^@*,\p{C}\p{Z}][^,\p{C}\p{Z}]*$/u;

/** Why this cannot be a user's name; empty: it can. */
export function nameProblem(name) {
  if (name === '') return 'A name is needed.';
  if (new TextEncoder().encode(name).length > 96) return 'This name is too long.';
  return USER_FORM.test(name) ? '' : 'No spaces or commas, and no @ or * at the start.';
}

/** The name of the room of two users. Names are ordered by their bytes. */
export function directRoom(a, b) {
  return `dm:${[a, b].sort(byBytes).join(',')}`;
}

/** The other user of a direct room; null: it is none of ours. */
export function otherSide(name, user) {
  if (!name.startsWith('dm:')) return null;
  const both = name.slice(3).split(',');
  return both.includes(user) ? (both.find((one) => one !== user) ?? null) : null;
}

/** Orders texts as their UTF-8 bytes are ordered, which is by code point. */
export function byBytes(a, b) {
  const [left, right] = [[...a], [...b]];
  const at = left.findIndex((character, index) => character !== right[index]);
  if (at < 0) return left.length - right.length;
  return at < right.length ? left[at].codePointAt(0) - right[at].codePointAt(0) : 1;
}
