/** Names of rooms and users. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { directRoom, nameProblem, otherSide } from '../src/names.js';
import { own } from '../src/own.js';

test('direct rooms are named in byte order', () => {
  assert.equal(directRoom('bob', 'alice'), 'dm:alice,bob');
  assert.equal(directRoom('b', 'ab'), 'dm:ab,b');
  assert.equal(directRoom('a', 'ab'), 'dm:a,ab');
  assert.equal(directRoom('Z', 'a'), 'dm:Z,a');
  assert.equal(directRoom('😀', '\uffee'), 'dm:\uffee,😀', 'not by UTF-16 units');
  assert.equal(otherSide('dm:alice,bob', 'alice'), 'bob');
  assert.equal(otherSide('dm:alice,bob', 'carol'), null);
  assert.equal(otherSide('lobby', 'alice'), null);
  for (const name of ['', '@a', '*', 'a b', 'a,b', 'x'.repeat(97)]) assert.ok(nameProblem(name));
  assert.equal(nameProblem('Åsa-1'), '');
});

test('names like properties of objects are names', () => {
  for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
    assert.equal(own({}, name), undefined, name);
    assert.equal(own(undefined, name), undefined, name);
    assert.equal(own(JSON.parse(`{"${name}": 5}`), name), 5, name);
  }
});
