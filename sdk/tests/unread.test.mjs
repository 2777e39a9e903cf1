/** What is unread: counts, mentions, the mark of what is new, the inbox. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Inbox } from '../src/client/inbox.js';
import { Upstream } from '../src/client/upstream.js';
import { RoomState } from '../src/room/state.js';

const NOW = 1_000_000;
const idOf = (n) => (n === 0 ? '0-0' : `${1000 + n}-${n}`);

const message = (n, extra = {}) => ({
  id: idOf(n),
  prev: idOf(n - 1),
  room: 'lobby',
  type: 'message',
  ts: 1000 + n,
  user: 'bob',
  kind: 'text',
  text: `line ${n}`,
  m: n,
  ...extra,
});

function away(...events) {
  const room = new RoomState('lobby', { user: 'alice' });
  room.replace({ events, last: idOf(events.length), more: false });
  return room;
}

test('the room counts to an id, the client what comes after it', () => {
  const room = away(message(1), message(2), message(3));
  room.settleUnread({ unread: 2, mentions: 1, cursor: idOf(1), last: idOf(3) });
  assert.deepEqual([room.unread, room.mentions], [2, 1]);
  room.apply(message(4, { mentions: ['alice'] }), NOW);
  room.apply(message(5, { user: 'alice' }), NOW);
  assert.deepEqual([room.unread, room.mentions], [3, 2], 'own messages do not count');
  room.settleUnread({ unread: 4, mentions: 2, cursor: idOf(1), last: idOf(6) });
  assert.equal(room.unread, 4, 'the room has counted one that is still to come');
  room.apply(message(6), NOW);
  assert.equal(room.unread, 4);
  room.apply(message(7), NOW);
  assert.equal(room.unread, 5);
});

test('a first page that is newer than the count adds to it, and an older one does not', () => {
  const opened = (last, ...events) => {
    const room = new RoomState('lobby', { user: 'alice' });
    room.settleUnread({ unread: 1, mentions: 0, cursor: idOf(0), last: idOf(last) });
    room.replace({ events, last: idOf(events.length), more: false });
    return room;
  };
  const newer = opened(
    1,
    message(1),
    message(2, { mentions: ['alice'] }),
    message(3, { user: 'alice' }),
  );
  assert.deepEqual([newer.unread, newer.mentions], [2, 1]);
  const same = opened(2, message(1), message(2, { user: 'alice' }));
  assert.equal(same.unread, 1);
  const older = opened(2, message(1));
  assert.equal(older.unread, 1);
  older.apply(message(2), NOW);
  assert.equal(older.unread, 1, 'it was counted');
  older.apply(message(3), NOW);
  assert.equal(older.unread, 2);
});

test('deleting an unread message takes it off, a read one does not', () => {
  const room = away(message(1), message(2), message(3, { mentions: ['alice'] }));
  room.settleUnread({ unread: 2, mentions: 1, cursor: idOf(1), last: idOf(3) });
  const deletion = (n, ref) => ({
    id: idOf(n),
    prev: idOf(n - 1),
    type: 'delete',
    ts: 1,
    user: 'bob',
    ref: idOf(ref),
  });
  room.apply(deletion(4, 1), NOW);
  assert.equal(room.unread, 2);
  room.apply(deletion(5, 3), NOW);
  assert.deepEqual([room.unread, room.mentions], [1, 0]);
  room.settleUnread({ unread: 1, mentions: 0, cursor: idOf(1), last: idOf(6) });
  room.apply(deletion(6, 2), NOW);
  assert.equal(room.unread, 1, 'the room had counted after that deletion');
});

test('a deletion of what is not loaded makes the count doubtful', () => {
  const room = away(message(1));
  room.settleUnread({ unread: 30, cursor: '5-0', last: idOf(1) });
  const event = { id: idOf(2), prev: idOf(1), type: 'delete', ts: 1, user: 'bob', ref: '500-3' };
  assert.deepEqual(
    room.apply(event, NOW).map(({ what }) => what),
    ['doubt'],
  );
});

test('looking at a room clears it and marks where what is new begins', () => {
  const room = away(...[1, 2, 3, 4].map((n) => message(n, n === 3 ? { user: 'alice' } : {})));
  room.settleUnread({ unread: 1, cursor: idOf(2), last: idOf(4) });
  room.setBackground(false);
  assert.deepEqual([room.unread, room.firstUnread.id], [0, idOf(4)]);
  room.apply(message(5), NOW);
  assert.equal(room.unread, 0, 'it comes under the eyes of the reader');
  room.setBackground(true);
  assert.equal(room.firstUnread, null);
  room.apply(message(6), NOW);
  assert.deepEqual([room.unread, room.firstUnread.id], [1, idOf(6)]);
});

test('the mark stands also if the reader came before the page or the count', () => {
  const before = new RoomState('lobby', { user: 'alice' });
  before.settleUnread({ unread: 2, cursor: idOf(1), last: idOf(3) });
  before.setBackground(false);
  before.replace({ events: [1, 2, 3].map((n) => message(n)), last: idOf(3), more: false });
  assert.equal(before.firstUnread.id, idOf(2));
  const after = away(message(1), message(2), message(3));
  after.setBackground(false);
  const changes = after.settleUnread({ unread: 1, cursor: idOf(2), last: idOf(3) });
  assert.deepEqual([after.firstUnread.id, changes[0].what], [idOf(3), 'update']);
  after.apply(message(4), NOW);
  after.settleUnread({ unread: 1, cursor: idOf(3), last: idOf(4) });
  assert.equal(after.firstUnread.id, idOf(3), 'what came while looking is not new');
});

test('a count that comes while the reader looks makes no mark', () => {
  const room = away(message(1));
  room.settleUnread({ unread: 0, cursor: idOf(1), last: idOf(1) });
  room.setBackground(false);
  room.apply(message(2), NOW);
  room.settleUnread({ unread: 1, cursor: idOf(1), last: idOf(2) });
  assert.deepEqual([room.unread, room.firstUnread], [0, null]);
});

test('reading on another device clears here, and never goes back', () => {
  const room = away(message(1), message(2), message(3, { mentions: ['alice'] }));
  room.settleUnread({ unread: 3, mentions: 1, cursor: '0-0', last: idOf(3) });
  room.haveRead(idOf(2), 1);
  assert.deepEqual([room.unread, room.mentions], [1, 1]);
  room.apply(message(4), NOW);
  room.haveRead(idOf(3), 0);
  assert.deepEqual([room.unread, room.mentions], [1, 0], 'the fourth came after that answer');
  room.haveRead(idOf(1), 3);
  assert.equal(room.unread, 1);
  assert.equal(room.counts.cursor, idOf(3));
});

test('receipts of others go forward only', () => {
  const room = away(message(1), message(2));
  const event = { last: idOf(2), type: 'read', ts: 1 };
  const read = (user, n) => room.apply({ ...event, user, ref: idOf(n) }, NOW);
  assert.deepEqual(
    read('bob', 2).map(({ what }) => what),
    ['receipts'],
  );
  assert.deepEqual(read('bob', 1), []);
  assert.deepEqual(read('alice', 2), [], 'our own');
  assert.deepEqual([...room.readers], [['bob', idOf(2)]]);
});

test('notices keep the inbox right between two loads', async () => {
  const lists = [
    [{ room: 'lobby', unread: 1, mentions: 0, cursor: idOf(1), last: idOf(2) }],
    [{ room: 'dm:alice,bob', unread: 1, mentions: 0, cursor: '0-0', last: idOf(1) }],
  ];
  const came = [];
  const inbox = new Inbox({
    request: async () => ({ rooms: lists.shift() }),
    changed: (entries) => came.push(entries),
  });
  await inbox.load();
  const lobby = inbox.entries.get('lobby');
  inbox.hear({ kind: 'mention', room: 'lobby', id: idOf(3), from: 'bob' });
  inbox.hear({ kind: 'mention', room: 'lobby', id: idOf(3), from: 'bob' });
  assert.deepEqual([lobby.unread, lobby.mentions, lobby.last], [2, 1, idOf(3)], 'once');
  inbox.hear({ kind: 'read', room: 'lobby', id: idOf(3), unread: 0 });
  assert.deepEqual([lobby.unread, lobby.mentions, lobby.cursor], [0, 0, idOf(3)]);
  inbox.hear({ kind: 'direct', room: 'dm:alice,bob', id: idOf(1), from: 'bob' });
  assert.equal(inbox.entries.has('dm:alice,bob'), false, 'not known yet');
  const deadline = Date.now() + 3000;
  while (!inbox.entries.has('dm:alice,bob')) {
    assert.ok(Date.now() < deadline, 'it was loaded again');
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(came.filter((entries) => entries !== null).length, 2);
});

test('a room that cannot be asked now stays as it was known', async () => {
  const row = (room, unread) => ({ room, unread, mentions: 0, cursor: '0-0', last: idOf(unread) });
  const error = { code: 'UNAVAILABLE', message: 'Redis is away' };
  const pages = [
    { rooms: [row('a', 2), row('b', 1)], cursor: null },
    { rooms: [row('a', 3), { room: 'b', error }, { room: 'new', error }], cursor: null },
  ];
  const inbox = new Inbox({ request: async () => pages.shift(), changed: () => {} });
  await inbox.load();
  await inbox.load();
  const known = [...inbox.entries.values()].map(({ room, unread }) => [room, unread]);
  assert.deepEqual(known, [
    ['a', 3],
    ['b', 1],
  ]);
});

test('what works is told of all rooms or of single ones', () => {
  const upstream = new Upstream();
  const rows = [
    [{ state: 'away', rooms: ['a', 'b'] }, 'away', 'back'],
    [{ state: 'writes_refused', rooms: ['a'] }, 'writes_refused', 'back'],
    [{ state: 'unheard of' }, 'writes_refused', 'back'],
    [{ state: 'back', rooms: ['a'] }, 'back', 'back'],
    [{ state: 'away' }, 'away', 'away'],
    [{ state: 'back', rooms: ['a'] }, 'back', 'away'],
    [{ state: 'back' }, 'back', 'back'],
  ];
  for (const [frame, a, other] of rows) {
    upstream.hear(frame);
    assert.deepEqual([upstream.of('a'), upstream.of('c')], [a, other], JSON.stringify(frame));
  }
  upstream.hear({ state: 'away' });
  upstream.reset();
  assert.equal(upstream.of('a'), 'back');
});
