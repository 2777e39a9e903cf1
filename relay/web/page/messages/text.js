/**
 * Texts that people wrote, on the page: links and mentions.
 *
 * The one idea: everything of others' making becomes text nodes; a link is an anchor with a text
 * node inside, and only http and https are links.
 *
 * It refuses to parse markup.
 */

import { findMentions } from '../../sdk/mentions.js';

const LINK = /\bhttps?:\/\/[^\s<>"'`]+[^\s<>"'`.,;:!?)\]}]/gi;

/**
 * What a text consists of.
 * @param {string[]} mentions the users it mentions
 * @returns {{text: string, url?: string, user?: string}[]}
 */
export function piecesOf(text, mentions) {
  const marks = [];
  for (const match of text.matchAll(LINK)) {
    if (!URL.canParse(match[0])) continue;
    const url = new URL(match[0]).href;
    marks.push({ from: match.index, to: match.index + match[0].length, url });
  }
  if (mentions.length) {
    const users = new Set(mentions);
    const isFree = beside(marks);
    marks.push(...findMentions(text, (user) => users.has(user)).filter(isFree));
    marks.sort((a, b) => a.from - b.from);
  }
  const pieces = [];
  let at = 0;
  for (const { from, to, url, user } of marks) {
    if (from > at) pieces.push({ text: text.slice(at, from) });
    pieces.push({ text: text.slice(from, to), ...(url ? { url } : { user }) });
    at = to;
  }
  if (at < text.length) pieces.push({ text: text.slice(at) });
  return pieces;
}

/** Whether spans, asked about from the first to the last, lie outside of all `marks`, in order. */
function beside(marks) {
  let at = 0;
  const count = marks.length;
  return ({ from, to }) => {
    while (at < count && marks[at].to <= from) at += 1;
    return at === count || to <= marks[at].from;
  };
}

/** Puts a text into an element: its links clickable, its mentions marked. */
export function putText(element, text, { mentions, self, nameOf }) {
  element.textContent = '';
  for (const piece of piecesOf(text, mentions ?? [])) {
    if (piece.url) element.append(makeLink(piece));
    else if (piece.user) element.append(makeMention(piece, self, nameOf));
    else element.append(piece.text);
  }
}

function makeLink({ text, url }) {
  const anchor = document.createElement('a');
  anchor.href = url;
  anchor.target = '_blank';
  anchor.rel = 'noopener noreferrer nofollow';
  anchor.textContent = text;
  return anchor;
}

function makeMention({ text, user }, self, nameOf) {
  const mention = document.createElement('span');
  mention.className = 'mention';
  mention.toggleAttribute('data-self', user === self);
  mention.title = nameOf(user);
  mention.textContent = text;
  return mention;
}

const ONLY_EMOJI = new RegExp(
  '^(?=.*\\p{Extended_Pictographic}|.*\\p{Regional_Indicator})'
    + '(?:\\p{Extended_Pictographic}|\\p{Emoji_Modifier}|\\p{Regional_Indicator}'
    + '|[\\u200d\\ufe0f\\u20e3]|\\s)+$',
  'u',
);

/** Whether a short text is nothing but emoji, which are then drawn larger. */
export const isOnlyEmoji = (text) => text.length <= 30 && ONLY_EMOJI.test(text);
