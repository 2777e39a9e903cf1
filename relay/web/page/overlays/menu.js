/**
 * Menus that open beside a button.
 *
 * The one idea: at most one is open; it takes the focus, arrow keys walk it, Escape, Tab and a
 * click elsewhere close it, and the focus goes back to where it came from.
 *
 * It refuses to nest.
 */

let open = null;

/** Closes the menu that is open, if one is. */
export function closeMenu() {
  open?.close(true);
}

/**
 * Opens a menu.
 * @param {Element} anchor what it belongs to
 * @param {({label: string, act: () => void, checked?: boolean, isDangerous?: boolean}
 *   | {heading: string} | {element: Element})[]} entries
 * @param {{label: string, className?: string, columns?: number}} options what a screen reader calls it,
 *   and how many entries stand beside each other
 */
export function openMenu(anchor, entries, { label, className = '', columns = 1 }) {
  const isAgain = open?.anchor === anchor;
  open?.close(true);
  if (isAgain) return;
  const menu = document.createElement('div');
  menu.className = `menu-box ${className}`;
  menu.setAttribute('role', 'menu');
  menu.setAttribute('aria-label', label);
  const before = document.activeElement;
  for (const entry of entries) menu.append(makeEntry(entry));
  document.body.append(menu);
  place(menu, anchor);
  anchor.setAttribute('aria-expanded', 'true');

  const items = () => [...menu.querySelectorAll('[role^="menuitem"], input')];
  const outside = (event) => {
    if (!menu.contains(event.target) && !anchor.contains(event.target)) close(false);
  };
  function close(giveBack) {
    if (open?.menu !== menu) return;
    open = null;
    document.removeEventListener('pointerdown', outside, true);
    menu.remove();
    anchor.setAttribute('aria-expanded', 'false');
    if (giveBack) (before?.isConnected ? before : anchor).focus({ preventScroll: true });
  }
  open = { menu, anchor, close };
  document.addEventListener('pointerdown', outside, true);
  window.addEventListener('resize', () => close(false), { once: true });
  menu.addEventListener('keydown', (event) => {
    const all = items();
    const at = all.indexOf(document.activeElement);
    const isTyping = event.target.tagName === 'INPUT';
    const isGrid = columns > 1 && !isTyping;
    const steps = isTyping
      ? { ArrowDown: 1, ArrowUp: -1 }
      : { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 };
    let next = null;
    if (event.key === 'Escape' || event.key === 'Tab') {
      event.stopPropagation();
      close(true);
    } else if (isGrid && event.key === 'ArrowUp') next = beside(all, at, -1);
    else if (isGrid && event.key === 'ArrowDown') next = beside(all, at, 1);
    else if (steps[event.key]) next = all[(at + steps[event.key] + all.length) % all.length];
    else if (event.key === 'Home' && !isTyping) [next] = all;
    else if (event.key === 'End' && !isTyping) next = all.at(-1);
    else return;
    event.preventDefault();
    next?.focus();
  });
  items()[0]?.focus({ preventScroll: true });
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

function makeEntry({ label, act, checked, isDangerous, heading, element, title }) {
  if (element) return element;
  if (heading !== undefined) {
    const head = document.createElement('p');
    head.className = 'menu-heading';
    head.dir = 'auto';
    head.textContent = heading;
    return head;
  }
  const button = document.createElement('button');
  button.type = 'button';
  button.setAttribute('role', checked === undefined ? 'menuitem' : 'menuitemradio');
  if (checked !== undefined) button.setAttribute('aria-checked', String(checked));
  if (isDangerous) button.className = 'dangerous';
  if (title) {
    button.title = title;
    button.setAttribute('aria-label', title);
  }
  button.textContent = label;
  button.addEventListener('click', () => {
    closeMenu();
    act();
  });
  return button;
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
