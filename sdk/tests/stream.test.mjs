/** The client over streams, on a relay whose answers the test gives. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createClient } from '../src/index.js';
import { message, page, turn, until } from './scripted.mjs';

const HELLO = { type: 'hello', v: 1, relay: 'r1', connection: 'c', user: 'alice', ping_ms: 25_000 };

/** What a socket is in a network that lets none through. */
class Blocked {
  constructor() {
    setTimeout(() => this.onclose?.({ code: 1006, reason: '' }));
  }

  close() {}

  send() {}
}

/** Requests over HTTP, each to be answered by the test. */
function relay() {
  const calls = [];
  const ask = (url, options) =>
    new Promise((resolve, reject) => {
      options.signal?.addEventListener('abort', () => reject(new Error('aborted')));
      let stream;
      const body = new ReadableStream({
        start(controller) {
          stream = controller;
        },
      });
      const say = (name, data) => {
        const event = name ? `event: ${name}\n` : '';
        stream.enqueue(new TextEncoder().encode(`${event}data: ${JSON.stringify(data)}\n\n`));
      };
      calls.push({
        path: new URL(url).pathname,
        body: JSON.parse(options.body),
        options,
        isAnswered: false,
        answer(json, status = 200) {
          this.isAnswered = true;
          resolve(new Response(JSON.stringify(json), { status }));
        },
        open(hello = HELLO) {
          this.isAnswered = true;
          resolve(new Response(body));
          say('hello', hello);
          return say;
        },
      });
    });
  const next = async (path, fits = () => true) => {
    const find = () =>
      calls.find((call) => !call.isAnswered && call.path === path && fits(call.body));
    await until(find, `a request of ${path}`);
    return find();
  };
  const stream = () => next('/v1/events');
  /** Answers the next request with this operation; other requests beside it get an empty answer. */
  const reply = async (op, answer) => {
    const call = await next('/v1', (frames) => frames.some((frame) => frame.op === op));
    call.answer(
      call.body.map(({ ref, op: of }) => ({ ref, ...(of === op ? answer : { ok: {} }) })),
    );
    await turn();
  };
  return { calls, ask, next, stream, reply };
}

async function connected(context, hello = HELLO) {
  const parts = relay();
  const client = createClient({
    url: 'h:1',
    user: 'alice',
    storage: null,
    random: () => 0,
    WebSocket: Blocked,
    fetch: parts.ask,
  });
  context.after(() => client.close());
  (await parts.stream()).open(hello);
  await until(() => client.connection.state === 'connected', 'the connection');
  await parts.reply('inbox', { ok: { rooms: [] } });
  return { client, ...parts };
}

async function joined(context) {
  const parts = await connected(context);
  const joining = parts.client.join('lobby');
  await parts.reply('join', { ok: {} });
  const say = (await parts.stream()).open();
  say('reload', { type: 'reload', room: 'lobby', ...page(message(1)) });
  const room = await joining;
  await parts.reply('who', { ok: { users: 1, list: [], cursor: null } });
  return { ...parts, room, say };
}

test('another room is another stream, which goes on after the last events', async (context) => {
  const { client, room, say, stream, reply } = await joined(context);
  say('', message(2));
  await until(() => room.messages.length === 2, 'the event');
  const joining = client.join('tea');
  await reply('join', { ok: {} });
  const next = await stream();
  assert.deepEqual(next.body.rooms, { lobby: '1002-2', tea: null });
  const again = next.open();
  again('reload', { type: 'reload', room: 'tea', ...page() });
  again('', message(3));
  assert.equal((await joining).name, 'tea');
  await until(() => room.messages.length === 3, 'what came after it');
});

test('a batch has as many requests as the relay takes in one body', async (context) => {
  const hello = { ...HELLO, limits: { frame: 10_000 } };
  const { client, next } = await connected(context, hello);
  const asking = Array.from({ length: 5 }, () =>
    client.request('rooms', { match: 'x'.repeat(3900) }),
  );
  const sizes = [];
  while (sizes.reduce((sum, size) => sum + size, 0) < 5) {
    const call = await next('/v1');
    assert.ok(call.options.body.length <= 10_000);
    sizes.push(call.body.length);
    call.answer(call.body.map(({ ref }) => ({ ref, ok: {} })));
  }
  await Promise.all(asking);
  assert.deepEqual(sizes, [1, 2, 2]);
});

test('a room that the relay refuses is refused, and the others go on', async (context) => {
  const { client, room, stream, reply } = await joined(context);
  const refused = client.subscribe('bad');
  const problem = { status: 400, code: 'INVALID', detail: 'no such name', what: 'room' };
  (await stream()).answer(problem, 400);
  await assert.rejects(refused, { code: 'INVALID', what: 'room' });
  const again = await stream();
  assert.deepEqual(again.body.rooms, { lobby: '1001-1' });
  again.open()('', message(2));
  await until(() => room.messages.length === 2, 'the event');
  assert.equal(client.connection.state, 'connected');
  await reply('who', { ok: { users: 1, list: [], cursor: null } }).catch(() => {});
});

test('a room that cannot be left is still received', async (context) => {
  const { client, room, say, reply } = await joined(context);
  const refused = assert.rejects(room.leave(), { code: 'UNAVAILABLE' });
  await reply('leave', { error: { code: 'UNAVAILABLE', message: '' } });
  await refused;
  say('', message(2));
  await until(() => client.get('lobby').messages.length === 2, 'the event');
});

test('when the client is closed no request stays behind', async (context) => {
  const { client, next, calls } = await connected(context);
  client.request('rooms').catch(() => {});
  await next('/v1');
  client.close();
  assert.ok(calls.every(({ isAnswered, options }) => isAnswered || options.signal.aborted));
});

test('a stream that is silent is given up, though requests are answered', async (context) => {
  const silences = [];
  const real = globalThis.setTimeout;
  context.mock.method(globalThis, 'setTimeout', (then, ms, ...given) => {
    if (ms === 45_000) silences.push(then);
    return real(then, ms, ...given);
  });
  const { client, reply, room, say, stream } = await joined(context);
  const before = silences.length;
  say('', message(2));
  await until(() => room.messages.length === 2, 'the event');
  assert.ok(silences.length > before, 'what comes is a sign of life');
  const asking = client.request('rooms');
  await reply('rooms', { ok: { rooms: [] } });
  await asking;
  silences.at(-1)();
  assert.equal(client.connection.close.name, 'silent');
  assert.deepEqual((await stream()).body.rooms, {});
});

test('a socket that gets through later takes the place of the stream', async (context) => {
  const timers = [];
  const real = globalThis.setTimeout;
  context.mock.method(globalThis, 'setTimeout', (then, ms, ...given) => {
    if (ms !== 300_000) return real(then, ms, ...given);
    // Five minutes, in no time.
    timers.push(then);
    return real(() => {}, 0);
  });
  const parts = relay();
  const opened = [];
  let isOpen = false;
  class Socket {
    sent = [];

    constructor(url) {
      this.url = url;
      opened.push(this);
      if (!isOpen) real(() => this.onclose?.({ code: 1006, reason: '' }));
    }

    send(text) {
      this.sent.push(JSON.parse(text));
    }

    close() {
      this.isClosed = true;
    }
  }
  const options = { url: 'h:1', user: 'alice', storage: null, random: () => 0 };
  const client = createClient({ ...options, WebSocket: Socket, fetch: parts.ask });
  context.after(() => client.close());
  (await parts.stream()).open();
  await until(() => client.connection.state === 'connected', 'the connection');
  // It does not get through yet.
  timers.pop()();
  await until(() => timers.length === 1, 'the next look');
  isOpen = true;
  timers.pop()();
  const probe = opened.at(-1);
  probe.onmessage({ data: JSON.stringify(HELLO) });
  assert.ok(probe.isClosed);
  await until(() => opened.at(-1) !== probe, 'the socket');
  opened.at(-1).onmessage({ data: JSON.stringify({ ...HELLO, relay: 'r2' }) });
  assert.deepEqual([client.connection.transport, client.connection.relay], ['socket', 'r2']);
  assert.ok(
    parts.calls.every(({ isAnswered, options: { signal } }) => isAnswered || signal.aborted),
  );
});
