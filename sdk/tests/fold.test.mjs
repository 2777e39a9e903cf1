/** Edits, deletes and reactions: folding events gives what history shows. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { amend, messageItem, NAMED_MOST } from '../src/room/amend.js';
import { RoomState } from '../src/room/state.js';

const NOW = 1_000_000;

/** A small model of the room itself: it stores, and makes the events and the pages. */
function store() {
  let last = '0-0';
  let number = 0;
  const messages = [];
  const journal = [];
  const durable = (fields) => {
    number += 1;
    const id = `${1000 + number}-${number}`;
    const event = { id, prev: last, room: 'lobby', ts: 1000 + number, ...fields };
    last = id;
    journal.push(event);
    return event;
  };
  const find = (ref) => messages.find((message) => message.id === ref);
  return {
    messages,
    get last() {
      return last;
    },
    say(user, text) {
      const event = durable({ type: 'message', user, kind: 'text', text, m: messages.length + 1 });
      messages.push({ ...event, reactions: [] });
      return event;
    },
    /** Only the newest edit keeps its content, which is all that the message says since. */
    edit(user, ref, text, meta = find(ref).meta) {
      for (const event of journal.filter((one) => one.type === 'edit' && one.ref === ref)) {
        delete event.text;
        delete event.meta;
      }
      const event = durable({ type: 'edit', user, ref, text, ...(meta ? { meta } : {}) });
      Object.assign(find(ref), { text, edited: event.ts, ...(meta ? { meta } : {}) });
      return structuredClone(event);
    },
    erase(user, ref, reason) {
      const event = durable({ type: 'delete', user, ref, ...(reason ? { reason } : {}) });
      const { id, prev, room, type, ts, user: author, m } = find(ref);
      const by = author === user ? {} : { by: user };
      messages[messages.indexOf(find(ref))] = {
        id,
        prev,
        room,
        type,
        ts,
        user: author,
        ...by,
        ...(reason ? { reason } : {}),
        deleted: event.ts,
        m,
      };
      for (const event of journal.filter((one) => one.ref === ref)) {
        if (event.type === 'edit') {
          delete event.text;
          delete event.meta;
        }
        if (event.type === 'react') {
          delete event.user;
          delete event.emoji;
        }
      }
      return event;
    },
    react(user, ref, emoji, removed) {
      const message = find(ref);
      let all = message.reactions.find((one) => one.emoji === emoji);
      if (Boolean(all?.who.includes(user)) === !removed) return null;
      if (!all) {
        all = { emoji, who: [] };
        message.reactions.push(all);
      }
      all.who = removed ? all.who.filter((one) => one !== user) : [...all.who, user];
      message.reactions = message.reactions.filter((one) => one.who.length > 0);
      return durable({ type: 'react', user, ref, emoji, ...(removed ? { removed: true } : {}) });
    },
    /** As HISTORY and the newest page show it. */
    page(from = 0, to = messages.length) {
      const events = messages.slice(from, to).map(({ reactions = [], ...message }) =>
        reactions.length === 0
          ? message
          : {
              ...message,
              reactions: reactions.map(({ emoji, who }) => ({
                emoji,
                count: who.length,
                users: who.slice(0, NAMED_MOST),
              })),
            },
      );
      return structuredClone({ events, last, more: from > 0 });
    },
    /** As SYNC shows it: messages as they are now, without reactions. */
    sync(number_) {
      const events = journal.slice(number_).map((event) => {
        const now = event.type === 'message' ? find(event.id) : event;
        const { reactions, ...rest } = now;
        return rest;
      });
      return structuredClone({ recovered: true, events, last, more: false });
    },
    get length() {
      return journal.length;
    },
  };
}

const shown = (room) =>
  room.items
    .filter(({ type }) => type === 'message')
    .map((item) => ({
      id: item.id,
      text: item.text,
      meta: item.meta,
      edited: item.edited,
      deleted: item.deleted,
      by: item.by,
      reason: item.reason,
      reactions: item.reactions,
    }));

function fresh(page) {
  const room = new RoomState('lobby', { user: 'alice' });
  room.replace(page);
  return room;
}

test('an edit, a deletion and a reaction change the message they refer to', () => {
  const kept = store();
  const { id } = kept.say('alice', 'wrold');
  const room = fresh(kept.page());
  const whats = (event) => room.apply(event, NOW).map(({ what }) => what);
  const edit = kept.edit('alice', id, 'world');
  assert.deepEqual(whats(edit), ['update']);
  assert.deepEqual([room.items[0].text, room.items[0].edited], ['world', edit.ts]);
  assert.deepEqual(whats(kept.react('bob', id, '👍')), ['update']);
  assert.deepEqual(whats(kept.react('alice', id, '👍')), ['update']);
  assert.deepEqual(room.items[0].reactions, [{ emoji: '👍', count: 2, users: ['bob', 'alice'] }]);
  whats(kept.react('bob', id, '👍', true));
  assert.deepEqual(room.items[0].reactions, [{ emoji: '👍', count: 1, users: ['alice'] }]);
  const deletion = kept.erase('mod', id, 'spam');
  assert.deepEqual(whats(deletion), ['update']);
  const { text, deleted, by, reason, reactions } = room.items[0];
  assert.deepEqual([text, deleted, by, reason, reactions], ['', deletion.ts, 'mod', 'spam', []]);
  assert.equal(room.cursor, deletion.id);
  const late = { ...edit, id: '2000-9', prev: room.cursor, text: 'risen' };
  assert.deepEqual(whats(late), [], 'what is deleted stays deleted');
});

test('of several edits the newest says all, also the meta of those before it', () => {
  const kept = store();
  const { id } = kept.say('alice', 'wrold');
  const [resumed, live] = [fresh(kept.page()), fresh(kept.page())];
  for (const [text, meta] of [
    ['word', { n: 1 }],
    ['world', undefined],
  ]) {
    live.apply(kept.edit('alice', id, text, meta), NOW);
  }
  for (const event of kept.sync(1).events) resumed.apply(event, NOW);
  for (const room of [resumed, live, fresh(kept.page())]) {
    assert.deepEqual([room.items[0].text, room.items[0].meta], ['world', { n: 1 }]);
    assert.equal(room.cursor, kept.last);
  }
});

test('events that lost their content, or whose message is not here, only move the cursor', () => {
  const kept = store();
  const { id } = kept.say('alice', 'one');
  const room = fresh(kept.page());
  const hollow = [
    { type: 'edit', user: 'alice', ref: id },
    { type: 'react', ref: id },
    { type: 'react', ref: id, removed: true },
    { type: 'edit', user: 'alice', ref: '5-5', text: 'x' },
    { type: 'delete', user: 'alice', ref: '5-5' },
  ];
  hollow.forEach((fields, index) => {
    const event = { id: `300${index}-${index + 2}`, prev: room.cursor, ts: 1, ...fields };
    assert.deepEqual(room.apply(event, NOW), []);
    assert.equal(room.cursor, event.id);
  });
  assert.deepEqual([room.items[0].text, room.items[0].edited], ['one', null]);
});

test('what a page already shows is not applied again', () => {
  const kept = store();
  const { id } = kept.say('alice', 'one');
  const events = [kept.react('bob', id, '👍'), kept.edit('alice', id, 'two')];
  const room = fresh(kept.page());
  for (const event of events) room.apply(event, NOW);
  assert.deepEqual(room.items[0].reactions, [{ emoji: '👍', count: 1, users: ['bob'] }]);
  room.apply(kept.react('carol', id, '👍'), NOW);
  assert.equal(room.items[0].reactions[0].count, 2);
});

test('the same event counts once', () => {
  const kept = store();
  const item = messageItem(kept.say('alice', 'one'));
  const event = kept.react('bob', item.id, '👍');
  assert.deepEqual([amend(item, event), amend(item, event)], [true, false]);
  assert.equal(item.reactions[0].count, 1);
});

test('what happens while an older page is on its way is in it when it comes', () => {
  const kept = store();
  const { id } = kept.say('alice', 'old');
  kept.say('bob', 'new');
  const room = fresh(kept.page(1));
  const meanwhile = room.expectPage();
  const before = kept.react('carol', id, '🎉');
  room.apply(before, NOW);
  const page = kept.page(0, 1);
  room.apply(kept.edit('alice', id, 'newer'), NOW);
  room.prepend(page, meanwhile);
  room.forgetPage(meanwhile);
  assert.equal(room.items[0].text, 'newer');
  assert.deepEqual(room.items[0].reactions, [{ emoji: '🎉', count: 1, users: ['carol'] }]);
});

test('more reactions than are named are counted', () => {
  const kept = store();
  const { id } = kept.say('alice', 'one');
  const room = fresh(kept.page());
  for (let n = 0; n < NAMED_MOST + 3; n += 1) room.apply(kept.react(`u${n}`, id, '👍'), NOW);
  assert.deepEqual(shown(room), shown(fresh(kept.page())));
  assert.equal(room.items[0].reactions[0].count, NAMED_MOST + 3);
});

test('a quoted message changes and goes like any other', () => {
  const kept = store();
  const { id } = kept.say('bob', 'first');
  const answer = kept.say('alice', 'second');
  const room = new RoomState('lobby', { user: 'alice' });
  room.replace({ events: [{ ...answer, reply: id }], last: kept.last, more: true });
  const [change] = room.quote(id, kept.page().events[0], kept.last);
  assert.deepEqual([change.what, change.item.id], ['update', answer.id]);
  const changes = room.apply(kept.edit('bob', id, 'edited'), NOW);
  assert.deepEqual([room.quoted.get(id).text, changes[0].item.id], ['edited', answer.id]);
  room.apply(kept.erase('bob', id), NOW);
  assert.equal(room.quoted.get(id).text, '');
});

test('an erased user leaves neither texts nor the name', () => {
  const kept = store();
  const mention = kept.say('bob', 'look');
  mention.mentions = ['alice', 'carol'];
  const { id } = kept.say('alice', 'a secret');
  const old = kept.say('alice', 'an older secret');
  const removed = kept.say('bob', 'removed by alice');
  const after = kept.say('bob', 'an answer');
  const room = new RoomState('lobby', { user: 'bob' });
  const events = structuredClone(kept.page().events);
  Object.assign(events[0], { mentions: mention.mentions });
  events[4].reply = old.id;
  room.replace({
    events: [events[0], events[1], events[3], events[4]],
    last: kept.last,
    more: true,
  });
  room.quote(old.id, events[2], kept.last);
  room.apply(kept.react('alice', mention.id, '👍'), NOW);
  room.apply(kept.react('bob', mention.id, '👍'), NOW);
  room.apply(kept.erase('alice', removed.id, 'a remark'), NOW);
  const member = { type: 'member', kind: 'role', role: 'owner', user: 'alice' };
  room.apply({ ...member, id: '2000-9', prev: room.cursor, ts: 1 }, NOW);
  const meanwhile = room.expectPage();
  const event = {
    id: '2000-10',
    prev: '2000-9',
    ts: 9,
    type: 'erase',
    user: 'alice',
    as: 'erased-1',
  };
  const changes = room.apply({ ...event, ref: '2000-9' }, NOW);
  const what = (kind) => changes.filter((change) => change.what === kind);
  assert.deepEqual(
    what('update').map(({ item }) => item.id),
    [mention.id, id, removed.id, after.id],
  );
  assert.equal(what('remove')[0].items[0].event.kind, 'role');
  const [mentioning, secret, gone] = room.items;
  assert.deepEqual(mentioning.mentions, ['erased-1', 'carol']);
  assert.deepEqual(mentioning.reactions, [{ emoji: '👍', count: 1, users: ['bob'] }]);
  assert.deepEqual([secret.user, secret.text, secret.deleted], ['erased-1', '', 9]);
  assert.deepEqual([gone.by, gone.reason], ['erased-1', null]);
  assert.deepEqual([room.quoted.get(old.id).user, room.quoted.get(old.id).text], ['erased-1', '']);
  room.prepend({ events: [events[2]], last: '2000-9', more: false }, meanwhile);
  room.forgetPage(meanwhile);
  assert.equal(JSON.stringify([room.items, [...room.quoted]]).includes('alice'), false);
  assert.equal(JSON.stringify(room.items).includes('secret'), false);
  const late = { ...event, id: '2000-11', prev: '2000-10', ref: '2000-9' };
  assert.deepEqual(
    room.apply(late, NOW).filter((change) => change.what === 'update'),
    [],
  );
});

/** A generator of numbers that are the same for a seed. */
function random(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test('whichever way the events come, the room shows what history shows', () => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  const pick = random(seed);
  const kept = store();
  const users = ['alice', 'bob', 'carol'];
  const live = fresh(kept.page());
  const joined = [];
  for (let step = 0; step < 600; step += 1) {
    const user = users[pick(users.length)];
    const alive = kept.messages.filter((message) => !message.deleted);
    const target = alive[pick(alive.length)];
    const what = pick(10);
    let event = null;
    if (what < 4 || !target) event = kept.say(user, `text ${step}`);
    else if (what < 6) event = kept.edit(user, target.id, `text ${step}`);
    else if (what < 7) event = kept.erase(user, target.id, step % 2 ? 'why not' : undefined);
    else event = kept.react(user, target.id, '👍🎉😂'.match(/./gu)[pick(3)], pick(3) === 0);
    if (event) live.apply(structuredClone(event), NOW);
    if (step % 50 === 0) {
      const from = kept.length;
      joined.push({ room: fresh(kept.page()), from });
      joined.push({ room: fresh(kept.page(Math.max(0, kept.messages.length - 5))), from });
    }
  }
  const expected = shown(fresh(kept.page()));
  assert.deepEqual(shown(live), expected, `live, seed ${seed}`);
  for (const { room, from } of joined) {
    room.catchUp(kept.sync(from), NOW);
    const own = shown(room);
    const same = expected.slice(expected.length - own.length);
    assert.deepEqual(own, same, `sync ${from}, seed ${seed}`);
    room.prepend(kept.page(0, expected.length - own.length));
    assert.deepEqual(shown(room), expected, `history ${from}, seed ${seed}`);
  }
});
