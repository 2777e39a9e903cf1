/** Mentions: `@bob` in a text. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { candidates, findMentions, mentionsIn, unfinishedMention } from '../src/words/mentions.js';

test('only known users are mentioned, whatever stands after the name', () => {
  const knows = (user) => ['bob', 'bob-2', 'ann.e', 'Åsa', '小明'].includes(user);
  const rows = [
    ['hi @bob', ['bob']],
    ['@bob, @bob: @bob!', ['bob']],
    ["(@bob's) and @ann.e.", ['bob', 'ann.e']],
    ['@bob-2 is not @bob-3', ['bob-2', 'bob']],
    ['@Åsa @小明，', ['Åsa', '小明']],
    ['mail@bob @eve @ @@bob', []],
    ['@bobby', []],
  ];
  for (const [text, expected] of rows) assert.deepEqual(mentionsIn(text, knows), expected, text);
});

test('a mention being typed is found before the caret', () => {
  const rows = [
    ['@', 1, { from: 0, typed: '' }],
    ['hi @bo', 6, { from: 3, typed: 'bo' }],
    ['hi @bob there', 6, { from: 3, typed: 'bo' }],
    ['a@bo', 4, null],
    ['@bob ', 5, null],
  ];
  for (const [text, caret, expected] of rows) {
    assert.deepEqual(unfinishedMention(text, caret), expected, text);
  }
  const people = [
    ['bob', 'Robert'],
    ['rob', 'Rob'],
    ['carol', 'Carol'],
  ].map(([user, name]) => ({ user, name }));
  assert.deepEqual(
    candidates('rob', people).map(({ user }) => user),
    ['rob', 'bob'],
  );
  assert.deepEqual(
    candidates('ob', people).map(({ user }) => user),
    ['rob', 'bob'],
  );
});

test('however long a word is, few of its beginnings are looked at', () => {
  const long = 4_000_000;
  const words = ['a-', 'é', '-', '\u{1f600}', 'ab ', '(@a', '@a '];
  for (const word of words) {
    const text = `@${word.repeat(long / word.length)}`;
    let asked = 0;
    findMentions(text, () => {
      asked += 1;
      return false;
    });
    const mentions = text.match(/(?:^|\s)@/g).length;
    assert.ok(asked <= 96 * mentions, `${asked} for ${word}`);
    unfinishedMention(text, text.length);
  }
  const name = 'x'.repeat(96);
  assert.deepEqual(
    mentionsIn(`@${name} @${name}y`, (user) => user === name),
    [name],
  );
  assert.deepEqual(
    findMentions(`@${name}y`, (user) => user === name),
    [],
  );
  assert.deepEqual(unfinishedMention(`@${name}`, 97), { from: 0, typed: name });
  assert.equal(unfinishedMention(`@${name}y`, 98), null);
});
