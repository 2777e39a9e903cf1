/**
 * The field one writes in.
 *
 * The one idea: Enter sends what `parseInput` makes of the text; each room keeps its own draft.
 *
 * It refuses to send anything itself, and to treat the Enter of an input method as the writer's.
 */

import { parseInput } from './commands.js';

export class ComposeView {
  #parts;
  #on;
  #room = null;

  /**
   * @param {{form, field, button}} parts elements of the page
   * @param {{input: (parsed) => void, typing: () => void, loadDraft: (room) => string,
   *   saveDraft: (room, text) => void}} on
   */
  constructor(parts, on) {
    this.#parts = parts;
    this.#on = on;
    const { form, field } = parts;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    field.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    window.addEventListener('resize', () => this.#grow());
    field.addEventListener('input', () => {
      this.#grow();
      if (!this.#room) return;
      on.saveDraft(this.#room, field.value);
      if (field.value.trim() !== '' && !field.value.startsWith('/')) on.typing();
    });
  }

  /** @param {string|null} room */
  show(room) {
    const { field, button } = this.#parts;
    if (room === this.#room) return;
    this.#room = room;
    field.disabled = room === null;
    button.disabled = room === null;
    field.placeholder = room === null ? 'Join a room to write' : `Message ${room}`;
    field.value = room === null ? '' : this.#on.loadDraft(room);
    this.#grow();
  }

  focus() {
    // On a touch screen focus would open the keyboard over the messages.
    if (window.matchMedia('(pointer: fine)').matches) this.#parts.field.focus();
  }

  #submit() {
    const { field } = this.#parts;
    if (!this.#room) return;
    const parsed = parseInput(field.value);
    if (parsed === null) return;
    if (!parsed.problem) {
      field.value = '';
      this.#on.saveDraft(this.#room, '');
      this.#grow();
    }
    this.#on.input(parsed);
  }

  #grow() {
    const { field } = this.#parts;
    field.style.height = 'auto';
    field.style.height = `${field.scrollHeight + 2}px`;
  }
}
