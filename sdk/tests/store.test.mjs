/** Snapshots: what was given never changes, and the next one has all that did. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createRoomStore } from '../src/store.js';
import { joined, message, page, turn, until } from './scripted.mjs';

const event = (n, type, more) => ({ ...message(n), type, text: undefined, ...more });

test('a snapshot that was given does not change', async (context) => {
  const reactions = [{ emoji: 'x', count: 1, users: ['bob'] }];
  const { socket, handle } = await joined(context, [message(1, { reactions })]);
  const store = createRoomStore(handle);
  const before = store.getSnapshot();
  assert.equal(store.getSnapshot(), before);
  socket.say(event(2, 'react', { user: 'carol', ref: '1001-1', emoji: 'x' }));
  assert.deepEqual(before.items[0].reactions, reactions);
  assert.deepEqual(store.getSnapshot().items[0].reactions, [
    { emoji: 'x', count: 2, users: ['bob', 'carol'] },
  ]);
});

test('what did not change is the same object', async (context) => {
  const { socket, handle } = await joined(context, [message(1), message(2)]);
  const store = createRoomStore(handle);
  const before = store.getSnapshot();
  socket.say(event(3, 'edit', { user: 'bob', ref: '1002-2', text: 'better' }));
  const after = store.getSnapshot();
  assert.equal(after.items[0], before.items[0]);
  assert.notEqual(after.items[1], before.items[1]);
  assert.equal(after.people, before.people);
});

test('the error of a room is one object', async (context) => {
  const { socket, handle } = await joined(context, [message(1)]);
  const store = createRoomStore(handle);
  socket.say({ type: 'gone', room: 'lobby', code: 'KICKED' });
  const before = store.getSnapshot();
  socket.say({ type: 'presence', room: 'lobby', kind: 'leave', user: 'bob', ts: 1 });
  const after = store.getSnapshot();
  assert.notEqual(after, before);
  assert.equal(after.error.code, 'KICKED');
  assert.equal(after.error, before.error);
});

test('a message that is quoted is as it is now', async (context) => {
  const { socket, handle } = await joined(context, [
    message(5, { prev: '1004-4', reply: '1001-1' }),
  ]);
  const store = createRoomStore(handle);
  assert.equal(store.quoted('1001-1'), undefined);
  await socket.answer('history', { events: [message(1)], last: '1005-5', more: false });
  assert.equal(store.quoted('1001-1').text, 'line 1');
  socket.say(event(6, 'delete', { prev: '1005-5', user: 'bob', ref: '1001-1' }));
  assert.equal(store.quoted('1001-1').text, '');
});

test('a quoted message that could not be asked for is asked for by the next connection', async (context) => {
  const answer = message(5, { prev: '1004-4', reply: '1001-1' });
  const { socket, opened, handle } = await joined(context, [answer]);
  const store = createRoomStore(handle);
  socket.die();
  assert.equal(store.quoted('1001-1'), undefined);
  await until(() => opened.length === 2, 'a second socket');
  opened[1].hello();
  const nothing = { recovered: true, ...page(), last: '1005-5' };
  await opened[1].answer('resume', { rooms: { lobby: nothing } });
  await opened[1].answer('history', { events: [message(1)], last: '1005-5', more: false });
  assert.equal(store.quoted('1001-1').text, 'line 1');
});

test('a quoted message that the relay could not give just now is asked for again', async (context) => {
  const answer = message(5, { prev: '1004-4', reply: '1001-1' });
  const { socket, handle } = await joined(context, [answer]);
  const store = createRoomStore(handle);
  assert.equal(store.quoted('1001-1'), undefined);
  await socket.refuse('history', { code: 'RATELIMIT', message: '', retry_ms: 10 });
  const asked = () => socket.sent.filter(({ op }) => op === 'history').length;
  await until(() => asked() === 2, 'the second question');
  await socket.answer('history', { events: [message(1)], last: '1005-5', more: false });
  assert.equal(store.quoted('1001-1').text, 'line 1');
});

test('messages that are not stored have keys of their own, and are no stored messages', async (context) => {
  const { socket, handle } = await joined(context, [message(1)]);
  const store = createRoomStore(handle);
  const passing = { room: 'lobby', type: 'message', user: 'bob', kind: 'text', ts: 1 };
  for (const text of ['a', 'b']) socket.say({ ...passing, text, last: '1001-1' });
  const keys = () => store.getSnapshot().items.map(({ key }) => key);
  const before = keys();
  assert.equal(new Set(before).size, 3);
  assert.deepEqual(
    handle.messages.map(({ id }) => id),
    ['1001-1'],
  );
  socket.say(message(2));
  assert.deepEqual(keys().slice(0, 3), before);
});

test('an erased user is gone everywhere, also from what was not stored', async (context) => {
  const { socket, handle } = await joined(context, [message(1)]);
  const store = createRoomStore(handle);
  const passing = { room: 'lobby', type: 'message', user: 'bob', kind: 'text', text: 'now', ts: 1 };
  socket.say({ ...passing, nonce: 'z', last: '1001-1' });
  socket.say({ type: 'read', room: 'lobby', user: 'bob', ref: '1001-1', ts: 1 });
  assert.ok(store.getSnapshot().readers.has('bob'));
  socket.say(event(2, 'erase', { user: 'bob', as: 'erased-1', ref: '1002-2' }));
  const { items, readers } = store.getSnapshot();
  assert.ok(!readers.has('bob'));
  assert.ok(items.every(({ user, text }) => user !== 'bob' && text === ''));
});

test('reading goes on beside messages that are not stored', async (context) => {
  const { socket, handle } = await joined(context, []);
  const passing = { room: 'lobby', type: 'message', user: 'bob', kind: 'text', text: 'now', ts: 1 };
  socket.say({ ...passing, nonce: 'z', last: '0-0' });
  socket.say(message(1));
  const reading = handle.read('1001-1');
  await socket.answer('read', { id: '1001-1', unread: 0 });
  await reading;
});

test('each listener ends for itself', async (context) => {
  const { socket, handle } = await joined(context, [message(1)]);
  const store = createRoomStore(handle);
  let count = 0;
  const listener = () => {
    count += 1;
  };
  const end = store.subscribe(listener);
  store.subscribe(listener);
  end();
  socket.say(message(2));
  await turn();
  assert.equal(count, 1);
});
