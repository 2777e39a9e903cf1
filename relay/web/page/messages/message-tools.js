/**
 * What one can do with a message: a toolbar on the one that is pointed at or has the focus, and
 * keys.
 *
 * The one idea: one toolbar for all, moved to where it is needed. Of the list one message is a stop of the Tab
 * key: arrows walk the messages, Tab goes on to what is in the one with the focus, and to its tools.
 *
 * It refuses to do anything: it says what was asked for.
 */

import { html, render } from 'lit-html';

import { make } from '../elements.js';
import { openEmojiPicker } from '../overlays/emoji-picker.js';

const TOOLS = [
  ['react', 'React', '+'],
  ['reply', 'Reply', 'r'],
  ['link', 'Copy link', 'l'],
  ['edit', 'Edit', 'e'],
  ['delete', 'Delete', 'Delete'],
];

const KEYS = { '+': 'react', r: 'reply', l: 'link', e: 'edit', Delete: 'delete' };

export class MessageTools {
  #list;
  #on;
  #tools = make('div', 'tools');
  #item = null;
  #focused = null;

  /**
   * @param {Element} list of messages
   * @param {object} on
   * @param {(item) => {react, reply, link, edit, delete: boolean}} on.may what may be done with a message
   * @param {(name: string, item, more?) => void} on.act `react` (more: the emoji), `reply`, `link`,
   *   `edit`, `delete`, `retry`, `discard`, `quote`, `unfold`, `person` (more: the element)
   * @param {() => void} on.leave the focus is to go to where one writes
   */
  constructor(list, on) {
    this.#list = list;
    this.#on = on;
    this.#build();
    list.addEventListener('pointerover', ({ target }) => this.#moveTo(target.closest('.message')));
    list.addEventListener('pointerleave', () => {
      this.#moveTo(this.#focused?.contains(document.activeElement) ? this.#focused : null);
    });
    list.addEventListener('focusin', ({ target }) => {
      this.#focus(target.closest('.message, .notice'));
    });
    list.addEventListener('focusout', ({ relatedTarget }) => {
      if (!list.contains(relatedTarget) && !list.matches(':hover')) this.#moveTo(null);
    });
    list.addEventListener('click', (event) => this.#clicked(event));
    list.addEventListener('keydown', (event) => this.#pressed(event));
    // The last message is where Tab enters.
    new MutationObserver(() => this.#enter()).observe(list, { childList: true });
  }

  /** Something about a message has changed: what may be done with it, what is in it. */
  refresh() {
    if (this.#item) this.#show(this.#item);
    if (this.#focused) setInner(this.#focused, 0);
  }

  #build() {
    this.#tools.setAttribute('role', 'toolbar');
    this.#tools.setAttribute('aria-label', 'What to do with this message');
    this.#tools.setAttribute('aria-live', 'off');
    const tool = ([name, label, key]) => html`
      <button type="button" class="icon tool ${name}" data-tool=${name} aria-label=${label}
        title="${label} (${key})" aria-keyshortcuts=${key}></button>`;
    render(TOOLS.map(tool), this.#tools);
  }

  #moveTo(element) {
    const item = element?.item ?? null;
    const isUsable = item && Object.values(this.#on.may(item)).some(Boolean);
    if (!isUsable) {
      if (!this.#tools.contains(document.activeElement)) this.#hide();
      return;
    }
    if (item !== this.#item || this.#tools.parentElement !== element) {
      if (this.#tools.contains(document.activeElement)) return;
      this.#item = item;
      element.append(this.#tools);
    }
    this.#show(item);
  }

  #hide() {
    this.#item = null;
    this.#tools.remove();
  }

  #show(item) {
    const may = this.#on.may(item);
    for (const button of this.#tools.children) button.hidden = !may[button.dataset.tool];
  }

  // --- the focus ---------------------------------------------------------------------------------

  #enter() {
    if (this.#focused?.isConnected) return;
    this.#focused = null;
    const last = this.#list.lastElementChild;
    for (const element of this.#list.querySelectorAll(':scope > [tabindex="0"]')) {
      element.tabIndex = -1;
    }
    if (last) last.tabIndex = 0;
  }

  #focus(element) {
    if (!element || element === this.#focused) {
      this.#moveTo(element);
      return;
    }
    for (const other of this.#list.querySelectorAll(':scope > [tabindex="0"]')) {
      other.tabIndex = -1;
    }
    if (this.#focused) setInner(this.#focused, -1);
    this.#focused = element;
    element.tabIndex = 0;
    setInner(element, 0);
    this.#moveTo(element);
  }

  #pressed(event) {
    const element = event.target.closest('.message, .notice');
    if (!element || event.altKey || event.ctrlKey || event.metaKey) return;
    const { key } = event;
    const next = {
      ArrowUp: element.previousElementSibling,
      ArrowDown: element.nextElementSibling,
      Home: this.#list.firstElementChild,
      End: this.#list.lastElementChild,
    };
    if (Object.hasOwn(next, key)) {
      event.preventDefault();
      if (next[key]) next[key].focus();
      else if (key === 'ArrowDown') this.#on.leave();
      return;
    }
    if (this.#walkTools(event)) return;
    if (key === 'Escape') {
      event.preventDefault();
      if (event.target === element) this.#on.leave();
      else element.focus();
      return;
    }
    const name = KEYS[key];
    if (event.target !== element) return;
    if (!name || !this.#on.may(element.item)[name]) {
      // Whoever goes on typing means to write: the key goes where one writes.
      if (key.length === 1 && key !== ' ') this.#on.leave();
      return;
    }
    event.preventDefault();
    this.#act(name, element.item, this.#tools.querySelector(`.${name}`));
  }

  #walkTools(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return false;
    const buttons = [...this.#tools.children].filter((button) => !button.hidden);
    const at = buttons.indexOf(document.activeElement);
    if (buttons.length === 0) return false;
    event.preventDefault();
    buttons[(at < 0 && step < 0 ? 0 : at + step + buttons.length) % buttons.length].focus();
    return true;
  }

  // --- clicks ------------------------------------------------------------------------------------

  #clicked({ target }) {
    const button = target.closest('button');
    const element = target.closest('.message');
    const item = element?.item;
    if (!button || !item) return;
    const { classList, dataset } = button;
    if (dataset.tool) this.#act(dataset.tool, item, button);
    else if (classList.contains('reaction')) this.#on.act('react', item, dataset.emoji);
    else if (classList.contains('quote')) this.#on.act('quote', item);
    else if (classList.contains('author')) this.#on.act('person', item, button);
    else if (classList.contains('retry')) this.#on.act('retry', item);
    else if (classList.contains('discard')) this.#on.act('discard', item);
    else if (classList.contains('unfold')) this.#on.act('unfold', item);
  }

  #act(name, item, anchor) {
    // What opens now gives the focus back to where it was: the tools are gone by then.
    if (this.#tools.contains(document.activeElement)) {
      this.#tools.parentElement.focus({ preventScroll: true });
    }
    if (name !== 'react') {
      this.#on.act(name, item);
      return;
    }
    openEmojiPicker(anchor, 'React with', (emoji) => this.#on.act('react', item, emoji));
  }
}

/** What is inside a message is a stop of Tab only while the message has the focus. */
function setInner(element, tabIndex) {
  const inside = element.querySelectorAll('a, button:not(.tool)');
  for (const one of inside) one.tabIndex = tabIndex;
}
