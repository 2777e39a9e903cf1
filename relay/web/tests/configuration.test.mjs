/** What the page reads from the relay that served it, and how it asks for a token. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { loadConfiguration, tokenGetter } from '../page/configuration.js';

const LOCATION = {
  protocol: 'http:',
  host: 'a:1',
  href: 'http://a:1/?relays=evil:1&token_url=http://evil:1/t',
};

/** An answer to every request, which keeps the requests. */
function answering(body, status = 200) {
  const asked = [];
  const fetch = async (url, options) => {
    asked.push([url, options]);
    return { ok: status < 300, status, json: async () => body };
  };
  return { asked, fetch };
}

test('relays are the one the page came from and those it names', async () => {
  const others = ['ws://a:1/ws', 'wss://b:2/ws'];
  const rows = [
    [{ relays: others }, others],
    [{ relays: [] }, ['ws://a:1/ws']],
    [null, ['ws://a:1/ws']],
  ];
  for (const [body, expected] of rows) {
    const { relays, auth, tokenUrl } = await loadConfiguration(LOCATION, answering(body).fetch);
    assert.deepEqual([relays, auth, tokenUrl], [expected, 'none', null]);
  }
  const away = await loadConfiguration(LOCATION, () => Promise.reject(new Error('away')));
  assert.deepEqual(away.relays, ['ws://a:1/ws']);
  // Under a path of a proxy.
  const secure = { href: 'https://a/chat/?room=x' };
  const { relays } = await loadConfiguration(secure, answering({ relays: [] }).fetch);
  assert.deepEqual(relays, ['wss://a/chat/ws']);
});

test('the endpoint for tokens is the one that the relay names', async () => {
  const rows = [
    ['https://app.example/t', 'https://app.example/t'],
    ['/t?x=1', 'http://a:1/t?x=1'],
  ];
  for (const [given, expected] of rows) {
    const answer = { relays: [], auth: 'jwt', token_url: given };
    const { auth, tokenUrl } = await loadConfiguration(LOCATION, answering(answer).fetch);
    assert.deepEqual([auth, tokenUrl], ['jwt', expected]);
  }
});

test('a token is asked for by name, and a refusal is an error', async () => {
  const { asked, fetch } = answering({ token: 'a.b.c' });
  const getToken = tokenGetter('https://app.example/t?x=1', 'bob & co', fetch);
  assert.equal(await getToken({ reason: 'start' }), 'a.b.c');
  const [[url, { credentials, cache }]] = asked;
  assert.equal(url, 'https://app.example/t?x=1&user=bob+%26+co');
  assert.deepEqual([credentials, cache], ['include', 'no-store']);
  const refused = tokenGetter('https://app.example/t', 'bob', answering({}, 403).fetch);
  await assert.rejects(refused({ reason: 'start' }), /403/);
});
