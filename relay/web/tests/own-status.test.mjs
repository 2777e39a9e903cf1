/** One's own status: chosen, or by the rule. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { HIDDEN_MS, IDLE_MS, OwnStatus } from '../page/own-status.js';

const NOW = 1_000_000;

test('who does nothing for long, or hides the page, is away until they come back', () => {
  const own = new OwnStatus('', NOW);
  assert.equal(own.at(NOW + IDLE_MS - 1), 'online');
  assert.equal(own.changesIn(NOW + 10), IDLE_MS - 10);
  assert.equal(own.at(NOW + IDLE_MS), 'away');
  assert.equal(own.changesIn(NOW + IDLE_MS), null, 'only input ends it');
  own.input(NOW + IDLE_MS);
  assert.equal(own.at(NOW + IDLE_MS), 'online');
  own.hide(NOW + IDLE_MS);
  assert.equal(own.changesIn(NOW + IDLE_MS), HIDDEN_MS);
  assert.equal(own.at(NOW + IDLE_MS + HIDDEN_MS), 'away');
  own.reveal(NOW + 2 * IDLE_MS);
  assert.equal(own.at(NOW + 2 * IDLE_MS), 'online');
});

test('a chosen status stands whatever the person does, until they choose online', () => {
  for (const chosen of ['dnd', 'away', 'at lunch']) {
    const own = new OwnStatus(chosen, NOW);
    own.hide(NOW);
    assert.equal(own.at(NOW + 2 * IDLE_MS), chosen);
    own.reveal(NOW + 2 * IDLE_MS);
    own.input(NOW + 2 * IDLE_MS);
    assert.equal(own.at(NOW + 2 * IDLE_MS), chosen);
    assert.equal(own.changesIn(NOW), null);
    own.choose('online', NOW);
    assert.equal(own.at(NOW), 'online');
    assert.equal(own.at(NOW + IDLE_MS), 'away');
  }
});
