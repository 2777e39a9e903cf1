/** The client against a scripted relay: what it sends, and what it does with what comes. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChatError, createClient } from '../src/index.js';
import { socketUrl } from '../src/link/address.js';
import { backoffMs, readClose } from '../src/link/close.js';
import { Line } from '../src/room/line.js';
import { Outgoing } from '../src/room/outgoing.js';
import { createRoomStore } from '../src/store.js';
import { joined, message, page, sockets, start, storage, turn, until, write } from './scripted.mjs';

const texts = (room) => [...room.items, ...room.tail].map((item) => item.text);

test('relay addresses are understood', () => {
  const rows = [
    ['127.0.0.1:8081', 'ws://127.0.0.1:8081/ws?user=a+b'],
    ['wss://chat.example/ws', 'wss://chat.example/ws?user=a+b'],
    ['https://chat.example', 'wss://chat.example/ws?user=a+b'],
    ['ws://h:1/chat/ws?x=1', 'ws://h:1/chat/ws?x=1&user=a+b'],
  ];
  for (const [relay, url] of rows) assert.equal(socketUrl(relay, 'a b'), url);
  for (const relay of ['ftp://h', 'ws://', '::']) assert.throws(() => socketUrl(relay, 'a'));
});

test('waits grow under a ceiling, with full jitter', () => {
  assert.equal(
    backoffMs(0, () => 0),
    0,
  );
  const most = Array.from({ length: 30 }, (_, attempt) => backoffMs(attempt, () => 0.9999));
  assert.ok(most.every((wait, index) => index === 0 || wait >= most[index - 1]));
  assert.ok(most.at(-1) <= 15_000);
});

test('the wait grows with each round of all relays, not with each relay', async (context) => {
  const waits = [];
  const real = globalThis.setTimeout;
  context.mock.method(globalThis, 'setTimeout', (then, ms) => real(then, ms < 5000 ? 0 : ms));
  const { opened, Socket } = sockets();
  const client = createClient({
    urls: ['h:1', 'h:2', 'h:3', 'h:4'],
    user: 'alice',
    storage: null,
    WebSocket: Socket,
    random: () => 0.5,
    fetch: null,
  });
  context.after(() => client.close());
  for (let count = 1; count <= 12; count += 1) {
    await until(() => opened.length === count, 'a socket');
    const now = Date.now();
    context.mock.method(Date, 'now', () => now);
    opened[count - 1].die();
    waits.push(client.connection.retryAt - now);
    Date.now.mock.restore();
  }
  assert.deepEqual(waits, [0, 0, 0, 200, 0, 0, 0, 400, 0, 0, 0, 800]);
});

test('close codes say what to do', () => {
  const rows = [
    [4001, '{"reason":"drain","retry_ms":1200}', false, 1200, 'drain'],
    [4508, '{"reason":"suspended","until_ms":7}', true, 0, 'suspended', { untilMs: 7 }],
    [4507, '{"reason":"expired","what":"revoked"}', true, 0, 'expired', { what: 'revoked' }],
    [4506, '{"reason":"kicked","message":"spam"}', true, 0, 'kicked', { message: 'spam' }],
    [4508, '{"reason":"suspended","until_ms":"7","what":7}', true, 0, 'suspended'],
    [4504, '{"reason":"unauthorised"}', true, 0, 'unauthorised'],
    [1006, '', false, 0, ''],
    [4002, 'not json', false, 0, 'not json'],
    [4000, 'null', false, 0, 'null'],
    [4000, '{"retry_ms":-5}', false, 0, '{"retry_ms":-5}'],
  ];
  for (const [code, reason, final, retryMs, name, more] of rows) {
    const rest = { what: null, message: null, untilMs: null, ...more };
    assert.deepEqual(readClose(code, reason), { code, name, retryMs, final, ...rest });
  }
});

test('errors say whether it is of no use to try again', () => {
  const rows = { RATELIMIT: false, LOST: false, TOKEN: false, REFUSED: false, CLOSED: true };
  Object.assign(rows, { MUTED: true, BANNED: true, NOROOM: true, INVALID: true, SUSPENDED: true });
  for (const [code, final] of Object.entries(rows)) {
    assert.equal(new ChatError(code).final, final, code);
  }
});

test('after a lost relay all rooms are resumed on the next one, in one frame', async (context) => {
  const { client, opened, socket, room } = await joined(context, [message(1)]);
  socket.die();
  await until(() => opened.length === 2, 'a second socket');
  assert.match(opened[1].url, /h:2/);
  opened[1].hello('r2');
  assert.deepEqual(opened[1].asked('resume').rooms, { lobby: '1001-1' });
  await opened[1].answer('resume', {
    rooms: { lobby: { recovered: true, ...page(message(2), message(3)) } },
  });
  assert.deepEqual(texts(room), ['line 1', 'line 2', 'line 3']);
  assert.equal(client.connection.hello.relay, 'r2');
});

test('more is asked for until there is no more', async (context) => {
  const { opened, socket, room } = await joined(context, [message(1)]);
  socket.die();
  await until(() => opened.length === 2, 'a second socket');
  opened[1].hello();
  const part = { ...page(message(2)), recovered: true, last: '1003-3', more: true };
  await opened[1].answer('resume', { rooms: { lobby: part } });
  assert.equal(opened[1].asked('subscribe').since, '1002-2');
  await opened[1].answer('subscribe', { recovered: true, ...page(message(3)) });
  assert.deepEqual(texts(room), ['line 1', 'line 2', 'line 3']);
});

test('a refused cursor means a new page', async (context) => {
  const { opened, socket, room } = await joined(context, [message(1), message(2)]);
  socket.die();
  await until(() => opened.length === 2, 'a second socket');
  opened[1].hello();
  const anew = message(1, { id: '5000-1', text: 'another past' });
  await opened[1].answer('resume', { rooms: { lobby: { recovered: false, ...page(anew) } } });
  assert.deepEqual([texts(room), room.cursor], [['another past'], '5000-1']);
});

test('an event whose predecessor is missing waits for what lies between', async (context) => {
  const { socket, room } = await joined(context, [message(1)]);
  socket.say(message(3));
  assert.deepEqual(texts(room), ['line 1']);
  assert.equal(socket.asked('subscribe').since, '1001-1');
  socket.say(message(4));
  await socket.answer('subscribe', { recovered: true, ...page(message(2), message(3)) });
  assert.deepEqual(texts(room), ['line 1', 'line 2', 'line 3', 'line 4']);
  socket.say(message(4));
  socket.say(message(2));
  assert.equal(room.items.length, 4, 'late twins');
});

test('reload replaces the page, also while a question is open', async (context) => {
  const { socket, room } = await joined(context, [message(1)]);
  socket.say(message(3));
  const anew = message(1, { id: '5000-1', text: 'another past' });
  socket.say({ type: 'reload', room: 'lobby', ...page(anew) });
  await socket.answer('subscribe', { recovered: true, ...page(message(2)) });
  assert.deepEqual([texts(room), room.cursor], [['another past'], '5000-1']);
});

test('an unanswered line is sent again with its nonce, and stays one line', async (context) => {
  const { client, opened, socket, room } = await joined(context, [message(1)]);
  const line = write(client, 'lobby', 'mine');
  assert.equal(socket.asked('send').nonce, line.nonce);
  assert.deepEqual(texts(room), ['line 1', 'mine']);
  socket.die();
  await until(() => opened.length === 2, 'a second socket');
  opened[1].hello();
  assert.equal(opened[1].asked('send'), undefined, 'not before the room is level');
  const nothing = { ...page(), recovered: true, last: '1001-1' };
  await opened[1].answer('resume', { rooms: { lobby: nothing } });
  assert.equal(opened[1].asked('send').nonce, line.nonce);
  opened[1].say(message(2, { user: 'alice', nonce: line.nonce, text: 'mine' }));
  await opened[1].answer('send', { id: '1002-2' });
  assert.deepEqual([texts(room), line.state, room.tail], [['line 1', 'mine'], 'stored', []]);
});

test('a line that was stored before the relay died is not sent again', async (context) => {
  const { client, opened, socket, room } = await joined(context, [message(1)]);
  const line = write(client, 'lobby', 'mine');
  socket.die();
  await until(() => opened.length === 2, 'a second socket');
  opened[1].hello();
  const stored = message(2, { user: 'alice', nonce: line.nonce, text: 'mine' });
  await opened[1].answer('resume', { rooms: { lobby: { recovered: true, ...page(stored) } } });
  assert.equal(opened[1].asked('send'), undefined);
  assert.deepEqual(texts(room), ['line 1', 'mine']);
});

test('lines outlive the page in storage until they are stored', async (context) => {
  const kept = storage();
  const first = await joined(context, [message(1)], { storage: kept });
  const line = write(first.client, 'lobby', 'mine');
  assert.equal(kept.kept.size, 1);
  first.client.close();
  const second = await joined(context, [message(1)], { storage: kept });
  assert.deepEqual(texts(second.room), ['line 1', 'mine']);
  assert.equal(second.socket.asked('send').nonce, line.nonce);
  second.socket.say(message(2, { user: 'alice', nonce: line.nonce, text: 'mine' }));
  assert.equal(kept.kept.size, 0);
});

test('pages with one storage keep their own lines in it, and take over those of before', async (context) => {
  const kept = storage();
  const nonces = () =>
    [...kept.kept.values()].flatMap((text) => JSON.parse(text).lines).map(({ nonce }) => nonce);
  const first = await joined(context, [message(1)], { storage: kept });
  const second = await joined(context, [message(1)], { storage: kept });
  const ours = write(first.client, 'lobby', 'of the first');
  const theirs = write(second.client, 'lobby', 'of the second');
  assert.deepEqual(nonces(), [ours.nonce, theirs.nonce]);
  await first.socket.answer('send', { id: '1002-2' });
  first.socket.say(message(2, { user: 'alice', nonce: ours.nonce, text: 'of the first' }));
  assert.deepEqual(nonces(), [theirs.nonce]);
  second.client.close();
  const third = await start(context, { storage: kept });
  assert.deepEqual(third.client.unsentRooms(), ['lobby']);
});

test('a storage may take its time', async (context) => {
  const { getItem, setItem, removeItem, kept } = storage();
  const slow =
    (work) =>
    async (...given) => {
      await new Promise((resolve) => setImmediate(resolve));
      return work(...given);
    };
  const options = {
    storage: { getItem: slow(getItem), setItem: slow(setItem), removeItem: slow(removeItem) },
  };
  const late = async () => {
    const { opened, Socket } = sockets();
    const client = createClient({
      url: 'h:1',
      user: 'alice',
      fetch: null,
      WebSocket: Socket,
      ...options,
    });
    context.after(() => client.close());
    await until(() => opened.length === 1, 'a socket');
    opened[0].hello();
    const joining = client.join('lobby');
    await opened[0].answer('join', page(message(1)));
    await joining;
    return { client, socket: opened[0] };
  };
  const first = await late();
  const lines = ['one', 'two'].map((text) => write(first.client, 'lobby', text));
  await until(() => [...kept.values()].join().includes('two'), 'both are kept');
  first.client.close();
  const second = await late();
  assert.deepEqual(
    second.socket.sent.filter(({ op }) => op === 'send').map(({ nonce }) => nonce),
    lines.map(({ nonce }) => nonce),
  );
});

test('a slow storage is written once for all that changed meanwhile', async () => {
  const { getItem, setItem, removeItem, kept } = storage();
  /** @type {(() => void)[]} */
  const reads = [];
  const slowly = (key) => new Promise((resolve) => reads.push(() => resolve(getItem(key))));
  const outgoing = new Outgoing({ getItem: slowly, setItem, removeItem });
  const answer = async () => {
    for (const read of reads.splice(0)) read();
    await turn();
  };
  const earlier = { room: 'lobby', text: 'earlier', nonce: 'z', ts: 1, owner: 'an earlier page' };
  setItem('redis-chat.outgoing.alice', JSON.stringify({ version: 1, lines: [earlier] }));
  outgoing.load('alice');
  await answer();
  // It is stored before it is written down as ours.
  for (const line of outgoing.all()) outgoing.remove(line);
  const lines = ['a', 'b', 'c'].map(
    (nonce) => new Line({ room: 'lobby', text: nonce, nonce, ts: 1 }),
  );
  for (const line of lines) outgoing.add(line);
  await turn();
  // One to find out that it is slow, one to write.
  assert.equal(reads.length, 2);
  outgoing.remove(lines[0]);
  await answer();
  const written = () => [...kept.values()].flatMap((text) => JSON.parse(text).lines);
  assert.deepEqual(
    written().map(({ nonce }) => nonce),
    ['b', 'c'],
  );
  for (const line of lines) outgoing.remove(line);
  await turn();
  await answer();
  assert.equal(kept.size, 0);
});

test('refusals mark the line; a retry sends the same line', async (context) => {
  const { client, socket, room } = await joined(context, [message(1)]);
  const line = write(client, 'lobby', 'mine');
  await socket.refuse('send', { code: 'MUTED', message: '', until_ms: 5 });
  assert.deepEqual([line.state, line.error.code, line.error.until_ms], ['failed', 'MUTED', 5]);
  line.retry();
  assert.equal(line.state, 'pending');
  const sends = socket.sent.filter(({ op }) => op === 'send').map(({ nonce }) => nonce);
  assert.deepEqual(sends, [line.nonce, line.nonce]);
  await socket.refuse('send', { code: 'MUTED', message: '' });
  line.cancel();
  assert.deepEqual(room.tail, []);
});

test('a rate limit is waited for, in order', async (context) => {
  const { client, socket } = await joined(context, [message(1)]);
  const first = write(client, 'lobby', 'one');
  await socket.refuse('send', { code: 'RATELIMIT', message: '', retry_ms: 60 });
  assert.equal(first.state, 'pending');
  assert.ok(first.retryAt > Date.now());
  const second = write(client, 'lobby', 'two');
  const sends = () => socket.sent.filter(({ op }) => op === 'send').map(({ nonce }) => nonce);
  assert.deepEqual(sends(), [first.nonce], 'later lines wait too');
  await until(() => sends().length === 3, 'both sent');
  assert.deepEqual(sends().slice(1), [first.nonce, second.nonce]);
});

test('what would be too large for the relay is not sent to it', async (context) => {
  const { client, socket } = await start(context);
  socket.say({ type: 'hello' });
  client.connection.hello.limits = { frame: 1000 };
  await assert.rejects(client.request('send', { text: 'ä'.repeat(500) }), { code: 'TOOBIG' });
  assert.equal(socket.asked('send'), undefined);
});

test('a room that refuses is not followed', async (context) => {
  const { client, socket } = await start(context);
  const joining = client.join('lobby');
  socket.refuse('join', { code: 'BANNED', message: '', until_ms: 9 });
  await assert.rejects(joining, { code: 'BANNED' });
  assert.deepEqual(client.followed, []);
});

test('lost access empties the room and fails its lines', async (context) => {
  const { client, socket, room } = await joined(context, [message(1)]);
  const line = write(client, 'lobby', 'mine');
  socket.say({ type: 'gone', room: 'lobby', code: 'BANNED', message: '', until_ms: 9 });
  assert.equal(room.problem.code, 'BANNED');
  assert.deepEqual([room.items, line.state], [[], 'failed']);
});

test('what passes ends no room, and it comes back by itself', async (context) => {
  const codes = ['UNAVAILABLE', 'OOM', 'NOREPLICAS', 'MISCONF', 'LOADING', 'BUSY', 'CLUSTERDOWN'];
  const asked = (socket) => socket.sent.filter(({ op }) => op === 'subscribe');
  const passing = codes.flatMap((code) => [
    // The relay takes the room away for now, or refuses to take it up.
    async () => {
      const { socket, room } = await joined(context, [message(1)]);
      socket.say({ type: 'gone', room: 'lobby', code, message: '' });
      assert.deepEqual([room.problem, room.items.length], [null, 1], code);
      await until(() => asked(socket).length === 1, `${code}: asked again`);
      assert.equal(asked(socket)[0].since, '1001-1');
      await socket.refuse('subscribe', { code, message: '' });
      assert.equal(room.problem, null, code);
      await until(() => asked(socket).length === 2, `${code}: asked once more`);
      await socket.answer('subscribe', { ...page(message(2)), recovered: true });
      assert.deepEqual([room.problem, room.items.length], [null, 2], code);
    },
    // A first page that cannot be had now, and a line that cannot be stored.
    async () => {
      const { client, socket } = await start(context);
      const joining = client.join('lobby');
      await socket.refuse('join', { code, message: '' });
      const count = () => socket.sent.filter(({ op }) => op === 'join').length;
      await until(() => count() === 2, `${code}: joined again`);
      await socket.answer('join', page(message(1)));
      const room = await joining;
      const line = write(client, 'lobby', 'mine');
      await socket.refuse('send', { code, message: '' });
      assert.deepEqual([line.state, line.waitsFor, room.error], ['pending', code, null], code);
    },
  ]);
  await Promise.all(passing.map((check) => check()));
});

test('codes from 4500 stop, codes below come back', async (context) => {
  const { client, opened, socket } = await start(context);
  socket.die(4001, '{"reason":"drain","retry_ms":1}');
  assert.equal(client.connection.state, 'connecting');
  await until(() => opened.length === 2, 'a second socket');
  opened[1].die(4504, '{"reason":"unauthorised"}');
  assert.equal(client.connection.state, 'offline');
  assert.deepEqual(
    [client.connection.close.name, client.connection.close.final],
    ['unauthorised', true],
  );
});

test('requests of a lost connection fail with LOST, later ones wait for the next one', async (context) => {
  const { client, opened, socket } = await start(context);
  const asking = client.request('rooms');
  socket.die();
  await assert.rejects(asking, { code: 'LOST' });
  await assert.rejects(client.request('rooms', {}, { timeoutMs: 5 }), { code: 'TIMEOUT' });
  const waiting = client.request('rooms');
  await until(() => opened.length === 2, 'a second socket');
  opened[1].hello();
  await until(() => opened[1].asked('rooms'), 'the question');
  await opened[1].answer('rooms', { rooms: [] });
  assert.deepEqual(await waiting, { rooms: [] });
  const never = client.request('rooms');
  client.close();
  await assert.rejects(never, { code: 'CLOSED' });
  await assert.rejects(client.request('rooms'), { code: 'CLOSED' });
});

test('a relay that answers and takes no socket refuses, and one that is away does not', async (context) => {
  let isThere = true;
  const asked = [];
  const fetch = async (url) => {
    asked.push(url);
    if (!isThere) throw new TypeError('nobody is there');
  };
  const { client, opened } = await start(context, { urls: ['ws://h:1/chat/ws'], fetch });
  opened[0].die();
  await until(() => opened.length === 2, 'a second socket');
  opened[1].die();
  await until(() => client.connection.error !== null, 'an error');
  assert.deepEqual(
    [client.connection.error.code, client.connection.state],
    ['REFUSED', 'connecting'],
  );
  assert.equal(asked.at(-1), 'http://h:1/chat/healthz');
  isThere = false;
  await until(() => opened.length === 3, 'a third socket');
  opened[2].die();
  await until(() => client.connection.error === null, 'no error');
  isThere = true;
  await until(() => opened.length === 4, 'a fourth socket');
  opened[3].die();
  await until(() => client.connection.error?.code === 'REFUSED', 'the error again');
  await until(() => opened.length === 5, 'a fifth socket');
  opened[4].hello();
  assert.deepEqual([client.connection.error, client.connection.state], [null, 'connected']);
});

test('notices of the past are asked for, and nothing is lost or comes twice by it', async (context) => {
  const { handle, socket, room } = await joined(context, [message(1), message(3)]);
  const store = createRoomStore(handle);
  const heard = [];
  handle.on('message', ({ text }) => heard.push(text));
  const notices = store.notices();
  assert.equal(socket.asked('subscribe').since, '1001-1');
  const change = { type: 'room', data: { topic: 'tea' }, by: 'bob', user: undefined };
  const topic = { ...message(2), ...change };
  await socket.answer('subscribe', {
    recovered: true,
    ...page(topic, message(3), message(4)),
    more: true,
  });
  assert.deepEqual(
    store.getSnapshot().items.map(({ type, id }) => [type, id]),
    [
      ['message', '1001-1'],
      ['notice', '1002-2'],
      ['message', '1003-3'],
      ['message', '1004-4'],
    ],
  );
  assert.deepEqual(heard, ['line 4']);
  // The relay has stopped there: what follows is asked for.
  assert.equal(socket.asked('subscribe').since, '1004-4');
  await socket.answer('subscribe', { recovered: true, ...page(message(5)) });
  await notices;
  socket.say(message(6));
  assert.deepEqual([heard, room.cursor], [['line 4', 'line 5', 'line 6'], '1006-6']);
});

test('notices that are wanted while the room is not level, or are cut off, are asked for again', async (context) => {
  const { handle, socket, opened } = await joined(context, [message(1), message(3)]);
  const store = createRoomStore(handle);
  const kinds = () => store.getSnapshot().items.map(({ type }) => type);
  store.notices();
  assert.equal(socket.asked('subscribe').since, '1001-1');
  socket.die();
  await until(() => opened.length === 2, 'a second socket');
  opened[1].hello();
  store.notices();
  assert.equal(opened[1].asked('subscribe'), undefined, 'not before the room is level');
  const nothing = { ...page(), recovered: true, last: '1003-3' };
  await opened[1].answer('resume', { rooms: { lobby: nothing } });
  assert.equal(opened[1].asked('subscribe').since, '1001-1');
  // Something is asked before the answer comes.
  opened[1].say(message(5));
  const change = { type: 'room', data: { topic: 'tea' }, by: 'bob', user: undefined };
  const topic = { ...message(2), ...change };
  const all = { recovered: true, ...page(topic, message(3)) };
  const asked = () => opened[1].sent.filter(({ op }) => op === 'subscribe');
  const inOrder = asked().map(({ since }) => since);
  assert.deepEqual(inOrder, ['1001-1', '1003-3']);
  const [first, second] = asked();
  opened[1].say({ ref: first.ref, ok: all });
  await turn();
  const rest = { recovered: true, ...page(message(4), message(5)) };
  opened[1].say({ ref: second.ref, ok: rest });
  await until(() => asked().length === 3, 'the question for notices');
  assert.equal(asked()[2].since, '1001-1');
  const whole = { recovered: true, ...page(topic, message(3), message(4), message(5)) };
  opened[1].say({ ref: asked()[2].ref, ok: whole });
  await until(() => kinds().includes('notice'), 'the notice');
  assert.deepEqual(kinds(), ['message', 'notice', 'message', 'message', 'message']);
});

test('notices come in as many parts as the relay makes of them', async (context) => {
  const events = [message(1), message(3), message(5)];
  const { handle, socket, room } = await joined(context, events);
  const store = createRoomStore(handle);
  const notice = (n) => ({ ...message(n), type: 'room', data: { topic: 'tea' }, by: 'bob' });
  const part = (more, ...found) => ({ recovered: true, ...page(...found), last: '1006-6', more });
  const notices = store.notices();
  const asked = [];
  for (const answer of [
    part(true, notice(2), message(3)),
    part(true, notice(4), message(5)),
    part(false, message(6)),
  ]) {
    asked.push(socket.asked('subscribe').since);
    await socket.answer('subscribe', answer);
  }
  await notices;
  assert.deepEqual(asked, ['1001-1', '1003-3', '1005-5']);
  assert.deepEqual(
    store.getSnapshot().items.map(({ type, id }) => `${type} ${id}`),
    [
      ...['message 1001-1', 'notice 1002-2', 'message 1003-3'],
      ...['notice 1004-4', 'message 1005-5', 'message 1006-6'],
    ],
  );
  assert.equal(room.cursor, '1006-6');
});

test('notices that are wanted on a stream are asked for by the next socket', async (context) => {
  const { client, handle, opened, socket } = await joined(context, [message(1), message(3)]);
  client.connection.transport = 'stream';
  await createRoomStore(handle).notices();
  assert.equal(socket.asked('subscribe'), undefined);
  socket.die();
  await until(() => opened.length === 2, 'a second socket');
  opened[1].hello();
  const nothing = { recovered: true, ...page(), last: '1003-3' };
  await opened[1].answer('resume', { rooms: { lobby: nothing } });
  assert.equal(opened[1].asked('subscribe')?.since, '1001-1');
});

test('whoever reads a room may become a member of it, and misses nothing', async (context) => {
  const { client, socket } = await start(context);
  const reading = client.subscribe('lobby');
  await socket.answer('subscribe', { ...page(message(1)), role: null });
  const room = await reading;
  const joining = client.join('lobby');
  assert.equal(socket.asked('join').since, '1001-1');
  await socket.answer('join', { recovered: true, ...page(message(2)) });
  assert.equal(await joining, room);
  assert.deepEqual([room.role, room.messages.length], ['member', 2]);
  assert.equal(await client.join('lobby'), room);
  assert.equal(socket.sent.filter(({ op }) => op === 'join').length, 1);
});

test('whoever may only read goes on reading when a join is refused', async (context) => {
  const { client, socket } = await start(context);
  const reading = client.subscribe('lobby');
  await socket.answer('subscribe', { ...page(message(1)), role: null });
  const room = await reading;
  const refused = assert.rejects(client.join('lobby'), { code: 'DENIED' });
  await socket.refuse('join', { code: 'DENIED', message: '', what: 'scope' });
  await refused;
  assert.deepEqual([room.error, room.messages.length], [null, 1]);
  assert.equal(socket.asked('subscribe').since, '1001-1');
  await socket.answer('subscribe', { recovered: true, ...page(message(2)), role: null });
  socket.say(message(3));
  assert.equal(room.messages.length, 3);
});

test('a join that is given up loses no line of an earlier page', async (context) => {
  const kept = storage();
  const line = { room: 'lobby', text: 'unsent', nonce: 'n', ts: Date.now(), submitted: null };
  kept.setItem('redis-chat.outgoing.alice', JSON.stringify({ version: 1, lines: [line] }));
  const { client, socket } = await start(context, { storage: kept });
  await assert.rejects(client.join('lobby', { timeoutMs: 20 }), { code: 'TIMEOUT' });
  assert.deepEqual(client.unsentRooms(), ['lobby']);
  client.join('lobby');
  await socket.answer('join', page());
  assert.equal(socket.asked('send').nonce, 'n');
});

test('joins that are given up together leave no room behind', async (context) => {
  const { client } = await start(context);
  const controller = new AbortController();
  const options = { signal: controller.signal };
  const joining = ['lobby', 'lobby'].map((name) => client.join(name, options));
  controller.abort();
  for (const join of joining) await assert.rejects(join, { name: 'AbortError' });
  assert.deepEqual(client.followed, []);
});

test('a join that is given up leaves no room behind, unless somebody else waits for it', async (context) => {
  const { client, opened, socket } = await start(context, { random: () => 0.01 });
  const one = new AbortController();
  const first = client.join('lobby', { signal: one.signal });
  const second = client.join('lobby', { timeoutMs: 2000 });
  one.abort(new Error('enough'));
  await assert.rejects(first, /enough/);
  await socket.answer('join', page(message(1)));
  assert.equal((await second).name, 'lobby');
  socket.die();
  await assert.rejects(client.join('tea', { timeoutMs: 1 }), { code: 'TIMEOUT' });
  assert.deepEqual(
    client.followed.map(({ name }) => name),
    ['lobby'],
  );
  await until(() => opened.length === 2, 'a second socket');
  opened[1].hello();
  assert.equal(opened[1].asked('join'), undefined);
});
