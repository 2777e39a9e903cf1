/**
 * Choosing an emoji: the usual ones at once, all of them by name.
 *
 * The one idea: a menu with a field that narrows it. The list of all is loaded when it is first wanted;
 * without it the usual ones are there.
 *
 * It refuses to know what the emoji is for.
 */

import { html } from 'lit-html';

import { closeMenu, openMenu } from './menu.js';

const USUAL = '👍 ❤️ 😂 🎉 😮 😢 👀 🙏 🔥 ✅ 👎 🚀 💯 🤔 👏 😍 ☕ 🙌'.split(' ');
const COLUMNS = 8;
const FOUND_MOST = 80;

/** [group, [emoji, words][]][]; null: not loaded. */
let all = null;

/** Loads the list, once. */
async function load() {
  try {
    all ??= await (await fetch('emoji.json')).json();
  } catch {
    // The next time, perhaps.
  }
}

/**
 * The emoji whose names hold all words of a text, best first.
 * @param {[string, [string, string][]][]} groups
 * @param {string} text
 */
export function findEmoji(groups, text) {
  const words = text.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  const found = groups
    .flatMap(([, entries]) => entries)
    .filter(([, names]) => words.every((word) => names.includes(word)));
  const rank = ([, names]) => (names.startsWith(text.toLocaleLowerCase()) ? 0 : 1);
  return found.sort((a, b) => rank(a) - rank(b)).slice(0, FOUND_MOST);
}

/**
 * Opens the choice.
 * @param {Element} anchor what it belongs to
 * @param {string} label what a screen reader calls it
 * @param {(emoji: string) => void} pick
 */
export function openEmojiPicker(anchor, label, pick) {
  let text = '';
  const choose = (emoji) => {
    closeMenu();
    pick(emoji);
  };
  const typed = ({ target }) => {
    text = target.value.trim();
    draw([entry()]);
  };
  const pressed = (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    event.target.nextElementSibling.querySelector('button')?.click();
  };
  const entry = () => {
    const usual = ['Often used', USUAL.map((emoji) => [emoji, nameOf(emoji)])];
    const groups = text && all ? [['Found', findEmoji(all, text)]] : [usual, ...(all ?? [])];
    const content = html`<input type="search" class="emoji-search" placeholder="Search emoji"
        aria-label="Search emoji" @input=${typed} @keydown=${pressed}
      ><div class="emoji-list">${groups.map((group) => groupOf(group, choose))}</div>`;
    return { content };
  };
  const options = { label, className: 'emoji-menu', columns: COLUMNS };
  const draw = openMenu(anchor, [entry()], options);
  if (all === null) load().then(() => draw?.([entry()]));
}

/** What an emoji is called; itself, while that is not known. */
function nameOf(emoji) {
  for (const [, entries] of all ?? []) {
    const found = entries.find(([one]) => one === emoji);
    if (found) return found[1];
  }
  return emoji;
}

function groupOf([name, entries], choose) {
  if (entries.length === 0) return html`<p class="menu-heading">Nothing is called so.</p>`;
  const button = ([emoji, words]) => {
    const [label] = words.split(';');
    return html`<button type="button" role="menuitem" aria-label=${label} title=${label}
      @click=${() => choose(emoji)}>${emoji}</button>`;
  };
  return html`<p class="menu-heading">${name}</p>
    <div class="emoji-grid emoji">${entries.map(button)}</div>`;
}
