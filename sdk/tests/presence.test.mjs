/** Presence as the client sees it: crowded rooms, typing, contacts. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Contacts } from '../src/client/contacts.js';
import { RoomState, TYPING_MS } from '../src/room/state.js';
import { ChatError } from '../src/words/error.js';

const NOW = 1_000_000;

function room() {
  const made = new RoomState('lobby', { user: 'alice' });
  made.replace({ events: [], last: '0-0', more: false });
  return made;
}

test('a crowded room tells how many; who they are is asked when it tells names again', () => {
  const crowd = room();
  crowd.setPeople([{ user: 'alice', status: '', connections: 1, since: 1 }], 1, true);
  const occupancy = { last: '0-0', room: 'lobby', type: 'occupancy', ts: 5, users: 9600 };
  const changes = crowd.apply(occupancy, NOW).map(({ what }) => what);
  assert.deepEqual([crowd.online, crowd.isCrowded, changes], [9600, true, ['people', 'about']]);
  const join = { last: '0-0', type: 'presence', ts: 6, user: 'bob', kind: 'join', users: 499 };
  crowd.apply(join, NOW);
  assert.equal(crowd.peopleDoubtful(), true);
  crowd.setPeople([{ user: 'alice' }], 499, false);
  assert.equal(crowd.peopleDoubtful(), false, 'the first page is known, the count is exact');
});

test('a crowd that gathers while who is asked stays one', () => {
  const crowd = room();
  crowd.expectPeople();
  crowd.apply({ last: '0-0', type: 'occupancy', ts: 5, users: 700 }, NOW);
  crowd.setPeople([{ user: 'alice' }], 650, false);
  assert.deepEqual([crowd.online, crowd.isCrowded], [700, true]);
});

test('a second connection of a user changes nothing that is shown', () => {
  const quiet = room();
  quiet.setPeople([{ user: 'bob', status: '', connections: 2, since: 1 }], 1, true);
  const status = { last: '0-0', type: 'presence', ts: 6, user: 'bob', kind: 'status', users: 1 };
  quiet.apply({ ...status, status: 'away' }, NOW);
  assert.equal(quiet.people.get('bob').status, 'away');
  assert.deepEqual([quiet.people.size, quiet.peopleDoubtful()], [1, false]);
});

test('typing is forgotten when its user leaves, writes, or stays silent for long', () => {
  const typing = room();
  const types = (user, nowMs) =>
    typing.apply({ last: '0-0', type: 'signal', ts: 1, user, name: 'typing' }, nowMs);
  for (const user of ['bob', 'carol', 'dave']) types(user, NOW);
  types('dave', NOW + 2000);
  typing.apply({ type: 'presence', user: 'bob', kind: 'leave', users: 0 }, NOW);
  typing.apply({ id: '5-1', prev: '0-0', type: 'message', ts: 1, user: 'carol', text: 'x' }, NOW);
  assert.deepEqual([...typing.typing.keys()], ['dave']);
  typing.expireTyping(NOW + TYPING_MS);
  assert.equal(typing.typing.size, 1, 'told again since');
  typing.expireTyping(NOW + 2000 + TYPING_MS);
  assert.equal(typing.typing.size, 0);
});

test('a contact is kept known by its presence, and asked for after a reset', async () => {
  const asked = [];
  const answers = {
    subscribe: { last: '0-0', events: [], online: 0, status: null, last_seen: 77, contact: true },
    profiles: { profiles: { bob: { online: 1, shown: 'dnd', last_seen: 99 } } },
  };
  const contacts = new Contacts({
    request: async (op, fields) => {
      asked.push([op, fields]);
      return answers[op];
    },
    changed: () => {},
  });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  contacts.watch('bob');
  await turn();
  assert.deepEqual(contacts.of('bob'), { online: 0, status: '', lastSeen: 77 });
  const event = { room: '@bob', type: 'presence', user: 'bob', ts: 88 };
  contacts.frame({ ...event, kind: 'join', users: 1, status: 'away' });
  assert.deepEqual(contacts.of('bob'), { online: 1, status: 'away', lastSeen: 77 });
  contacts.frame({ ...event, kind: 'leave', users: 0 });
  assert.deepEqual(contacts.of('bob'), { online: 0, status: '', lastSeen: 88 });
  contacts.frame({ type: 'reset', room: '@bob' });
  await turn();
  assert.deepEqual(contacts.of('bob'), { online: 1, status: 'dnd', lastSeen: 99 });
  assert.deepEqual(
    asked.map(([op]) => op),
    ['subscribe', 'profiles'],
  );
  assert.equal(contacts.frame({ ...event, room: '@carol', kind: 'join' }), false, 'not watched');
});

test('a contact who cannot be asked for is not known, and is asked for again', async (context) => {
  const waits = [];
  context.mock.method(globalThis, 'setTimeout', (then) => waits.push(then));
  const passing = { code: 'UNAVAILABLE', message: '' };
  const known = { online: 1, status: 'dnd', last_seen: 9 };
  let asked = [];
  let profiles = async () => ({ profiles: { bob: { error: passing } } });
  const contacts = new Contacts({
    request: async (op) => {
      asked.push(op);
      return op === 'subscribe' ? known : profiles();
    },
    changed: () => {},
  });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const afterWait = async () => {
    await turn();
    assert.deepEqual([contacts.of('bob'), waits.length], [null, 1]);
    asked = [];
    waits.pop()();
    await turn();
    assert.deepEqual([asked, contacts.of('bob')?.online], [['subscribe'], 1]);
  };
  contacts.watch('bob');
  await turn();
  contacts.frame({ type: 'reset', room: '@bob' });
  await afterWait();
  profiles = async () => {
    throw new ChatError('RATELIMIT', '', { retry_ms: 1 });
  };
  contacts.frame({ type: 'reset', room: '@bob' });
  await afterWait();
  contacts.frame({ type: 'gone', room: '@bob', ...passing });
  await afterWait();
  contacts.frame({ type: 'gone', room: '@bob', code: 'DENIED', message: '' });
  assert.deepEqual([contacts.of('bob'), waits], [null, []]);
});
