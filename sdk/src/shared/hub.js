/**
 * One socket for several tabs.
 *
 * The one idea: each tab has a whole client of its own, which sees a socket. Behind it are this hub and the
 * one socket that there really is: requests get another `ref` on their way and their answers go back to who
 * asked; events of a room go to the tabs that receive it, everything else goes to all.
 *
 * A room is received as long as one tab wants it. Membership is the user's: who leaves, leaves for all.
 *
 * The relay begins after what an answer has brought, for the whole socket. The tabs that did not ask hear
 * where that is, in a frame of our own: `{type: 'position', room, last}`. Who is behind asks.
 *
 * It refuses to connect again: when the socket ends, so does that of every tab, and the clients do.
 */

/** @typedef {Record<string, any>} Frame */

/**
 * A tab, seen from the hub.
 * @typedef {object} Tab
 * @property {(frame: Frame) => void} post `{opened}`, `{data: string}` or `{closed: {code, reason}}`
 * @property {Set<string>} rooms that it receives
 * @property {Set<string>} patterns that it watches
 */

/**
 * A request on its way; `over`: the rooms, or the patterns, that its tab has given up since.
 * @typedef {{tab: string|null, ref: unknown, op: string, room?: string, match?: string, over?: Set<string>}} Asked
 */

/** A request that no tab has made. */
const NOBODYS = { tab: null, ref: null };

/** With this code a tab closes a socket that is silent. */
const SILENT = 4000;

/** A page that is loaded anew is back within this time, ms. */
const LINGER_MS = 2000;

export class Hub {
  #WebSocket;
  /** @type {any} */
  #socket = null;
  /** What every tab hears first. @type {Frame|null} */
  #hello = null;
  /** @type {Map<string, Tab>} */
  #tabs = new Map();
  #ref = 0;
  /** @type {Map<number, Asked>} */
  #asked = new Map();
  /** When the token was accepted last, ms. */
  #acceptedAt = 0;
  /** What works behind the relay, as it said last. @type {string|null} */
  #upstream = null;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;

  /** @param {any} [WebSocket] the class for the socket */
  constructor(WebSocket = globalThis.WebSocket) {
    this.#WebSocket = WebSocket;
  }

  /**
   * A tab wants a socket.
   * @param {string} id
   * @param {(frame: Frame) => void} post
   * @param {{url: string, protocols?: string[]}} how
   */
  open(id, post, { url, protocols }) {
    clearTimeout(this.#timer);
    this.#tabs.set(id, { post, rooms: new Set(), patterns: new Set() });
    if (this.#socket === null) this.#connect(url, protocols);
    else if (this.#hello !== null) this.#welcome(id);
  }

  /**
   * A tab says something.
   * @param {string} id
   * @param {string} text
   */
  say(id, text) {
    const tab = this.#tabs.get(id);
    if (!tab || this.#socket === null) return;
    const frame = JSON.parse(text);
    const { ref, op, room, match } = frame;
    if (op === 'unsubscribe') tab.rooms.delete(room);
    else if (op === 'unwatch') tab.patterns.delete(match);
    if (op === 'unsubscribe' || op === 'unwatch') {
      // What it has asked for before is not wanted any longer.
      for (const asked of this.#asked.values()) {
        if (asked.tab !== id || (asked.op === 'watch') !== (op === 'unwatch')) continue;
        asked.over = new Set(asked.over).add(room ?? match);
      }
    }
    const isKept =
      (op === 'unsubscribe' && this.#isWanted(room))
      || (op === 'unwatch' && this.#isWatched(match));
    if (isKept) tab.post({ data: JSON.stringify({ ref, ok: {} }) });
    else this.#ask(frame, { tab: id, ref, op, room, match });
  }

  /**
   * A tab has ended, or wants its socket no longer. If the socket is silent, it ends for all tabs.
   * @param {string} id
   * @param {number} [code]
   */
  close(id, code) {
    const tab = this.#tabs.get(id);
    if (!tab) return;
    this.#tabs.delete(id);
    if (code === SILENT) {
      this.#drop(SILENT);
      return;
    }
    for (const room of tab.rooms) this.#release(room);
    for (const match of tab.patterns) {
      if (!this.#isWatched(match))
        this.#ask({ op: 'unwatch', match }, { ...NOBODYS, op: 'unwatch' });
    }
    if (this.#tabs.size === 0) this.#timer = setTimeout(() => this.#drop(1000), LINGER_MS);
  }

  /** Whoever uses the hub ends. */
  end() {
    clearTimeout(this.#timer);
    this.#drop(1000);
  }

  /**
   * Ends receiving a room, unless a tab wants it.
   * @param {string} room
   */
  #release(room) {
    if (this.#isWanted(room)) return;
    this.#ask({ op: 'unsubscribe', room }, { ...NOBODYS, op: 'unsubscribe', room });
  }

  /** @param {string} match */
  #isWatched(match) {
    return [...this.#tabs.values()].some(({ patterns }) => patterns.has(match));
  }

  /** @param {string} room */
  #isWanted(room) {
    return [...this.#tabs.values()].some(({ rooms }) => rooms.has(room));
  }

  /**
   * @param {string} url
   * @param {string[]} [protocols]
   */
  #connect(url, protocols) {
    /** @type {any} */
    let socket;
    try {
      socket = protocols ? new this.#WebSocket(url, protocols) : new this.#WebSocket(url);
    } catch {
      this.#ended(1006, '');
      return;
    }
    this.#socket = socket;
    const isOurs = () => socket === this.#socket;
    socket.onmessage = (/** @type {any} */ event) => isOurs() && this.#heard(event.data);
    socket.onclose = (/** @type {any} */ event) =>
      isOurs() && this.#ended(event.code, event.reason);
    socket.onerror = () => {
      if (this.#hello === null) setTimeout(() => isOurs() && this.#ended(1006, ''), 0);
    };
  }

  /**
   * @param {Frame} frame
   * @param {Asked} asked
   */
  #ask(frame, asked) {
    this.#ref += 1;
    this.#asked.set(this.#ref, asked);
    this.#socket?.send(JSON.stringify({ ...frame, ref: this.#ref }));
  }

  /** @param {string} text */
  #heard(text) {
    const frame = JSON.parse(text);
    if (frame.type === undefined && frame.ref !== undefined) this.#answered(frame, text);
    else if (frame.type === 'hello' && this.#hello === null) {
      this.#hello = frame;
      this.#acceptedAt = performance.now();
      for (const id of this.#tabs.keys()) this.#welcome(id);
    } else {
      if (frame.type === 'upstream' && frame.rooms === undefined) this.#upstream = text;
      // Who is about to receive a room has no use for what comes before the answer: the relay repeats it.
      const isTaken = frame.id !== undefined && this.#isWanted(frame.room);
      for (const { post, rooms, patterns } of this.#tabs.values()) {
        if (!isTaken || rooms.has(frame.room) || patterns.size > 0) post({ data: text });
      }
    }
  }

  /** @param {string} id */
  #welcome(id) {
    const post = this.#tabs.get(id)?.post;
    if (!post || this.#hello === null) return;
    const { expires_in: expiresIn, ...hello } = this.#hello;
    // The token is older by now.
    const passedS = (performance.now() - this.#acceptedAt) / 1000;
    const left = expiresIn === undefined ? {} : { expires_in: Math.max(0, expiresIn - passedS) };
    post({ opened: true });
    post({ data: JSON.stringify({ ...hello, ...left }) });
    if (this.#upstream !== null) post({ data: this.#upstream });
  }

  /**
   * @param {Frame} frame
   * @param {string} text
   */
  #answered(frame, text) {
    const asked = this.#asked.get(frame.ref);
    if (!asked) {
      // It belongs to no request in particular.
      for (const { post } of this.#tabs.values()) post({ data: text });
      return;
    }
    this.#asked.delete(frame.ref);
    const tab = asked.tab === null ? undefined : this.#tabs.get(asked.tab);
    if (frame.ok) this.#note(asked, frame.ok, tab);
    tab?.post({ data: JSON.stringify({ ...frame, ref: asked.ref }) });
  }

  /**
   * Which tab receives which rooms by now.
   * @param {Asked} asked
   * @param {Frame} ok
   * @param {Tab|undefined} tab
   */
  #note({ op, room = '', match, over }, ok, tab) {
    /** Undefined: the tab has ended meanwhile, or wants it no longer. */
    const wanting = (/** @type {string} */ name) => (over?.has(name) ? undefined : tab);
    if (op === 'join' || op === 'subscribe') {
      this.#receives(wanting(room), room, ok);
    } else if (op === 'resume') {
      for (const [name, answer] of Object.entries(ok.rooms ?? {})) {
        if (!answer?.error) this.#receives(wanting(name), name, answer);
      }
    } else if (op === 'watch' && match !== undefined) {
      const wants = wanting(match);
      if (wants) wants.patterns.add(match);
      else if (!this.#isWatched(match))
        this.#ask({ op: 'unwatch', match }, { ...NOBODYS, op: 'unwatch' });
    } else if (op === 'auth' && this.#hello !== null) {
      this.#hello = { ...this.#hello, expires_in: ok.expires_in };
      this.#acceptedAt = performance.now();
    } else if (op === 'leave' || op === 'unsubscribe') {
      tab?.rooms.delete(room);
      // Others may go on reading, if the room lets them; or one has asked for it meanwhile.
      const gone = { type: 'gone', room, code: 'UNAVAILABLE', message: '', retry_ms: 0 };
      for (const other of this.#tabs.values()) {
        if (other.rooms.delete(room)) other.post({ data: JSON.stringify(gone) });
      }
    }
  }

  /**
   * The relay has begun a room.
   * @param {Tab|undefined} tab who wants it; undefined: not who asked
   * @param {string} room
   * @param {Frame} answer
   */
  #receives(tab, room, { last }) {
    const position = JSON.stringify({ type: 'position', room, last });
    for (const other of this.#tabs.values()) {
      if (other !== tab && other.rooms.has(room)) other.post({ data: position });
    }
    if (tab) tab.rooms.add(room);
    else this.#release(room);
  }

  /** @param {number} code */
  #drop(code) {
    const socket = this.#socket;
    this.#ended(1006, '');
    socket?.close(code);
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #ended(code, reason) {
    this.#socket = null;
    this.#hello = null;
    this.#upstream = null;
    this.#asked.clear();
    const tabs = [...this.#tabs.values()];
    this.#tabs.clear();
    for (const { post } of tabs) post({ closed: { code, reason } });
  }
}
