/** What the client asks of a relay beside lines and pages, and what it makes of the answers. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { followOf } from '../src/client/room.js';
import { joined, message, page, start, turn, until, write } from './scripted.mjs';

const asks = (socket, op) => socket.sent.filter((frame) => frame.op === op);

test('operations say what they mean in the words of the wire', async (context) => {
  const { handle: room, socket } = await joined(context, [message(1)]);
  const rows = [
    [() => room.edit('1-1', 'new'), 'edit', { id: '1-1', text: 'new' }],
    [() => room.delete('1-1', { reason: 'spam' }), 'delete', { id: '1-1', reason: 'spam' }],
    [() => room.react('1-1', '👍'), 'react', { id: '1-1', emoji: '👍' }],
    [
      () => room.react('1-1', '👍', { remove: true }),
      'react',
      { id: '1-1', emoji: '👍', remove: true },
    ],
    [
      () => room.mod('mute', 'eve', { forMs: 5, reason: 'x' }),
      'mod',
      { action: 'mute', user: 'eve', for_ms: 5, reason: 'x' },
    ],
    [
      () => room.mod('role', 'eve', { role: 'moderator' }),
      'mod',
      { action: 'role', user: 'eve', role: 'moderator' },
    ],
  ];
  for (const [ask, op, fields] of rows) {
    const answer = ask();
    const { ref, op: _, ...sent } = socket.asked(op);
    assert.deepEqual(sent, { room: 'lobby', ...fields });
    await socket.answer(op, { changed: true, id: '2-2' });
    await answer;
  }
});

test('the status is told again to each relay, before the rooms are taken up', async (context) => {
  const { client, opened, socket } = await joined(context, [message(1)]);
  client.status('dnd');
  client.status('dnd');
  assert.deepEqual(
    asks(socket, 'status').map(({ status }) => status),
    ['dnd'],
  );
  socket.die();
  await until(() => opened.length === 2, 'a second socket');
  opened[1].hello();
  const [first, second] = opened[1].sent;
  assert.deepEqual([first.op, first.status, second.op], ['status', 'dnd', 'resume']);
});

test('the inbox settles what is unread, and notices go on from there', async (context) => {
  const { client, socket, room } = await joined(context, [message(1), message(2)]);
  const heard = [];
  client.on('notice', (detail) => heard.push(detail.kind));
  const entry = (name, unread, last) => ({ room: name, unread, mentions: 0, cursor: '0-0', last });
  await socket.answer('inbox', {
    rooms: [entry('lobby', 2, '1002-2'), entry('dm:alice,bob', 5, '1009-9')],
  });
  assert.equal(room.unread, 2);
  assert.deepEqual(
    client.overview().map(({ name, unread }) => [name, unread]),
    [
      ['dm:alice,bob', 5],
      ['lobby', 2],
    ],
    'last active first',
  );
  const notice = (data) =>
    socket.say({
      last: '0-0',
      room: '@alice',
      type: 'notice',
      ts: 1,
      user: '*',
      data,
    });
  notice({ kind: 'direct', room: 'dm:alice,bob', id: '1010-10', from: 'bob' });
  notice({ kind: 'read', room: 'lobby', id: '1002-2', unread: 0 });
  assert.deepEqual(
    client.overview().map(({ unread }) => unread),
    [6, 0],
  );
  assert.deepEqual(heard, ['direct', 'read']);
});

test('reading is told once, the newest message, and again after a new one', async (context) => {
  const events = [message(1), message(2, { user: 'alice' })];
  const { client, socket, room } = await joined(context, events);
  client.get('lobby').read();
  client.get('lobby').read();
  assert.deepEqual(
    asks(socket, 'read').map(({ id }) => id),
    ['1002-2'],
  );
  await socket.answer('read', { id: '1002-2', unread: 0 });
  assert.equal(room.counts.cursor, '1002-2');
  client.get('lobby').read();
  socket.say(message(3, { user: 'alice' }));
  client.get('lobby').read();
  socket.say(message(4));
  client.get('lobby').read();
  await until(() => asks(socket, 'read').length === 2, 'told in a while');
  assert.equal(socket.asked('read').id, '1004-4');
});

test('what was read while there was no connection is told to the next relay', async (context) => {
  for (const isOffline of [true, false]) {
    const { opened, socket, handle } = await joined(context, [message(1)]);
    if (isOffline) socket.die();
    handle.read();
    if (!isOffline) {
      assert.equal(asks(socket, 'read').length, 1);
      socket.die();
    }
    await until(() => opened.length === 2, 'a second socket');
    opened[1].hello();
    // What comes now was not read.
    const missed = { recovered: true, ...page(message(2)) };
    await opened[1].answer('resume', { rooms: { lobby: missed } });
    await until(() => asks(opened[1], 'read').length === 1, 'the position');
    assert.equal(opened[1].asked('read').id, '1001-1');
  }
});

test('a direct room that does not exist yet is made by the first line', async (context) => {
  const { client, socket } = await start(context);
  const opening = client.direct('bob');
  assert.equal(socket.asked('subscribe').room, 'dm:alice,bob');
  await socket.refuse('subscribe', { code: 'NOROOM', message: '' });
  const room = followOf(await opening).room;
  assert.equal(room.problem.code, 'NEW');
  write(client, 'dm:alice,bob', 'psst');
  assert.equal(socket.asked('join').room, 'dm:alice,bob');
  await socket.answer('join', page());
  assert.equal(socket.asked('send').text, 'psst');
  assert.equal(room.problem, null);
});

test('what was written before it was known to be new is not lost', async (context) => {
  const { client, socket } = await start(context);
  client.direct('bob');
  write(client, 'dm:alice,bob', 'psst');
  await socket.refuse('subscribe', { code: 'NOROOM', message: '' });
  await socket.answer('join', page());
  assert.equal(socket.asked('send').text, 'psst');
});

test('an empty direct room is followed when the other one writes', async (context) => {
  const { client, socket } = await start(context);
  const opening = client.direct('bob');
  await socket.refuse('subscribe', { code: 'NOROOM', message: '' });
  const room = followOf(await opening).room;
  const data = { kind: 'direct', room: 'dm:alice,bob', id: '1001-1', from: 'bob' };
  socket.say({ last: '0-0', room: '@alice', type: 'notice', ts: 1, user: '*', data });
  assert.equal(asks(socket, 'subscribe').length, 2);
  await socket.answer('subscribe', page(message(1, { room: 'dm:alice,bob' })));
  assert.deepEqual([room.problem, room.items.length], [null, 1]);
});

test('who is removed or banned keeps the room only to see why', async (context) => {
  const { client, opened, socket, room } = await joined(context, [message(1)]);
  socket.say({ type: 'gone', room: 'lobby', code: 'BANNED', until_ms: 99 });
  assert.deepEqual([room.problem.code, room.problem.until_ms, room.items], ['BANNED', 99, []]);
  socket.die();
  await until(() => opened.length === 2, 'a second socket');
  opened[1].hello();
  assert.equal(opened[1].asked('resume'), undefined);
  const again = client.join('lobby');
  await opened[1].answer('join', page(message(1)));
  assert.equal((await again).error, null);
});

test('a refusal to write says what the room is to us', async (context) => {
  const { client, socket, room } = await joined(context, [message(1)]);
  write(client, 'lobby', 'mine');
  await socket.refuse('send', { code: 'MUTED', message: '', until_ms: 99 });
  assert.equal(room.mutedUntil, 99);
  socket.say({
    id: '1002-2',
    prev: '1001-1',
    room: 'lobby',
    type: 'member',
    ts: 1,
    user: 'alice',
    by: 'bob',
    kind: 'unmute',
  });
  assert.equal(room.mutedUntil, null);
  const line = write(client, 'lobby', 'again');
  await socket.refuse('send', { code: 'RATELIMIT', message: '', retry_ms: 60_000 });
  assert.deepEqual([line.waitsFor, line.state], ['RATELIMIT', 'pending']);
});

test('names are asked for together, once, and again when they changed', async (context) => {
  const { client, socket } = await start(context);
  const told = [];
  client.on('profiles', (detail) => told.push(detail.users));
  assert.deepEqual(
    ['alice', 'bob', 'bob'].map((user) => client.names.nameOf(user)),
    ['alice', 'bob', 'bob'],
  );
  await until(() => asks(socket, 'profiles').length === 1, 'one question');
  assert.deepEqual(socket.asked('profiles').users, ['alice', 'bob']);
  await socket.answer('profiles', { profiles: { alice: { name: 'Alice' }, bob: null } });
  assert.deepEqual([told, client.names.nameOf('alice')], [[['alice']], 'Alice']);
  const event = { id: '5-1', prev: '0-0', type: 'room', ts: 1, by: 'alice', data: {} };
  socket.say({ ...event, room: '@alice' });
  await until(() => asks(socket, 'profiles').length === 2, 'asked again');
  assert.deepEqual(socket.asked('profiles').users, ['alice']);
});

test('who is here is asked when somebody looks at the room', async (context) => {
  const { client, socket } = await start(context);
  client.look(null);
  client.join('lobby');
  await socket.answer('join', page(message(1)));
  assert.equal(asks(socket, 'who').length, 0);
  client.look('lobby');
  assert.equal(asks(socket, 'who').length, 1);
  await socket.answer('who', { users: 1, connections: 1, list: [{ user: 'bob' }], cursor: null });
  client.look(null);
  client.look('lobby');
  assert.equal(asks(socket, 'who').length, 1, 'nothing was missed');
  socket.say({ type: 'reset', room: 'lobby' });
  await turn();
  assert.equal(asks(socket, 'who').length, 2);
});

test('patterns are watched again by each connection, and gaps are told', async (context) => {
  const { client, opened, socket } = await joined(context, [message(1)]);
  const told = [];
  const events = [];
  client.on('watch', (detail) => told.push(detail));
  client.on('frame', (detail) => events.push(detail.room));
  const watching = client.watch('support:*');
  await socket.answer('watch', {});
  await watching;
  assert.equal(socket.asked('watch').match, 'support:*');
  socket.say({ ...message(7), room: 'support:1' });
  assert.equal(client.get('support:1'), null);
  assert.deepEqual(events.slice(-1), ['support:1']);
  socket.say({ type: 'watch', lost: ['support:1'] });
  assert.deepEqual(told, [{ lost: ['support:1'] }]);
  socket.die();
  await until(() => opened.length === 2, 'a second socket');
  opened[1].hello();
  await opened[1].answer('watch', {});
  assert.deepEqual(told.slice(1), [{ match: 'support:*', gap: true }]);
  opened[1].say({
    type: 'watch',
    match: 'support:*',
    code: 'DENIED',
    message: 'no',
    what: 'scope',
  });
  assert.deepEqual([told[2].match, told[2].error.code], ['support:*', 'DENIED']);
  opened[1].die();
  await until(() => opened.length === 3, 'a third socket');
  opened[2].hello();
  assert.equal(asks(opened[2], 'watch').length, 0, 'what is refused is not asked for again');
});

test('a pattern that is refused is not watched, and one that waits is not lost', async (context) => {
  const { client, opened, socket } = await joined(context, [message(1)]);
  const refused = assert.rejects(client.watch('*'), { code: 'DENIED' });
  await socket.refuse('watch', { code: 'DENIED', what: 'scope' });
  await refused;
  const waits = client.watch('a*');
  socket.die();
  await waits;
  await until(() => opened.length === 2, 'a second socket');
  opened[1].hello();
  assert.deepEqual(
    asks(opened[1], 'watch').map(({ match }) => match),
    ['a*'],
  );
  const ended = client.unwatch('a*');
  await opened[1].answer('unwatch', {});
  await ended;
  opened[1].die();
  await until(() => opened.length === 3, 'a third socket');
  opened[2].hello();
  assert.equal(asks(opened[2], 'watch').length, 0);
});

test('reading is told also after the clock of the device was set back', async (context) => {
  const { client, socket } = await joined(context, [message(1)]);
  client.get('lobby').read();
  await socket.answer('read', { id: '1001-1', unread: 0 });
  const hourAgo = Date.now() - 3_600_000;
  const begun = performance.now();
  context.mock.method(Date, 'now', () => hourAgo + performance.now() - begun);
  socket.say(message(2));
  client.get('lobby').read();
  const told = () => socket.sent.filter(({ op, id }) => op === 'read' && id === '1002-2').length;
  while (told() === 0 && performance.now() - begun < 3000) await turn();
  assert.equal(told(), 1);
  client.get('lobby').typing();
  assert.equal(socket.asked('signal').name, 'typing');
});
