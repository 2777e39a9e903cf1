/** The fold of events into a room. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Line } from '../src/room/line.js';
import { RoomState, TYPING_MS } from '../src/room/state.js';
import { compareIds, isId } from '../src/words/id.js';

const NOW = 1_000_000;

/** Events of one room, each naming its predecessor. */
function log(count, extra = () => ({})) {
  let prev = '0-0';
  return Array.from({ length: count }, (_, index) => {
    const n = index + 1;
    const id = `${1000 + n}-${n}`;
    const event = {
      id,
      prev,
      room: 'lobby',
      type: 'message',
      ts: 1000 + n,
      user: 'bob',
      kind: 'text',
      text: `line ${n}`,
      m: n,
      ...extra(n),
    };
    prev = id;
    return event;
  });
}

function roomWith(events, more = false) {
  const room = new RoomState('lobby', { user: 'alice' });
  room.replace({ events, last: events.at(-1)?.id ?? '0-0', more });
  return room;
}

const line = (nonce, text = 'mine') =>
  new Line({
    room: 'lobby',
    user: 'alice',
    text,
    nonce,
    ts: NOW,
  });

const texts = (room) => room.items.map((item) => item.text);

test('ids are two integers', () => {
  const rows = [
    ['1795225205879-9', '1795225205879-10', 'the number decides'],
    ['9-100', '10-1', 'not compared as text'],
    ['0-0', '1-1', 'nowhere is first'],
    ['18446744073709551614-1', '18446744073709551615-1', 'beyond exact numbers'],
  ];
  for (const [a, b, why] of rows) {
    assert.ok(compareIds(a, b) < 0, why);
    assert.ok(compareIds(b, a) > 0, why);
    assert.equal(compareIds(a, a), 0, why);
  }
  for (const text of ['', '1', '1-', '-1', '01-1', '1-2-3', '1-2 ', 'x-1', null, 12]) {
    assert.equal(isId(text), false, String(text));
    assert.throws(() => compareIds(text, '1-1'), TypeError);
  }
});

test('an event has a place only after its predecessor', () => {
  const events = log(4);
  const room = roomWith(events.slice(0, 2));
  assert.equal(room.place(events[2]), 'next');
  assert.equal(room.place(events[3]), 'gap');
  assert.equal(room.place(events[1]), 'known');
  assert.equal(room.place({ ...events[1], id: '999-2', prev: '998-1' }), 'gap', 'another past');
  assert.equal(new RoomState('lobby', { user: 'alice' }).place(events[0]), 'gap', 'no page yet');
});

test('a stored event takes the place of the waiting line with its user and nonce', () => {
  const room = roomWith(log(1));
  const mine = line('n1');
  room.addLine(mine);
  const [, others, own] = log(3, (n) => ({ user: n === 3 ? 'alice' : 'bob', nonce: 'n1' }));
  assert.equal(room.apply(others, NOW)[0].what, 'append', "bob's own n1");
  assert.deepEqual(
    room.apply(own, NOW).map(({ what }) => what),
    ['settle'],
  );
  assert.equal(room.items.at(-1), mine, 'the same object');
  assert.equal(mine.state, 'stored');
  assert.equal(mine.id, own.id);
  assert.deepEqual(room.tail, []);
});

test('a page settles the waiting lines it contains and keeps the others', () => {
  const room = roomWith(log(1));
  const [stored, waiting, failed] = [line('n1'), line('n2'), line('n3')];
  failed.state = 'failed';
  for (const mine of [stored, waiting, failed]) room.addLine(mine);
  const page = log(3, (n) => (n === 3 ? { user: 'alice', nonce: 'n1' } : {}));
  room.replace({ events: page, last: page[2].id, more: true });
  assert.deepEqual(room.tail, [waiting, failed]);
  assert.equal(room.items[2], stored);
  assert.equal(room.cursor, page[2].id);
  assert.equal(room.moreBefore, true);
});

test('a line acknowledged with an id behind the cursor is not doubled and not kept', () => {
  const events = log(3);
  const room = roomWith(events);
  const mine = line('n1');
  room.addLine(mine);
  assert.deepEqual(room.acknowledge(mine, '1004-4'), [], 'its event is still to come');
  assert.equal(room.tail.length, 1);
  assert.deepEqual(room.acknowledge(mine, '1002-2'), [{ what: 'remove', items: [mine] }]);
  assert.equal(room.tail.length, 0);
});

test('what was missed is folded once, in order', () => {
  const events = log(6);
  const room = roomWith(events.slice(0, 3));
  room.catchUp({ events: events.slice(2, 5), last: events[5].id, more: true }, NOW);
  assert.equal(room.cursor, events[4].id, 'with more to come the cursor is the last one seen');
  room.catchUp({ events: events.slice(5), last: events[5].id, more: false }, NOW);
  assert.deepEqual(
    texts(room),
    events.map((event) => event.text),
  );
  assert.equal(room.cursor, events[5].id);
});

test('older pages go before, without doubles', () => {
  const events = log(6);
  const room = roomWith(events.slice(3), true);
  assert.equal(room.oldest(), events[3].id);
  const [{ items }] = room.prepend({ events: events.slice(1, 4), last: events[5].id, more: true });
  assert.deepEqual(
    items.map((item) => item.id),
    [events[1].id, events[2].id],
  );
  assert.deepEqual(
    texts(room),
    events.slice(1).map((event) => event.text),
  );
  assert.equal(room.cursor, events[5].id, 'the cursor is not touched');
});

test('local lines are shown, replaced and forgotten', () => {
  const room = roomWith([]);
  const local = { type: 'message', user: 'bob', text: 'hi', nonce: 'b1', local: true };
  room.apply(local, NOW);
  const [shown] = room.tail;
  assert.equal(shown.state, 'pending');
  assert.equal(shown.local, true);
  room.apply({ ...log(1)[0], nonce: 'b1' }, NOW);
  assert.deepEqual([room.items[0], room.tail.length], [shown, 0]);
  assert.equal(shown.local, false);

  room.apply({ ...local, nonce: 'b2' }, NOW);
  assert.equal(room.removeLine('b2', 'bob')[0].what, 'remove');
  const mine = line('n1');
  room.addLine(mine);
  room.apply({ ...local, user: 'alice', nonce: 'n1' }, NOW);
  assert.deepEqual([room.tail, mine.local], [[mine], true], 'our own line is marked');
  room.apply({ ...local, nonce: 'b3' }, NOW);
  room.dropLocal();
  assert.deepEqual([room.tail, mine.local], [[mine], false], 'only our own outlive the relay');
});

test('presence carries the resulting state: applied twice it changes nothing', () => {
  const room = roomWith([]);
  const join = { last: '0-0', type: 'presence', ts: 5, user: 'bob', kind: 'join', users: 2 };
  const leave = { ...join, kind: 'leave', users: 1 };
  room.setPeople([{ user: 'alice', status: '', connections: 1, since: 1 }], 1, true);
  for (const event of [join, join]) room.apply(event, NOW);
  assert.deepEqual([[...room.people.keys()], room.online], [['alice', 'bob'], 2]);
  assert.equal(room.peopleDoubtful(), false);
  for (const event of [leave, leave]) room.apply(event, NOW);
  assert.deepEqual([[...room.people.keys()], room.online], [['alice'], 1]);
  room.apply({ ...join, users: 3 }, NOW);
  assert.equal(room.peopleDoubtful(), true, 'somebody is missing: ask');
});

test('presence that comes while who is asked is not lost', () => {
  const room = roomWith([]);
  room.expectPeople();
  room.apply({ type: 'presence', ts: 5, user: 'bob', kind: 'leave', users: 1 }, NOW);
  room.setPeople(
    [
      { user: 'alice', connections: 1 },
      { user: 'bob', connections: 1 },
    ],
    2,
    true,
  );
  assert.deepEqual([...room.people.keys()], ['alice']);
});

test('typing ends by time, by message, by leaving, and is never our own', () => {
  const room = roomWith([]);
  const typing = (user) => room.apply({ type: 'signal', user, name: 'typing' }, NOW);
  typing('bob');
  typing('alice');
  assert.deepEqual([...room.typing.keys()], ['bob']);
  assert.deepEqual(room.expireTyping(NOW + TYPING_MS - 1), []);
  assert.equal(room.expireTyping(NOW + TYPING_MS).length, 1);
  typing('bob');
  room.apply(log(1)[0], NOW);
  assert.equal(room.typing.size, 0);
  typing('bob');
  room.apply({ type: 'presence', user: 'bob', kind: 'leave', users: 0 }, NOW);
  assert.equal(room.typing.size, 0);
});

test('unread counts the messages of others while the reader looks away', () => {
  const events = log(4, (n) => (n === 2 ? { user: 'alice' } : {}));
  const room = roomWith([]);
  room.setBackground(false);
  room.apply(events[0], NOW);
  room.setBackground(true);
  for (const event of events.slice(1)) room.apply(event, NOW);
  assert.equal(room.unread, 2);
  assert.equal(room.firstUnread.id, events[2].id);
  room.setBackground(false);
  assert.equal(room.unread, 0);
  assert.equal(room.firstUnread.id, events[2].id, 'the mark stays while the reader is there');
});

test('a room that ended is empty and begins anew with its first event', () => {
  const room = roomWith(log(3));
  room.end({ code: 'ENDED', message: '' });
  assert.deepEqual([room.items, room.cursor, room.problem.code], [[], '0-0', 'ENDED']);
  room.replace({ events: [], last: '0-0', more: false });
  assert.equal(room.problem.code, 'ENDED', 'the page of a room that is not there');
  const anew = { ...log(1)[0], id: '9999-1' };
  assert.equal(room.place(anew), 'next');
  room.apply(anew, NOW);
  assert.equal(room.problem, null);
});

test('memory is bounded, history brings back what was forgotten', () => {
  const events = log(30);
  const room = roomWith(events);
  room.trim(10);
  assert.deepEqual([room.items.length, room.moreBefore, room.oldest()], [10, true, events[20].id]);
  room.prepend({ events: events.slice(10, 20), last: events[29].id, more: true });
  assert.equal(room.items.length, 20);
});

test('what forgotten messages have quoted is forgotten with them', () => {
  const events = log(30);
  for (const [at, reply] of [
    [0, '1-1'],
    [1, '2-2'],
    [25, '2-2'],
  ])
    events[at].reply = reply;
  const room = roomWith(events);
  for (const id of ['1-1', '2-2']) room.quote(id);
  room.trim(10);
  assert.deepEqual([...room.quoted.keys()], ['2-2']);
});

test('events of unknown types move the cursor and nothing else', () => {
  const room = roomWith(log(1));
  const event = { id: '2000-2', prev: room.cursor, type: 'novelty', user: 'bob' };
  assert.equal(room.place(event), 'next');
  assert.deepEqual(room.apply(event, NOW), []);
  assert.equal(room.cursor, '2000-2');
});

test('notices of the past come to their places among the messages', () => {
  const room = new RoomState('lobby', { user: 'alice' });
  const event = (n, type, more) => ({
    id: `${1000 + n}-${n}`,
    room: 'lobby',
    type,
    ts: 1000 + n,
    ...more,
  });
  const said = (n) => event(n, 'message', { user: 'bob', kind: 'text', text: String(n) });
  const joined = (n, user) => event(n, 'member', { user, kind: 'join', role: 'member' });
  room.replace({ events: [said(2), said(5), said(6)], last: '1008-8', more: false });
  const all = [
    joined(1, 'zoe'),
    said(2),
    joined(3, 'carol'),
    event(4, 'room', { by: 'bob', data: { topic: 'tea' } }),
    said(5),
    said(6),
    event(7, 'react', { user: 'bob', ref: '1005-5', emoji: '👍' }),
    joined(8, 'dan'),
    joined(9, 'eve'),
  ];
  const changes = room.insertNotices(all);
  assert.deepEqual(
    changes.map(({ what, item }) => [what, item.id]),
    [
      ['insert', '1003-3'],
      ['insert', '1004-4'],
      ['insert', '1008-8'],
    ],
  );
  const order = ['1002-2', '1003-3', '1004-4', '1005-5', '1006-6', '1008-8'];
  assert.deepEqual(
    room.items.map(({ id }) => id),
    order,
  );
  assert.deepEqual([room.insertNotices(all), room.cursor], [[], '1008-8']);
  assert.equal(room.topic, '', 'what is, the room tells');
});
