/**
 * The Markdown of messages: how a text is read into tokens.
 *
 * The one idea: what people write is a message first, and Markdown where they meant it. Of Markdown there is:
 * bold, italic, struck through, inline code, fences, quotes, lists, links; and `@names` of users. Line
 * breaks and the blanks after them stay as they were written.
 */

import MarkdownIt from 'markdown-it';

import { findMentions } from '../../sdk.js';

const WEB = /^https?:\/\//i;
/** Blocks that are nested deeper are left out by the library. */
const NESTED_MOST = 20;
const NEWLINE = 10;
const BACKSLASH = 92;
const AT = 64;

const markdown = new MarkdownIt('zero', { linkify: true, maxNesting: NESTED_MOST });
markdown.enable(['fence', 'blockquote', 'list']);
markdown.enable(['backticks', 'emphasis', 'strikethrough', 'link', 'escape', 'newline', 'linkify']);
markdown.validateLink = (url) => WEB.test(url);
markdown.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });
for (const schema of ['ftp:', 'mailto:', '//']) markdown.linkify.add(schema, null);
markdown.linkify.add('www.', {
  validate(text, at, linkify) {
    // What would be a link behind `http://` is one.
    const most = 2000;
    const rest = `http://www.${text.slice(at, at + most)}`;
    return Math.max(0, linkify.testSchemaAt(rest, 'http:', 'http:'.length) - '//www.'.length);
  },
  normalize(match) {
    match.url = `http://${match.url}`;
  },
});

/** The library's own rule leaves the blanks out that the next line begins with. */
markdown.inline.ruler.at('newline', (state, silent) => {
  if (state.src.charCodeAt(state.pos) !== NEWLINE) return false;
  if (!silent) state.push('softbreak', '', 0);
  state.pos += 1;
  return true;
});

/** Where a backslash is no escape: `¯\\_(ツ)_/¯` keeps its arm, a command of several lines its ends of lines. */
markdown.inline.ruler.before('escape', 'backslash', (state, silent) => {
  const { src, pos } = state;
  if (src.charCodeAt(pos) !== BACKSLASH) return false;
  let length = 0;
  if (src[pos - 1] === '¯') length = 2;
  else if (src.charCodeAt(pos + 1) === NEWLINE) length = 1;
  if (length === 0) return false;
  if (!silent) state.pending += src.slice(pos, pos + length);
  state.pos += length;
  return true;
});

/** Names come before emphasis: users may be called `_bob_`. */
markdown.inline.ruler.before('emphasis', 'mention', (state, silent) => {
  const { src, pos, env } = state;
  if (src.charCodeAt(pos) !== AT) return false;
  // All of this text, once.
  if (env.src !== src) {
    env.src = src;
    env.found = new Map(
      findMentions(src, (name) => env.called(name) !== null).map((one) => [one.from, one]),
    );
  }
  const mention = env.found.get(pos);
  if (!mention || mention.to > state.posMax) return false;
  if (!silent) {
    const token = state.push('mention', '', 0);
    token.content = src.slice(pos, mention.to);
    token.meta = env.called(mention.user);
  }
  state.pos = mention.to;
  return true;
});

/**
 * Reads a text.
 * @param {string} text
 * @param {(name: string) => string|null} called the user who is called so
 * @returns {object[]|null} tokens of markdown-it, and `mention` with the user as `meta`; null: it is nested so
 *   deeply that part of it would be missing
 */
export function readMarkdown(text, called) {
  const tokens = markdown.parse(text, { called });
  return tokens.some(({ level }) => level >= NESTED_MOST - 1) ? null : tokens;
}
