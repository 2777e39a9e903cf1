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

const WORD = /(?<![^\s([{"'“„«/])@([^\s@*,][^\s,]*)/gu;
const UNFINISHED = /(?:^|[\s([{"'“„«])@([^\s@*,][^\s,]*|)$/u;

/**
 * Where users are mentioned in a text.
 * @param {(user: string) => boolean} knows
 * @returns {{user: string, from: number, to: number}[]}
 */
export function findMentions(text, knows) {
  const found = [];
  for (const match of text.matchAll(WORD)) {
    let user = match[1];
    // Cut from the end at each border of a word: `bob's.` is `bob's.`, `bob's`, `bob'`, `bob`.
    while (user !== '' && !knows(user)) {
      user = user.replace(/(?:[\p{L}\p{N}]+|[^\p{L}\p{N}])$/u, '');
    }
    if (user !== '') found.push({ user, from: match.index, to: match.index + 1 + user.length });
  }
  return found;
}

/** The users a text mentions, each once. */
export function mentionsIn(text, knows) {
  const users = new Set(findMentions(text, knows).map(({ user }) => user));
  return [...users].slice(0, MENTIONS_MOST);
}

/** The mention being typed before the caret: {from, typed}, or null. */
export function unfinishedMention(text, caret) {
  const match = UNFINISHED.exec(text.slice(0, caret));
  return match ? { from: caret - match[1].length - 1, typed: match[1] } : null;
}

/**
 * Who may be meant by what was typed, best first.
 * @param {{user: string, name: string}[]} people
 */
export function candidates(typed, people, most = 8) {
  const wanted = typed.toLocaleLowerCase();
  const rank = ({ user, name }) => {
    const texts = [user.toLocaleLowerCase(), name.toLocaleLowerCase()];
    if (texts.some((text) => text.startsWith(wanted))) return 0;
    if (texts.some((text) => text.includes(wanted))) return 1;
    return 2;
  };
  return people.map((person) => ({ ...person, rank: rank(person) }))
    .filter((person) => person.rank < 2)
    .sort((a, b) => a.rank - b.rank || a.name.localeCompare(b.name))
    .slice(0, most);
}
