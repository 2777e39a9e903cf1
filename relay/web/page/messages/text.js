/**
 * Texts that people wrote, on the page: Markdown, links and mentions.
 *
 * The one idea: a library reads the text into tokens, and each token becomes an element made here. No
 * text is ever parsed as HTML, so nothing that somebody writes can be anything else.
 *
 * Of Markdown there is: bold, italic, struck through, inline code, fences, quotes, lists, links. Line
 * breaks stay as they were written.
 *
 * It refuses to show pictures of others, headings and tables.
 */

import MarkdownIt from 'markdown-it';

import { findMentions } from '../../sdk.js';
import { make } from '../elements.js';

/** Texts without any of these say nothing but themselves. */
const MARKS = /[`*_~[\\]|https?:\/\/|www\.|^[ \t]*(?:>|[-+*] |\d+[.)] )/im;
const WEB = /^https?:\/\//i;

const markdown = new MarkdownIt('zero', { breaks: true, linkify: true, maxNesting: 20 });
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

const ELEMENTS = new Map([
  ['strong_open', 'strong'],
  ['em_open', 'em'],
  ['s_open', 's'],
  ['blockquote_open', 'blockquote'],
  ['bullet_list_open', 'ul'],
  ['ordered_list_open', 'ol'],
  ['list_item_open', 'li'],
  ['link_open', 'a'],
]);

/**
 * Puts a text into an element.
 * @param {Element} element
 * @param {string} text
 * @param {{mentions: string[]|null, self: string, nameOf: (user: string) => string}} scene `mentions`: the
 *   users it mentions
 */
export function putText(element, text, scene) {
  element.textContent = '';
  if (MARKS.test(text)) new Writer(element, scene).blocks(markdown.parse(text, {}));
  else putWords(element, text, scene);
}

class Writer {
  #at;
  #scene;
  /** The last line of the block before. */
  #lineBefore = null;

  constructor(element, scene) {
    this.#at = element;
    this.#scene = scene;
  }

  blocks(tokens) {
    for (const token of tokens) {
      if (token.type === 'inline') this.#inlines(token.children);
      else if (token.type === 'fence') this.#fence(token);
      else if (token.type === 'paragraph_open') this.#paragraph(token);
      else this.#openOrClose(token);
    }
  }

  /** Paragraphs are text with the empty lines that stood between them. */
  #paragraph({ map, hidden }) {
    const [first, end] = map;
    if (!hidden && this.#lineBefore !== null) {
      this.#at.append('\n'.repeat(Math.min(3, first - this.#lineBefore + 1)));
    }
    this.#lineBefore = end;
  }

  #fence({ content, info }) {
    const box = make('pre', 'fence');
    const code = make('code', '', content.replace(/\n$/, ''));
    const [language] = info.trim().split(/\s/);
    if (language) box.dataset.language = language.slice(0, 20);
    box.append(code);
    this.#at.append(box);
    this.#lineBefore = null;
  }

  #openOrClose(token) {
    const { type, nesting } = token;
    if (nesting < 0) {
      if (type !== 'paragraph_close') this.#leave();
      return;
    }
    const tag = ELEMENTS.get(type);
    if (!tag) return;
    const element = make(tag);
    if (tag === 'a') dressLink(element, token.attrGet('href'));
    const start = Number(token.attrGet('start') ?? 1);
    if (tag === 'ol' && start !== 1) element.start = start;
    this.#at.append(element);
    this.#at = element;
    if (token.block) this.#lineBefore = null;
  }

  #leave() {
    this.#at = this.#at.parentElement;
    this.#lineBefore = null;
  }

  #inlines(tokens) {
    for (const token of tokens) {
      const { type, content, nesting } = token;
      if (type === 'text') this.#words(content);
      else if (type === 'code_inline') this.#at.append(make('code', '', content));
      else if (type === 'softbreak' || type === 'hardbreak') this.#at.append('\n');
      else if (nesting < 0) this.#at = this.#at.parentElement;
      else this.#openOrClose(token);
    }
  }

  #words(text) {
    // A name in a link is part of the link.
    if (this.#at.closest('a')) this.#at.append(text);
    else putWords(this.#at, text, this.#scene);
  }
}

function dressLink(anchor, url) {
  anchor.href = url;
  anchor.target = '_blank';
  anchor.rel = 'noopener noreferrer nofollow';
  // Where it leads, whatever it says.
  anchor.title = url;
}

/** Text with its mentions marked. */
function putWords(element, text, { mentions, self, nameOf }) {
  const users = new Map((mentions ?? []).map((user) => [user.toLocaleLowerCase(), user]));
  const whose = (name) => users.get(name.toLocaleLowerCase());
  const found = users.size ? findMentions(text, (name) => whose(name) !== undefined) : [];
  let at = 0;
  for (const { user: name, from, to } of found) {
    const user = whose(name);
    if (from > at) element.append(text.slice(at, from));
    const mention = make('span', 'mention', text.slice(from, to));
    mention.toggleAttribute('data-self', user === self);
    mention.title = nameOf(user);
    element.append(mention);
    at = to;
  }
  if (at < text.length) element.append(text.slice(at));
}

const ONLY_EMOJI = new RegExp(
  '^(?=.*\\p{Extended_Pictographic}|.*\\p{Regional_Indicator})'
    + '(?:\\p{Extended_Pictographic}|\\p{Emoji_Modifier}|\\p{Regional_Indicator}'
    + '|[\\u200d\\ufe0f\\u20e3]|\\s)+$',
  'u',
);

/** Whether a short text is nothing but emoji, which are then drawn larger. */
export const isOnlyEmoji = (text) => text.length <= 30 && ONLY_EMOJI.test(text);
