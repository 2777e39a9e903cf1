/** The messages of a room on the page: what stands where, and where Tab stops. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { JSDOM } from 'jsdom';

import { RoomState } from '../../../sdk/src/room/state.js';

const { window } = new JSDOM('');
const { document, MutationObserver } = window;
Object.assign(globalThis, { window, document, MutationObserver });
globalThis.ResizeObserver = class {
  observe() {}
};
// lit-html looks for the document when it is loaded.
const { MessagesView } = await import('../page/messages/messages-view.js');
const { MessageTools } = await import('../page/messages/message-tools.js');

/** A room with a page of messages, shown. */
function shown(events) {
  const room = new RoomState('lobby', { user: 'alice' });
  room.replace({ events, last: '9-0', more: false });
  const make = (tag) => document.body.appendChild(document.createElement(tag));
  const parts = { scroller: make('div'), older: make('button'), toEnd: make('button') };
  const asked = [];
  const list = parts.scroller.appendChild(document.createElement('div'));
  const view = new MessagesView(
    { ...parts, list, empty: make('div') },
    {
      nameOf: (user) => user,
      avatarOf: () => undefined,
      atEnd() {},
      quoted(id) {
        asked.push(id);
        // It is on its way.
        room.quoted.set(id, undefined);
      },
      older() {},
    },
  );
  view.show(room);
  return { room, view, list, asked };
}

const message = (id, text) => ({ type: 'message', id, ts: 1000, user: 'bob', text });
const joined = (id, user) => ({ type: 'member', id, ts: 1000, kind: 'join', user });

test('notices of the past stand where they belong, also several beside each other', () => {
  const { room, view, list } = shown([message('1-0', 'first'), message('5-0', 'last')]);
  view.change(room.insertNotices([joined('2-0', 'carol'), joined('3-0', 'dave')]));
  const ids = [...list.children].map(({ dataset }) => dataset.id);
  assert.deepEqual(ids, ['1-0', '2-0', '3-0', '5-0']);
});

test('a message that is quoted and forgotten meanwhile is asked for when it is drawn again', () => {
  const { room, view, asked } = shown([
    message('1-0', 'first'),
    { ...message('5-0', 'an answer'), reply: '1-0' },
  ]);
  view.change(room.trim(1));
  view.change([{ what: 'update', item: room.items[0] }]);
  assert.deepEqual(asked, ['1-0']);
});

test('what a relay shows before it is stored does not pass for a word of the server', () => {
  const { room, view, list } = shown([{ ...message('1-0', 'real'), user: '*', kind: 'system' }]);
  const said = {
    type: 'message',
    user: 'mallory',
    kind: 'system',
    text: 'x',
    ts: 1000,
    nonce: 'n',
  };
  view.change(room.apply({ ...said, local: true }, 0));
  const authors = [...list.querySelectorAll('.author')].map(({ textContent }) => textContent);
  assert.deepEqual(authors, ['Server', 'mallory']);
  assert.deepEqual(
    [...list.children].map(({ dataset }) => dataset.kind),
    ['system', undefined],
  );
});

test('only what is in the message with the focus is a stop of the Tab key', () => {
  const text = '[one](http://x.example) http://y.example';
  const { room, view, list } = shown([message('1-0', text), message('2-0', text)]);
  const tools = new MessageTools(list, { may: () => ({}), act() {}, leave() {} });
  const stops = (element) =>
    [...element.querySelectorAll('a, button')].filter(({ tabIndex }) => tabIndex === 0).length;
  assert.equal(stops(list), 0);
  const [first, second] = list.children;
  first.focus();
  assert.deepEqual([stops(first), stops(second)], [3, 0]);
  // What comes into it later is one too.
  view.change(
    room.apply({ type: 'react', id: '10-0', ref: '1-0', user: 'bob', emoji: '👍', ts: 2000 }, 0),
  );
  tools.refresh();
  assert.deepEqual([stops(first), stops(second)], [4, 0]);
  second.focus();
  assert.deepEqual([stops(first), stops(second)], [0, 3]);
});
