/** The messages of a room on the page: what stands where. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { JSDOM } from 'jsdom';

import { RoomState } from '../../../sdk/src/room/state.js';

const { window } = new JSDOM('');
Object.assign(globalThis, { window, document: window.document });
globalThis.ResizeObserver = class {
  observe() {}
};
// lit-html looks for the document when it is loaded.
const { MessagesView } = await import('../page/messages/messages-view.js');

/** A room with a page of messages, shown. */
function shown(events) {
  const room = new RoomState('lobby', { user: 'alice' });
  room.replace({ events, last: '9-0', more: false });
  const make = (tag) => document.body.appendChild(document.createElement(tag));
  const parts = { scroller: make('div'), older: make('button'), toEnd: make('button') };
  const list = parts.scroller.appendChild(document.createElement('div'));
  const view = new MessagesView(
    { ...parts, list, empty: make('div') },
    { nameOf: (user) => user, avatarOf: () => undefined, atEnd() {}, quoted() {}, older() {} },
  );
  view.show(room);
  return { room, view, list };
}

const message = (id, text) => ({ type: 'message', id, ts: 1000, user: 'bob', text });
const joined = (id, user) => ({ type: 'member', id, ts: 1000, kind: 'join', user });

test('notices of the past stand where they belong, also several beside each other', () => {
  const { room, view, list } = shown([message('1-0', 'first'), message('5-0', 'last')]);
  view.change(room.insertNotices([joined('2-0', 'carol'), joined('3-0', 'dave')]));
  const ids = [...list.children].map(({ dataset }) => dataset.id);
  assert.deepEqual(ids, ['1-0', '2-0', '3-0', '5-0']);
});
