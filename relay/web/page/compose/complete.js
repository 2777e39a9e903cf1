/**
 * Completion of `@names` and `/commands` while one writes.
 *
 * The one idea: a list above the field, driven from the field: arrows choose, Enter or Tab takes,
 * Escape puts it away. The focus never leaves the field.
 *
 * It refuses to open for nothing.
 */

import { html, render } from 'lit-html';

import { candidates, unfinishedMention } from '../../sdk.js';
import { COMMANDS } from './commands.js';

export class Complete {
  #field;
  #box;
  #people;
  #learn;
  #choices = [];
  #at = 0;

  /**
   * @param {HTMLTextAreaElement} field
   * @param {Element} box where the list is shown
   * @param {() => {user: string, name: string}[]} people who may be meant
   * @param {(typed: string) => Promise<boolean>} learn asks who else may be; whether there is news
   */
  constructor(field, box, people, learn) {
    this.#field = field;
    this.#box = box;
    this.#people = people;
    this.#learn = learn;
    box.setAttribute('role', 'listbox');
    field.setAttribute('aria-autocomplete', 'list');
    field.setAttribute('aria-controls', box.id);
    box.addEventListener('pointerdown', (event) => {
      event.preventDefault();
      const index = [...box.children].indexOf(event.target.closest('[role="option"]'));
      if (index >= 0) this.#take(index);
    });
    field.addEventListener('blur', () => this.close());
  }

  get isOpen() {
    return this.#choices.length > 0;
  }

  close() {
    this.#choices = [];
    this.#draw();
  }

  /** The text or the caret has changed. */
  look() {
    const { value, selectionStart, selectionEnd } = this.#field;
    this.#at = 0;
    this.#choices = selectionStart === selectionEnd ? this.#find(value, selectionStart) : [];
    this.#draw();
  }

  /** @returns {boolean} whether the key was for the list */
  pressed({ key }) {
    if (!this.isOpen) return false;
    const step = { ArrowDown: 1, ArrowUp: -1 }[key];
    if (step) {
      this.#at = (this.#at + step + this.#choices.length) % this.#choices.length;
      this.#draw();
    } else if (key === 'Enter' || key === 'Tab') this.#take(this.#at);
    else if (key === 'Escape') this.close();
    else return false;
    return true;
  }

  #find(text, caret) {
    const command = /^\/(\S*)$/.exec(text);
    if (command && caret === text.length) {
      const found = Object.keys(COMMANDS).filter((name) => name.startsWith(command[1]));
      // What is written out needs no help, and Enter is to send it.
      if (found.includes(command[1])) return [];
      return found.slice(0, 8).map((name) => ({
        from: 0,
        to: caret,
        text: `/${name} `,
        label: `/${name}`,
        more: COMMANDS[name].help,
      }));
    }
    const mention = unfinishedMention(text, caret);
    if (!mention) return [];
    const { from, typed } = mention;
    if (typed !== '') this.#askLater(typed, text);
    const found = candidates(typed, this.#people());
    if (found.some(({ user }) => user === typed)) return [];
    return found.map(({ user, name }) => ({
      from,
      to: caret,
      text: `@${user} `,
      label: name,
      more: name === user ? '' : `@${user}`,
    }));
  }

  /** Who writes on does not wait. */
  #askLater(typed, text) {
    this.#learn(typed).then((isNews) => {
      if (isNews && this.#field.value === text && document.activeElement === this.#field)
        this.look();
    });
  }

  #take(index) {
    const { from, to, text } = this.#choices[index];
    this.#field.setRangeText(text, from, to, 'end');
    this.close();
    this.#field.dispatchEvent(new InputEvent('input', { bubbles: true }));
  }

  #draw() {
    this.#box.hidden = !this.isOpen;
    const option = ({ label, more }, index) => html`
      <div class="choice" id="choice-${index}" role="option" aria-selected=${String(index === this.#at)}
        ><span class="choice-name" dir="auto">${label}</span><span class="quiet">${more}</span
      ></div>`;
    render(this.#choices.map(option), this.#box);
    if (this.isOpen) this.#field.setAttribute('aria-activedescendant', `choice-${this.#at}`);
    else this.#field.removeAttribute('aria-activedescendant');
    this.#box.children[this.#at]?.scrollIntoView({ block: 'nearest' });
  }
}
