/** What the operators' page reads, counts and writes, without a browser. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Api, ApiError } from '../ops/api.js';
import { by, perSecond, quantile, read, total } from '../ops/metrics.js';
import { load as loadRoom } from '../ops/views/room.js';
import { load as loadRooms } from '../ops/views/rooms.js';
import {
  atMost,
  linkTo,
  momentOf,
  number,
  patternOf,
  placeOf,
  relayOf,
  time,
  until,
} from '../ops/words.js';

test('the text form of metrics is read, whatever stands in a label', () => {
  const reading = read(
    [
      '# HELP a some words',
      'a 5',
      'b{code="NOROOM",op="room"} 2',
      'b{op="send",code="a\\"b\\\\c\\n,}"} 3',
      'b{code="NOROOM",op="send"} 1.5',
      'not a line of it',
      '',
    ].join('\n'),
  );
  assert.deepEqual([...reading.keys()], ['a', 'b']);
  assert.equal(total(reading, 'a'), 5);
  assert.equal(total(reading, 'nothing'), 0);
  const codes = new Map([
    ['NOROOM', 3.5],
    ['a"b\\c\n,}', 3],
  ]);
  assert.deepEqual(by(reading, 'b', 'code'), codes);
});

test('rates are of the time between two readings, and a restart is no negative one', () => {
  const reading = (at, text) => ({ at, reading: read(text) });
  const [first, last] = [reading(1000, 'a{x="1"} 5\na{x="2"} 5'), reading(3000, 'a{x="1"} 30')];
  assert.equal(perSecond(first, last, 'a'), 10);
  assert.equal(perSecond(last, reading(4000, 'a 1'), 'a'), 0);
  assert.equal(perSecond(first, first, 'a'), null);
  assert.equal(perSecond(undefined, last, 'a'), null);
});

test('a quantile is the bucket that what is new reaches', () => {
  const lines = (counts) => counts.map(([le, count]) => `h_bucket{le="${le}"} ${count}`).join('\n');
  const reading = (counts) => ({ at: 0, reading: read(lines(counts)) });
  const first = reading([
    ['0.1', 100],
    ['1', 100],
    ['+Inf', 100],
  ]);
  const last = reading([
    ['+Inf', 110],
    ['0.1', 105],
    ['1', 109],
  ]);
  assert.equal(quantile(first, last, 'h', 0.5), 0.1);
  assert.equal(quantile(first, last, 'h', 0.9), 1);
  assert.equal(quantile(first, last, 'h', 0.99), Infinity);
  assert.equal(quantile(first, first, 'h', 0.5), null);
  assert.equal(quantile(undefined, last, 'h', 0.5), null);
});

test('every name has an address, and every other address is the overview', () => {
  for (const name of [
    'lobby',
    'a/b',
    '.',
    '..',
    '#/rooms',
    '<img onerror=x>',
    '%',
    'größe',
    '@a',
  ]) {
    assert.deepEqual(placeOf(linkTo('room', name)), { view: 'room', name });
    assert.deepEqual(placeOf(linkTo('user', name)), { view: 'user', name });
  }
  assert.deepEqual(placeOf('#/rooms'), { view: 'rooms', name: '' });
  for (const hash of [
    '',
    '#',
    '#/',
    '#/room',
    '#/room/',
    '#/room/%',
    '#/__proto__/x',
    '#/x',
    'javascript:0',
  ]) {
    assert.deepEqual(placeOf(hash), { view: 'overview', name: '' }, hash);
  }
  assert.equal(linkTo('room', '\ud800'), '#/room/%EF%BF%BD');
});

test('a pattern stays one, and a part of a name becomes one', () => {
  assert.equal(patternOf(''), null);
  assert.equal(patternOf('lob'), '*lob*');
  for (const pattern of ['team-*', 'a?c', '[ab]', 'a\\*'])
    assert.equal(patternOf(pattern), pattern);
});

test('only what relays announce of themselves becomes a link', () => {
  const row = (status) => relayOf({ user: 'eu-r1-1a2b3c4d', status, since: 5 });
  const { process, name, version, connections, address, link } = row('1.2.3 12 10.0.0.5:9180');
  assert.deepEqual(
    [process, name, version, connections, address, link],
    ['eu-r1-1a2b3c4d', 'eu-r1', '1.2.3', 12, '10.0.0.5:9180', 'http://10.0.0.5:9180/'],
  );
  assert.equal(row('1.2.3 12 [2001:db8::1]:9180').link, 'http://[2001:db8::1]:9180/');
  for (const nowhere of ['0.0.0.0:9180', '[::]:9180']) {
    assert.deepEqual([row(`1 2 ${nowhere}`).address, row(`1 2 ${nowhere}`).link], [nowhere, null]);
  }
  const hostile = [
    'javascript:alert(1)',
    'evil.example:80',
    '1.2.3.4:80@evil.example',
    '1.2.3.4',
    '"><b>',
  ];
  for (const status of hostile) {
    assert.deepEqual([row(`1 2 ${status}`).address, row(`1 2 ${status}`).link], ['', null], status);
  }
  assert.equal(row('online').connections, null);
});

test('numbers and times are written, and what is not known is a dash', () => {
  assert.deepEqual(
    [number(1234.56), number(0), number(null), number(undefined)],
    ['1,234.6', '0', '–', '–'],
  );
  assert.deepEqual([time(Date.UTC(2026, 10, 26, 21, 4, 4)), time(0)], ['2026-11-26 21:04:04', '–']);
  assert.deepEqual([until(0), until(-1)], ['for ever', '–']);
  assert.match(until(1795731844034), /^until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  assert.deepEqual(
    [atMost(null), atMost(0.0025), atMost(5), atMost(Infinity)],
    ['–', '≤ 2.5 ms', '≤ 5 s', 'over the largest bucket'],
  );
  assert.deepEqual(
    [momentOf('1795731844034-7'), momentOf('0-0'), momentOf('')],
    [1795731844034, 0, 0],
  );
});

/** An Api whose requests are kept, and answered by these. */
function scene(...answers) {
  const sent = [];
  const fetch = async (path, request) => {
    sent.push({ path, ...request });
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    const { status = 200, body } = answer;
    return new Response(typeof body === 'string' ? body : JSON.stringify(body), { status });
  };
  return { sent, api: new Api('the-key', fetch) };
}

test('the key is a header of requests to the API, and nothing else is sent of anybody', async () => {
  const { sent, api } = scene({ body: { ok: { n: 1 } } }, { body: {} }, { body: 'a 1' });
  assert.deepEqual(await api.ask({ op: 'ping' }), { n: 1 });
  await api.get('ops/user', { user: 'a&b', cursor: null });
  assert.equal(await api.text('metrics'), 'a 1');
  assert.deepEqual(
    sent.map(({ path }) => path),
    ['v1', 'ops/user?user=a%26b', 'metrics'],
  );
  for (const request of sent) {
    assert.deepEqual([request.credentials, request.redirect], ['omit', 'error']);
  }
  const keys = sent.map(({ headers }) => headers.authorization);
  assert.deepEqual(keys, ['Bearer the-key', 'Bearer the-key', undefined]);
});

test('refusals say what is wrong, and those of single frames stand in their place', async () => {
  const wrong = { status: 401, body: { code: 'UNAUTHORISED', detail: 'the credential is wrong' } };
  const banned = { error: { code: 'BANNED', message: 'banned', until_ms: 7 } };
  const { api } = scene(wrong, { body: [{ ok: { a: 1 } }, banned] }, new TypeError('away'), {
    status: 502,
    body: '<html>',
  });
  await assert.rejects(api.ask({ op: 'ping' }), (error) => {
    assert.deepEqual(
      [error.status, error.code, error.message],
      [401, 'UNAUTHORISED', 'the credential is wrong'],
    );
    return error instanceof ApiError;
  });
  const [first, second] = await api.askAll([{}, {}]);
  assert.deepEqual(first, { a: 1 });
  assert.deepEqual([second.code, second.untilMs], ['BANNED', 7]);
  await assert.rejects(api.ask({}), { status: 0 });
  await assert.rejects(api.ask({}), { status: 502 });
});

test('a search asks for few pages at once, and stops at the first that shows something', async () => {
  const scene = (pages) => {
    const asked = [];
    const ask = async (frame) => {
      asked.push(frame);
      return pages(asked.length);
    };
    return { asked, page: { api: { ask }, cursors: {}, typed: 'lob' } };
  };
  const none = scene((n) => ({ rooms: [], cursor: String(n) }));
  assert.deepEqual(await loadRooms(none.page), { rooms: [], cursor: '10' });
  assert.equal(none.asked.length, 10);
  assert.deepEqual(none.asked[0], { op: 'rooms', count: 200, match: '*lob*' });
  assert.equal(none.asked[9].cursor, '9');
  const third = scene((n) => ({ rooms: n === 3 ? [{ room: 'lobby' }] : [], cursor: String(n) }));
  assert.equal((await loadRooms(third.page)).cursor, '3');
  const end = scene(() => ({ rooms: [], cursor: null }));
  await loadRooms({ ...end.page, typed: '', cursors: { rooms: '7' } });
  assert.deepEqual(end.asked, [{ op: 'rooms', count: 50, cursor: '7' }]);
});

test('one room is asked for once, a page of each list, and no message', async () => {
  const asked = [];
  const api = { askAll: async (frames) => asked.push(frames) && frames.map(() => ({})) };
  const { messages } = await loadRoom({ api, cursors: { who: '5' }, name: 'lobby' });
  assert.equal(messages, null);
  const list = { room: 'lobby', count: 50 };
  assert.deepEqual(asked, [
    [
      { op: 'room', room: 'lobby' },
      { op: 'members', ...list },
      { op: 'who', ...list, cursor: '5' },
      { op: 'sanctions', ...list },
    ],
  ]);
});
