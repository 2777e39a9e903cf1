/** The conformance script (sdk/conformance) played against this client. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

import { createClient } from '../src/index.js';
import { sockets, turn, until } from './scripted.mjs';

const FOLDER = new URL('../conformance/', import.meta.url);
const PROTOCOL = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');
const ROOM_EVENTS = [
  ...['message', 'edit', 'delete', 'reaction', 'member', 'presence', 'typing', 'signal', 'read'],
  ...['settings', 'erase', 'profile', 'reload', 'lost'],
];
const EVENTS = ['notice', 'upstream', 'watch', 'frame'];

const scenarios = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.json'))
  .flatMap((name) => JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8')));

/** Whether every member that is expected is there, and equal; lists are equal as a whole. */
function fits(found, expected) {
  if (expected === null || typeof expected !== 'object') return found === expected;
  if (Array.isArray(expected)) {
    return (
      Array.isArray(found)
      && found.length === expected.length
      && expected.every((value, at) => fits(found[at], value))
    );
  }
  if (found === null || typeof found !== 'object') return false;
  return Object.entries(expected).every(([name, value]) => fits(found[name], value));
}

class Player {
  #client = null;
  #asked = [];
  #kept = new Map();
  #promises = new Map();
  #heard = [];
  #aheadMs = 0;

  constructor(context, { tokens = false }) {
    const { opened, Socket } = sockets();
    this.opened = opened;
    this.taken = 0;
    for (const [clock, name] of [
      [Date, 'now'],
      [performance, 'now'],
    ]) {
      const real = clock[name].bind(clock);
      context.mock.method(clock, name, () => real() + this.#aheadMs);
    }
    this.#client = createClient({
      url: 'wss://h.example/ws',
      user: 'alice',
      storage: null,
      fetch: null,
      random: () => 0,
      WebSocket: Socket,
      getToken: tokens ? (why) => this.#askToken(why) : undefined,
    });
    for (const name of EVENTS) {
      this.#client.on(name, (is) => this.#heard.push({ event: name, room: undefined, is }));
    }
    context.after(() => this.#client.close());
  }

  async play(step) {
    const kind = Object.keys(STEPS).find((name) => name in step);
    assert.ok(kind, `no step is like ${JSON.stringify(step)}`);
    try {
      await STEPS[kind].call(this, this.#filled(step));
    } catch (error) {
      error.message = `${JSON.stringify(step)}: ${error.message}`;
      throw error;
    }
  }

  get socket() {
    return this.opened[this.taken - 1];
  }

  get client() {
    return this.#client;
  }

  keep(name, value) {
    this.#kept.set(`$${name}`, value);
  }

  later(ms) {
    this.#aheadMs += ms;
  }

  call({ call, room, with: given = [], as }) {
    const target = room === undefined ? this.#client : this.#client.get(room);
    assert.ok(target, `the room ${room} is not followed`);
    const promise = Promise.resolve(target[call](...given));
    const settled = { done: false };
    promise.then(
      (value) => {
        Object.assign(settled, { done: true, value });
        if (call === 'join' || call === 'subscribe') this.#listen(value);
      },
      (error) => Object.assign(settled, { done: true, error }),
    );
    if (as) this.#promises.set(as, settled);
  }

  promise(name) {
    return this.#promises.get(name);
  }

  /** Takes the next event of this name. */
  take(event, room) {
    const at = this.#heard.findIndex((one) => one.event === event && one.room === room);
    return at < 0 ? null : this.#heard.splice(at, 1)[0];
  }

  async token({ asks_token: why, answer, fails }) {
    // Clients ask at most every five seconds.
    await until(() => this.#asked.length > 0, 'a token is asked for', 8000);
    const { reason, resolve, reject } = this.#asked.shift();
    assert.equal(reason, why.reason);
    if (fails) reject(new Error(fails));
    else resolve(answer);
  }

  /** The next request that fits, whichever came before it. */
  async request(expected) {
    const find = () => this.socket.sent.find((frame) => !frame.isTaken && fits(frame, expected));
    await until(find, 'a request like it').catch(() => {
      assert.fail(`sent were ${JSON.stringify(this.socket.sent)}`);
    });
    const frame = find();
    Object.defineProperty(frame, 'isTaken', { value: true });
    return frame;
  }

  /** Until all that follows from what the relay said has been done: promises are all there is to it. */
  async settle() {
    let count = -1;
    while (count !== this.#seen) {
      count = this.#seen;
      await turn();
    }
  }

  /** Grows with all that the client does. */
  get #seen() {
    const sent = this.opened.reduce((sum, socket) => sum + socket.sent.length, 0);
    return this.opened.length + sent + this.#heard.length;
  }

  #askToken({ reason }) {
    return new Promise((resolve, reject) => {
      this.#asked.push({ reason, resolve, reject });
    });
  }

  #listen(room) {
    for (const name of ROOM_EVENTS) {
      room.on(name, (is) => this.#heard.push({ event: name, room: room.name, is }));
    }
  }

  /** The step, with what was kept put in. */
  #filled(value) {
    if (typeof value === 'string') return this.#kept.get(value) ?? value;
    if (Array.isArray(value)) return value.map((one) => this.#filled(one));
    if (value === null || typeof value !== 'object') return value;
    const members = Object.entries(value).map(([name, one]) => [name, this.#filled(one)]);
    return Object.fromEntries(members);
  }
}

const STEPS = {
  async connects({ connects: { protocols } }) {
    await until(() => this.opened.length > this.taken, 'a connection');
    this.taken += 1;
    if (protocols) assert.deepEqual(this.socket.protocols, protocols);
  },

  relay({ relay }) {
    this.socket.say(relay);
  },

  closes({ closes: { code, reason = {} } }) {
    this.socket.die(code, JSON.stringify(reason));
  },

  call(step) {
    this.call(step);
  },

  async sends({ sends, keep }) {
    const frame = await this.request(sends);
    for (const [member, name] of Object.entries(keep ?? {})) this.keep(name, frame[member]);
  },

  async no_sends({ no_sends: op }) {
    await this.settle();
    const sent = this.socket.sent.filter((frame) => frame.op === op && !frame.isTaken);
    assert.deepEqual(sent, []);
  },

  async settled({ settled, value, error }) {
    await until(() => this.promise(settled).done, `${settled} is settled`);
    const found = this.promise(settled);
    assert.ok(fits(found.error, error), `rejected with ${found.error}`);
    if (value !== undefined) assert.ok(fits(found.value, value), JSON.stringify(found.value));
  },

  async event({ event, room, is }) {
    let found = null;
    await until(() => {
      found ??= this.take(event, room);
      return found !== null;
    }, 'the event');
    if (is !== undefined) assert.ok(fits(found.is, is), JSON.stringify(found.is));
  },

  async no_event({ no_event: event, room }) {
    await this.settle();
    assert.equal(this.take(event, room), null);
  },

  async status({ status }) {
    await until(() => fits(this.client.connection, status), 'the status').catch(() => {
      assert.fail(`it is ${JSON.stringify(this.client.connection)}`);
    });
  },

  async messages({ messages, room }) {
    const texts = () => this.client.get(room).messages.map(({ text }) => text);
    await until(() => fits(texts(), messages), 'the messages').catch(() => {
      assert.deepEqual(texts(), messages);
    });
  },

  async people({ people, room }) {
    const users = () => this.client.get(room).people.map(({ user }) => user);
    await until(() => fits(users(), people), 'the people');
  },

  async inbox({ inbox }) {
    await until(() => fits([...this.client.inbox.entries.keys()], inbox), 'the inbox');
  },

  upstream({ upstream, room }) {
    assert.equal(this.client.upstream.of(room), upstream);
  },

  later_ms({ later_ms: ms }) {
    this.later(ms);
  },

  async asks_token(step) {
    await this.token(step);
  },
};

for (const { name, steps, ...options } of scenarios) {
  test(name, async (context) => {
    const player = new Player(context, options);
    for (const step of steps) await player.play(step);
  });
}

/** The words in backquotes at the beginning of the rows of a section's tables. */
function rowsOf(heading) {
  const section = PROTOCOL.split(`\n## ${heading}\n`)[1].split('\n## ')[0];
  return section.split('\n').filter((line) => line.startsWith('| '));
}

test('the script meets every operation, frame and close code of the protocol', () => {
  const steps = scenarios.flatMap((scenario) => scenario.steps);
  const sent = new Set(steps.map(({ sends }) => sends?.op));
  const operations = rowsOf('Operations')
    .flatMap((row) => [...row.split('|')[1].matchAll(/`([a-z]+)`/g)])
    .map(([, op]) => op);
  assert.ok(operations.length > 20, String(operations));
  assert.deepEqual(
    operations.filter((op) => !sent.has(op)),
    [],
  );
  const said = new Set(steps.map(({ relay }) => relay?.type));
  const frames = [
    ...rowsOf('Frames made by relays')
      .join('\n')
      .matchAll(/"type":"([a-z]+)"/g),
  ];
  assert.ok(frames.length > 8);
  assert.deepEqual(
    frames.map(([, type]) => type).filter((type) => !said.has(type)),
    [],
  );
  const closed = new Set(steps.map(({ closes }) => closes?.code));
  const codes = rowsOf('Close codes').flatMap((row) => /^\| (4\d{3}) /.exec(row)?.[1] ?? []);
  assert.ok(codes.length > 15);
  assert.deepEqual(
    codes.map(Number).filter((code) => !closed.has(code)),
    [],
  );
});
