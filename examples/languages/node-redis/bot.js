/**
 * A bot that greets whoever joins a room, and answers `!ping` and `!about`.
 *
 *     node bot.js 127.0.0.1:6379 lobby [cluster]
 */
import { randomUUID } from 'node:crypto';
import { createClient, createCluster } from 'redis';
import { Chat, ChatError } from './chat.js';

const NAME = 'bot';
// It asks for events so often, because a subscription may be deaf without saying so. The variable
// ASK_SECONDS sets another time, as in tests.
const ASK_MS = 1000 * Number(process.env.ASK_SECONDS ?? 10);

const [address, room, mode] = process.argv.slice(2);
const [, host, port] = /^(.*):(\d+)$/.exec(address);
const socket = { host, port: Number(port) };
const client =
  mode === 'cluster' ? createCluster({ rootNodes: [{ socket }] }) : createClient({ socket });
// A subscription has a connection of its own. A cluster opens further ones by itself.
const subscriber = mode === 'cluster' ? client : client.duplicate();
const clients = [...new Set([client, subscriber])];
for (const each of clients) each.on('error', (error) => console.error(error.message));
await Promise.all(clients.map((each) => each.connect()));

const chat = new Chat(client);
let last; // The newest event that was taken.
let failed; // The last event that failed.

/** Takes an event of the channel. If any before it were missed, CHAT.SYNC has them, and it. */
async function follow(event) {
  if (event.id && event.prev !== last) return catchUp();
  await take(event);
  last = event.id ?? last;
}

async function catchUp() {
  for (let more = true; more; ) {
    const page = await chat.call('CHAT.SYNC', room, last);
    more = page.more;
    if (!page.recovered) last = page.last; // What was missed is lost: begin here.
    for (const event of page.events) {
      await take(event);
      last = event.id;
    }
  }
}

async function take(event) {
  try {
    if (event.user !== NAME) await answer(event);
  } catch (error) {
    if (error instanceof ChatError) {
      console.log('refused:', error.code, ...error.arguments);
      return;
    }
    // The connection may be lost: CHAT.SYNC will have the event again. If it fails again, the
    // connection is not the reason, and the bot goes on after it.
    if (event.id && event.id !== failed) {
      failed = event.id;
      throw error;
    }
    console.error('passed over:', event, error);
  }
}

async function answer({ type, kind, user, id, text }) {
  if (type === 'member' && kind === 'join') {
    // If the bot takes the event again, the greeting is stored once. An event that is not stored has
    // no id, and comes once.
    const nonce = id ? `hello-${id}` : randomUUID();
    await say(`hello ${user}`, 'NONCE', nonce, 'MENTION', 1, user);
  } else if (type === 'message' && id && text === '!ping') {
    await say('pong', 'NONCE', `pong-${id}`, 'REPLY', id);
  } else if (type === 'message' && id && text === '!about') {
    await say(await about(), 'EPHEMERAL', 'REPLY', id);
  }
}

const say = (text, ...options) => chat.call('CHAT.SEND', room, NAME, text, ...options);

async function about() {
  const parts = [`${(await chat.call('CHAT.ROOM_RO', room)).members} members`];
  for (const { role, user } of (await chat.call('CHAT.MEMBERS', room, 'COUNT', 1)).members) {
    parts.push(`${role} ${user}`);
  }
  for (const { m } of (await chat.call('CHAT.HISTORY', room, 'COUNT', 1)).events) {
    parts.push(`newest ${m}`);
  }
  return parts.join(', ');
}

// One event after the other.
let turn = Promise.resolve();
const next = (work) => {
  turn = turn.then(work).catch((error) => console.error(error.message));
};

process.on('SIGTERM', () => {
  for (const each of clients) each.destroy();
  process.exit(0);
});
await chat.call('CHAT.JOIN', room, NAME, 'BY', '*');
last = (await chat.call('CHAT.ROOM_RO', room)).last;
await subscriber.sSubscribe(room, (event) => next(() => follow(JSON.parse(event))));
setInterval(() => next(catchUp), ASK_MS);
console.log('ready');
