/**
 * Choosing an emoji: the usual ones at once, all of them by name.
 *
 * The one idea: a menu with a field that narrows it. The list of all is loaded when it is first wanted;
 * without it the usual ones are there.
 *
 * It refuses to know what the emoji is for.
 */

import { make, makeButton } from '../elements.js';
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
  const field = make('input', 'emoji-search');
  field.type = 'search';
  field.placeholder = 'Search emoji';
  field.setAttribute('aria-label', 'Search emoji');
  const list = make('div', 'emoji-list');
  const draw = () => {
    const text = field.value.trim();
    const usual = ['Often used', USUAL.map((emoji) => [emoji, nameOf(emoji)])];
    const groups = text && all ? [['Found', findEmoji(all, text)]] : [usual, ...(all ?? [])];
    const focused = [...list.querySelectorAll('button')].indexOf(document.activeElement);
    list.replaceChildren(...groups.flatMap((group) => makeGroup(group, pick)));
    // The usual ones stand where they stood.
    list.querySelectorAll('button')[focused]?.focus();
  };
  draw();
  field.addEventListener('input', draw);
  field.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    list.querySelector('button')?.click();
  });
  openMenu(anchor, [{ element: field }, { element: list }], {
    label,
    className: 'emoji-menu',
    columns: COLUMNS,
  });
  if (all === null) load().then(() => list.isConnected && draw());
}

/** What an emoji is called; itself, while that is not known. */
function nameOf(emoji) {
  for (const [, entries] of all ?? []) {
    const found = entries.find(([one]) => one === emoji);
    if (found) return found[1];
  }
  return emoji;
}

function makeGroup([name, entries], pick) {
  if (entries.length === 0) return [make('p', 'menu-heading', 'Nothing is called so.')];
  const grid = make('div', 'emoji-grid emoji');
  for (const [emoji, words] of entries) {
    const [label] = words.split(';');
    const button = makeButton('', emoji, label);
    button.setAttribute('role', 'menuitem');
    button.addEventListener('click', () => {
      closeMenu();
      pick(emoji);
    });
    grid.append(button);
  }
  return [make('p', 'menu-heading', name), grid];
}
