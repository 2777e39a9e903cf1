/**
 * Mentions: `@bob` in a text.
 *
 * The one idea: only users who are known are mentioned, so that no punctuation has to be guessed
 * at: a word after `@` is shortened from its end until it is somebody.
 *
 * It refuses to know where users come from.
 */

/** As many users a message may mention. */
export const MENTIONS_MOST = 50;
/** As long, in UTF-16 units, a user's name may be: it has at most 96 bytes. */
const NAME_MOST = 96;

/** Marks of emphasis may stand before it; a slash may not: `@` in an address names nobody here. */
const WORD = /(?<![^\s([{"'“„«*_~])@([^\s@*,][^\s,]*)/gu;
/** What a word is made of: a name ends where one of these does. */
const PART = /[\p{L}\p{N}]+|[^\p{L}\p{N}]/gu;
const UNFINISHED = /(?:^|[\s([{"'“„«])@([^\s@*,][^\s,]*|)$/u;

/**
 * Where users are mentioned in a text.
 * @param {string} text
 * @param {(user: string) => boolean} knows
 * @returns {{user: string, from: number, to: number}[]}
 */
export function findMentions(text, knows) {
  const found = [];
  for (const { 1: word, index } of text.matchAll(WORD)) {
    // The longest first: `bob's.` is `bob's.`, `bob's`, `bob'`, `bob`.
    const user = ends(word)
      .map((end) => word.slice(0, end))
      .findLast((name) => knows(name));
    if (user !== undefined) found.push({ user, from: index, to: index + 1 + user.length });
  }
  return found;
}

/**
 * Where a name at the beginning of a word may end. However long the word is, few are looked at.
 * @param {string} word
 */
function ends(word) {
  const places = [];
  // A little more than a name, so that what is cut off here is not taken for a border.
  for (const { 0: part, index } of word.slice(0, NAME_MOST + 2).matchAll(PART)) {
    const end = index + part.length;
    if (end > NAME_MOST) break;
    places.push(end);
  }
  return places;
}

/**
 * The users a text mentions, each once.
 * @param {string} text
 * @param {(user: string) => boolean} knows
 */
export function mentionsIn(text, knows) {
  const users = new Set(findMentions(text, knows).map(({ user }) => user));
  return [...users].slice(0, MENTIONS_MOST);
}

/**
 * The mention being typed before the caret.
 * @param {string} text
 * @param {number} caret
 * @returns {{from: number, typed: string}|null}
 */
export function unfinishedMention(text, caret) {
  // The name, the @ and what stands before it.
  const match = UNFINISHED.exec(text.slice(Math.max(0, caret - NAME_MOST - 2), caret));
  if (!match || match[1].length > NAME_MOST) return null;
  return { from: caret - match[1].length - 1, typed: match[1] };
}

/**
 * Who may be meant by what was typed, best first.
 * @param {string} typed
 * @param {{user: string, name: string}[]} people
 */
export function candidates(typed, people, most = 8) {
  const wanted = typed.toLocaleLowerCase();
  const rank = (/** @type {{user: string, name: string}} */ { user, name }) => {
    const texts = [user.toLocaleLowerCase(), name.toLocaleLowerCase()];
    if (texts.some((text) => text.startsWith(wanted))) return 0;
    if (texts.some((text) => text.includes(wanted))) return 1;
    return 2;
  };
  return people
    .map((person) => ({ ...person, rank: rank(person) }))
    .filter((person) => person.rank < 2)
    .sort((a, b) => a.rank - b.rank || a.name.localeCompare(b.name))
    .slice(0, most);
}
