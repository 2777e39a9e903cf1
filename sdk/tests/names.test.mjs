/** Names of rooms and users. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Profiles } from '../src/client/profiles.js';
import { directRoom, foldedName, nameProblem, otherSide, visibleName } from '../src/words/names.js';
import { own } from '../src/words/own.js';

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
  for (const unseen of '\u200b\u034f\u2800\u3164\ufe0f') assert.ok(nameProblem(`a${unseen}`));
  assert.equal(nameProblem('Åsa-1'), '');
});

test('names like properties of objects are names', () => {
  for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
    assert.equal(own({}, name), undefined, name);
    assert.equal(own(undefined, name), undefined, name);
    assert.equal(own(JSON.parse(`{"${name}": 5}`), name), 5, name);
  }
});

test('joiners stay where they join', () => {
  for (const name of ['👨\u200d👩\u200d👧', 'می\u200cخواهم', 'क्\u200dष']) {
    assert.equal(visibleName(name), name);
  }
  for (const name of ['\u200dbob', 'bob\u200d', '\u200c\u200d', 'b\u00adob ']) {
    assert.ok(['bob', ''].includes(visibleName(name)), JSON.stringify(name));
  }
  assert.equal(foldedName('b\u200dOB'), 'bob');
});

test('nobody is taken for somebody else by a display name', async () => {
  const all = {
    alice: { name: 'Alice' },
    eve: { name: ' aLICE\u200b ' },
    blank: { name: '\u3164 \u200b' },
    mallory: { name: 'bob' },
    bob: {},
    turned: { name: 'abc\u202efed' },
    carol: { name: 'Carol' },
    trudy: { name: 'Alice (@alice)' },
  };
  const told = [];
  const profiles = new Profiles({
    request: async (_, { users }) => ({
      profiles: Object.fromEntries(users.map((user) => [user, all[user] ?? null])),
    }),
    changed: (users) => told.push(...users),
  });
  const names = () => Object.keys(all).map((user) => profiles.nameOf(user));
  assert.deepEqual(names(), Object.keys(all));
  while (told.length < 6) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(names(), [
    'Alice (@alice)',
    'aLICE (@eve)',
    'blank',
    'bob (@mallory)',
    'bob',
    'abcfed',
    'Carol',
    'Alice (@alice) (@trudy)',
  ]);
  // Who was called alike is called otherwise when the other one changes.
  told.length = 0;
  profiles.hear('eve', { name: 'Eve' });
  assert.deepEqual(told.sort(), ['alice', 'eve']);
  assert.deepEqual([profiles.nameOf('alice'), profiles.nameOf('eve')], ['Alice', 'Eve']);
  // Of two frames the later one counts, whichever came first.
  profiles.hear('eve', { name: 'Eva' }, '2000-0');
  profiles.hear('eve', { name: 'Evi' }, '1000-0');
  assert.equal(profiles.nameOf('eve'), 'Eva');
});

test('a name that nobody can have is not asked for', async () => {
  const asked = [];
  const profiles = new Profiles({
    request: async (_, { users }) => {
      asked.push(...users);
      return { profiles: {} };
    },
    changed: () => {},
  });
  for (const user of ['*', '', 'a b', 'a\ufe0f', 'x'.repeat(97), 'bob']) profiles.nameOf(user);
  while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(asked, ['bob']);
});
