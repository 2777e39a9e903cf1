/**
 * What a socket does, over HTTP: for networks that let no socket through.
 *
 * The one idea: a stream of Server-Sent Events (`/v1/events`) brings what a socket receives, requests go
 * to `/v1`, and the rooms of a stream stand in its request. So to receive another room is to open the
 * stream anew, after the last event of each room. Whoever uses it sees a socket.
 *
 * It refuses to repeat a request: when one fails on its way, the stream ends, and who asked begins anew.
 */

import { own } from '../words/own.js';
import { httpUrl } from './address.js';
import { EXPIRED, SUSPENDED, UNAUTHORISED } from './close.js';

/** Requests in one batch; a relay takes no more. */
const BATCH_MOST = 32;
/** Rooms that are asked for one after the other are opened together. */
const GATHER_MS = 5;

/** A relay sends a comment every 15 seconds. A stream that is silent for three times as long is dead. */
const SILENCE_MS = 45_000;
/** A relay answers requests within 15 seconds, even while Redis is away. */
const POST_TIMEOUT_MS = 30_000;
/** Statuses with which a relay refuses the rooms of a stream: a name that none can have, or too many. */
const ROOM_REFUSED = new Set([400, 413]);

/** @typedef {Record<string, any>} Frame */

export class Stream {
  /** @type {(() => void)|null} */
  onopen = null;
  /** @type {((event: {data: string}) => void)|null} */
  onmessage = null;
  /** @type {((event: {code: number, reason: string}) => void)|null} */
  onclose = null;
  /** Called when anything comes, comments too. @type {(() => void)|null} */
  onalive = null;

  #url;
  #token;
  #fetch;
  /** room -> id of its last event; null: not known yet. @type {Map<string, string|null>} */
  #rooms = new Map();
  /** Requests whose answer is a room's first frame. @type {Map<string, any>} */
  #begins = new Map();
  /** Rooms that were added since the last `hello`, and who asked. @type {Map<string, (answer: Frame) => void>} */
  #fresh = new Map();
  /** Answers that the next `hello` brings. @type {((hello: Frame) => void)[]} */
  #atHello = [];
  /** @type {Frame[]} */
  #queue = [];
  #isPosting = false;
  #posts = new AbortController();
  /** As much a relay takes in one body. */
  #frameBytes = 65_536;
  #isGreeted = false;
  #isOver = false;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #silence;
  /** @type {AbortController|null} */
  #open = null;

  /**
   * @param {string} url of the socket
   * @param {string|null} token
   * @param {typeof globalThis.fetch} ask
   */
  constructor(url, token, ask) {
    this.#url = url;
    this.#token = token;
    this.#fetch = ask;
    this.#start();
  }

  get #isByCookie() {
    return this.#token === null && !new URL(this.#url).searchParams.has('user');
  }

  /** @param {string} text a request */
  send(text) {
    const frame = JSON.parse(text);
    const { op, ref, room, since = null } = frame;
    switch (op) {
      case 'subscribe':
        return this.#begin(room, since, ref);
      case 'resume':
        return this.#resume(ref, frame.rooms);
      case 'unsubscribe':
        this.#forget(room);
        return this.#say({ ref, ok: {} });
      case 'status':
        // A stream is online as long as it lasts.
        return this.#say({ ref, ok: {} });
      case 'auth':
        this.#token = frame.token;
        this.#atHello.push(({ expires_in }) => this.#say({ ref, ok: { expires_in } }));
        return this.#startSoon();
      default:
        return this.#post(frame);
    }
  }

  close() {
    this.#end(null);
  }

  // --- the stream --------------------------------------------------------------------------------

  #startSoon() {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#start();
    }, GATHER_MS);
  }

  async #start() {
    if (this.#isOver) return;
    this.#open?.abort();
    const open = new AbortController();
    this.#open = open;
    this.#heard();
    try {
      const response = await this.#ask(
        'v1/events',
        { rooms: Object.fromEntries(this.#rooms) },
        open,
      );
      if (open !== this.#open) return;
      if (!response.ok || !response.body) {
        if (this.#fresh.size > 0 && ROOM_REFUSED.has(response.status)) {
          await this.#refuseFresh(response);
        } else this.#end(await refusalClose(response));
        return;
      }
      this.onopen?.();
      await this.#read(response.body.getReader(), open);
      if (open === this.#open) this.#end({ code: 1006, reason: '' });
    } catch {
      if (open === this.#open) this.#end({ code: 1006, reason: '' });
    }
  }

  /**
   * The relay takes no stream with the rooms that were added: the others go on. Of several it does not say
   * which; each is to be asked for again by itself.
   * @param {Response} response
   */
  async #refuseFresh(response) {
    const { code = 'INVALID', detail: message, what } = await jsonOf(response);
    const refused = [...this.#fresh];
    const error = refused.length > 1 ? { code: 'UNAVAILABLE', message } : { code, message, what };
    this.#fresh.clear();
    for (const [room, answer] of refused) {
      this.#rooms.delete(room);
      this.#begins.delete(room);
      answer({ error });
    }
    this.#startSoon();
  }

  /**
   * @param {string} path
   * @param {unknown} body
   * @param {AbortController} [controller]
   */
  #ask(path, body, controller) {
    /** @type {Record<string, string>} */
    const headers = { 'Content-Type': 'application/json' };
    if (this.#token !== null) headers.Authorization = `Bearer ${this.#token}`;
    return this.#fetch(httpUrl(this.#url, path), {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
      cache: 'no-store',
      // Without a token, and without a name in the address, a cookie says who we are.
      credentials: this.#isByCookie ? 'include' : 'omit',
      signal: controller?.signal,
    });
  }

  /**
   * @param {ReadableStreamDefaultReader<Uint8Array>} reader
   * @param {AbortController} open
   */
  async #read(reader, open) {
    const decoder = new TextDecoder();
    let rest = '';
    let name = '';
    let data = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done || open !== this.#open) return;
      this.#heard();
      this.onalive?.();
      const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line.startsWith('data: ')) data += line.slice(6);
        else if (line.startsWith('event: ')) name = line.slice(7);
        else if (line === '') {
          if (data) this.#block(name, data);
          name = data = '';
        }
        if (open !== this.#open) return;
      }
    }
  }

  /** Answers to requests are no sign of life of the stream. */
  #heard() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#end({ code: 1006, reason: 'silent' }), SILENCE_MS);
  }

  /**
   * @param {string} name
   * @param {string} data
   */
  #block(name, data) {
    const frame = JSON.parse(data);
    if (name === 'close') {
      const { code, reason, ...more } = frame;
      this.#end({ code, reason: JSON.stringify({ reason, ...more }) });
    } else if (name === 'hello') this.#greeted(frame, data);
    else {
      const asked = this.#begins.get(frame.room);
      if (typeof frame.room === 'string' && this.#rooms.has(frame.room)) this.#note(frame);
      if (asked && (name === 'reload' || name === 'gone')) this.#began(asked, frame);
      else this.onmessage?.({ data });
    }
  }

  /**
   * @param {Frame} hello
   * @param {string} data
   */
  #greeted(hello, data) {
    const answers = this.#atHello.splice(0);
    this.#fresh.clear();
    this.#frameBytes = hello.limits?.frame ?? this.#frameBytes;
    if (!this.#isGreeted) {
      this.#isGreeted = true;
      this.onmessage?.({ data });
    }
    for (const answer of answers) answer(hello);
  }

  /**
   * Where a room stands after a frame.
   * @param {Frame} frame
   */
  #note({ room, type, id, last }) {
    if (type === 'gone') this.#rooms.delete(room);
    else if (type === 'reload' && last) this.#rooms.set(room, last);
    else if (id) this.#rooms.set(room, id);
  }

  // --- rooms -------------------------------------------------------------------------------------

  /**
   * @param {string} room
   * @param {string|null} since
   * @param {unknown} ref
   */
  #begin(room, since, ref) {
    this.#ask1(room, since, (answer) => this.#say({ ref, ...answer }));
    this.#startSoon();
  }

  /**
   * @param {string} room
   * @param {string|null} since
   * @param {(answer: Frame) => void} answer
   */
  #ask1(room, since, answer) {
    let isAnswered = false;
    const once = (/** @type {Frame} */ what) => {
      if (!isAnswered) answer(what);
      isAnswered = true;
    };
    this.#rooms.set(room, since);
    this.#fresh.set(room, once);
    if (since === null) this.#begins.set(room, once);
    else {
      // What came after the cursor follows as events; if that is not possible, `reload` does.
      const ok = { recovered: true, last: since, events: [], more: false };
      this.#atHello.push(() => once({ ok }));
    }
  }

  /**
   * @param {unknown} ref
   * @param {Record<string, string|null>} rooms
   */
  #resume(ref, rooms) {
    const names = Object.keys(rooms);
    /** @type {[string, any][]} */
    const answers = [];
    for (const name of names) {
      this.#ask1(name, own(rooms, name) ?? null, ({ ok, error }) => {
        answers.push([name, ok ?? { error }]);
        if (answers.length === names.length) {
          this.#say({ ref, ok: { rooms: Object.fromEntries(answers) } });
        }
      });
    }
    if (names.length === 0) this.#say({ ref, ok: { rooms: {} } });
    else this.#startSoon();
  }

  /**
   * @param {(answer: Frame) => void} answer
   * @param {Frame} frame `reload` or `gone`
   */
  #began(answer, { type, room, ...rest }) {
    this.#begins.delete(room);
    if (type === 'gone') answer({ error: rest });
    else answer({ ok: rest });
  }

  /** @param {string} room */
  #forget(room) {
    this.#begins.delete(room);
    if (this.#rooms.delete(room)) this.#startSoon();
  }

  // --- requests ----------------------------------------------------------------------------------

  /** @param {Frame} frame */
  #post(frame) {
    this.#queue.push(frame);
    this.#postMore();
  }

  /** One batch at a time: what is asked first is done first. */
  async #postMore() {
    if (this.#isPosting || this.#isOver) return;
    let bytes = 0;
    const fits = this.#queue.slice(0, BATCH_MOST).findIndex((frame, at) => {
      bytes += new TextEncoder().encode(JSON.stringify(frame)).length + 1;
      return at > 0 && bytes + 2 > this.#frameBytes;
    });
    const batch = this.#queue.splice(0, fits < 0 ? BATCH_MOST : fits);
    if (batch.length === 0) return;
    this.#isPosting = true;
    // What does not come back holds up all that is asked later.
    const timer = setTimeout(() => this.#end({ code: 1006, reason: '' }), POST_TIMEOUT_MS);
    try {
      const response = await this.#ask('v1', batch, this.#posts);
      if (this.#isOver) return;
      if (response.status === 401 || response.status === 403) {
        this.#end(await refusalClose(response));
        return;
      }
      const body = await response.json();
      if (response.ok) batch.forEach((frame, at) => void this.#answered(frame, body[at]));
      else {
        const { code = 'UNAVAILABLE', detail: message, what, retry_ms } = body;
        const error = { code, message, what, retry_ms };
        for (const { ref } of batch) this.#say({ ref, error });
      }
      this.#isPosting = false;
      this.#postMore();
    } catch {
      this.#end({ code: 1006, reason: '' });
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * @param {Frame} asked
   * @param {Frame} answer
   */
  #answered({ op, ref, room, since = null }, answer) {
    if (op === 'join' && answer.ok) this.#begin(room, since, ref);
    else {
      if (op === 'leave' && answer.ok) this.#forget(room);
      this.#say(answer);
    }
  }

  /** @param {Frame} frame */
  #say(frame) {
    // After the request was made, as a socket does it.
    queueMicrotask(() => {
      if (!this.#isOver) this.onmessage?.({ data: JSON.stringify(frame) });
    });
  }

  /** @param {{code: number, reason: string}|null} close null: ended from here */
  #end(close) {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#silence);
    this.#open?.abort();
    this.#open = null;
    this.#posts.abort();
    if (close) this.onclose?.(close);
  }
}

/**
 * What a refusal over HTTP would be as the close of a socket.
 * @param {Response} response
 */
async function refusalClose(response) {
  const body = await jsonOf(response);
  const { what, until_ms } = body;
  const { status } = response;
  const retryMs = Number(response.headers.get('Retry-After')) * 1000 || undefined;
  const reason = (/** @type {string} */ word) =>
    JSON.stringify({ reason: word, what, until_ms, retry_ms: body.retry_ms ?? retryMs });
  if (status === 401) {
    const isOver = what === 'expired' || what === 'revoked';
    return {
      code: isOver ? EXPIRED : UNAUTHORISED,
      reason: reason(isOver ? 'expired' : 'unauthorised'),
    };
  }
  if (status === 403 && body.code === 'BANNED')
    return { code: SUSPENDED, reason: reason('suspended') };
  if (status === 429 || status === 503) return { code: 4004, reason: reason('full') };
  return { code: 1006, reason: '' };
}

/**
 * The body of an answer; empty if it is not from a relay.
 * @param {Response} response
 * @returns {Promise<Frame>}
 */
async function jsonOf(response) {
  try {
    return (await response.json()) ?? {};
  } catch {
    return {};
  }
}
