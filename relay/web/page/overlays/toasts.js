/**
 * Short notices in a corner: errors, answers to slash commands.
 *
 * The one idea: the same notice twice is one notice, shown longer. They leave by themselves, unless
 * the pointer or the focus rests on them.
 *
 * It refuses to ask questions.
 */

import { html, nothing, render } from 'lit-html';
import { repeat } from 'lit-html/directives/repeat.js';

const SHOWN_MS = 7000;
const MOST = 5;

export class Toasts {
  #box;
  /** @type {Map<string, {kind: string, open: (() => void)|null, timer: number}>} by the text */
  #shown = new Map();

  constructor(box) {
    this.#box = box;
  }

  /**
   * Shows a notice.
   * @param {string} text
   * @param {'error'|'info'} kind
   * @param {(() => void)|null} [open] what a click on it does
   */
  show(text, kind = 'info', open = null) {
    const known = this.#shown.get(text);
    if (known) clearTimeout(known.timer);
    else if (this.#shown.size === MOST) this.#remove(this.#shown.keys().next().value);
    this.#shown.set(text, { kind, open, ...known, timer: this.#removeLater(text) });
    this.#draw();
  }

  /** Takes all of them away: they were for somebody else. */
  clear() {
    for (const { timer } of this.#shown.values()) clearTimeout(timer);
    this.#shown.clear();
    this.#draw();
  }

  #removeLater(text) {
    const ms = SHOWN_MS + text.split('\n').length * 1000;
    return setTimeout(() => {
      const index = [...this.#shown.keys()].indexOf(text);
      const isLookedAt = this.#box.children[index].matches(':hover, :focus-within');
      if (isLookedAt) this.#shown.get(text).timer = this.#removeLater(text);
      else this.#remove(text);
    }, ms);
  }

  #remove(text) {
    clearTimeout(this.#shown.get(text)?.timer);
    this.#shown.delete(text);
    this.#draw();
  }

  #draw() {
    const key = ([text]) => text;
    const toast = ([text, { kind, open }]) => {
      const act = () => {
        this.#remove(text);
        open();
      };
      const words = open
        ? html`<button type="button" class="toast-words" dir="auto" @click=${act}>${text}</button>`
        : html`<p class="toast-words" dir="auto">${text}</p>`;
      return html`<div class="toast ${kind}" role=${kind === 'error' ? 'alert' : nothing}
        >${words}<button type="button" class="icon close" aria-label="Dismiss"
          @click=${() => this.#remove(text)}></button
      ></div>`;
    };
    render(repeat(this.#shown, key, toast), this.#box);
  }
}
