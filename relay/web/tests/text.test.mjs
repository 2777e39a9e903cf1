/** Mentions, links, notes above the field, names. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { composeNote } from '../page/compose/compose-note.js';
import { piecesOf } from '../page/messages/text.js';
import { duration, noticeText, parseDuration } from '../page/words.js';
import { relays } from '../sdk/address.js';
import { candidates, findMentions, mentionsIn, unfinishedMention } from '../sdk/mentions.js';
import { directRoom, nameProblem, otherSide } from '../sdk/names.js';
import { own } from '../sdk/own.js';
import { Room } from '../sdk/room/room.js';

const NOW = 1_000_000;

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

test('a text is cut into words, links and mentions', () => {
  const text = 'see https://x.example/@bob, @bob <b>';
  assert.deepEqual(piecesOf(text, ['bob']), [
    { text: 'see ' },
    { text: 'https://x.example/@bob', url: 'https://x.example/@bob' },
    { text: ', ' },
    { text: '@bob', user: 'bob' },
    { text: ' <b>' },
  ]);
  assert.deepEqual(piecesOf('javascript:alert(1) @eve', ['bob']), [
    { text: 'javascript:alert(1) @eve' },
  ]);
});

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

test('what keeps one from writing is said, the strongest reason first', () => {
  const room = new Room('lobby', 'alice');
  const words = () => composeNote(room, NOW).words;
  assert.equal(words(), '');
  room.setAbout({ slow: 30_000, frozen: 'no', role: 'member' });
  assert.match(words(), /Slow mode: one message every 30 seconds/);
  room.tail = [{ waitsFor: 'RATELIMIT', retryAt: NOW + 4200 }];
  assert.deepEqual(composeNote(room, NOW), {
    words: 'Slow mode: what you wrote goes out in 5 s.',
    againMs: 1000,
  });
  room.frozen = true;
  assert.match(words(), /frozen/);
  room.setMuted(NOW + 5000);
  assert.equal(composeNote(room, NOW).againMs, 5000);
  room.setMuted(0);
  assert.match(words(), /muted in this room\.$/);
  room.setMuted(null);
  room.role = 'moderator';
  room.tail = [];
  assert.equal(words(), '', 'moderators are exempt');
  assert.equal(composeNote(null, NOW).words, '');
});

test('times are read and written', () => {
  const rows = [
    ['90s', 90_000],
    ['10m', 600_000],
    ['2H', 7_200_000],
    ['1d', 86_400_000],
  ];
  for (const [text, ms] of rows) assert.equal(parseDuration(text), ms);
  for (const text of ['', '5', 'm', '-1m', '1w', '1m2']) assert.equal(parseDuration(text), null);
  assert.equal(duration(1000), '1 second');
  assert.equal(duration(600_000), '10 minutes');
});

test('events are sentences', () => {
  const nameOf = (user) => ({ bob: 'Bob', mod: 'Moni' })[user] ?? user;
  const rows = [
    [
      { type: 'member', kind: 'kick', user: 'bob', by: 'mod', reason: 'spam' },
      'Bob was removed by Moni: spam',
    ],
    [
      { type: 'member', kind: 'role', user: 'bob', by: '*', role: 'owner' },
      'Bob was made owner by the server',
    ],
    [{ type: 'member', kind: 'leave', user: 'bob' }, 'Bob left the room'],
    [{ type: 'room', by: 'mod', data: { topic: 'chat' } }, 'The topic is now “chat” by Moni'],
    [{ type: 'room', by: '*', data: { max_text: 5 } }, 'The room’s settings were changed'],
  ];
  for (const [event, text] of rows) assert.equal(noticeText(event, nameOf), text);
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
  // Many links and many mentions are gone through once.
  const many = 'http://a.example/ @bob '.repeat(20_000);
  assert.equal(piecesOf(many, ['bob']).filter(({ user }) => user).length, 20_000);
});

test('names like properties of objects are names', () => {
  for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
    assert.equal(own({}, name), undefined, name);
    assert.equal(own(undefined, name), undefined, name);
    assert.equal(own(JSON.parse(`{"${name}": 5}`), name), 5, name);
    assert.match(
      noticeText({ type: 'member', kind: name, user: 'bob' }, (user) => user),
      /^bob: /,
    );
  }
});

test('relays are the one the page came from and those it names', async () => {
  const location = { protocol: 'http:', host: 'a:1', search: '?relays=evil:1' };
  const told = (answer) => () => Promise.resolve({ json: () => Promise.resolve(answer) });
  const others = ['ws://a:1/ws', 'wss://b:2/ws'];
  assert.deepEqual(await relays(location, told({ relays: others })), others);
  assert.deepEqual(await relays(location, told({ relays: [] })), ['ws://a:1/ws']);
  assert.deepEqual(await relays(location, told(null)), ['ws://a:1/ws']);
  assert.deepEqual(await relays(location, () => Promise.reject(new Error('away'))), [
    'ws://a:1/ws',
  ]);
});
