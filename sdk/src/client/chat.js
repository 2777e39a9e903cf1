/**
 * The client: one connection, and the rooms that are followed over it.
 *
 * The one idea: a room is followed from a cursor. Every durable event names its predecessor, so the
 * client knows at every moment whether it has all; after any interruption it asks whichever relay
 * it finds for what came after the cursor, or is told to start from a new page. A line it writes
 * keeps one nonce until it is stored. So nothing is lost and nothing comes twice, whatever breaks.
 *
 * It refuses to touch a page, to decide what is shown, and to hide an error.
 */

import { Connection } from '../link/connection.js';
import { monotonicMs } from '../link/time.js';
import { Follow } from '../room/follow.js';
import { Outgoing } from '../room/outgoing.js';
import { compact } from '../room/sender.js';
import { RoomState } from '../room/state.js';
import { Emitter } from '../words/emitter.js';
import { ChatError, failure, isCut } from '../words/error.js';
import { compareIds, isId, NOWHERE } from '../words/id.js';
import { directRoom } from '../words/names.js';
import { own } from '../words/own.js';
import { bounded, quiet } from '../words/wait.js';
import { Contacts } from './contacts.js';
import { Inbox } from './inbox.js';
import { checked } from './options.js';
import { Patterns } from './patterns.js';
import { Profiles } from './profiles.js';
import { followOf, Room, tellEvent } from './room.js';
import { Upstream } from './upstream.js';
import { Wakes } from './wakes.js';

const RESUME_ROOMS = 50;
/** A storage that is slower holds nothing up. */
const STORAGE_MS = 2000;
const DOUBT_MS = 500;
/** Public calls wait so long for the connection and the answer together. */
const CALL_MS = 15_000;
/** Users in one question. */
const PROFILES_MOST = 100;

/** @typedef {import('../words/types.js').CallOptions} CallOptions */
/** @typedef {import('../words/types.js').Status} Status */
/** @typedef {import('../words/types.js').Frame} Frame */

/**
 * @typedef {object} ChatEvents
 * @property {Status} status the connection changed
 * @property {undefined} rooms the rooms that are followed, or the inbox, changed
 * @property {undefined} inbox the whole list of this user's rooms came: `chat.inbox.entries`
 * @property {undefined} upstream what works of the store behind the relay changed: `chat.upstream.of(room)`
 * @property {{kind: string, room: string, id?: string, from?: string, unread?: number, role?: string}} notice
 *     `mention`, `direct`, `read` (on another device) or `role`: about a room of ours
 * @property {{users: string[]}} profiles what `chat.names` says of these users changed
 * @property {{user: string}} contact whether a watched user is online changed
 * @property {{lost?: string[], match?: string, gap?: boolean, error?: ChatError}} watch events of watched
 *     patterns were missed, or a pattern is not watched any more
 * @property {{room: Room, error: ChatError}} problem a followed room cannot be read any longer
 * @property {Frame} frame each frame of a relay as it came
 * @property {{room: Room, changes: import('../room/state.js').Change[]}} room for this package: what changed
 */

const EVENTS = [
  ...['status', 'rooms', 'inbox', 'upstream', 'notice', 'profiles', 'contact', 'watch', 'problem'],
  ...['frame', 'room'],
];

/** @extends {Emitter<ChatEvents>} */
export class ChatClient extends Emitter {
  #connection;
  #outgoing;
  #patterns;
  #keepItems;
  /** By name; `waiting`: who waits for the first page. @type {Map<string, {room: Room, follow: Follow, waiting: number, ending: Promise<any>|null}>} */
  #rooms = new Map();
  #shown = 'online';
  #me = { user: '' };
  /** Until the lines of earlier pages are there. @type {Promise<void>|null} */
  #loading = null;
  /** Whether it is ever told which room is looked at. */
  #hasEyes = false;
  /** @type {string|null} */
  #looked = null;
  /** @type {Set<string>} */
  #doubted = new Set();
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #doubtTimer;
  #wakes = new Wakes(() => this.#connection.check());
  /** Calls that wait for a connection. @type {Set<(error: ChatError|null) => void>} */
  #waiting = new Set();

  /** @param {import('./options.js').ClientOptions} options see `createClient` */
  constructor(options) {
    super(EVENTS);
    const { sockets, user, storage, keepItems, connect, ...link } = checked(options);
    this.#outgoing = new Outgoing(storage);
    this.#keepItems = keepItems;
    /** Whether `close` was called, and not `connect` since. */
    this.isClosed = false;
    const request = this.#now.bind(this);
    /** Names and avatars of users, asked for as they are wanted. */
    this.names = new Profiles({ request, changed: (users) => this.emit('profiles', { users }) });
    /** What works of the store behind the relay. */
    this.upstream = new Upstream();
    /** Whether users are online with whom no room is shared. */
    this.contacts = new Contacts({ request, changed: (user) => this.emit('contact', { user }) });
    /** All rooms of this user. */
    this.inbox = new Inbox({ request, changed: (entries) => this.#inboxChanged(entries) });
    this.#patterns = new Patterns({ request, changed: (what) => this.emit('watch', what) });
    this.#connection = new Connection({
      ...link,
      urls: sockets,
      user,
      on: {
        state: () => this.#statusChanged(),
        known: (user) => this.#known(user),
        hello: (hello) => this.#greeted(hello),
        frame: (frame) => this.#frame(frame),
      },
    });
    const loading = user === null ? null : this.#identify(user);
    if (!connect) return;
    if (loading === null) this.connect();
    else loading.then(() => this.isClosed || this.connect());
  }

  /** Who we are; empty until the first relay has told it, if no `user` was given. */
  get user() {
    return this.#me.user;
  }

  /** The connection. @returns {Status} */
  get connection() {
    return this.#connection.status;
  }

  /** The followed rooms, in the order they were joined. */
  get followed() {
    return [...this.#rooms.values()].map(({ room }) => room);
  }

  /**
   * A followed room, or null.
   * @param {string|null} name
   */
  get(name) {
    return this.#rooms.get(name ?? '')?.room ?? null;
  }

  /**
   * All rooms of this user, followed here or not, last active first. `room` is null where it is not
   * followed.
   * @returns {{name: string, room: Room|null, unread: number, mentions: number, last: string}[]}
   */
  overview() {
    /** @type {{name: string, room: Room|null, unread: number, mentions: number, last: string}[]} */
    const all = [...this.#rooms.values()].map(({ room, follow: { room: state } }) => ({
      name: state.name,
      room,
      unread: state.unread,
      mentions: state.mentions,
      last: state.newest() ?? this.inbox.entries.get(state.name)?.last ?? NOWHERE,
    }));
    for (const { room: name, unread, mentions = 0, last } of this.inbox.entries.values()) {
      if (this.#rooms.has(name)) continue;
      all.push({ name, room: null, unread, mentions, last: isId(last) ? last : NOWHERE });
    }
    return all.sort((a, b) => compareIds(b.last, a.last));
  }

  /** The rooms that unsent lines of an earlier page are waiting for. */
  unsentRooms() {
    return this.#outgoing.rooms();
  }

  /** Connects, or tries again at once while it waits for the next attempt. */
  connect() {
    this.isClosed = false;
    this.#wakes.listen();
    this.#connection.open();
  }

  /**
   * Leaves the relay for good. What waits for an answer fails with `CLOSED`. Rooms, their cursors and
   * unsent lines stay for the next `connect`.
   */
  close() {
    this.isClosed = true;
    this.#wakes.unlisten();
    for (const { follow } of this.#rooms.values()) follow.stop();
    for (const part of [this.names, this.inbox, this.contacts, this.#patterns]) part.stop();
    clearTimeout(this.#doubtTimer);
    this.#doubtTimer = undefined;
    // First: who hears of the end may begin anew.
    this.#settleAll(new ChatError('CLOSED', 'The client was closed'));
    this.#connection.close();
  }

  /**
   * Any operation of the relay. While there is no connection, it waits for one.
   * @param {string} op
   * @param {Record<string, any>} [fields]
   * @param {CallOptions} [options] without `timeoutMs` it ends after 15 seconds
   * @returns {Promise<any>} what `ok` holds
   * @throws {ChatError}
   */
  async request(op, fields, { timeoutMs = CALL_MS, signal } = {}) {
    const { state } = this.#connection.status;
    if (state === 'connected') return this.#now(op, fields, { timeoutMs, signal });
    const why = this.whyNot();
    if (why) throw why;
    const begunAt = monotonicMs();
    /** @type {(error: ChatError|null) => void} */
    let settle = () => {};
    const connected = new Promise((resolve, reject) => {
      settle = (error) => (error ? reject(error) : resolve(undefined));
      this.#waiting.add(settle);
    });
    await bounded(connected, { timeoutMs, signal }, () => this.#waiting.delete(settle));
    const leftMs = Math.max(1, timeoutMs - (monotonicMs() - begunAt));
    return this.#now(op, fields, { timeoutMs: leftMs, signal });
  }

  /**
   * Becomes a member of a room and follows it, now and after every reconnection.
   * @param {string} name
   * @param {CallOptions} [options] ends the wait; the room is not followed then
   * @returns {Promise<Room>} once its newest page is there
   * @throws {ChatError} if the room refuses; it is not followed then
   */
  join(name, options) {
    return this.#begin(name, 'join', options);
  }

  /**
   * Follows a room without becoming a member. Otherwise like `join`.
   * @param {string} name
   * @param {CallOptions} [options]
   */
  subscribe(name, options) {
    return this.#begin(name, 'subscribe', options);
  }

  /**
   * Follows the direct room with another user. It is made by the first message.
   * @param {string} user
   * @param {CallOptions} [options]
   */
  direct(user, options) {
    const begin = () => this.subscribe(directRoom(this.user, user), options);
    // Only a relay knows who we are.
    return this.user ? begin() : quiet(this.request('ping', {}, options).then(begin));
  }

  /**
   * Why nothing that is begun now will be done.
   * @returns {ChatError|null} null: it may be
   */
  whyNot() {
    const { close } = this.connection;
    if (this.isClosed) return new ChatError('CLOSED', 'The client was closed');
    return close?.final ? finalError(close) : null;
  }

  /**
   * Ends following a room; see `room.leave` and `room.unsubscribe`.
   * @param {string} name
   * @param {'leave'|'unsubscribe'} op
   * @param {CallOptions} [options]
   */
  async end(name, op, options) {
    const known = this.#rooms.get(name);
    if (!known) return;
    const isThere = !known.follow.room.problem;
    if (op === 'leave' && isThere) {
      known.ending ??= this.request(op, { room: name }, options).finally(() => {
        known.ending = null;
      });
      await known.ending;
      if (this.#rooms.get(name) !== known) return;
    }
    if (op === 'leave') this.inbox.forget(name);
    this.#forget(name, new ChatError('LEFT', 'The room was left'));
    // Without a connection there is nothing to end.
    if (op === 'unsubscribe' && isThere && this.connection.state === 'connected') {
      await this.#now(op, { room: name }, options);
    }
  }

  /**
   * Follows a room no longer, whatever the relay thinks.
   * @param {string} name
   * @param {ChatError} error
   */
  #forget(name, error) {
    for (const line of this.#outgoing.of(name)) {
      this.#outgoing.remove(line);
      line.fail(error);
    }
    this.#unfollow(name, error);
  }

  /**
   * Lines that wait for the room go on waiting.
   * @param {string} name
   * @param {ChatError} error
   */
  #unfollow(name, error) {
    const known = this.#rooms.get(name);
    this.#rooms.delete(name);
    known?.follow.end(error);
    this.emit('rooms');
  }

  /**
   * A page of rooms by last activity.
   * @param {{match?: string, cursor?: string|null, count?: number} & CallOptions} [options]
   * @returns {Promise<{cursor: string|null, rooms: {room: string, last: string, members: number, online: number, topic: string}[], incomplete: boolean}>}
   */
  async rooms({ match, cursor, count = 100, ...options } = {}) {
    const answer = await this.request('rooms', compact({ match, cursor, count }), options);
    const { rooms = [], incomplete = false } = answer;
    return { cursor: answer.cursor ?? null, rooms, incomplete };
  }

  /**
   * What a room is; changes it if `set` is given. Also of rooms that are not followed, and of our own
   * personal room `@user`, which holds `name`, `avatar` and `status`.
   * @param {string} name
   * @param {{set?: Record<string, string|number|boolean>} & CallOptions} [options]
   * @returns {Promise<Record<string, any>>}
   */
  async room(name, { set, ...options } = {}) {
    const { settings } = await this.request('room', compact({ room: name, set }), options);
    this.#learn(name, (state) => state.setAbout(settings));
    if (set && name === `@${this.user}`) this.names.refresh(this.user);
    return settings;
  }

  /**
   * Who users are, by user; null: never here, or nobody can tell now.
   * @param {string[]} users
   * @param {CallOptions} [options]
   * @returns {Promise<Map<string, {name?: string, avatar?: string, status?: string, online?: number, last_seen?: number, shown?: string|null}|null>>}
   */
  profiles(users, options) {
    return this.#byEntry('profiles', 'users', users, 'profiles', PROFILES_MOST, options);
  }

  /**
   * How many users are in each of these rooms now; null: nobody can tell now.
   * @param {string[]} rooms
   * @param {CallOptions} [options]
   * @returns {Promise<Map<string, number|null>>}
   */
  online(rooms, options) {
    return this.#byEntry('online', 'rooms', rooms, 'counts', 1000, options);
  }

  /**
   * What we have not read in each of these rooms; null: no member, or nobody can tell now.
   * @param {string[]} rooms
   * @param {CallOptions} [options]
   * @returns {Promise<Map<string, {unread: number, mentions: number, cursor: string, last: string}|null>>}
   */
  unread(rooms, options) {
    return this.#byEntry('unread', 'rooms', rooms, 'rooms', 1000, options);
  }

  /**
   * What others see of this connection: `online`, `away`, `dnd` or own words of 64 bytes. Told to
   * each relay anew.
   * @param {string} status
   * @param {CallOptions} [options]
   * @throws {ChatError} if the relay refuses it
   */
  async status(status, options) {
    const before = this.#shown;
    if (status === before) return;
    this.#shown = status;
    try {
      await this.#now('status', { status }, options);
    } catch (error) {
      // The next relay is told.
      if (isCut(error)) return;
      if (this.#shown === status) this.#shown = before;
      throw error;
    }
  }

  /**
   * The reader looks at this room and no other; null: at none. It decides what counts as unread, and of
   * which rooms it is asked who is there.
   * @param {string|null} name
   */
  look(name) {
    this.#hasEyes = true;
    this.#looked = name;
    for (const [room, { follow }] of this.#rooms) follow.look(room === name);
  }

  /**
   * Watches a pattern of rooms, now and after every reconnection: their events come as `frame`, and
   * gaps as `watch`. What it brings of a room is not kept in a `Room`.
   * @param {string} match a glob such as `support:*`
   * @returns {Promise<void>} once every later event comes, or at once where there is no connection
   * @throws {ChatError} `DENIED` if the token does not allow it, `UNAVAILABLE`, …
   */
  watch(match) {
    return this.#patterns.watch(match);
  }

  /**
   * Ends watching a pattern.
   * @param {string} match
   */
  unwatch(match) {
    return this.#patterns.unwatch(match);
  }

  // --- the connection ----------------------------------------------------------------------------

  /**
   * @param {string} op
   * @param {Record<string, any>} [fields]
   * @param {CallOptions} [options]
   */
  #now(op, fields, options) {
    return this.#connection.request(op, fields, options);
  }

  /**
   * Asks about many, as many at a time as one request takes, and again for what did not fit.
   * @param {string} op
   * @param {string} field
   * @param {string[]} names
   * @param {string} answered
   * @param {number} most
   * @param {CallOptions} [options]
   */
  async #byEntry(op, field, names, answered, most, options) {
    /** @type {Map<string, any>} */
    const found = new Map();
    for (let left = [...new Set(names)]; left.length > 0; ) {
      const part = left.slice(0, most);
      const answer = await this.request(op, { [field]: part }, options);
      for (const name of part) {
        const value = own(answer[answered], name);
        if (value !== undefined) found.set(name, value?.error ? null : value);
        else if (!answer.more) found.set(name, null);
      }
      const rest = left.filter((name) => !found.has(name));
      // A relay that answers nothing would be asked for ever.
      if (rest.length === left.length) break;
      left = rest;
    }
    return found;
  }

  /** @param {string} user */
  #identify(user) {
    this.#me.user = user;
    const adopt = () => {
      for (const { follow } of this.#rooms.values()) follow.adoptLines();
    };
    const loading = this.#outgoing.load(user);
    if (loading === null) {
      adopt();
      return null;
    }
    loading.then(adopt);
    return bounded(loading, { timeoutMs: STORAGE_MS }).catch(adopt);
  }

  #statusChanged() {
    const { state, close } = this.connection;
    if (state === 'offline' && close?.final) this.#settleAll(finalError(close));
    this.emit('status', this.connection);
  }

  /**
   * Nothing that waits will be answered.
   * @param {ChatError} error
   */
  #settleAll(error) {
    for (const settle of this.#waiting) settle(error);
    this.#waiting.clear();
    const { size } = this.#rooms;
    for (const [name, { follow }] of [...this.#rooms]) {
      if (!follow.isBeginning) continue;
      if (follow.room.cursor === null) {
        this.#rooms.delete(name);
        follow.end(error);
      } else follow.giveUp(error);
    }
    if (this.#rooms.size < size) this.emit('rooms');
    for (const line of this.#outgoing.all()) line.fail(error);
  }

  /**
   * A relay said hello: every room is taken up where it was left.
   * @param {Frame} hello
   */
  #greeted(hello) {
    if (this.#loading === null) this.#takeUp();
    else this.#loading.then(() => this.connection.hello === hello && this.#takeUp());
  }

  /**
   * A relay says who we are, before anybody hears that there is a connection.
   * @param {string} user
   */
  #known(user) {
    for (const { follow } of this.#rooms.values()) follow.interrupt();
    if (this.user) return;
    this.#loading = this.#identify(user);
    this.#loading?.then(() => {
      this.#loading = null;
    });
  }

  #takeUp() {
    this.upstream.reset();
    // First, so that the rooms see the right one from the beginning.
    if (this.#shown !== 'online') this.#now('status', { status: this.#shown }).catch(() => {});
    const follows = [...this.#rooms.values()].map(({ follow }) => follow);
    const resuming = follows.filter((follow) => follow.takeUp());
    while (resuming.length) this.#resume(resuming.splice(0, RESUME_ROOMS));
    this.inbox.load();
    this.contacts.reset();
    this.names.reset();
    this.#patterns.reset();
    for (const settle of this.#waiting) settle(null);
    this.#waiting.clear();
  }

  /** @param {Frame} frame */
  #frame(frame) {
    this.emit('frame', frame);
    if (this.contacts.frame(frame)) return;
    if (frame.type === 'upstream') {
      this.upstream.hear(frame);
      // What could not be asked when the list was loaded.
      if (frame.state === 'back') this.inbox.loadSoon();
      this.emit('upstream');
    } else if (frame.type === 'watch') this.#patterns.hear(frame);
    else if (frame.type === 'profile') this.#profile(frame.user, frame.data ?? {}, frame.ref);
    else if (frame.room === `@${this.user}`) this.#personal(frame);
    else if (frame.room !== undefined) this.#rooms.get(frame.room)?.follow.frame(frame);
    // A withdrawn line is known by its nonce alone.
    else for (const { follow } of this.#rooms.values()) follow.frame(frame);
  }

  /**
   * @param {string} user
   * @param {Record<string, any>} data
   * @param {unknown} ref
   */
  #profile(user, data, ref) {
    this.names.hear(user, data, ref);
    for (const { room, follow } of this.#rooms.values()) {
      if (follow.room.people.has(user)) room.emit('profile', { user, data });
    }
  }

  /**
   * A frame of this user's own room.
   * @param {Frame} frame
   */
  #personal({ type, data }) {
    if (type === 'notice' && data) this.#notice(data);
    else if (type === 'room') this.names.refresh(this.user);
    // Notices may have been missed.
    else if (type === 'reset' || type === 'reload') this.inbox.loadSoon();
  }

  /** @param {any} data a notice of the relay to this user */
  #notice(data) {
    if (data.kind === 'read' && isId(data.id)) {
      this.#learn(data.room, (state) => state.haveRead(data.id, data.unread ?? 0));
    }
    if (data.kind === 'direct') this.#rooms.get(data.room)?.follow.beginAnew();
    this.inbox.hear(data);
    this.emit('notice', data);
  }

  // --- following rooms ---------------------------------------------------------------------------

  /**
   * Changes what is known of a room, if it is followed.
   * @param {string} name
   * @param {(state: RoomState) => import('../room/state.js').Change[]} change
   */
  #learn(name, change) {
    const follow = this.#rooms.get(name)?.follow;
    follow?.changed(change(follow.room));
  }

  /**
   * @param {string} name
   * @param {'join'|'subscribe'} op
   * @param {CallOptions} [options]
   * @returns {Promise<Room>}
   */
  #begin(name, op, options) {
    if (typeof name !== 'string' || name === '') {
      return quiet(Promise.reject(new TypeError('a room has a name')));
    }
    const why = this.whyNot();
    if (why) return quiet(Promise.reject(why));
    const ending = this.#rooms.get(name)?.ending;
    if (ending) {
      const ended = ending.catch(() => {});
      return quiet(bounded(ended, options).then(() => this.#begin(name, op, options)));
    }
    const known = this.#rooms.get(name) ?? this.#follow(name);
    const { room, follow } = known;
    known.waiting += 1;
    const begun = follow.begin(op).then(() => room);
    const bound = bounded(begun, options, () => {
      known.waiting -= 1;
      // Somebody else may wait for it still.
      if (known.waiting > 0 || follow.room.cursor !== null) return;
      this.#unfollow(name, new ChatError('CANCELLED', 'Nobody waits for it'));
      this.#now('unsubscribe', { room: name }).catch(() => {});
    });
    return quiet(bound);
  }

  /** @param {string} name */
  #follow(name) {
    const state = new RoomState(name, this.#me);
    const follow = new Follow(state, {
      outgoing: this.#outgoing,
      keepItems: this.#keepItems,
      isConnected: () => this.connection.state === 'connected',
      isSocket: () => this.connection.transport === 'socket',
      nonceWindowMs: () => this.connection.hello?.limits?.nonce_window_ms,
      request: (...args) => this.#now(...args),
      changed: (_, changes) => {
        this.emit('room', { room, changes });
        room.emit('change', changes);
      },
      heard: (_, event) => tellEvent(room, event),
      reloaded: () => room.emit('reload', room),
      problem: (_, error) => this.emit('problem', { room, error }),
      lost: (_, error) => room.emit('lost', error),
      doubt: () => this.#doubt(name),
      hasEyes: () => this.#hasEyes,
      refused: (error) => this.#unfollow(name, error),
    });
    const room = new Room(this, follow, (line) => this.#outgoing.add(line));
    const known = { room, follow, waiting: 0, ending: null };
    this.#rooms.set(name, known);
    const entry = this.inbox.entries.get(name);
    if (entry) follow.changed(state.settleUnread(entry));
    if (name === this.#looked) follow.look(true);
    this.emit('rooms');
    return known;
  }

  /** @param {import('./inbox.js').Entry[]|null} entries */
  #inboxChanged(entries) {
    for (const entry of entries ?? []) {
      this.#learn(entry.room, (state) => state.settleUnread(entry));
    }
    if (entries) this.emit('inbox');
    this.emit('rooms');
  }

  /**
   * What is unread in a room is not known exactly: the room is asked in a moment.
   * @param {string} name
   */
  #doubt(name) {
    this.#doubted.add(name);
    this.#doubtTimer ??= setTimeout(() => {
      this.#doubtTimer = undefined;
      const rooms = [...this.#doubted].filter((room) => this.#rooms.has(room));
      this.#doubted.clear();
      if (rooms.length === 0) return;
      this.#now('unread', { rooms }).then(
        (answer) => {
          for (const [room, count] of Object.entries(answer.rooms ?? {})) {
            if (count && !count.error) this.#learn(room, (state) => state.settleUnread(count));
          }
        },
        () => {},
      );
    }, DOUBT_MS);
  }

  /**
   * Many rooms in one frame: what came after each cursor.
   * @param {Follow[]} follows
   */
  #resume(follows) {
    const asked = follows.map((follow) => ({
      name: follow.room.name,
      since: follow.room.cursor,
      hear: follow.expectAnswer(),
    }));
    const rooms = Object.fromEntries(asked.map(({ name, since }) => [name, since]));
    this.#now('resume', { rooms }).then(
      (answer) => {
        for (const { name, hear } of asked) {
          const of = own(answer.rooms, name) ?? { error: { code: 'UNAVAILABLE' } };
          if (of.error) hear(failure(of.error));
          else hear(null, of);
        }
      },
      (error) => {
        for (const { hear } of asked) hear(error);
      },
    );
  }
}

/**
 * Why no relay will take us, as an error.
 * @param {import('../words/types.js').CloseInfo} close
 */
function finalError({ name, message, what, untilMs }) {
  const details = compact({ what, until_ms: untilMs });
  return new ChatError(
    name.toUpperCase() || 'CLOSED',
    message ?? `The relay says: ${name}`,
    details,
  );
}

export { followOf };
