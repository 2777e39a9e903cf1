/** Notices in the corner of the page. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { JSDOM } from 'jsdom';

const { window } = new JSDOM('');
Object.assign(globalThis, { window, document: window.document });
// lit-html looks for the document when it is loaded.
const { Toasts } = await import('../page/overlays/toasts.js');

test('notices of one user are not there for the next one', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const box = document.createElement('div');
  const toasts = new Toasts(box);
  toasts.show('Bob wrote to you', 'info', () => {});
  toasts.show('Not connected.', 'error');
  toasts.clear();
  assert.equal(box.children.length, 0);
  toasts.show('Not connected.', 'error');
  context.mock.timers.tick(6000);
  assert.equal(box.children.length, 1);
  context.mock.timers.tick(6000);
  assert.equal(box.children.length, 0);
});
