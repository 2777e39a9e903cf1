/** Lists of people in a dialogue. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { JSDOM } from 'jsdom';

const { window } = new JSDOM('');
Object.assign(globalThis, { window, document: window.document });
window.HTMLDialogElement.prototype.showModal = () => {};
window.HTMLDialogElement.prototype.close = () => {};
// lit-html looks for the document when it is loaded.
const { showPeople } = await import('../page/people/member-lists.js');

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('the keyboard goes on where more people came', async () => {
  const pages = [
    { cursor: '1', rows: [{ user: 'alice', about: 'owner' }] },
    { cursor: '2', rows: [{ user: 'bob', about: 'member' }] },
    { cursor: null, rows: [{ user: 'carol', about: 'member' }] },
  ];
  const load = async () => {
    // A button that is hidden while one waits loses the focus.
    document.querySelector('.more-rows:focus')?.blur();
    return pages.shift();
  };
  const about = { nameOf: (user) => user, avatarOf: () => undefined, renamed: () => () => {} };
  showPeople('Members', { load, empty: '' }, about);
  await turn();
  const more = document.querySelector('.more-rows');
  more.focus();
  more.click();
  await turn();
  assert.equal(document.querySelectorAll('.member').length, 2);
  assert.equal(document.activeElement, more);
  more.click();
  await turn();
  assert.equal(document.activeElement, document.querySelector('.member-list'));
});
