/** A relay whose part the test plays. */

import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';

import { ChatClient } from '../src/chat.js';

// Browsers have these two as globals, Node only from version 19 on.
globalThis.crypto ??= webcrypto;
globalThis.CustomEvent ??= class CustomEvent extends Event {
  constructor(type, { detail = null } = {}) {
    super(type);
    this.detail = detail;
  }
};

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

export async function until(condition, what) {
  const deadline = Date.now() + 3000;
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
  const client = new ChatClient({
    urls: ['h:1', 'h:2'],
    user: 'alice',
    storage: null,
    WebSocket: Socket,
    random: () => 0,
    fetch: null,
    ...options,
  });
  context.after(() => client.close());
  client.connect();
  opened[0].hello();
  return { client, opened, socket: opened[0] };
}

export async function joined(context, events, options) {
  const parts = await start(context, options);
  const joining = parts.client.join('lobby');
  await parts.socket.answer('join', page(...events));
  return { ...parts, room: await joining };
}
