/**
 * The events of tests/fixtures/events/ as the client reads them: one check for each file.
 *
 * The files hold what the module publishes, byte for byte; the module and the relay test the same files.
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

import { messageItem } from '../src/room/amend.js';
import { RoomState } from '../src/room/state.js';

const FOLDER = new URL('../../tests/fixtures/events/', import.meta.url);
const NOW = 1_000_000;

const read = (name) => JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), 'utf8'));

/** The room as `user` knows it after the event. `known`: a message that the event may refer to. */
function after(event, user = 'alice', known = []) {
  const room = new RoomState(event.room, { user });
  room.replace({ events: known, last: event.prev ?? event.last, more: false });
  room.apply(event, NOW);
  return room;
}

/** The message that an edit, delete or react event refers to, as it is after the event. */
function changed(event, fields = {}) {
  const said = { ...read('message.text'), id: event.ref, prev: '0-0', room: event.room };
  const room = new RoomState(event.room, { user: 'carol' });
  room.replace({ events: [], last: '0-0', more: false });
  room.apply({ ...said, ...fields }, NOW);
  room.apply(event, NOW);
  return room.items[0];
}

/** A message with the members of the event. */
function isMessage(event) {
  const room = after(event);
  const items = [...room.items, ...room.tail];
  assert.equal(items.length, 1);
  const expected = messageItem(event);
  for (const member of ['id', 'user', 'kind', 'text', 'nonce', 'm', 'meta', 'reply', 'mentions']) {
    assert.deepEqual(items[0][member], expected[member], member);
    assert.deepEqual(items[0][member] ?? undefined, event[member], member);
  }
}

/** A message as CHAT.HISTORY returns it. */
function isShown(event) {
  const room = new RoomState(event.room, { user: 'alice' });
  room.replace({ events: [event], last: event.id, more: false });
  const [item] = room.items;
  for (const member of ['edited', 'deleted', 'by', 'reason']) {
    assert.deepEqual(item[member] ?? undefined, event[member], member);
  }
  assert.deepEqual(item.reactions, event.reactions ?? []);
}

/** A change of membership: of the reader's own role, of the roles known, and a notice if stored. */
function isMember(event) {
  const room = after(event, event.user);
  const lost = ['leave', 'kick', 'ban'].includes(event.kind);
  if (event.role) assert.equal(room.role, event.role);
  if (event.role) assert.equal(room.roles.get(event.user), event.role);
  if (lost) assert.equal(room.role, null);
  assert.equal(room.items.length, event.id ? 1 : 0);
  assert.equal(room.cursor, event.id ?? event.last);
}

/** An event that the room does not show: only the rest of the client may. */
function changesNothing(event) {
  const room = after(event);
  assert.deepEqual([room.items, room.tail], [[], []]);
  assert.equal(room.cursor, event.last);
}

/** An event whose content is gone leaves the message as it is. */
function saysNothing(event) {
  const item = changed(event);
  assert.equal(item.text, read('message.text').text);
  assert.deepEqual([item.edited, item.reactions], [null, []]);
}

const CHECKS = {
  'message.first': isMessage,
  'message.text': isMessage,
  'message.nonce': isMessage,
  'message.escaped': isMessage,
  'message.escaped-names': isMessage,
  'message.action': isMessage,
  'message.system': isMessage,
  'message.meta': isMessage,
  'message.imported': isMessage,
  'message.imported-every-member': isMessage,
  'message.empty-text': isMessage,
  'message.reply': isMessage,
  'message.mentions': isMessage,
  'message.every-member': isMessage,
  'message.ephemeral': (event) => {
    const items = [...after(event).items, ...after(event).tail];
    assert.deepEqual([items.length, items[0].text, items[0].ephemeral], [1, event.text, true]);
  },
  'message.edited-with-reactions': isShown,
  'message.deleted': isShown,
  'message.imported-deleted': isShown,
  'message.deleted-by-moderator': isShown,
  'message.erased': isShown,
  'message.mentions-erased': isMessage,
  'erase.user': (event) => {
    const item = changed(event, { id: event.ref });
    assert.deepEqual([item.user, item.text, item.deleted], [event.as, '', event.ts]);
  },
  'edit.text': (event) => assert.deepEqual(changed(event).text, event.text),
  'edit.meta': (event) => assert.deepEqual(changed(event).meta, event.meta),
  'edit.superseded': saysNothing,
  'delete.own': (event) => {
    const item = changed(event);
    assert.deepEqual([item.deleted, item.by, item.text], [event.ts, null, '']);
  },
  'delete.reason': (event) => {
    const item = changed(event);
    assert.deepEqual([item.deleted, item.by, item.reason], [event.ts, 'mo', event.reason]);
  },
  'react.added': (event) =>
    assert.deepEqual(changed(event).reactions, [{ emoji: event.emoji, count: 1, users: ['bob'] }]),
  'react.removed': (event) => {
    const reactions = [{ emoji: event.emoji, count: 1, users: [event.user] }];
    assert.deepEqual(changed(event, { reactions }).reactions, []);
  },
  'react.of-deleted': saysNothing,
  'room.settings': (event) => assert.equal(after(event).topic, event.data.topic),
  'room.profile': (event) => assert.equal(after(event).items[0].event.data.name, event.data.name),
  'member.join': isMember,
  'member.join-by': isMember,
  'member.join-logged': isMember,
  'member.leave': isMember,
  'member.role': isMember,
  'member.kick': isMember,
  'member.ban': isMember,
  'member.ban-without-end': isMember,
  'member.unban': isMember,
  'member.mute': isMember,
  'member.unmute': isMember,
  'presence.join': (event) => {
    const room = after(event);
    assert.deepEqual([room.online, room.people.get('alice').status], [1, 'online']);
  },
  'presence.status': (event) => assert.equal(after(event).people.get('alice').status, 'away'),
  'presence.leave': (event) =>
    assert.deepEqual([after(event).online, after(event).people.size], [0, 0]),
  'presence.logged-join': (event) => assert.ok(after(event).people.has('alice')),
  'presence.logged-leave': (event) => assert.equal(after(event).people.size, 0),
  'presence.timeout': (event) => assert.equal(after(event).people.size, 0),
  'occupancy.users': (event) =>
    assert.deepEqual([after(event).online, after(event).isCrowded], [event.users, true]),
  'signal.name': (event) => assert.ok(after(event, 'bob').typing.has('alice')),
  'signal.data': (event) => assert.equal(after(event, 'bob').typing.size, 0),
  'notice.data': changesNothing,
  'read.cursor': (event) => assert.equal(after(event, 'bob').readers.get('alice'), event.ref),
  'drop.reason': changesNothing,
  // Relays keep it to themselves.
  'moved.slot': changesNothing,
};

test('there is a check for every file and a file for every check', () => {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));
  const names = files.map((name) => name.slice(0, -'.json'.length));
  assert.deepEqual(names.sort(), Object.keys(CHECKS).sort());
});

for (const [name, check] of Object.entries(CHECKS)) {
  test(`the client reads ${name}`, () => {
    const event = read(name);
    assert.equal(event.type, name.split('.')[0]);
    check(event);
  });
}
