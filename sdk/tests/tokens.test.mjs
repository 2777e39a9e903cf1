/** Tokens: when the application is asked for one, what carries it, and which refusals are final. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createClient } from '../src/index.js';
import { sockets, turn } from './scripted.mjs';

const DAY_MS = 86_400_000;

/** Timers that are longer fire at once. */
const TIMER_MOST_MS = 2 ** 31 - 1;

/** Clocks and timers that stand still until `pass` moves them; `sleepMs` the wall clock is ahead. */
function stopTime(context) {
  const start = Date.now();
  const timers = new Map();
  let last = 0;
  const time = {
    passedMs: 0,
    sleepMs: 0,
    pass(ms) {
      time.passedMs += ms;
      for (const [id, { at, then }] of [...timers].sort((a, b) => a[1].at - b[1].at)) {
        if (at <= time.passedMs && timers.delete(id)) then();
      }
    },
  };
  context.mock.method(globalThis, 'setTimeout', (then, ms = 0) => {
    last += 1;
    timers.set(last, { at: time.passedMs + (ms > TIMER_MOST_MS ? 1 : ms), then });
    return last;
  });
  context.mock.method(globalThis, 'clearTimeout', (id) => timers.delete(id));
  context.mock.method(Date, 'now', () => start + time.passedMs + time.sleepMs);
  context.mock.method(performance, 'now', () => time.passedMs);
  return time;
}

/** A client with tokens `t1`, `t2`, …, whose clocks stand still until `pass` moves them. */
function start(context, options = {}) {
  context.mock.reset();
  const time = stopTime(context);
  const reasons = [];
  const { opened, Socket } = sockets();
  const client = createClient({
    urls: ['h.example:1', 'h.example:2'].map((host) => `wss://${host}`),
    user: 'alice',
    storage: null,
    WebSocket: Socket,
    random: () => 0,
    getToken: async ({ reason }) => `t${reasons.push(reason)}`,
    ...options,
  });
  context.after(() => client.close());
  client.connect();
  return {
    client,
    opened,
    reasons,
    /** Lets time pass, in steps, as timers start others. */
    async pass(ms) {
      const step = Math.max(100, ms / 500);
      for (let left = ms; left > 0; left -= step) {
        time.pass(Math.min(step, left));
        for (let turns = 0; turns < 4; turns += 1) await turn();
      }
    },
    /** Only the wall clock moves, as in sleep. */
    sleep(ms) {
      time.sleepMs = ms;
    },
  };
}

/** The sockets, once there are so many. */
async function socket(parts, number) {
  for (let tries = 0; parts.opened.length < number && tries < 50; tries += 1) await parts.pass(10);
  assert.equal(parts.opened.length, number, 'sockets');
  return parts.opened[number - 1];
}

/** A relay that never asks for a sign of life. */
const greet = (one, more) => one.hello('r1', { ping_ms: DAY_MS, ...more });

const close = (what, reason = 'expired') => JSON.stringify({ reason, what });

test('the token goes in the subprotocol and in no address', async (context) => {
  const parts = start(context);
  const first = await socket(parts, 1);
  assert.equal(first.url, 'wss://h.example:1/ws');
  assert.deepEqual(first.protocols, ['redis-chat.v1', 'bearer.t1']);
  assert.equal(parts.client.connection.state, 'connecting');
  first.hello();
  assert.equal(parts.client.connection.state, 'connected');
  assert.deepEqual(parts.reasons, ['start']);
});

test('without getToken nothing is new', (context) => {
  const { opened, Socket } = sockets();
  const options = { urls: ['h:1'], user: 'alice', storage: null, WebSocket: Socket };
  const client = createClient(options);
  context.after(() => client.close());
  client.connect();
  assert.deepEqual([opened[0].url, opened[0].protocols], ['ws://h:1/ws?user=alice', undefined]);
});

test('tokens go to this machine or through TLS, unless insecure', () => {
  const { Socket } = sockets();
  const make = (url, more) => {
    const getToken = async () => 't';
    const options = { urls: [url], user: 'a', WebSocket: Socket, getToken, connect: false };
    return createClient({ ...options, ...more });
  };
  const good = [
    'wss://chat.example',
    'https://chat.example',
    'ws://localhost:8080',
    'ws://app.localhost',
    'ws://127.0.0.1:8080',
    'ws://127.1',
    'ws://[::1]:8080/ws',
    '127.0.0.1:8080',
  ];
  const bad = [
    'ws://chat.example',
    'chat.example:8080',
    'http://10.0.0.1',
    'ws://127.0.0.1.evil.example',
    'ws://127.evil.example',
    'ws://localhost.evil.example',
    'ws://evil.example/127.0.0.1',
    'ws://127.0.0.1@evil.example',
    'ws://[::2]',
  ];
  for (const url of good) make(url);
  for (const url of bad) {
    assert.throws(() => make(url), /wss:/, url);
    make(url, { insecure: true });
    make(url, { getToken: undefined });
  }
  assert.throws(() => make('wss://h', { getToken: 'a token' }), TypeError);
});

test('a token is used again while it lasts, and asked for anew when it is about to end', async (context) => {
  const parts = start(context);
  greet(await socket(parts, 1), { expires_in: 600 });
  await parts.pass(60_000);
  parts.opened[0].die();
  const second = await socket(parts, 2);
  assert.deepEqual(second.protocols, ['redis-chat.v1', 'bearer.t1']);
  greet(second, { expires_in: 540 });
  second.die();
  parts.sleep(520_000);
  const third = await socket(parts, 3);
  assert.deepEqual(third.protocols, ['redis-chat.v1', 'bearer.t2']);
  assert.deepEqual(parts.reasons, ['start', 'ending']);
});

test('an open connection gets its next token 30 seconds before the end', async (context) => {
  const parts = start(context);
  const first = await socket(parts, 1);
  greet(first, { expires_in: 600 });
  assert.equal(parts.client.connection.expiresIn, 600);
  await parts.pass(569_000);
  assert.equal(first.asked('auth'), undefined);
  await parts.pass(2000);
  assert.equal(first.asked('auth').token, 't2');
  await first.answer('auth', { expires_in: 300 });
  assert.equal(parts.client.connection.expiresIn, 300);
  await parts.pass(269_000);
  assert.deepEqual(parts.reasons, ['start', 'ending']);
  await parts.pass(2000);
  assert.equal(first.asked('auth').token, 't3');
  assert.equal(parts.opened.length, 1);
});

test('a short token is replaced at half of its life, at most every five seconds', async (context) => {
  const parts = start(context);
  const first = await socket(parts, 1);
  greet(first, { expires_in: 20 });
  await parts.pass(9000);
  assert.equal(parts.reasons.length, 1);
  await parts.pass(1500);
  assert.equal(first.asked('auth').token, 't2');
  await first.answer('auth', { expires_in: 0 });
  await parts.pass(4000);
  assert.equal(parts.reasons.length, 2);
  await parts.pass(1500);
  assert.equal(parts.reasons.length, 3);
});

test('a token of months is asked for after months, and one without end never', async (context) => {
  const parts = start(context);
  const first = await socket(parts, 1);
  greet(first, { expires_in: (60 * DAY_MS) / 1000 });
  await parts.pass(100);
  assert.equal(parts.reasons.length, 1, 'timers of more than 24 days fire at once');
  const forever = start(context);
  greet(await socket(forever, 1));
  await forever.pass(1000);
  assert.equal(forever.reasons.length, 1);
});

test('a refused or ended token is asked for anew once', async (context) => {
  const rows = [
    [4504, close('token', 'unauthorised'), 'refused'],
    [4504, close('user', 'unauthorised'), 'refused'],
    [4507, close('expired'), 'expired'],
  ];
  for (const [code, reason, expected] of rows) {
    const parts = start(context);
    (await socket(parts, 1)).die(code, reason);
    assert.equal(parts.client.connection.state, 'connecting', reason);
    const second = await socket(parts, 2);
    assert.deepEqual(second.protocols, ['redis-chat.v1', 'bearer.t2']);
    second.die(code, reason);
    assert.deepEqual(
      [parts.client.connection.state, parts.reasons],
      ['offline', ['start', expected]],
    );
    assert.equal(parts.client.connection.close.final, true);
    await parts.pass(60_000);
    assert.equal(parts.opened.length, 2, 'no further attempt');
  }
});

test('a revoked token is replaced after the second in which it was revoked', async (context) => {
  const parts = start(context);
  greet(await socket(parts, 1), { expires_in: 600 });
  parts.opened[0].die(4507, close('revoked'));
  await parts.pass(1000);
  assert.deepEqual([parts.reasons, parts.opened.length], [['start'], 1]);
  await parts.pass(200);
  assert.deepEqual(parts.reasons, ['start', 'revoked']);
  (await socket(parts, 2)).die(4507, close('revoked'));
  assert.equal(parts.client.connection.state, 'offline');
  assert.equal(parts.client.connection.close.what, 'revoked');
});

test('a later refusal is a new one, another reason too', async (context) => {
  const parts = start(context);
  greet(await socket(parts, 1), { expires_in: 600 });
  await parts.pass(6000);
  parts.opened[0].die(4507, close('expired'));
  (await socket(parts, 2)).die(4504, close('token', 'unauthorised'));
  const third = await socket(parts, 3);
  greet(third, { expires_in: 600 });
  await parts.pass(6000);
  third.die(4507, close('expired'));
  greet(await socket(parts, 4));
  assert.deepEqual(parts.reasons, ['start', 'expired', 'refused', 'expired']);
});

test('suspended and other final codes stop, with the reason in the status', async (context) => {
  const parts = start(context);
  const first = await socket(parts, 1);
  greet(first, { expires_in: 600 });
  first.die(4508, JSON.stringify({ reason: 'suspended', until_ms: 7 }));
  const { state, close: end } = parts.client.connection;
  assert.deepEqual([state, end.name, end.untilMs, end.final], ['offline', 'suspended', 7, true]);
  await parts.pass(600_000);
  assert.deepEqual([parts.opened.length, parts.reasons.length], [1, 1]);
});

test('keys that are away are waited for with the same token', async (context) => {
  const parts = start(context);
  (await socket(parts, 1)).die(4006, JSON.stringify({ reason: 'keys', retry_ms: 3000 }));
  await parts.pass(2900);
  assert.equal(parts.opened.length, 1);
  await parts.pass(200);
  assert.deepEqual((await socket(parts, 2)).protocols, ['redis-chat.v1', 'bearer.t1']);
});

test('an application that gives no token is asked again, and the status says why', async (context) => {
  const rows = [
    () => Promise.reject(new Error('out of order')),
    () => {
      throw new Error('out of order');
    },
    async () => undefined,
    async () => '',
    async () => 'two words',
    async () => 'a, b',
    async () => 7,
  ];
  for (const fails of rows) {
    let calls = 0;
    const parts = start(context, {
      getToken: (why) => {
        calls += 1;
        return calls < 4 ? fails(why) : Promise.resolve('good');
      },
      random: () => 0.999,
    });
    await parts.pass(100);
    assert.deepEqual([calls, parts.client.connection.state], [1, 'connecting'], String(fails));
    assert.equal(parts.client.connection.error.code, 'TOKEN');
    assert.ok(parts.client.connection.retryAt > Date.now());
    await parts.pass(600);
    assert.equal(calls, 2, 'after 0.4 s');
    await parts.pass(3000);
    assert.deepEqual(parts.opened[0].protocols, ['redis-chat.v1', 'bearer.good']);
    assert.equal(parts.client.connection.error, null);
    parts.client.close();
  }
});

test('a failure to renew is told, and tried again while the connection goes on', async (context) => {
  let calls = 0;
  const parts = start(context, {
    getToken: async () => {
      calls += 1;
      if (calls === 2) throw new Error('out of order');
      return `t${calls}`;
    },
  });
  const first = await socket(parts, 1);
  greet(first, { expires_in: 600 });
  await parts.pass(571_000);
  const { state, error } = parts.client.connection;
  assert.deepEqual(
    [state, error.code, error.cause.message],
    ['connected', 'TOKEN', 'out of order'],
  );
  await parts.pass(5500);
  assert.equal(first.asked('auth').token, 't3');
  assert.equal(parts.client.connection.error, null);
  await first.refuse('auth', { code: 'UNAVAILABLE', message: 'no keys' });
  assert.equal(parts.client.connection.error.code, 'UNAVAILABLE');
  await parts.pass(6000);
  assert.equal(first.asked('auth').token, 't4');
  await first.answer('auth', { expires_in: 600 });
  assert.equal(parts.client.connection.error, null);
});

test('the application is asked once at a time, and given up after 30 seconds', async (context) => {
  const calls = [];
  const parts = start(context, {
    getToken: ({ signal }) =>
      new Promise((resolve) => {
        calls.push({ resolve, signal });
      }),
  });
  await parts.pass(100);
  parts.client.connect();
  parts.client.connect();
  await parts.pass(29_000);
  assert.deepEqual([calls.length, calls[0].signal.aborted], [1, false]);
  await parts.pass(1100);
  assert.deepEqual([calls.length, calls[0].signal.aborted], [2, true]);
  calls[0].resolve('late');
  await parts.pass(100);
  assert.equal(parts.opened.length, 0, 'what comes late is not used');
  calls[1].resolve('good');
  assert.deepEqual((await socket(parts, 1)).protocols, ['redis-chat.v1', 'bearer.good']);
});

test('a closed client neither connects nor asks again', async (context) => {
  let call = null;
  const parts = start(context, {
    getToken: ({ signal }) =>
      new Promise((resolve) => {
        call = { resolve, signal };
      }),
  });
  await parts.pass(100);
  parts.client.close();
  assert.equal(call.signal.aborted, true);
  call.resolve('good');
  await parts.pass(60_000);
  assert.deepEqual([parts.opened.length, parts.client.connection.state], [0, 'offline']);
});

test('a token of another user is not used', async (context) => {
  const parts = start(context);
  const first = await socket(parts, 1);
  first.hello('r1', { user: 'mallory' });
  const { state, close: end } = parts.client.connection;
  assert.deepEqual(
    [state, end.name, end.what, end.final],
    ['offline', 'unauthorised', 'user', true],
  );
  assert.equal(first.closed, true);
  assert.equal(first.sent.length, 0);
});

test('a lost connection leaves the question to the next attempt', async (context) => {
  const calls = [];
  const parts = start(context, {
    getToken: () =>
      new Promise((resolve) => {
        calls.push(resolve);
      }),
  });
  await parts.pass(10);
  calls[0]('t1');
  const first = await socket(parts, 1);
  greet(first, { expires_in: 600 });
  await parts.pass(571_000);
  assert.equal(calls.length, 2);
  first.die();
  await parts.pass(1000);
  assert.equal(calls.length, 2, 'it is being asked');
  calls[1]('t2');
  const second = await socket(parts, 2);
  assert.deepEqual(second.protocols, ['redis-chat.v1', 'bearer.t2']);
  assert.equal(first.asked('auth'), undefined);
});

test('an application that gives no token is asked again, also after close and connect', async (context) => {
  const signals = [];
  const getToken = ({ signal }) => {
    signals.push(signal);
    return new Promise(() => {});
  };
  const { client, pass } = start(context, { getToken });
  client.close();
  client.connect();
  await pass(29_000);
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    [true, false],
  );
  await pass(2000);
  assert.deepEqual([signals[1].aborted, client.connection.error?.code], [true, 'TOKEN']);
  assert.equal(signals.length, 3);
});
