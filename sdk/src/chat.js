/**
 * The JavaScript client of redis-chat, for browsers and anything else with a WebSocket.
 *
 *     const client = new ChatClient({ urls: ['wss://chat.example.com/ws'], user: 'alice', getToken });
 *     client.addEventListener('room', ({ detail: { room, changes } }) => draw(room, changes));
 *     client.connect();
 *     const room = await client.join('lobby');
 *     client.send('lobby', 'hello');
 *
 * The one idea: a room is followed from a cursor. Every durable event names its predecessor, so the
 * client knows at every moment whether it has all; after any interruption it asks whichever relay
 * it finds for what came after the cursor, or is told to start from a new page. A line it writes
 * keeps one nonce until it is stored. So nothing is lost and nothing comes twice, whatever breaks.
 *
 * Events (all `CustomEvent`s):
 *     state   detail = `client.status`, whenever it changes
 *     room    {room, changes}: see room.js for the changes
 *     rooms   the set of followed rooms, or the inbox, changed
 *     upstream what works of the store behind the relay changed: `client.upstream.of(room)`
 *     inbox   the list of this user's rooms came: `client.inbox.entries`
 *     notice  {kind: 'mention'|'direct'|'read', room, id, from?, unread?}: about a room of ours
 *     profiles {users}: names or other words about these users changed
 *     contact {user}: whether a watched user is online changed
 *     watch   {lost: [room]}, {match, gap: true} or {match, error}: events of watched patterns were missed,
 *             or the relay refuses the pattern
 *     event   each frame of a relay as it came, also of rooms that are not followed (`@user`)
 *     problem {room, error}: a followed room cannot be read any longer
 *
 * Its parts: connection.js (one socket after another), tokens.js (the proof of who this is),
 * operations.js (what a relay does when it is asked), follow.js (a room kept level), sender.js and
 * outgoing.js (lines on their way), room.js (what is known of a room), inbox.js, profiles.js,
 * contacts.js, patterns.js, names.js, id.js.
 *
 * It refuses to touch a page, to decide what is shown, and to hide an error.
 */

import { isPrivate, socketUrl } from './address.js';
import { Connection } from './connection.js';
import { Contacts } from './contacts.js';
import { ChatError } from './error.js';
import { compareIds, isId, NOWHERE } from './id.js';
import { Inbox } from './inbox.js';
import { directRoom, otherSide } from './names.js';
import { Operations } from './operations.js';
import { makeLine, makeNonce, Outgoing } from './outgoing.js';
import { own } from './own.js';
import { Patterns } from './patterns.js';
import { Profiles } from './profiles.js';
import { Follow, failure } from './room/follow.js';
import { Room } from './room/room.js';
import { isCut } from './sender.js';
import { Upstream } from './upstream.js';

export { ChatError, directRoom, otherSide, Room, socketUrl };

const RESUME_ROOMS = 50;
const DOUBT_MS = 500;

export class ChatClient extends Operations {
  #connection;
  #outgoing;
  #patterns;
  #keepItems;
  #follows = new Map();
  #status = 'online';
  /** Whether it is ever told which room is looked at. */
  #hasEyes = false;
  #doubted = new Set();
  #doubtTimer = null;
  #wake = () => this.#connection.check();
  #wakeIfVisible = () => {
    if (document.visibilityState === 'visible') this.#connection.check();
  };

  /**
   * @param {object} options
   * @param {string[]} options.urls relays: `wss://host/ws`, `ws://host:port/ws` or `host:port`,
   *   tried in turn
   * @param {string} options.user who connects. With `getToken` the tokens name them; without it the
   *   query does, as `?user=`, which relays believe with `--auth none` only
   * @param {(why: {reason: string, signal: AbortSignal}) => Promise<string>} [options.getToken] asks
   *   the application for a token of this user; see tokens.js. `reason` is `start`, `ending`,
   *   `expired`, `revoked` or `refused`
   * @param {boolean} [options.insecure] sends tokens over `ws://` to other machines too, where
   *   everybody on the way can read them
   * @param {Storage|null} [options.storage] where unsent lines survive a reload; default
   *   `sessionStorage` where there is one
   * @param {number} [options.keepItems] messages kept in memory per room
   * @param {typeof WebSocket} [options.WebSocket] the class for sockets; default: the global one,
   *   which Node has from version 22 on
   * @param {() => number} [options.random]
   * @param {typeof fetch} [options.fetch] finds out why sockets fail; default: the global one
   */
  constructor({
    urls,
    user,
    getToken,
    insecure = false,
    storage,
    keepItems = 2000,
    WebSocket = globalThis.WebSocket,
    random,
    fetch = globalThis.fetch?.bind(globalThis),
  }) {
    super();
    if (!WebSocket) throw new TypeError('a WebSocket class is needed');
    if (!user) throw new TypeError('a user is needed');
    if (!urls?.length) throw new TypeError('at least one relay URL is needed');
    if (getToken !== undefined && typeof getToken !== 'function') {
      throw new TypeError('getToken is not a function');
    }
    const sockets = urls.map((url) => socketUrl(url, getToken ? null : user));
    const open = sockets.find((url) => getToken && !insecure && !isPrivate(url));
    if (open) throw new TypeError(`tokens need wss:// (or insecure: true) to get to ${open}`);
    this.user = user;
    const kept = storage === undefined ? (globalThis.sessionStorage ?? null) : storage;
    this.#outgoing = new Outgoing(user, kept);
    this.#keepItems = keepItems;
    const request = (...args) => this.request(...args);
    this.profiles = new Profiles({
      request,
      changed: (users) => this.#emit('profiles', { users }),
    });
    this.upstream = new Upstream();
    this.contacts = new Contacts({ request, changed: (user) => this.#emit('contact', { user }) });
    this.#patterns = new Patterns({ request, changed: (what) => this.#emit('watch', what) });
    this.inbox = new Inbox({ request, changed: (entries) => this.#inboxChanged(entries) });
    this.#connection = new Connection({
      urls: sockets,
      WebSocket,
      random,
      fetch,
      getToken,
      user,
      on: {
        state: () => this.#emit('state', this.status),
        hello: () => this.#greeted(),
        frame: (frame) => this.#frame(frame),
      },
    });
  }

  /**
   * `{state, url, attempt, retryAt, close, hello, error, expiresIn}`: state is `connected`, `connecting` (also while
   * waiting for the next attempt, which starts at `retryAt`) or `offline` (not started, closed, or
   * stopped by a relay: then `close` says why and `close.final` is true). `hello` is what the last
   * relay said about itself: `{relay, connection, ping_ms, limits, …}`. `error` is why no token came,
   * or `REFUSED`: the relay takes no socket from this page; null once one has come; the token ended `expiresIn` seconds after a relay last accepted it.
   */
  get status() {
    return this.#connection.status;
  }

  /** The followed rooms, in the order they were joined. */
  get rooms() {
    return [...this.#follows.values()].map((follow) => follow.room);
  }

  /** A followed room, or null. */
  room(name) {
    return this.#follows.get(name)?.room ?? null;
  }

  /**
   * All rooms of this user, followed here or not, last active first:
   * {name, room, unread, mentions, last}; `room` is null where it is not followed.
   */
  overview() {
    const followed = this.rooms.map((room) => ({
      name: room.name,
      room,
      unread: room.unread,
      mentions: room.mentions,
      last: room.newest() ?? this.inbox.entries.get(room.name)?.last ?? NOWHERE,
    }));
    const others = [...this.inbox.entries.values()].filter(({ room }) => !this.#follows.has(room));
    const listed = others.map(({ room: name, unread, mentions = 0, last }) => ({
      name,
      room: null,
      unread,
      mentions,
      last: isId(last) ? last : NOWHERE,
    }));
    return [...followed, ...listed].sort((a, b) => compareIds(b.last, a.last));
  }

  /** The rooms that unsent lines of an earlier page are waiting for. */
  unsentRooms() {
    return this.#outgoing.rooms();
  }

  /** Connects, or tries again at once while it waits for the next attempt. */
  connect() {
    if (typeof window !== 'undefined' && this.status.state === 'offline') this.#listen();
    this.#connection.open();
  }

  /** Leaves the relay. Rooms, their cursors and unsent lines stay for the next `connect`. */
  close() {
    if (typeof window !== 'undefined') this.#unlisten();
    for (const follow of this.#follows.values()) follow.stop();
    for (const part of [this.profiles, this.inbox, this.#patterns]) part.stop();
    clearTimeout(this.#doubtTimer);
    this.#connection.close();
  }

  /**
   * What others see of this connection: `online`, `away`, `dnd` or own words of 64 bytes. Told to
   * each relay anew.
   * @throws {ChatError} if the relay refuses it
   */
  async setStatus(status) {
    if (status === this.#status) return;
    this.#status = status;
    try {
      await this.request('status', { status });
    } catch (error) {
      if (!isCut(error)) throw error;
    }
  }

  /**
   * Any operation of the relay (`rooms`, `members`, `room`, …).
   * @returns {Promise<object>} what `ok` holds
   * @throws {ChatError}
   */
  request(op, fields, timeoutMs) {
    return this.#connection.request(op, fields, timeoutMs);
  }

  /**
   * Becomes a member of a room and follows it, now and after every reconnection.
   * @returns {Promise<Room>} once its newest page is there
   * @throws {ChatError} if the room refuses; it is not followed then
   */
  join(name) {
    return this.#follow(name, 'join');
  }

  /** Follows a room without becoming a member. Otherwise like `join`. */
  subscribe(name) {
    return this.#follow(name, 'subscribe');
  }

  /** Ends the membership and forgets the room. Lines still unsent there are given up. */
  async leave(name) {
    const follow = this.#follows.get(name);
    if (!follow) return;
    const op = follow.isMember ? 'leave' : 'unsubscribe';
    if (!follow.room.problem) await this.request(op, { room: name });
    for (const line of this.#outgoing.of(name)) this.#outgoing.remove(line.nonce);
    this.#follows.delete(name);
    this.inbox.forget(name);
    follow.end(new ChatError('LEFT', 'The room was left'));
    this.#emit('rooms');
  }

  /** Follows the direct room with another user. It is made by the first message. */
  direct(user) {
    return this.subscribe(directRoom(this.user, user));
  }

  /**
   * Writes a line. It is shown as pending at once and sent until the room has stored it.
   * @param {string} name a followed room
   * @param {string} text
   * @param {{kind?: string, meta?: object, reply?: string, mentions?: string[]}} [options]
   * @returns {object} the line, as it stands in `room.tail`
   */
  send(name, text, options = {}) {
    const follow = this.#followed(name);
    const line = makeLine({
      ...options,
      room: name,
      user: this.user,
      text,
      nonce: makeNonce(),
      ts: Date.now(),
    });
    this.#outgoing.add(line);
    follow.write(line);
    return line;
  }

  /** Sends a failed line again, as the same line. */
  retry(nonce) {
    const line = this.#outgoing.find(nonce);
    const follow = line && this.#follows.get(line.room);
    if (!follow || line.state !== 'failed') return;
    follow.rewrite(line);
  }

  /** Gives up a line that failed. */
  discard(nonce) {
    const line = this.#outgoing.find(nonce);
    if (line?.state !== 'failed') return;
    this.#outgoing.remove(nonce);
    const follow = this.#follows.get(line.room);
    if (follow) follow.changed(follow.room.removeLine(nonce));
  }

  /** Loads older messages. Resolves to false if there are none. */
  older(name, count = 50) {
    return this.#followed(name).pages.older(count);
  }

  /** Tells that this user is typing, at most about every two seconds per room. Never fails. */
  typing(name) {
    this.#follows.get(name)?.telling.typing();
  }

  /** The reader has seen all of a room. Told to it, once, in a while. Never fails. */
  read(name) {
    this.#follows.get(name)?.telling.read();
  }

  /** Sees to it that a message which is quoted in a room is in `room.quoted`. */
  quoted(name, id) {
    this.#follows.get(name)?.pages.quoted(id);
  }

  /** The reader looks at this room and no other; null: at none. */
  look(name) {
    this.#hasEyes = true;
    for (const follow of this.#follows.values()) follow.look(follow.room.name === name);
  }

  /**
   * Watches a pattern of rooms, now and after every reconnection: their events come as `event`, and
   * gaps as `watch`. What it brings of a room is not kept in a `Room`.
   * @param {string} match a glob such as `support:*`
   * @returns {Promise<void>} once every later event comes, or at once where there is no connection
   * @throws {ChatError} `DENIED` if the token does not allow it, `UNAVAILABLE`, …
   */
  watch(match) {
    return this.#patterns.watch(match);
  }

  /** Ends watching a pattern. */
  unwatch(match) {
    return this.#patterns.unwatch(match);
  }

  // --- following rooms ---------------------------------------------------------------------------

  /** Changes what is known of a room, if it is followed. */
  learn(name, change) {
    const follow = this.#follows.get(name);
    follow?.changed(change(follow.room));
  }

  #followed(name) {
    const follow = this.#follows.get(name);
    if (!follow) throw new ChatError('NOTFOLLOWED', `Not in the room ${name}`);
    return follow;
  }

  #follow(name, op) {
    const known = this.#follows.get(name);
    if (known) return known.begin(op);
    const follow = new Follow(new Room(name, this.user), {
      outgoing: this.#outgoing,
      keepItems: this.#keepItems,
      isConnected: () => this.status.state === 'connected',
      nonceWindowMs: () => this.status.hello?.limits?.nonce_window_ms,
      request: (...args) => this.request(...args),
      changed: (room, changes) => this.#emit('room', { room, changes }),
      problem: (room, error) => this.#emit('problem', { room, error }),
      doubt: (room) => this.#doubt(room.name),
      hasEyes: () => this.#hasEyes,
      refused: () => {
        this.#follows.delete(name);
        this.#emit('rooms');
      },
    });
    this.#follows.set(name, follow);
    const entry = this.inbox.entries.get(name);
    if (entry) follow.changed(follow.room.settleUnread(entry));
    this.#emit('rooms');
    return follow.begin(op);
  }

  /** A relay said hello: every room is taken up where it was left. */
  #greeted() {
    this.upstream.reset();
    // First, so that the rooms see the right one from the beginning.
    if (this.#status !== 'online') {
      this.request('status', { status: this.#status }).catch(() => {});
    }
    const resuming = [...this.#follows.values()].filter((follow) => follow.takeUp());
    while (resuming.length) this.#resume(resuming.splice(0, RESUME_ROOMS));
    this.inbox.load();
    this.contacts.reset();
    this.profiles.reset();
    this.#patterns.reset();
  }

  #inboxChanged(entries) {
    for (const entry of entries ?? []) {
      this.learn(entry.room, (room) => room.settleUnread(entry));
    }
    if (entries) this.#emit('inbox');
    this.#emit('rooms');
  }

  /** A notice of the relay to this user. */
  #notice(data) {
    if (data.kind === 'read' && isId(data.id)) {
      this.learn(data.room, (room) => room.haveRead(data.id, data.unread ?? 0));
    }
    if (data.kind === 'direct') this.#follows.get(data.room)?.beginAnew();
    this.inbox.hear(data);
    this.#emit('notice', data);
  }

  /** What is unread in a room is not known exactly: the room is asked in a moment. */
  #doubt(name) {
    this.#doubted.add(name);
    this.#doubtTimer ??= setTimeout(() => {
      this.#doubtTimer = null;
      const rooms = [...this.#doubted].filter((room) => this.#follows.has(room));
      this.#doubted.clear();
      if (rooms.length === 0) return;
      this.request('unread', { rooms }).then(
        (answer) => {
          for (const [room, count] of Object.entries(answer.rooms ?? {})) {
            if (count && !count.error) this.learn(room, (known) => known.settleUnread(count));
          }
        },
        () => {},
      );
    }, DOUBT_MS);
  }

  /** Many rooms in one frame: what came after each cursor. */
  #resume(follows) {
    const asked = follows.map((follow) => ({
      name: follow.room.name,
      since: follow.room.cursor,
      hear: follow.expectAnswer(),
    }));
    const rooms = Object.fromEntries(asked.map(({ name, since }) => [name, since]));
    this.request('resume', { rooms }).then(
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

  #frame(frame) {
    this.#emit('event', frame);
    if (this.contacts.frame(frame)) return;
    if (frame.type === 'upstream') {
      this.upstream.hear(frame);
      // What could not be asked when the list was loaded.
      if (frame.state === 'back') this.inbox.loadSoon();
      this.#emit('upstream');
      return;
    }
    if (frame.type === 'watch') {
      this.#patterns.hear(frame);
      return;
    }
    if (frame.type === 'profile') {
      this.profiles.hear(frame.user, frame.data ?? {});
      return;
    }
    if (frame.room === `@${this.user}`) {
      if (frame.type === 'notice' && frame.data) this.#notice(frame.data);
      else if (frame.type === 'room') this.profiles.refresh(this.user);
      // Notices may have been missed.
      else if (frame.type === 'reset' || frame.type === 'reload') this.inbox.loadSoon();
      return;
    }
    if (frame.room !== undefined) this.#follows.get(frame.room)?.frame(frame);
    // A withdrawn line is known by its nonce alone.
    else for (const follow of this.#follows.values()) follow.frame(frame);
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #listen() {
    window.addEventListener('online', this.#wake);
    window.addEventListener('offline', this.#wake);
    window.addEventListener('pageshow', this.#wake);
    document.addEventListener('visibilitychange', this.#wakeIfVisible);
  }

  #unlisten() {
    window.removeEventListener('online', this.#wake);
    window.removeEventListener('offline', this.#wake);
    window.removeEventListener('pageshow', this.#wake);
    document.removeEventListener('visibilitychange', this.#wakeIfVisible);
  }
}
