/** Components over the hooks, for react.test.mjs: bundled with each version of React. */

import { act, createElement as h, StrictMode, version } from 'react';
import { createRoot } from 'react-dom/client';

import {
  ChatProvider,
  useInbox,
  useMessages,
  usePeople,
  useRoom,
  useStatus,
  useTyping,
  useUnread,
} from '../../src/react.js';

export { act, version };

/** How often each component was drawn. */
export const drawn = { lobby: 0, line: 0 };

function Lobby({ name }) {
  drawn.lobby += 1;
  const { room, error } = useRoom(name);
  const { items } = useMessages(room);
  const { online } = usePeople(room);
  const typing = useTyping(room);
  const { unread } = useUnread(room ?? undefined);
  if (error) return h('p', { id: 'error' }, error.code);
  return h(
    'section',
    null,
    h('p', { id: 'about' }, `${online} online, ${typing.join(' ')} typing, ${unread} unread`),
    h('ul', null, ...items.map((item) => h('li', { key: item.key }, `${item.state} ${item.text}`))),
  );
}

function Page({ rooms }) {
  const { state } = useStatus();
  const inbox = useInbox();
  const all = useUnread();
  return h(
    'main',
    null,
    h('p', { id: 'status' }, state),
    h('p', { id: 'inbox' }, inbox.map(({ name }) => name).join(' ')),
    h('p', { id: 'all' }, `${all.unread} unread`),
    ...rooms.map((name) => h(Lobby, { key: name, name })),
  );
}

/** Draws a page with these rooms. @returns {{show: (rooms: string[]) => Promise<void>}} */
export function mount(element, client) {
  const root = createRoot(element);
  const show = (rooms) =>
    act(async () =>
      root.render(h(StrictMode, null, h(ChatProvider, { client }, h(Page, { rooms })))),
    );
  return { show, end: () => act(async () => root.unmount()) };
}
