/**
 * Menus that open beside a button.
 *
 * The one idea: a popover of the platform, so at most one is open, and a click elsewhere closes it. It takes the
 * focus, arrow keys walk it, Escape and Tab close it, and the focus goes back to where it came from.
 *
 * It refuses to nest.
 */

import { html, nothing, render } from 'lit-html';

import { make } from '../elements.js';

let open = null;
/** The anchor that the pointer is on, and whose menu it closes by that. */
let pressed = null;

/** Closes the menu that is open, if one is. */
export function closeMenu() {
  open?.close(true);
}

/**
 * Opens a menu, or closes it if it is open beside this anchor.
 * @param {Element} anchor what it belongs to
 * @param {({label: string, act: () => void, checked?: boolean, isDangerous?: boolean, title?: string}
 *   | {heading: string} | {content: unknown})[]} entries `content`: a template
 * @param {{label: string, className?: string, columns?: number}} options what a screen reader calls it,
 *   and how many entries stand beside each other
 * @returns {((entries: object[]) => void)|null} draws other entries; null: it was closed
 */
export function openMenu(anchor, entries, { label, className = '', columns = 1 }) {
  const isAgain = open?.anchor === anchor || pressed === anchor;
  pressed = null;
  open?.close(true);
  if (isAgain) return null;
  const menu = make('div', `menu-box ${className}`);
  menu.popover = 'auto';
  menu.setAttribute('role', 'menu');
  menu.setAttribute('aria-label', label);
  const before = document.activeElement;
  const draw = (some) => render(some.map(entryOf), menu);
  draw(entries);
  document.body.append(menu);
  menu.showPopover();
  place(menu, anchor);
  anchor.setAttribute('aria-expanded', 'true');

  const press = ({ target }) => {
    pressed = anchor.contains(target) ? anchor : null;
  };
  const resized = () => close(false);
  function close(giveBack) {
    if (open?.menu !== menu) return;
    open = null;
    document.removeEventListener('pointerdown', press, true);
    window.removeEventListener('resize', resized);
    menu.remove();
    anchor.setAttribute('aria-expanded', 'false');
    if (giveBack) (before?.isConnected ? before : anchor).focus({ preventScroll: true });
  }
  open = { menu, anchor, close };
  document.addEventListener('pointerdown', press, true);
  window.addEventListener('resize', resized);
  menu.addEventListener('toggle', ({ newState }) => {
    if (newState === 'closed') close(false);
  });
  menu.addEventListener('keydown', (event) => walk(event, menu, columns, close));
  itemsOf(menu)[0]?.focus({ preventScroll: true });
  return draw;
}

const itemsOf = (menu) => [...menu.querySelectorAll('[role^="menuitem"], input')];

/** Arrow keys, Home and End go through the entries; Escape and Tab close the menu. */
function walk(event, menu, columns, close) {
  const all = itemsOf(menu);
  const at = all.indexOf(document.activeElement);
  const { key } = event;
  const isTyping = event.target.tagName === 'INPUT';
  const isGrid = columns > 1 && !isTyping;
  const step = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 }[key];
  const isVertical = key === 'ArrowDown' || key === 'ArrowUp';
  let next = null;
  if (key === 'Escape' || key === 'Tab') {
    event.stopPropagation();
    close(true);
  } else if (isGrid && isVertical) next = beside(all, at, step);
  else if (step && (isVertical || !isTyping)) next = all[(at + step + all.length) % all.length];
  else if (key === 'Home' && !isTyping) [next] = all;
  else if (key === 'End' && !isTyping) next = all.at(-1);
  else return;
  event.preventDefault();
  next?.focus();
}

/** The entry of the next row above (-1) or below (1) that is nearest; null in the last row. */
function beside(all, at, direction) {
  const here = all[at].getBoundingClientRect();
  const middle = here.left + here.width / 2;
  let best = null;
  for (const item of all) {
    const { top, left, width } = item.getBoundingClientRect();
    const rows = (top - here.top) * direction;
    const away = Math.abs(left + width / 2 - middle);
    const isNearer = best === null || rows < best.rows || (rows === best.rows && away < best.away);
    if (rows > 0 && isNearer) best = { item, rows, away };
  }
  return best?.item ?? null;
}

function entryOf({ label, act, checked, isDangerous, heading, content, title }) {
  if (content) return content;
  if (heading !== undefined) return html`<p class="menu-heading" dir="auto">${heading}</p>`;
  const chosen = () => {
    closeMenu();
    act();
  };
  return html`<button type="button" class=${isDangerous ? 'dangerous' : nothing}
    role=${checked === undefined ? 'menuitem' : 'menuitemradio'}
    aria-checked=${checked === undefined ? nothing : String(checked)}
    title=${title || nothing} aria-label=${title || nothing} @click=${chosen}>${label}</button>`;
}

/** Beside the anchor where there is room, inside the window in any case. */
function place(menu, anchor) {
  const around = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const gap = 6;
  const below = around.bottom + gap;
  const isBelow = below + height <= window.innerHeight - gap;
  const top = isBelow ? below : Math.max(gap, around.top - gap - height);
  const left = Math.min(around.left, window.innerWidth - width - gap);
  menu.style.top = `${top}px`;
  menu.style.left = `${Math.max(gap, left)}px`;
}
