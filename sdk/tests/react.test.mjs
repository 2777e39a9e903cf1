/** The hooks, with React 18 and 19, in a document without a browser. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { build } from 'esbuild';
import { JSDOM } from 'jsdom';

import { message, page, start, until } from './scripted.mjs';

const VERSIONS = [
  ['18', { react: 'react-18', 'react-dom': 'react-dom-18' }],
  ['19', {}],
];

/** The components, with this React. */
async function load(context, alias) {
  const folder = mkdtempSync(join(tmpdir(), 'react-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const outfile = join(folder, 'rooms.mjs');
  await build({
    entryPoints: [fileURLToPath(new URL('react/rooms.mjs', import.meta.url))],
    bundle: true,
    format: 'esm',
    platform: 'node',
    // The client of the test is the one whose rooms the hooks know.
    plugins: [{ name: 'client', setup: keepClient }],
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire('/');",
    },
    define: { 'process.env.NODE_ENV': '"development"' },
    alias,
    outfile,
  });
  return import(pathToFileURL(outfile));
}

function keepClient(bundle) {
  const src = new URL('../src/', import.meta.url);
  bundle.onResolve({ filter: /\/(store|client|room|words)[/.]/ }, ({ path, importer }) => {
    if (!importer.endsWith('/src/react.js')) return undefined;
    return { path: new URL(path, src).href, external: true };
  });
}

for (const [name, alias] of VERSIONS) {
  test(`React ${name} draws what holds, and a room lives as long as its component`, async (context) => {
    const { window } = new JSDOM('<div id="root"></div>');
    const { document } = window;
    // React's `act` leaves its channels open, and with them the process.
    const channels = [];
    class MessageChannel extends globalThis.MessageChannel {
      constructor() {
        super();
        channels.push(this);
      }
    }
    context.after(() => {
      for (const { port1 } of channels) port1.close();
    });
    const { navigator } = window;
    const isActing = { IS_REACT_ACT_ENVIRONMENT: true };
    const globals = { window, document, navigator, MessageChannel, ...isActing };
    for (const [global, value] of Object.entries(globals)) {
      const before = Object.getOwnPropertyDescriptor(globalThis, global);
      Object.defineProperty(globalThis, global, { value, configurable: true });
      context.after(() => {
        if (before) Object.defineProperty(globalThis, global, before);
        else delete globalThis[global];
      });
    }
    const { act, drawn, mount, version } = await load(context, alias);
    assert.ok(version.startsWith(`${name}.`), version);
    const { client, opened, socket } = await start(context);
    const text = (selector) => document.querySelector(selector)?.textContent;
    const lines = () => [...document.querySelectorAll('li')].map((line) => line.textContent);
    const say = (frame) => act(async () => socket.say(frame));
    const shown = mount(document.getElementById('root'), client);
    await shown.show(['lobby']);
    assert.equal(text('#status'), 'connected');
    await act(() => socket.answer('join', page(message(1))));
    assert.deepEqual(lines(), ['stored line 1']);
    await say(message(2));
    await say({
      room: 'lobby',
      type: 'signal',
      name: 'typing',
      user: 'bob',
      ts: 1,
      last: '1002-2',
    });
    assert.deepEqual(lines(), ['stored line 1', 'stored line 2']);
    assert.equal(text('#about'), '1 online, bob typing, 1 unread');
    assert.equal(text('#inbox'), 'lobby');

    // A line of ours keeps its element from the moment it is written.
    await act(async () => void client.get('lobby').send('mine'));
    const line = document.querySelectorAll('li')[2];
    assert.equal(line.textContent, 'pending mine');
    const { nonce } = socket.asked('send');
    await say(message(3, { user: 'alice', nonce, text: 'mine' }));
    assert.equal(document.querySelectorAll('li')[2], line);
    assert.equal(line.textContent, 'stored mine');

    // What another room does draws this one not.
    const before = drawn.lobby;
    await say({ last: '0-0', room: '@alice', type: 'reset' });
    assert.equal(drawn.lobby, before);

    await shown.show([]);
    await until(() => socket.asked('unsubscribe')?.room === 'lobby', 'the end of the room');
    await shown.show(['closed']);
    await act(() => socket.refuse('join', { code: 'NOTMEMBER', message: '' }));
    assert.equal(text('#error'), 'NOTMEMBER');
    await act(async () => socket.die());
    assert.equal(text('#status'), 'connecting');
    // A client that was closed in between: its rooms come with it.
    client.close();
    await shown.show(['tea']);
    assert.equal(text('#error'), 'CLOSED');
    client.connect();
    const next = opened.at(-1);
    await act(async () => next.hello());
    await act(() => next.answer('join', page(message(1))));
    assert.deepEqual(lines(), ['stored line 1']);
    // The same after a relay has refused for good, or the room has.
    await act(async () => next.die(4508, '{"reason":"suspended"}'));
    await shown.show(['milk']);
    assert.equal(text('#error'), 'SUSPENDED');
    for (const refused of [true, false]) {
      client.connect();
      const later = opened.at(-1);
      await act(async () => later.hello());
      assert.equal(later.asked('join').room, 'milk');
      if (refused) {
        await act(() => later.refuse('join', { code: 'NOTMEMBER', message: '' }));
        assert.equal(text('#error'), 'NOTMEMBER');
        await act(async () => client.close());
      } else await act(() => later.answer('join', page(message(1))));
    }
    assert.deepEqual(lines(), ['stored line 1']);
    await shown.end();
  });
}
