/**
 * Questions that need an answer before something is done.
 *
 * The one idea: the browser's own modal dialogue, filled with a sentence, some fields and two
 * buttons; the answer is a promise, null if it was put away.
 *
 * It refuses to stack.
 */

import { make, makeButton } from '../elements.js';

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
  const { form, show, end } = openDialogue(title);
  if (text) {
    const words = make('p', 'quiet', text);
    words.dir = 'auto';
    form.append(words);
  }
  const inputs = fields.map((field) => {
    const label = make('label', '', field.label);
    const input = makeInput(field);
    label.append(input);
    if (field.choices) label.append(makeChoices(input, field.choices));
    form.append(label);
    return [field.name, input];
  });
  const buttons = make('div', 'buttons');
  const no = makeButton('cancel', 'Cancel');
  const yes = make('button', 'confirm primary', confirm);
  yes.type = 'submit';
  buttons.append(no, yes);
  form.append(buttons);
  no.addEventListener('click', () => end(null));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    end(Object.fromEntries(inputs.map(([name, input]) => [name, input.value.trim()])));
  });
  return show(inputs[0]?.[1] ?? yes);
}

/** Shows lines to read. @returns {Promise<null>} once they are put away */
export function showLines(title, lines) {
  const { form, show, end } = openDialogue(title);
  const list = make('ul', 'dialogue-lines');
  for (const line of lines) list.append(make('li', '', line));
  list.tabIndex = 0;
  const buttons = make('div', 'buttons');
  const close = makeButton('confirm primary', 'Close');
  buttons.append(close);
  form.append(list, buttons);
  close.addEventListener('click', () => end(null));
  return show(close);
}

/** A dialogue with a heading. `end` puts it away; what `show` promises is what `end` was given. */
export function openDialogue(title) {
  const dialog = make('dialog', 'dialogue');
  const form = make('form');
  const heading = make('h2', '', title);
  heading.id = 'dialogue-title';
  dialog.setAttribute('aria-labelledby', heading.id);
  form.append(heading);
  dialog.append(form);
  let answered;
  const answer = new Promise((resolve) => {
    answered = resolve;
  });
  const before = document.activeElement;
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
  const show = (focused) => {
    document.body.append(dialog);
    dialog.showModal();
    focused.focus();
    return answer;
  };
  return { form, show, end };
}

function makeChoices(input, choices) {
  const list = make('datalist');
  list.id = `${input.name}-choices`;
  for (const choice of choices) {
    const option = make('option');
    option.value = choice;
    list.append(option);
  }
  input.setAttribute('list', list.id);
  return list;
}

function makeInput({ name, value = '', maxLength = 256, rows, options }) {
  const input = document.createElement(options ? 'select' : rows ? 'textarea' : 'input');
  input.name = name;
  for (const [key, words] of options ?? []) {
    const option = make('option', '', words);
    option.value = key;
    input.append(option);
  }
  if (rows) input.rows = rows;
  if (!options) input.maxLength = maxLength;
  input.value = value || (options?.[0][0] ?? '');
  return input;
}
