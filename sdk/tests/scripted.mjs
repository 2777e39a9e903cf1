/** A relay whose part the test plays. */

import assert from 'node:assert/strict';

import { followOf } from '../src/client/room.js';
import { createClient } from '../src/index.js';

/** Sockets whose other end is the test. */
export function sockets() {
  const opened = [];
  class Socket {
    constructor(url, protocols) {
      this.url = url;
      this.protocols = protocols;
      this.sent = [];
      opened.push(this);
    }

    send(text) {
      this.sent.push(JSON.parse(text));
    }

    close() {
      this.closed = true;
    }

    say(frame) {
      this.onmessage({ data: JSON.stringify(frame) });
    }

    hello(relay = 'r1', more = {}) {
      const about = { relay, connection: 'c', user: 'alice', ping_ms: 25000 };
      this.say({ type: 'hello', v: 1, ...about, ...more });
    }

    die(code = 1006, reason = '') {
      this.onclose({ code, reason });
    }

    /** The last request of this operation. */
    asked(op) {
      return this.sent.filter((frame) => frame.op === op).at(-1);
    }

    answer(op, ok) {
      this.say({ ref: this.asked(op).ref, ok });
      return turn();
    }

    refuse(op, error) {
      this.say({ ref: this.asked(op).ref, error });
      return turn();
    }
  }
  return { opened, Socket };
}

/** Lets settled promises run. */
export const turn = () => new Promise((resolve) => setImmediate(resolve));

export async function until(condition, what, patienceMs = 3000) {
  const deadline = Date.now() + patienceMs;
  while (!condition()) {
    assert.ok(Date.now() < deadline, `never: ${what}`);
    await turn();
  }
}

export function storage() {
  const kept = new Map();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
    kept,
  };
}

export function message(n, extra = {}) {
  return {
    id: `${1000 + n}-${n}`,
    prev: n === 1 ? '0-0' : `${999 + n}-${n - 1}`,
    room: 'lobby',
    type: 'message',
    ts: 1000 + n,
    user: 'bob',
    kind: 'text',
    text: `line ${n}`,
    m: n,
    ...extra,
  };
}

export const page = (...events) => ({
  last: events.at(-1)?.id ?? '0-0',
  events,
  more: false,
  role: 'member',
  online: 1,
});

export async function start(context, options = {}) {
  const { opened, Socket } = sockets();
  const client = createClient({
    urls: ['h:1', 'h:2'],
    user: 'alice',
    storage: null,
    WebSocket: Socket,
    random: () => 0,
    fetch: null,
    ...options,
  });
  context.after(() => client.close());
  opened[0].hello();
  return { client, opened, socket: opened[0] };
}

export async function joined(context, events, options) {
  const parts = await start(context, options);
  const joining = parts.client.join('lobby');
  await parts.socket.answer('join', page(...events));
  const handle = await joining;
  return { ...parts, handle, room: followOf(handle).room };
}

/** Writes a line. Whether it is stored shows in it. */
export function write(client, name, text, options) {
  const room = client.get(name);
  room.send(text, options).catch(() => {});
  return room.pending.at(-1);
}
