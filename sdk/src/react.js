/**
 * Hooks for React 18 and 19.
 *
 *     <ChatProvider client={chat}><Lobby /></ChatProvider>
 *
 *     function Lobby() {
 *       const { room, error } = useRoom('lobby');
 *       const { items } = useMessages(room);
 *       …
 *     }
 *
 * The one idea: a hook gives what holds now, and its component is drawn again when that changes. A room is
 * followed as long as a component uses it.
 *
 * It refuses to draw anything.
 */

import {
  createContext,
  createElement,
  useContext,
  useEffect,
  useMemo,
  useState,
  useSyncExternalStore,
} from 'react';

import { createRoomStore } from './store.js';

/** @typedef {import('./client/chat.js').ChatClient} ChatClient */
/** @typedef {import('./client/room.js').Room} Room */
/** @typedef {import('./store.js').RoomSnapshot} RoomSnapshot */
/** @typedef {import('./store.js').StoreItem} StoreItem */
/** @typedef {import('./words/error.js').ChatError} ChatError */

/** Components come and go while a page is drawn anew; the room stays that long, ms. */
const LINGER_MS = 1000;

const Client = createContext(/** @type {ChatClient|null} */ (null));

/**
 * Gives a client to the components within.
 * @param {{client: ChatClient, children?: any}} props
 */
export function ChatProvider({ client, children }) {
  return createElement(Client.Provider, { value: client }, children);
}

/**
 * The client of the `ChatProvider` around.
 * @returns {ChatClient}
 */
export function useChat() {
  const client = useContext(Client);
  if (client === null) throw new TypeError('a ChatProvider is needed around this component');
  return client;
}

/**
 * The connection.
 * @returns {import('./words/types.js').Status}
 */
export function useStatus() {
  const chat = useChat();
  const subscribe = useMemo(
    () => (/** @type {() => void} */ told) => chat.on('status', told),
    [chat],
  );
  const get = () => chat.connection;
  return useSyncExternalStore(subscribe, get, get);
}

/**
 * Follows a room while the component is there.
 * @param {string|null} name null: none
 * @param {{as?: 'member'|'reader'}} [options] `reader`: without becoming a member
 * @returns {{room: Room|null, error: ChatError|null}} both null: on its way. The error is why the room refused
 */
export function useRoom(name, { as = 'member' } = {}) {
  const chat = useChat();
  const [answer, setAnswer] = useState(NONE);
  useEffect(() => {
    if (name === null) return undefined;
    let isWanted = true;
    const set = (/** @type {any} */ change) => {
      if (isWanted) setAnswer({ ...NONE, chat, name, ...change });
    };
    let isRefused = false;
    const begin = () => {
      isRefused = false;
      (as === 'member' ? chat.join(name) : chat.subscribe(name)).then(
        (room) => set({ room }),
        (error) => {
          isRefused = true;
          set({ error });
        },
      );
    };
    hold(chat, name);
    begin();
    // Each connection asks again, also after one that was closed or refused for good.
    const end = chat.on('status', ({ state }) => {
      if (state === 'connected' && isRefused) begin();
    });
    return () => {
      isWanted = false;
      end();
      release(chat, name);
    };
  }, [chat, name, as]);
  const isOurs = answer.chat === chat && answer.name === name;
  const { room, error } = isOurs ? answer : NONE;
  return { room, error };
}

/** @type {{chat: ChatClient|null, name: string|null, room: Room|null, error: ChatError|null}} */
const NONE = { chat: null, name: null, room: null, error: null };

/** Which rooms are in use. @type {WeakMap<ChatClient, Map<string, {users: number, timer?: any}>>} */
const HELD = new WeakMap();

/**
 * @param {ChatClient} chat
 * @param {string} name
 */
function hold(chat, name) {
  const rooms = HELD.get(chat) ?? new Map();
  HELD.set(chat, rooms);
  const held = rooms.get(name) ?? { users: 0 };
  clearTimeout(held.timer);
  held.users += 1;
  rooms.set(name, held);
}

/**
 * @param {ChatClient} chat
 * @param {string} name
 */
function release(chat, name) {
  const rooms = HELD.get(chat);
  const held = rooms?.get(name);
  if (!rooms || !held) return;
  held.users -= 1;
  if (held.users > 0) return;
  const end = () => {
    const room = chat.get(name);
    // What was written and is not stored yet would be given up.
    if (room?.pending.some(({ state }) => state === 'pending')) {
      held.timer = setTimeout(end, LINGER_MS);
      return;
    }
    rooms.delete(name);
    room?.unsubscribe().catch(() => {});
  };
  held.timer = setTimeout(end, LINGER_MS);
}

const nothing = () => () => {};
const getNull = () => null;

/**
 * All that is known of a room, or one part of it.
 * @template [T=RoomSnapshot|null]
 * @param {Room|null} room
 * @param {(snapshot: RoomSnapshot) => T} [select]
 * @returns {T|null}
 */
function useSnapshot(room, select) {
  const store = room && createRoomStore(room);
  const get = () => {
    const snapshot = store?.getSnapshot() ?? null;
    return /** @type {T|null} */ (snapshot && select ? select(snapshot) : snapshot);
  };
  return useSyncExternalStore(store?.subscribe ?? nothing, store ? get : getNull, getNull);
}

/** @type {readonly never[]} */
const EMPTY = Object.freeze([]);

/**
 * The messages and notices of a room, our unsent lines at the end, and how to load older ones.
 * @param {Room|null} room
 * @returns {{items: readonly StoreItem[], firstUnread: string|null, moreBefore: boolean, older: (count?: number) => Promise<boolean>}}
 */
export function useMessages(room) {
  const items = useSnapshot(room, (snapshot) => snapshot.items) ?? EMPTY;
  const firstUnread = useSnapshot(room, (snapshot) => snapshot.firstUnread);
  const moreBefore = useSnapshot(room, (snapshot) => snapshot.moreBefore) ?? false;
  const older = useMemo(() => (room ? createRoomStore(room).older : async () => false), [room]);
  return { items, firstUnread, moreBefore, older };
}

/**
 * Who is in a room, and how many.
 * @param {Room|null} room
 * @returns {{people: readonly import('./words/types.js').Person[], online: number}}
 */
export function usePeople(room) {
  const people = useSnapshot(room, (snapshot) => snapshot.people) ?? EMPTY;
  const online = useSnapshot(room, (snapshot) => snapshot.online) ?? 0;
  return { people, online };
}

/**
 * The users who are typing in a room.
 * @param {Room|null} room
 * @returns {readonly string[]}
 */
export function useTyping(room) {
  return useSnapshot(room, (snapshot) => snapshot.typing) ?? EMPTY;
}

/**
 * What this user has not read: in a room, or in all of them.
 * @param {Room} [room]
 * @returns {{unread: number, mentions: number}}
 */
export function useUnread(room) {
  const inbox = useInbox();
  const unread = useSnapshot(room ?? null, (snapshot) => snapshot.unread);
  const mentions = useSnapshot(room ?? null, (snapshot) => snapshot.mentions);
  if (room) return { unread: unread ?? 0, mentions: mentions ?? 0 };
  return {
    unread: inbox.reduce((sum, entry) => sum + entry.unread, 0),
    mentions: inbox.reduce((sum, entry) => sum + entry.mentions, 0),
  };
}

/**
 * All rooms of this user, last active first.
 * @returns {readonly {name: string, room: Room|null, unread: number, mentions: number, last: string}[]}
 */
export function useInbox() {
  const chat = useChat();
  const [subscribe, get] = useMemo(() => inboxOf(chat), [chat]);
  return useSyncExternalStore(subscribe, get, get);
}

/**
 * @param {ChatClient} chat
 * @returns {[(told: () => void) => () => void, () => ReturnType<ChatClient['overview']>]}
 */
function inboxOf(chat) {
  /** @type {ReturnType<ChatClient['overview']>|null} */
  let known = null;
  return [
    (told) => {
      const changed = () => {
        known = null;
        told();
      };
      const ends = [chat.on('rooms', changed), chat.on('room', changed)];
      known = null;
      return () => {
        for (const end of ends) end();
      };
    },
    () => {
      known ??= chat.overview();
      return known;
    },
  ];
}
