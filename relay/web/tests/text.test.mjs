/** Texts that the page shows: links and mentions, notices, durations, the note above the field. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { composeNote } from '../page/compose/compose-note.js';
import { piecesOf } from '../page/messages/text.js';
import { duration, noticeText, parseDuration } from '../page/words.js';
import { Room } from '../sdk/room/room.js';

const NOW = 1_000_000;

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

test('many links and mentions are found in one pass', () => {
  const many = 'http://a.example/ @bob '.repeat(20_000);
  assert.equal(piecesOf(many, ['bob']).filter(({ user }) => user).length, 20_000);
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

test('a name like a property of objects is no kind of event', () => {
  for (const kind of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
    const text = noticeText({ type: 'member', kind, user: 'bob' }, (user) => user);
    assert.match(text, /^bob: /, kind);
  }
});
