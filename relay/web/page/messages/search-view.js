/**
 * Search within what is loaded of a room.
 *
 * The one idea: every drawn message whose text or author contains the words is a find; one of them
 * is looked at, the newest first.
 *
 * It refuses to ask the server: older messages are found once they are loaded.
 */

import { setText } from '../elements.js';

export class SearchView {
  #parts;
  #on;
  #room = null;
  #finds = [];
  #at = 0;

  /**
   * @param {{bar, field, count, before, after, close, list}} parts elements of the page
   * @param {{goTo: (item) => void, elementOf: (item) => Element|null, nameOf: (user) => string,
   *   closed: () => void}} on
   */
  constructor(parts, on) {
    this.#parts = parts;
    this.#on = on;
    parts.field.addEventListener('input', () => this.#find());
    parts.before.addEventListener('click', () => this.#step(1));
    parts.after.addEventListener('click', () => this.#step(-1));
    parts.close.addEventListener('click', () => this.close());
    parts.bar.addEventListener('keydown', (event) => {
      const { key, shiftKey, target } = event;
      if (key === 'Escape') {
        event.stopPropagation();
        this.close();
      } else if (target === parts.field && ['Enter', 'ArrowUp', 'ArrowDown'].includes(key)) {
        event.preventDefault();
        this.#step(key === 'ArrowDown' || (key === 'Enter' && shiftKey) ? -1 : 1);
      }
    });
  }

  get isOpen() {
    return !this.#parts.bar.hidden;
  }

  open(words) {
    const { bar, field } = this.#parts;
    bar.hidden = false;
    if (words !== undefined) field.value = words;
    field.focus();
    field.select();
    this.#find();
  }

  close() {
    if (!this.isOpen) return;
    this.#parts.bar.hidden = true;
    this.#unmark();
    this.#finds = [];
    this.#on.closed();
  }

  /** @param {import('../../sdk.js').RoomState|null} room */
  show(room) {
    if (room === this.#room) return;
    this.#room = room;
    this.close();
  }

  /** The messages have changed. */
  again() {
    if (!this.isOpen) return;
    const looked = this.#finds[this.#at];
    this.#collect();
    this.#at = Math.max(0, this.#finds.indexOf(looked));
    this.#mark();
  }

  #find() {
    this.#collect();
    this.#at = 0;
    this.#mark();
    if (this.#finds.length) this.#on.goTo(this.#finds[0]);
  }

  #collect() {
    const wanted = this.#parts.field.value.trim().toLocaleLowerCase();
    const contains = (text) => text.toLocaleLowerCase().includes(wanted);
    const messages =
      wanted === ''
        ? []
        : (this.#room?.items ?? []).filter(
            (item) => item.type === 'message' && (item.deleted ?? null) === null,
          );
    this.#finds = messages
      .filter(({ text, user }) => contains(text) || contains(this.#on.nameOf(user)))
      .reverse();
  }

  #step(by) {
    if (this.#finds.length === 0) return;
    this.#at = (this.#at + by + this.#finds.length) % this.#finds.length;
    this.#mark();
    this.#on.goTo(this.#finds[this.#at]);
  }

  #unmark() {
    for (const element of this.#parts.list.querySelectorAll('[data-found]')) {
      element.removeAttribute('data-found');
    }
  }

  #mark() {
    this.#unmark();
    this.#finds.forEach((item, index) => {
      const element = this.#on.elementOf(item);
      if (element) element.dataset.found = index === this.#at ? 'here' : 'too';
    });
    const { count, field, before, after } = this.#parts;
    const all = this.#finds.length;
    before.disabled = after.disabled = all < 2;
    const words = all === 0 ? 'Nothing found in what is loaded' : `${this.#at + 1} of ${all}`;
    setText(count, field.value.trim() === '' ? '' : words);
  }
}
