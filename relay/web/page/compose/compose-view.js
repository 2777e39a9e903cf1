/**
 * The field one writes in.
 *
 * The one idea: Enter sends what `parseInput` makes of the text; each room keeps its own draft. A
 * reply or an edit is a line above the field that says so, until it is sent or put away.
 *
 * It refuses to send anything itself, and to treat the Enter of an input method as the writer's.
 */

import { setText } from '../elements.js';
import { openEmojiPicker } from '../overlays/emoji-picker.js';
import { plural } from '../words.js';
import { parseInput } from './commands.js';
import { Complete } from './complete.js';

/** From this part of the longest text on the rest is counted. */
const NEARLY = 0.9;
/** The code of keys that an input method has taken. */
const OF_INPUT_METHOD = 229;

export class ComposeView {
  #parts;
  #on;
  #complete;
  #room = null;
  /** What the text is for: {kind: 'reply'|'edit', id, …}; null: a new message. */
  #purpose = null;

  /**
   * @param {{form, field, button, choices, about, aboutText, aboutEnd, note, count, countSaid, emoji}} parts elements
   *   of the page
   * @param {{input: (parsed, reply) => void, edit: (id, text) => void, editLast: () => void,
   *   typing: () => void, people: () => object[], learnPeople: (typed) => Promise<boolean>, loadDraft: (room) => string,
   *   saveDraft: (room, text) => void, leaveUp: () => void, mostBytes: () => number|null,
   *   tooLong: (bytes) => void}} on `mostBytes`: of a text in this room; null: not known
   */
  constructor(parts, on) {
    this.#parts = parts;
    this.#on = on;
    const { form, field, choices, aboutEnd, emoji } = parts;
    this.#complete = new Complete(field, choices, on.people, on.learnPeople);
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    field.addEventListener('keydown', (event) => this.#pressed(event));
    window.addEventListener('resize', () => this.#grow());
    field.addEventListener('input', () => {
      this.#grow();
      this.#drawCount();
      this.#complete.look();
      if (!this.#room || this.#purpose?.kind === 'edit') return;
      on.saveDraft(this.#room, field.value);
      if (field.value.trim() !== '' && !field.value.startsWith('/')) on.typing();
    });
    emoji.addEventListener('click', () => {
      openEmojiPicker(emoji, 'Write an emoji', (chosen) => this.#write(chosen));
    });
    aboutEnd.addEventListener('click', () => {
      this.putAway();
      field.focus();
    });
  }

  /** @param {string|null} room @param {string} label how the room is called */
  show(room, label = room) {
    const { field } = this.#parts;
    field.placeholder = room === null ? 'Join a room to write' : `Message ${label}`;
    if (room === this.#room) return;
    this.#room = room;
    this.#setPurpose(null);
    this.#complete.close();
    this.allow(room !== null);
    this.#setText(room === null ? '' : this.#on.loadDraft(room));
  }

  /** Whether writing makes any sense now. */
  allow(isAllowed) {
    const { field, button, emoji } = this.#parts;
    const mayWrite = isAllowed && this.#room !== null;
    if (field.disabled === !mayWrite) return;
    field.disabled = !mayWrite;
    button.disabled = emoji.disabled = !mayWrite;
  }

  /** The next message answers this one. */
  reply(id, words) {
    if (this.#purpose?.kind === 'edit') this.putAway();
    this.#setPurpose({ kind: 'reply', id }, words);
    this.#parts.field.focus();
  }

  /** The text of this message is changed instead of a new one written. */
  edit(id, text) {
    this.#setEdit(id, text);
    this.#parts.field.focus();
  }

  /** A message of this room did not take its new text, which is to be seen again unless one writes by now. */
  editAgain(room, id, text) {
    if (this.#isFree(room)) this.#setEdit(id, text);
  }

  #setEdit(id, text) {
    this.#setPurpose({ kind: 'edit', id }, 'Changing your message');
    this.#setText(text);
  }

  /** Ends a reply or an edit. */
  putAway() {
    const wasEdit = this.#purpose?.kind === 'edit';
    this.#setPurpose(null);
    if (wasEdit && this.#room) this.#setText(this.#on.loadDraft(this.#room));
  }

  /** The message that is being answered or changed is gone. */
  lost(id) {
    if (this.#purpose?.id === id) this.putAway();
  }

  /** Puts a text where the caret is. */
  insert(text) {
    const { field } = this.#parts;
    const before = field.value.slice(0, field.selectionStart);
    const gap = before === '' || /\s$/.test(before) ? '' : ' ';
    this.#write(`${gap}${text} `);
  }

  /** Writes something where the caret is. */
  #write(text) {
    const { field } = this.#parts;
    field.setRangeText(text, field.selectionStart, field.selectionEnd, 'end');
    field.focus();
    field.dispatchEvent(new InputEvent('input', { bubbles: true }));
  }

  /** Says plainly what keeps one from writing; empty: nothing does. */
  note(words) {
    const { note } = this.#parts;
    note.hidden = words === '';
    setText(note, words);
  }

  focus() {
    // On a touch screen focus would open the keyboard over the messages.
    if (!window.matchMedia('(pointer: coarse)').matches) this.#parts.field.focus();
  }

  #pressed(event) {
    // Safari ends a composition before it tells of the key that ends it; then the code alone says so.
    if (event.isComposing || event.keyCode === OF_INPUT_METHOD) return;
    const { field } = this.#parts;
    const { key, shiftKey } = event;
    if (this.#complete.pressed(event)) event.preventDefault();
    else if (key === 'Enter' && !shiftKey) {
      event.preventDefault();
      this.#submit();
    } else if (key === 'Escape' && this.#purpose) {
      event.preventDefault();
      event.stopPropagation();
      this.putAway();
    } else if (key === 'ArrowUp' && field.value === '' && !event.altKey) {
      event.preventDefault();
      if (shiftKey) this.#on.leaveUp();
      else this.#on.editLast();
    }
  }

  /** How many bytes the text has beyond what the room takes; less than 0: so many are left. */
  #bytesOver() {
    const most = this.#on.mostBytes();
    const { value } = this.#parts.field;
    // Each unit of a text has at most three bytes.
    if (most === null || value.length * 3 < most * NEARLY) return -Infinity;
    return new TextEncoder().encode(value.trim()).length - most;
  }

  /** Near the end of what may be written: how much is left. */
  #drawCount() {
    const { count, countSaid } = this.#parts;
    const over = this.#bytesOver();
    const words = over > 0 ? 'too long' : 'left';
    count.hidden = over < -(this.#on.mostBytes() ?? 0) * (1 - NEARLY);
    setText(count, count.hidden ? '' : `${plural(Math.abs(over), 'byte', 'bytes')} ${words}`);
    count.toggleAttribute('data-over', over > 0);
    // A screen reader says it when it begins, not at every key.
    if (count.hidden) setText(countSaid, '');
    else setText(countSaid, over > 0 ? 'The text is too long.' : 'Little space is left.');
  }

  /** This text of a room's draft is sent. */
  forget(room, text) {
    if (room === this.#room && text === this.#parts.field.value) this.#setText('');
  }

  /** The draft of this room could not be sent: it is to be seen again. */
  giveBack(room) {
    if (this.#isFree(room)) this.#setText(this.#on.loadDraft(room));
  }

  /** Whether nobody writes anything in this room now. */
  #isFree(room) {
    return room === this.#room && this.#purpose === null && this.#parts.field.value === '';
  }

  #submit() {
    const { field } = this.#parts;
    if (!this.#room) return;
    const over = this.#bytesOver();
    if (over > 0) {
      this.#on.tooLong(over);
      return;
    }
    if (this.#purpose?.kind === 'edit') {
      const { id } = this.#purpose;
      const text = field.value.replace(/\r\n?/g, '\n').replace(/^\n+|\s+$/g, '');
      this.putAway();
      this.#on.edit(id, text);
      return;
    }
    const parsed = parseInput(field.value);
    if (parsed === null) return;
    const reply = parsed.text === undefined ? null : (this.#purpose?.id ?? null);
    if (!parsed.problem) {
      this.#setText('');
      this.#on.saveDraft(this.#room, '');
      if (reply !== null) this.#setPurpose(null);
    }
    this.#on.input(parsed, reply);
  }

  #setPurpose(purpose, words = '') {
    const { about, aboutText, form } = this.#parts;
    this.#purpose = purpose;
    about.hidden = purpose === null;
    setText(aboutText, words);
    form.dataset.purpose = purpose?.kind ?? 'new';
  }

  #setText(text) {
    this.#parts.field.value = text;
    this.#complete.close();
    this.#grow();
    this.#drawCount();
  }

  #grow() {
    const { field } = this.#parts;
    field.style.height = 'auto';
    field.style.height = `${field.scrollHeight + 2}px`;
  }
}
