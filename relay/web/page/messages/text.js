/**
 * Texts that people wrote, on the page: Markdown, links and mentions.
 *
 * The one idea: markdown.js reads the text into tokens, and each token becomes an element made here. No
 * text is ever parsed as HTML, so nothing that somebody writes can be anything else. What would not be seen
 * as Markdown is shown as it was written.
 *
 * It refuses to show pictures of others, headings and tables.
 */

import { findMentions } from '../../sdk.js';
import { make } from '../elements.js';
import { calledIn } from '../people/called.js';
import { readMarkdown } from './markdown.js';

/** Texts without any of these say nothing but themselves. */
const MARKS = /[`*_~[\\]|https?:\/\/|www\.|^[ \t]*(?:>|[-+*] |\d+[.)] )/im;
/** Elements within each other: layout takes ever longer, and nobody sees more. */
const DEEPEST = 20;

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
 * A text as nodes.
 * @param {string} text
 * @param {{mentions: string[]|null, self: string, nameOf: (user: string) => string}} scene `mentions`: the
 *   users it mentions
 * @returns {DocumentFragment}
 */
export function textNodes(text, { mentions, self, nameOf }) {
  const called = calledIn(mentions ?? []);
  const scene = { called, self, nameOf };
  const nodes = document.createDocumentFragment();
  const tokens = MARKS.test(text) ? readMarkdown(text, called) : null;
  if (tokens !== null) new Writer(nodes, text, scene).blocks(tokens);
  if (nodes.textContent.trim() !== '') return nodes;
  nodes.replaceChildren();
  putWords(nodes, text, scene);
  return nodes;
}

/**
 * What a text says outside of code and links.
 * @param {string} text
 * @param {(name: string) => string|null} called the user who is called so
 * @returns {{users: string[], words: string}} whom it mentions, each once, and all else
 */
export function readMentions(text, called) {
  const tokens = readMarkdown(text, called);
  const users = new Set();
  if (tokens === null) {
    for (const { user } of findMentions(text, (name) => called(name) !== null)) {
      users.add(called(user));
    }
    return { users: [...users], words: text };
  }
  let words = '';
  let links = 0;
  for (const { children, content, type } of tokens) {
    // In place of what is left out stands a letter, so that nothing else begins there.
    for (const one of children ?? []) {
      if (one.type === 'link_open') links += 1;
      else if (one.type === 'link_close') links -= 1;
      else if (one.type.endsWith('break')) words += '\n';
      else if (links > 0 || one.type === 'code_inline') words += 'x';
      else if (one.type === 'mention') users.add(one.meta);
      else words += one.content;
    }
    words += type === 'inline' || content === '' ? '\n' : '';
  }
  return { users: [...users], words };
}

class Writer {
  #at;
  #lines;
  #scene;
  /** Of what is open: whether there is an element for it. */
  #open = [];
  /** The last line of the block before. */
  #lineBefore = null;

  constructor(nodes, text, scene) {
    this.#at = nodes;
    this.#lines = text.split('\n');
    this.#scene = scene;
  }

  blocks(tokens) {
    for (const token of tokens) {
      if (token.type === 'inline') this.#inlines(token.children);
      else if (token.type === 'fence') this.#fence(token);
      else if (token.type === 'paragraph_open') this.#paragraph(token);
      else if (token.type !== 'paragraph_close') this.#openOrClose(token);
    }
  }

  /** Paragraphs are text with the empty lines that stood between them. */
  #paragraph({ map, hidden }) {
    const [first, end] = map;
    if (!hidden) this.#emptyLines(first);
    this.#lineBefore = end;
  }

  #emptyLines(first) {
    if (this.#lineBefore === null) return;
    this.#at.append('\n'.repeat(Math.min(3, first - this.#lineBefore + 1)));
  }

  #fence({ content, info, map: [first, end] }) {
    const words = info.trim().split(/\s+/);
    if (content.trim() === '' || words.length > 1) {
      // Somebody has written the marks, and no code.
      this.#emptyLines(first);
      this.#at.append(this.#lines.slice(first, end).join('\n'));
      this.#lineBefore = end;
      return;
    }
    const box = make('pre', 'fence');
    const code = make('code', '', content.replace(/\n$/, ''));
    if (words[0]) box.dataset.language = words[0].slice(0, 20);
    box.append(code);
    this.#at.append(box);
    this.#lineBefore = null;
  }

  #openOrClose(token) {
    if (token.nesting < 0) {
      if (this.#open.pop()) this.#leave();
    } else {
      const tag = this.#open.length < DEEPEST ? ELEMENTS.get(token.type) : undefined;
      this.#open.push(tag !== undefined);
      if (tag !== undefined) this.#enter(tag, token);
    }
    if (token.block) this.#lineBefore = null;
  }

  #enter(tag, token) {
    const element = make(tag);
    if (tag === 'a') dressLink(element, token.attrGet('href'));
    const start = Number(token.attrGet('start') ?? 1);
    if (tag === 'ol' && start !== 1) element.start = start;
    this.#at.append(element);
    this.#at = element;
  }

  #leave() {
    const element = this.#at;
    this.#at = element.parentNode;
    // A link that says nothing would be there for the keyboard alone.
    const isUnseen = element.tagName === 'A' && element.textContent.trim() === '';
    if (isUnseen) element.replaceWith(`[](${element.getAttribute('href')})`);
  }

  #inlines(tokens) {
    for (const token of tokens) {
      const { type, content } = token;
      if (type === 'text') this.#at.append(content);
      else if (type === 'mention') this.#mention(token);
      else if (type === 'code_inline') this.#at.append(make('code', '', content));
      else if (type === 'softbreak') this.#at.append('\n');
      else this.#openOrClose(token);
    }
  }

  #mention({ content, meta: user }) {
    // A name in a link is part of the link.
    const isInLink = this.#at.closest?.('a');
    this.#at.append(isInLink ? content : makeMention(content, user, this.#scene));
  }
}

function dressLink(anchor, url) {
  anchor.href = url;
  anchor.target = '_blank';
  anchor.rel = 'noopener noreferrer nofollow';
  // Where it leads, whatever it says.
  anchor.title = url;
  // Of the list one message is a stop of Tab; its links are while it has the focus.
  anchor.tabIndex = -1;
}

/** Text with its mentions marked. */
function putWords(nodes, text, scene) {
  const { called } = scene;
  let at = 0;
  for (const { user, from, to } of findMentions(text, (name) => called(name) !== null)) {
    if (from > at) nodes.append(text.slice(at, from));
    nodes.append(makeMention(text.slice(from, to), called(user), scene));
    at = to;
  }
  if (at < text.length) nodes.append(text.slice(at));
}

function makeMention(words, user, { self, nameOf }) {
  const mention = make('span', 'mention', words);
  mention.toggleAttribute('data-self', user === self);
  mention.title = nameOf(user);
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
