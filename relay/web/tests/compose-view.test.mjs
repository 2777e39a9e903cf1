/** The field one writes in. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { JSDOM } from 'jsdom';

const { window } = new JSDOM('');
Object.assign(globalThis, { window, document: window.document });
// lit-html looks for the document when it is loaded.
const { ComposeView } = await import('../page/compose/compose-view.js');

/** A field in a room, and what was said in it. */
function scene() {
  const names = ['form', 'button', 'choices', 'about', 'aboutText', 'aboutEnd', 'note', 'count'];
  const parts = Object.fromEntries(
    [...names, 'countSaid', 'emoji'].map((name) => [name, document.createElement('div')]),
  );
  const field = document.createElement('textarea');
  const said = [];
  const view = new ComposeView(
    { ...parts, field },
    {
      input: ({ text }) => said.push(text),
      loadDraft: () => '',
      saveDraft() {},
      mostBytes: () => null,
    },
  );
  view.show('lobby');
  const enter = (more) =>
    field.dispatchEvent(new window.KeyboardEvent('keydown', { key: 'Enter', ...more }));
  return { field, said, enter };
}

test('the Enter of an input method sends nothing', () => {
  const { field, said, enter } = scene();
  field.value = 'にほん';
  enter({ isComposing: true });
  // Safari says so by its code alone: the composition is over by then.
  enter({ keyCode: 229 });
  assert.deepEqual(said, []);
  enter({ keyCode: 13 });
  assert.deepEqual(said, ['にほん']);
});
