/**
 * Questions that need an answer before something is done.
 *
 * The one idea: the browser's own modal dialogue, filled with a sentence, some fields and two
 * buttons; the answer is a promise, null if it was put away.
 *
 * It refuses to stack.
 */

import { html, nothing, render } from 'lit-html';

import { make } from '../elements.js';

/**
 * @param {object} question
 * @param {string} question.title
 * @param {string} [question.text]
 * @param {string} question.confirm what the button says
 * @param {{name: string, label: string, value?: string, maxLength?: number, rows?: number,
 *   options?: [string, string][], choices?: string[]}[]} [question.fields] `choices` complete what is
 *   typed
 * @returns {Promise<Object<string, string>|null>} the fields' values by name
 */
export function ask({ title, text = '', confirm, fields = [] }) {
  const { draw, show, end } = openDialogue(title, (form) => {
    const values = fields.map(({ name }) => [name, form.elements[name].value.trim()]);
    end(Object.fromEntries(values));
  });
  draw(html`
    ${text ? html`<p class="quiet" dir="auto">${text}</p>` : nothing}
    ${fields.map((one) => html`<label>${one.label}${input(one)}${choices(one)}</label>`)}
    <div class="buttons">
      <button type="button" class="cancel" @click=${() => end(null)}>Cancel</button>
      <button type="submit" class="confirm primary">${confirm}</button>
    </div>`);
  return show(fields.length ? 'input, textarea, select' : '.confirm');
}

/** Shows lines to read. @returns {Promise<null>} once they are put away */
export function showLines(title, lines) {
  const { draw, show, end } = openDialogue(title, () => end(null));
  draw(html`
    <ul class="dialogue-lines" tabindex="0">${lines.map((line) => html`<li>${line}</li>`)}</ul>
    <div class="buttons"><button type="submit" class="confirm primary">Close</button></div>`);
  return show('.confirm');
}

/**
 * A dialogue with a heading, whose inside `draw` draws as often as one likes. `end` puts it away; what `show`
 * promises is what `end` was given.
 * @param {string} title
 * @param {(form: HTMLFormElement) => void} submitted
 */
export function openDialogue(title, submitted) {
  const dialog = make('dialog', 'dialogue');
  dialog.setAttribute('aria-labelledby', 'dialogue-title');
  let answered;
  const answer = new Promise((resolve) => {
    answered = resolve;
  });
  const before = document.activeElement;
  const submit = (event) => {
    event.preventDefault();
    submitted(event.target);
  };
  const draw = (content) => {
    const heading = html`<h2 id="dialogue-title">${title}</h2>`;
    render(html`<form @submit=${submit}>${heading}${content}</form>`, dialog);
  };
  const end = (value) => {
    dialog.close();
    dialog.remove();
    if (before?.isConnected) before.focus({ preventScroll: true });
    answered(value);
  };
  dialog.addEventListener('cancel', (event) => {
    event.preventDefault();
    end(null);
  });
  dialog.addEventListener('keydown', (event) => event.stopPropagation());
  /** Shows what was drawn, with the focus where `selector` says. */
  const show = (selector) => {
    document.body.append(dialog);
    dialog.showModal();
    dialog.querySelector(selector).focus();
    return answer;
  };
  return { dialog, draw, show, end };
}

function input({ name, value = '', maxLength = 256, rows, options, choices }) {
  if (options) {
    const option = ([key, words]) => html`<option value=${key}>${words}</option>`;
    return html`<select name=${name}>${options.map(option)}</select>`;
  }
  if (rows) {
    return html`<textarea name=${name} rows=${rows} maxlength=${maxLength} .value=${value}></textarea>`;
  }
  const list = choices ? `${name}-choices` : nothing;
  return html`<input name=${name} maxlength=${maxLength} list=${list} .value=${value}>`;
}

function choices({ name, choices }) {
  if (!choices) return nothing;
  const options = choices.map((choice) => html`<option value=${choice}></option>`);
  return html`<datalist id="${name}-choices">${options}</datalist>`;
}
