/** Several tabs over one socket: the hub between clients and a scripted relay. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createClient } from '../src/index.js';
import { portOf } from '../src/shared/carriers.js';
import { Hub } from '../src/shared/hub.js';
import { serve, socketClass } from '../src/shared/socket.js';
import { message, page, sockets, until } from './scripted.mjs';

/** Clients, each over a port of its own to one hub. */
function tabs(context, count) {
  const { opened, Socket } = sockets();
  const hub = new Hub(Socket);
  context.after(() => hub.end());
  const add = () => {
    const { port1, port2 } = new MessageChannel();
    serve(hub, portOf(port1));
    const client = createClient({
      url: 'h:1',
      user: 'alice',
      storage: null,
      random: () => 0,
      fetch: null,
      WebSocket: socketClass(portOf(port2)),
    });
    context.after(() => {
      client.close();
      port1.close();
    });
    return client;
  };
  return { opened, add, clients: Array.from({ length: count }, add) };
}

const isConnected = (client) => client.connection.state === 'connected';
const asks = (socket, op) => socket.sent.filter((frame) => frame.op === op);

async function connected(context, count) {
  const { opened, add, clients } = tabs(context, count);
  await until(() => opened.length > 0, 'a socket');
  opened[0].hello();
  await until(() => clients.every(isConnected), 'all connected');
  assert.equal(opened.length, 1);
  return { opened, add, socket: opened[0], clients };
}

/** Both tabs follow the lobby. */
async function joined(context) {
  const parts = await connected(context, 2);
  const { socket, clients } = parts;
  const rooms = [];
  for (const client of clients) {
    const before = asks(socket, 'join').length;
    const joining = client.join('lobby');
    await until(() => asks(socket, 'join').length > before, 'the question');
    await socket.answer('join', page(message(1)));
    rooms.push(await joining);
  }
  return { ...parts, rooms };
}

test('all tabs have one socket, and each its own answers', async (context) => {
  const { socket, clients } = await connected(context, 3);
  const answers = Promise.all(clients.map((client, at) => client.request('ping', { ts: at })));
  await until(() => asks(socket, 'ping').length === 3, 'three questions');
  for (const { ref, ts } of asks(socket, 'ping').reverse()) socket.say({ ref, ok: { ts } });
  assert.deepEqual(await answers, [{ ts: 0 }, { ts: 1 }, { ts: 2 }]);
  const refs = socket.sent.map(({ ref }) => ref);
  assert.equal(new Set(refs).size, refs.length);
});

test('a tab that comes later hears hello at once', async (context) => {
  const { opened, add } = await connected(context, 1);
  const later = add();
  await until(() => isConnected(later), 'the second tab');
  assert.deepEqual([opened.length, later.connection.relay], [1, 'r1']);
});

test('events reach every tab, and a line of one is stored for all', async (context) => {
  const { socket, rooms } = await joined(context);
  const heard = [[], []];
  rooms.forEach((room, at) => void room.on('message', ({ text }) => heard[at].push(text)));
  socket.say(message(2));
  const sending = rooms[0].send('mine');
  await until(() => socket.asked('send'), 'the send');
  socket.say(message(3, { user: 'alice', nonce: socket.asked('send').nonce, text: 'mine' }));
  await socket.answer('send', { id: '1003-3' });
  assert.deepEqual(await sending, { id: '1003-3' });
  await until(() => heard[1].length === 2, 'the other tab');
  assert.deepEqual(heard, [
    ['line 2', 'mine'],
    ['line 2', 'mine'],
  ]);
});

test('a room is received as long as one tab wants it', async (context) => {
  const { socket, clients, rooms } = await joined(context);
  await rooms[0].unsubscribe();
  assert.equal(socket.asked('unsubscribe'), undefined);
  socket.say(message(2));
  await until(() => rooms[1].messages.length === 2, 'the event in the other tab');
  clients[1].close();
  await until(() => socket.asked('unsubscribe')?.room === 'lobby', 'the end');
});

test('who leaves leaves for all, and the others ask whether they may read', async (context) => {
  const { socket, rooms } = await joined(context);
  const leaving = rooms[0].leave();
  await until(() => socket.asked('leave'), 'the question');
  await socket.answer('leave', {});
  await leaving;
  await until(() => socket.asked('subscribe')?.room === 'lobby', 'the other tab asks');
  const refused = new Promise((resolve) => {
    rooms[1].on('lost', resolve);
  });
  await socket.refuse('subscribe', { code: 'NOTMEMBER', message: '' });
  assert.equal((await refused).code, 'NOTMEMBER');
});

test('what the page of one tab brought comes to the others', async (context) => {
  const { socket, clients, rooms } = await joined(context);
  await rooms[0].unsubscribe();
  const joining = clients[0].join('lobby');
  await until(() => asks(socket, 'join').length === 3, 'the question');
  // The relay counts the second message as delivered.
  await socket.answer('join', page(message(1), message(2)));
  await joining;
  await until(() => socket.asked('subscribe')?.room === 'lobby', 'the other tab asks');
  assert.equal(socket.asked('subscribe').since, '1001-1');
  await socket.answer('subscribe', { recovered: true, ...page(message(2)) });
  await until(() => rooms[1].messages.length === 2, 'the message');
  assert.equal(asks(socket, 'subscribe').length, 1);
});

test('when the socket ends all tabs come back over one', async (context) => {
  const { opened, socket, clients, rooms } = await joined(context);
  socket.die(4001, '{"reason":"drain","retry_ms":1}');
  await until(() => opened.length === 2, 'another socket');
  opened[1].hello('r2');
  await until(() => asks(opened[1], 'resume').length === 2, 'both resume');
  for (const { ref } of asks(opened[1], 'resume')) {
    const lobby = { recovered: true, ...page(message(2)) };
    opened[1].say({ ref, ok: { rooms: { lobby } } });
  }
  await until(() => rooms.every((room) => room.messages.length === 2), 'what was missed');
  assert.equal(opened.length, 2);
  assert.ok(clients.every(({ connection }) => connection.relay === 'r2'));
});

test('a socket that is silent is given up for all tabs', async (context) => {
  const real = globalThis.setTimeout;
  const { opened, socket, clients } = await connected(context, 2);
  // Nobody waits so long for a relay that is in doubt.
  context.mock.method(globalThis, 'setTimeout', (then, ms, ...given) =>
    real(then, ms === 5000 ? 50 : ms, ...given),
  );
  clients[0].connect();
  await until(() => socket.asked('ping'), 'the question');
  await until(() => opened.length === 2, 'another socket');
  assert.ok(socket.closed);
  opened[1].hello('r2');
  await until(() => clients.every(({ connection }) => connection.relay === 'r2'), 'all are back');
  assert.equal(opened.length, 2);
});

test('the last tab takes the socket with it, after a moment', async (context) => {
  const { socket, clients } = await connected(context, 2);
  for (const client of clients) client.close();
  await until(() => socket.closed, 'the end');
});

/** A hub without clients: tabs are what they say and hear. */
function bare(context) {
  const { opened, Socket } = sockets();
  const hub = new Hub(Socket);
  context.after(() => hub.end());
  const heard = {};
  const open = (id) => {
    heard[id] = [];
    hub.open(id, ({ data }) => data && heard[id].push(JSON.parse(data)), { url: 'ws://h/ws' });
  };
  open('a');
  opened[0].hello('r1', { expires_in: 100 });
  const say = (id, frame) => hub.say(id, JSON.stringify(frame));
  return { hub, heard, open, say, socket: opened[0] };
}

test('what a tab wanted ends with it, also what it was just asking for', async (context) => {
  const { hub, open, say, socket } = bare(context);
  open('b');
  say('a', { ref: 1, op: 'resume', rooms: { lobby: '1001-1' } });
  say('a', { ref: 2, op: 'watch', match: 's:*' });
  await socket.answer('watch', {});
  say('b', { ref: 1, op: 'watch', match: 's:*' });
  await socket.answer('watch', {});
  say('a', { ref: 3, op: 'unwatch', match: 's:*' });
  assert.equal(socket.asked('unwatch'), undefined, 'another tab watches it');
  hub.close('a');
  await socket.answer('resume', { rooms: { lobby: { recovered: true, ...page() } } });
  assert.equal(socket.asked('unsubscribe').room, 'lobby');
  hub.close('b');
  assert.equal(socket.asked('unwatch').match, 's:*');
});

test('a room that a tab takes back before it has it is not its own', async (context) => {
  const { open, say, socket } = bare(context);
  open('b');
  say('b', { ref: 1, op: 'subscribe', room: 'lobby' });
  await socket.answer('subscribe', page());
  say('a', { ref: 1, op: 'subscribe', room: 'lobby' });
  say('a', { ref: 2, op: 'unsubscribe', room: 'lobby' });
  await socket.answer('subscribe', page());
  say('b', { ref: 2, op: 'unsubscribe', room: 'lobby' });
  assert.equal(socket.asked('unsubscribe').room, 'lobby');
});

test('events of a room come to a tab after the answer with which it begins', async (context) => {
  const { heard, open, say, socket } = bare(context);
  open('b');
  open('c');
  say('a', { ref: 1, op: 'subscribe', room: 'lobby' });
  await socket.answer('subscribe', page());
  say('c', { ref: 1, op: 'watch', match: 'l*' });
  await socket.answer('watch', {});
  say('b', { ref: 1, op: 'subscribe', room: 'lobby' });
  const lists = () => ['a', 'b', 'c'].map((id) => heard[id].filter((frame) => frame.id).length);
  socket.say(message(1));
  assert.deepEqual(lists(), [1, 0, 1]);
  await socket.answer('subscribe', page());
  // The relay begins after the answer.
  for (const n of [1, 2]) socket.say(message(n));
  assert.deepEqual(lists(), [3, 2, 3]);
  // What nobody has asked for is for all: the room of the user.
  socket.say({ ...message(1), room: '@alice' });
  assert.deepEqual(lists(), [4, 3, 4]);
});

test('what a tab takes back while it resumes or begins to watch is not its own', async (context) => {
  const { open, say, socket } = bare(context);
  open('b');
  say('b', { ref: 1, op: 'subscribe', room: 's*' });
  await socket.answer('subscribe', page());
  say('b', { ref: 2, op: 'watch', match: 's*' });
  await socket.answer('watch', {});
  say('a', { ref: 1, op: 'resume', rooms: { 's*': '1001-1', tea: '1001-1' } });
  say('a', { ref: 2, op: 'unsubscribe', room: 's*' });
  await socket.answer('resume', { rooms: { 's*': page(), tea: page() } });
  say('b', { ref: 3, op: 'unsubscribe', room: 's*' });
  assert.equal(socket.asked('unsubscribe').room, 's*');
  say('a', { ref: 3, op: 'watch', match: 's*' });
  say('a', { ref: 4, op: 'unwatch', match: 's*' });
  await socket.answer('watch', {});
  say('b', { ref: 4, op: 'unwatch', match: 's*' });
  assert.equal(socket.asked('unwatch').match, 's*');
  say('a', { ref: 5, op: 'unsubscribe', room: 'tea' });
  assert.equal(socket.asked('unsubscribe').room, 'tea', 'the other room was its own');
});

test('a later tab hears how old the token is, and what works', async (context) => {
  const { heard, open, say, socket } = bare(context);
  socket.say({ type: 'upstream', state: 'away' });
  const now = performance.now();
  context.mock.method(performance, 'now', () => now + 40_000);
  open('b');
  const [hello, upstream] = heard.b;
  assert.ok(hello.expires_in > 55 && hello.expires_in <= 60, String(hello.expires_in));
  assert.deepEqual(upstream, { type: 'upstream', state: 'away' });
  say('b', { ref: 1, op: 'auth', token: 't2' });
  await socket.answer('auth', { expires_in: 300 });
  open('c');
  assert.equal(heard.c[0].expires_in, 300);
});
