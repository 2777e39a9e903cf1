/** What the page remembers. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { loadDraft, saveDraft } from '../page/store.js';

test('drafts of users and rooms with points in their names are not mixed up', () => {
  const kept = new Map();
  const sessionStorage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
  };
  globalThis.window = { sessionStorage };
  saveDraft('ann', 'b.lobby', 'of ann');
  assert.equal(loadDraft('ann.b', 'lobby'), '');
  assert.equal(loadDraft('ann', 'b.lobby'), 'of ann');
});
