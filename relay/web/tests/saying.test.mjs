/** What becomes of a text between the person and the client. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Saying } from '../page/saying.js';
import { createClient } from '../sdk.js';

/** A client that is never connected, and follows one room, whose members are asked of `members`. */
function scene({ state = 'connected', members = async () => ({ members: [] }), why = null } = {}) {
  const urls = ['ws://127.0.0.1:1/ws'];
  const real = createClient({ urls, user: 'alice', connect: false, WebSocket: class {} });
  real.join('lobby').catch(() => {});
  const room = real.get('lobby');
  const sent = [];
  room.members = members;
  room.send = (text, options) => sent.push({ text, ...options });
  const connection = { state };
  const client = { user: 'alice', connection, get: (name) => real.get(name), whyNot: () => why };
  const drafts = new Map();
  const told = [];
  const given = [];
  const page = {
    now: client,
    client: () => page.now,
    keepDraft: (user, name, text) => drafts.set(`${user} ${name}`, text),
    dropDraft: (user, name) => drafts.delete(`${user} ${name}`),
    giveBack: (name) => given.push(name),
    tell: (words) => told.push(words),
    failed: (error) => told.push(error),
  };
  return { page, sent, drafts, told, given, saying: new Saying(page) };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('a text is sent with whom it means, one after the other, and is no draft then', async () => {
  const answers = [];
  const members = ({ prefix }) =>
    new Promise((resolve) => answers.push(() => resolve({ members: [{ user: prefix }] })));
  const { sent, drafts, saying } = scene({ members });
  saying.say('hello @bob', {}, 'lobby');
  saying.say('waves', { kind: 'action' }, 'lobby');
  await turn();
  assert.deepEqual(sent, []);
  assert.equal(drafts.size, 1);
  answers[0]();
  await turn();
  assert.deepEqual(sent, [
    { text: 'hello @bob', mentions: ['bob'] },
    { text: 'waves', kind: 'action', mentions: undefined },
  ]);
  assert.equal(drafts.size, 0);
});

test('nobody is asked without a connection, and nothing is said of names', async () => {
  const members = () => assert.fail('asked');
  const { sent, told, saying } = scene({ state: 'offline', members });
  saying.say('hello @bob', {}, 'lobby');
  await turn();
  assert.equal(sent.length, 1);
  assert.deepEqual(told, []);
});

test('a text is never sent for somebody else: it stays a draft', async () => {
  let answer;
  const members = () =>
    new Promise((resolve) => {
      answer = () => resolve({ members: [] });
    });
  const { page, sent, drafts, saying } = scene({ members });
  saying.say('hello @bob', {}, 'lobby');
  await turn();
  page.now = null;
  answer();
  await turn();
  assert.deepEqual(sent, []);
  assert.deepEqual([...drafts], [['alice lobby', 'hello @bob']]);
});

test('a text for a room that is not followed stays a draft, and the writer is told', () => {
  const { sent, drafts, told, saying } = scene();
  saying.say('waves', { kind: 'action' }, 'den');
  assert.deepEqual(sent, []);
  assert.deepEqual([...drafts], [['alice den', '/me waves']]);
  assert.match(told[0], /not in den/);
  // One that begins with a slash must not be a command when it is sent from there.
  saying.say('/leave', {}, 'den');
  assert.deepEqual([...drafts], [['alice den', '//leave']]);
});

test('a text that the client takes no longer is given back', async () => {
  const why = new Error('The relay says: kicked');
  const { sent, drafts, told, given, saying } = scene({ state: 'offline', why });
  saying.say('hello', {}, 'lobby');
  await turn();
  assert.deepEqual(sent, []);
  assert.deepEqual([...drafts], [['alice lobby', 'hello']]);
  assert.deepEqual(given, ['lobby']);
  assert.match(told[0], /^Not sent/);
});
