/**
 * A program that uses the package, for the scenarios: it prints what happens and does what the lines of its
 * input say. `URLS` are relays, `HOW` is `stream` where no socket gets through.
 */

import { createInterface } from 'node:readline';

import { createClient } from 'redis-chat';

/** What a socket is in a network that lets none through. */
class Blocked {
  constructor() {
    setTimeout(() => this.onerror?.({}), 5);
  }

  send() {}

  close() {}
}

const { URLS, HOW } = process.env;
// Node has a socket of its own from version 22 on.
const Socket = globalThis.WebSocket ?? (await import('ws')).WebSocket;
const chat = createClient({
  urls: URLS.split(' '),
  user: 'carol',
  WebSocket: HOW === 'stream' ? Blocked : Socket,
});
chat.on('status', ({ state, transport, relay }) => {
  if (state === 'connected') console.log(`connected to ${relay} by ${transport}`);
});
chat.on('notice', ({ kind, from }) => console.log(`notice ${kind} from ${from}`));

const DO = {
  async join(name) {
    const room = await chat.join(name);
    for (const event of ['message', 'edit', 'typing', 'presence', 'member', 'lost', 'reload']) {
      room.on(event, ({ user, text, kind, code }) => {
        console.log([name, event, user, text ?? kind ?? code].filter(Boolean).join(' '));
      });
    }
    const { messages, role } = room;
    console.log(`joined ${name} as ${role}: ${messages.map(({ text }) => text).join(', ')}`);
  },
  async send(name, ...words) {
    const { id } = await chat.get(name).send(words.join(' '));
    console.log(id ? 'stored' : 'not stored');
  },
  async people(name) {
    const { list } = await chat.get(name).who();
    console.log(`people ${list.map(({ user }) => user).sort()}`);
  },
  async unsubscribe(name) {
    await chat.get(name).unsubscribe();
    console.log(`no longer in ${name}`);
  },
  async settle() {
    // As an application ends that waits for what it has begun.
    const joining = chat.join('nowhere-yet');
    chat.close();
    await joining.catch(({ code }) => console.log(`settled ${code}`));
    process.exit(0);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [what, ...words] = line.split(' ');
  // One after the other would stop at what waits for a relay.
  DO[what](...words).catch((error) => console.log(`${what}: ${error.code ?? error}`));
}
