/** Every promise is settled, no line is lost on the way, and what has ended stays ended. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createClient } from '../src/index.js';
import { createRoomStore } from '../src/store.js';
import { joined, message, page, sockets, start, storage, turn, until } from './scripted.mjs';

const nothing = { recovered: true, last: '1001-1', events: [], more: false };
const asks = (socket, op) => socket.sent.filter((frame) => frame.op === op);

/** A client that does not know yet who it is, or does by `user`. */
function early(context, more = {}) {
  const { opened, Socket } = sockets();
  const options = { url: 'h:1', storage: null, WebSocket: Socket, random: () => 0, fetch: null };
  const client = createClient({ ...options, ...more });
  context.after(() => client.close());
  return { client, opened };
}

/** How a promise ends: `ok`, or the code of its error. */
function outcome(promise) {
  const found = { is: 'open' };
  promise.then(
    () => Object.assign(found, { is: 'ok' }),
    (error) => Object.assign(found, { is: error.code ?? error.name }),
  );
  return found;
}

const keptLine = { room: 'lobby', text: 'unsent', nonce: 'n1', ts: Date.now(), kind: 'text' };

test('lines of an earlier page are sent, whenever it is known whose and which they are', async (context) => {
  const text = JSON.stringify({ version: 1, lines: [keptLine] });
  const slowly =
    (work) =>
    async (...given) => {
      await turn();
      return work(...given);
    };
  for (const isSlow of [false, true]) {
    const { getItem, setItem, removeItem } = storage();
    setItem('redis-chat.outgoing.alice', text);
    const kept = isSlow
      ? { getItem: slowly(getItem), setItem: slowly(setItem), removeItem: slowly(removeItem) }
      : { getItem, setItem, removeItem };
    for (const user of [undefined, 'alice']) {
      const { client, opened } = early(context, { storage: kept, user });
      const joining = client.join('lobby');
      await until(() => opened.length === 1, 'a socket');
      opened[0].hello();
      await until(() => opened[0].asked('join'), 'the question');
      await opened[0].answer('join', page(message(1)));
      await joining;
      await until(() => opened[0].asked('send')?.nonce === 'n1', `${isSlow} ${user}: the line`);
      client.close();
    }
  }
});

test('a storage that never answers holds nothing up', async (context) => {
  const never = () => new Promise(() => {});
  const kept = { getItem: never, setItem: never, removeItem: never };
  const { opened } = early(context, { storage: kept, user: 'alice' });
  await until(() => opened.length === 1, 'a socket');
});

test('lines that a storage gives late are sent, and forgotten once they are stored', async (context) => {
  const { getItem, setItem, removeItem, kept } = storage();
  setItem('redis-chat.outgoing.alice', JSON.stringify({ version: 1, lines: [keptLine] }));
  let give = () => {};
  const late = new Promise((resolve) => {
    give = resolve;
  });
  const slow = { getItem: (key) => late.then(() => getItem(key)), setItem, removeItem };
  const real = globalThis.setTimeout;
  context.mock.method(globalThis, 'setTimeout', (then, ms) => real(then, ms === 2000 ? 0 : ms));
  const { client, opened } = early(context, { storage: slow, user: 'alice' });
  await until(() => opened.length === 1, 'a socket');
  opened[0].hello();
  const joining = client.join('lobby');
  await opened[0].answer('join', page(message(1)));
  const room = await joining;
  give();
  await until(() => opened[0].asked('send')?.nonce === 'n1', 'the line');
  assert.equal(room.pending.length, 1);
  opened[0].say(message(2, { user: 'alice', nonce: 'n1', text: 'unsent' }));
  await until(() => kept.size === 0, 'nothing is kept');
  assert.deepEqual([room.pending.length, room.messages.length], [0, 2]);
});

test('a line that is written before it is known who we are is sent', async (context) => {
  const { client, opened } = early(context);
  client.join('lobby');
  const sending = client.get('lobby').send('early');
  opened[0].hello();
  await opened[0].answer('join', page(message(1)));
  await until(() => opened[0].asked('send')?.text === 'early', 'the line');
  await opened[0].answer('send', { id: '1002-2' });
  assert.deepEqual(await sending, { id: '1002-2' });
});

test('messages with one nonce are one message in a room, and two in two rooms', async (context) => {
  const { client, opened, socket, handle } = await joined(context, [message(1)]);
  const joining = client.join('tea');
  await socket.answer('join', { ...page(), role: 'member' });
  const tea = await joining;
  const nonce = 'n';
  const sent = [handle.send('x', { nonce }), handle.send('x', { nonce }), tea.send('x', { nonce })];
  const found = sent.map(outcome);
  assert.equal(handle.pending.length, 1);
  socket.die();
  await until(() => opened.length === 2, 'a second socket');
  opened[1].hello();
  const stored = page(message(2, { user: 'alice', nonce, text: 'x' }));
  const none = { ...page(), recovered: true };
  const rooms = { lobby: { ...stored, recovered: true }, tea: none };
  await opened[1].answer('resume', { rooms });
  assert.deepEqual([handle.pending.length, tea.pending.length], [0, 1]);
  assert.equal(opened[1].asked('send').room, 'tea');
  await opened[1].answer('send', { id: '9-9' });
  assert.deepEqual(
    found.map(({ is }) => is),
    ['ok', 'ok', 'ok'],
  );
  // One that is stored, and whose event is still to come.
  assert.deepEqual(await tea.send('x', { nonce }), { id: '9-9' });
  // One that failed is sent again.
  handle.send('y', { nonce: 'm' });
  await opened[1].refuse('send', { code: 'MUTED', message: '' });
  const again = handle.send('y', { nonce: 'm' });
  assert.equal(asks(opened[1], 'send').length, 3);
  await opened[1].answer('send', { id: '1003-3' });
  assert.deepEqual(await again, { id: '1003-3' });
});

test('a room that is asked for again while it ends is there afterwards', async (context) => {
  const { client, opened, socket, handle } = await joined(context, [message(1)]);
  const leaving = handle.leave();
  const again = client.join('lobby');
  await socket.answer('leave', {});
  await leaving;
  await until(() => asks(socket, 'join').length === 2, 'another question');
  await socket.answer('join', page(message(1)));
  assert.equal(client.get('lobby'), await again);
  // Without a connection it ends at once.
  socket.die();
  await (await again).unsubscribe();
  assert.equal(client.get('lobby'), null);
  const third = client.join('lobby');
  await until(() => opened.length === 2, 'a second socket');
  opened[1].hello();
  assert.equal(opened[1].asked('unsubscribe'), undefined);
  await opened[1].answer('join', page(message(1)));
  assert.equal(client.get('lobby'), await third);
});

test('what is written into a room that was left is refused', async (context) => {
  const { client, socket, handle } = await joined(context, [message(1)]);
  const ending = handle.unsubscribe();
  await socket.answer('unsubscribe', {});
  await ending;
  await assert.rejects(handle.send('ghost'), { code: 'LEFT' });
  assert.deepEqual([socket.asked('send'), client.unsentRooms()], [undefined, []]);
});

test('what is written into a room that does not come anew is refused, without a loop', async (context) => {
  const { client, socket, handle } = await joined(context, [message(1)]);
  socket.say({ type: 'drop', room: 'lobby', reason: 'dropped' });
  const sending = outcome(handle.send('x'));
  await socket.refuse('join', { code: 'NOROOM', message: '' });
  await until(() => sending.is === 'NOROOM', 'the refusal');
  const opening = client.direct('bob');
  await socket.refuse('subscribe', { code: 'NOROOM', message: '' });
  const direct = outcome((await opening).send('hi'));
  for (let again = 0; again < 10 && direct.is === 'open'; again += 1) {
    await socket.refuse('join', { code: 'NOROOM', message: '' });
  }
  assert.equal(direct.is, 'NOROOM');
});

test('after a refusal for good nothing waits, and after connect() it does', async (context) => {
  const { client, opened, socket, handle } = await joined(context, [message(1)]);
  socket.die(4508, JSON.stringify({ reason: 'suspended' }));
  const waiting = [handle.send('x'), client.join('tea'), client.request('rooms')];
  for (const promise of waiting) await assert.rejects(promise, { code: 'SUSPENDED' });
  client.connect();
  const joining = outcome(client.join('tea'));
  await turn();
  assert.deepEqual([client.connection.state, joining.is], ['connecting', 'open']);
  opened.at(-1).hello();
  assert.equal(opened.at(-1).asked('join').room, 'tea');
});

test('gone while a first page is on its way is its end', async (context) => {
  const { client, socket } = await start(context);
  const reading = outcome(client.subscribe('lobby'));
  const handle = client.get('lobby');
  const sending = outcome(handle.send('x'));
  socket.say({ type: 'gone', room: 'lobby', code: 'DENIED', what: 'scope' });
  await until(() => reading.is === 'DENIED', 'the refusal');
  assert.deepEqual([client.followed, sending.is], [[], 'DENIED']);
  await assert.rejects(handle.send('y'), { code: 'LEFT' });
});

test('where there is no crypto a line is refused, and one with a nonce is sent', async (context) => {
  const { socket, handle } = await joined(context, [message(1)]);
  context.mock.method(crypto, 'getRandomValues', () => {
    throw new TypeError('none');
  });
  await assert.rejects(handle.send('x'), TypeError);
  assert.deepEqual(handle.pending, []);
  handle.send('now', { ephemeral: true });
  assert.equal(socket.asked('send').text, 'now');
  handle.send('y', { nonce: 'n' });
  assert.equal(socket.asked('send').text, 'y');
});

test('who hears of a line may take it back before it is sent', async (context) => {
  const { socket, handle } = await joined(context, [message(1)]);
  const heard = [];
  const end = handle.on('pending', (line) =>
    heard.push(handle.pending.includes(line), line.cancel()),
  );
  await assert.rejects(handle.send('x'), { code: 'CANCELLED' });
  assert.deepEqual([heard, handle.pending, socket.asked('send')], [[true, true], [], undefined]);
  end();
  handle.send('y');
  assert.equal(socket.asked('send').text, 'y');
});

test('what waits for an answer ends with the client, and rooms go on with it', async (context) => {
  const { client, opened, socket, handle } = await joined(context, [message(1)]);
  const asking = ['history', 'online'].map((name) => outcome(handle[name]()));
  const sending = outcome(handle.send('x'));
  const status = outcome(client.status('away'));
  // A gap: the room asks what it has missed.
  socket.say(message(3));
  client.close();
  await turn();
  assert.deepEqual(
    [...asking, sending, status].map(({ is }) => is),
    ['CLOSED', 'CLOSED', 'CLOSED', 'ok'],
  );
  assert.deepEqual([handle.error, handle.pending[0].state], [null, 'pending']);
  client.connect();
  opened.at(-1).hello();
  assert.equal(opened.at(-1).asked('status').status, 'away');
  await opened.at(-1).answer('resume', { rooms: { lobby: nothing } });
  assert.equal(opened.at(-1).asked('send').text, 'x');
});

test('a line that is stored does not fail with the room', async (context) => {
  const { client, socket, handle } = await joined(context, [message(1)]);
  const sending = handle.send('x');
  const [line] = handle.pending;
  await socket.answer('send', { id: '1002-2' });
  await sending;
  socket.say({ type: 'gone', room: 'lobby', code: 'KICKED' });
  assert.deepEqual([line.state, line.error], ['pending', null]);
  const again = client.join('lobby');
  // It was deleted since, or lies before the page.
  await socket.answer('join', page(message(3)));
  await again;
  assert.deepEqual([handle.pending, client.unsentRooms()], [[], []]);
});

test('a room whose first page did not come before the end is not followed', async (context) => {
  const { client, opened } = await start(context);
  const joining = outcome(client.join('lobby'));
  const handle = client.get('lobby');
  const counts = [];
  client.on('rooms', () => counts.push(client.followed.length));
  client.close();
  await turn();
  assert.deepEqual([joining.is, counts], ['CLOSED', [0]]);
  client.connect();
  opened.at(-1).hello();
  await assert.rejects(handle.send('x'), { code: 'LEFT' });
});

test('a signal that was aborted before sends nothing, and an endless wait is one', async (context) => {
  const { client, socket, handle } = await joined(context, [message(1)]);
  const options = { signal: AbortSignal.abort() };
  await assert.rejects(handle.send('x', options), { name: 'AbortError' });
  await assert.rejects(handle.delete('1001-1', options), { name: 'AbortError' });
  assert.deepEqual([socket.asked('send'), socket.asked('delete')], [undefined, undefined]);
  // A timer so long would fire at once.
  const timers = context.mock.method(globalThis, 'setTimeout');
  client.request('rooms', {}, { timeoutMs: Infinity }).catch(() => {});
  assert.equal(timers.mock.callCount(), 0);
});

test('the time of a call holds for the connection and the answer together', async (context) => {
  const { client, opened } = early(context, { user: 'alice' });
  const asking = client.request('rooms', {}, { timeoutMs: 600 });
  const now = performance.now();
  context.mock.method(performance, 'now', () => now + 400);
  const waits = [];
  const real = globalThis.setTimeout;
  context.mock.method(globalThis, 'setTimeout', (then, ms) => {
    waits.push(ms);
    return real(then, ms);
  });
  opened[0].hello();
  await until(() => opened[0].asked('rooms'), 'the question');
  assert.ok(
    waits.some((ms) => ms > 100 && ms <= 200),
    String(waits),
  );
  await assert.rejects(asking, { code: 'TIMEOUT' });
});

test('what is no JSON is refused, and nothing else is hurt', async (context) => {
  const { handle, opened, socket, client } = await joined(context, [message(1)]);
  await assert.rejects(handle.send('x', { meta: 1n }), { code: 'INVALID', what: 'meta' });
  await assert.rejects(client.request('rooms', { match: 1n }), { code: 'INVALID' });
  assert.deepEqual(handle.pending, []);
  socket.die();
  await until(() => opened.length === 2, 'a second socket');
  opened[1].hello();
  await opened[1].answer('resume', { rooms: { lobby: nothing } });
  handle.send('y');
  assert.equal(opened[1].asked('send').text, 'y');
});

test('who listens to the status knows who we are, and sends after the room is level', async (context) => {
  const { client, opened } = early(context);
  const users = [];
  client.on('status', ({ state }) => state === 'connected' && users.push(client.user));
  opened[0].hello();
  assert.deepEqual(users, ['alice']);
  const joining = client.join('lobby');
  await opened[0].answer('join', page(message(1)));
  const room = await joining;
  client.on('status', ({ state }) => state === 'connected' && void room.send('back'));
  opened[0].die();
  await until(() => opened.length === 2, 'a second socket');
  opened[1].hello();
  assert.deepEqual(
    opened[1].sent.map(({ op }) => op).filter((op) => ['resume', 'send'].includes(op)),
    ['resume'],
  );
});

test('a client that is closed and connected in one turn asks for its token anew', async (context) => {
  const errors = [];
  const getToken = async () => {
    await turn();
    return 'token';
  };
  const { client, opened } = early(context, { getToken, insecure: true });
  client.on('status', ({ error }) => error && errors.push(error.code));
  client.close();
  client.connect();
  await until(() => opened.length === 1, 'a socket');
  assert.deepEqual(errors, []);
});

test('a client that is closed by who hears of its status stays closed', async (context) => {
  const getToken = async () => 'token';
  const failing = async () => Promise.reject(new Error('none'));
  /** What is heard last, how to get there, and how many sockets there are by then. */
  const rows = [
    ['connecting', undefined, ({ state }) => state === 'connecting', 0],
    ['its address', undefined, ({ url }) => url !== null, 0],
    ['a token', getToken, ({ url }) => url !== null, 0],
    ['no token', failing, ({ error }) => error !== null, 0],
    ['connected', undefined, ({ state }) => state === 'connected', 1],
    ['connected with a token', getToken, ({ state }) => state === 'connected', 1],
  ];
  for (const [what, ask, is, count] of rows) {
    const { client, opened } = early(context, { getToken: ask, insecure: true, connect: false });
    let ends = 0;
    client.on('status', (status) => {
      if (!is(status) || ends > 0) return;
      ends += 1;
      client.close();
    });
    client.connect();
    await turn();
    opened[0]?.hello('r1', { expires_in: 0.2 });
    await turn();
    assert.equal(ends, 1, what);
    assert.deepEqual([opened.length, client.connection.state], [count, 'offline'], what);
    assert.deepEqual(client.connection.error, null, what);
    assert.ok(
      opened.every(({ closed, sent }) => closed && sent.length === 0),
      what,
    );
    client.connect();
    await until(() => opened.length === count + 1 || ask === failing, `${what}: a socket`);
    client.close();
  }
});

test('a client that is closed as it connects renews no token', async (context) => {
  const timers = new Set();
  const [make, clear] = [globalThis.setTimeout, globalThis.clearTimeout];
  context.mock.method(globalThis, 'setTimeout', (...given) => {
    const timer = make(...given);
    timers.add(timer);
    return timer;
  });
  context.mock.method(globalThis, 'clearTimeout', (timer) => {
    timers.delete(timer);
    clear(timer);
  });
  let asked = 0;
  const getToken = async () => {
    asked += 1;
    return 'token';
  };
  const { client, opened } = early(context, { getToken, insecure: true });
  client.on('status', ({ state }) => state === 'connected' && client.close());
  await until(() => opened.length === 1, 'a socket');
  opened[0].hello('r1', { expires_in: 0.2 });
  await turn();
  assert.equal(asked, 1);
  assert.equal(timers.size, 0, 'no timer is left');
});

test('what is begun by who hears of the end is not ended by it', async (context) => {
  const { client, opened } = await start(context);
  const first = outcome(client.join('tea'));
  let again = { is: 'not asked' };
  client.on('status', ({ state }) => {
    if (state !== 'offline' || opened.length > 1) return;
    client.connect();
    again = outcome(client.join('lobby'));
  });
  client.close();
  await turn();
  assert.deepEqual([first.is, again.is, opened.length], ['CLOSED', 'open', 2]);
  opened[1].hello();
  await opened[1].answer('join', page(message(1)));
  assert.equal(again.is, 'ok');
});

test('what passes is asked again: the inbox, contacts, who is there, the status', async (context) => {
  const { client, socket } = await joined(context, [message(1)]);
  client.contacts.watch('bob');
  const passing = { code: 'RATELIMIT', message: '', retry_ms: 1 };
  for (const op of ['inbox', 'subscribe', 'who']) await socket.refuse(op, passing);
  await until(
    () => ['inbox', 'subscribe', 'who'].every((op) => asks(socket, op).length === 2),
    'all are asked again',
  );
  const away = outcome(client.status('away'));
  await socket.refuse('status', { code: 'UNAVAILABLE', message: '' });
  await until(() => away.is === 'UNAVAILABLE', 'the refusal');
  client.status('away').catch(() => {});
  assert.equal(asks(socket, 'status').length, 2);
});

test('a room that is looked at before it is joined is looked at', async (context) => {
  const { client, socket } = await start(context);
  client.look('lobby');
  const joining = client.join('lobby');
  await socket.answer('join', page(message(1)));
  const store = createRoomStore(await joining);
  socket.say(message(2));
  assert.equal(store.getSnapshot().unread, 0);
});

test('promises that nobody waits for end no process', async (context) => {
  const { client, socket, handle } = await joined(context, [message(1)]);
  const unhandled = [];
  const hear = (error) => unhandled.push(String(error));
  process.on('unhandledRejection', hear);
  context.after(() => process.off('unhandledRejection', hear));
  client.direct('bob');
  await socket.refuse('subscribe', { code: 'DENIED', message: '' });
  handle.send('now', { ephemeral: true });
  await socket.refuse('send', { code: 'MUTED', message: '' });
  handle.send('mine');
  await socket.refuse('send', { code: 'MUTED', message: '' });
  client.close();
  handle.send('late');
  client.join('late');
  client.direct('late');
  await turn();
  assert.deepEqual(unhandled, []);
});
