/**
 * A connection to any one of several relays, opened anew whenever it is lost.
 *
 * The one idea: whoever uses it sees states, frames and answers, never sockets. Relays are tried in
 * turn; after a round in which none answered comes a wait, with exponential backoff and full jitter,
 * so that a thousand clients of a fallen relay do not come back in step. A socket that fell silent is
 * asked (`ping`) and, if it stays silent, given up without waiting for TCP to notice. Where no socket
 * gets through, a stream over HTTP (stream.js) takes its place.
 *
 * What a close code asks for is in close.js. With tokens (tokens.js) an attempt waits until there is
 * one. It goes in the subprotocol, so that no URL holds it.
 *
 * It refuses to know rooms and to repeat a request: what was unanswered when a socket was lost
 * fails with `LOST`, and who asked knows best what to do.
 */

import { ChatError } from '../words/error.js';
import { bounded } from '../words/wait.js';
import { backoffMs, isAboutToken, readClose, UNAUTHORISED } from './close.js';
import { refusalOf } from './refusal.js';
import { Stream } from './stream.js';
import { monotonicMs } from './time.js';
import { Tokens } from './tokens.js';

const SUBPROTOCOL = 'redis-chat.v1';
/** From the attempt to `hello`. */
const OPEN_TIMEOUT_MS = 10_000;
const STREAM_TIMEOUT_MS = 5000;
/** While there is a stream, a socket is tried this often. */
const SOCKET_EVERY_MS = 5 * 60_000;
const REQUEST_TIMEOUT_MS = 15_000;
/** How long a pinged relay may stay silent; less when there is reason to doubt. */
const PONG_TIMEOUT_MS = 10_000;
const DOUBT_TIMEOUT_MS = 5000;
const PING_DEFAULT_MS = 25_000;
/** A connection that lived this long starts the backoff anew. */
const SETTLED_MS = 5000;
/** Nothing has answered at all. */
const NOBODY = 1006;

/** @typedef {import('../words/types.js').Status} Status */
/** @typedef {import('../words/types.js').CloseInfo} CloseInfo */
/** @typedef {import('../words/types.js').CallOptions} CallOptions */
/** @typedef {Record<string, any>} Frame */
/** @typedef {ReturnType<typeof setTimeout>} Timer */

/**
 * What there is of a socket.
 * @typedef {object} SocketLike
 * @property {((event: any) => void)|null} onopen
 * @property {((event: any) => void)|null} onmessage
 * @property {((event: any) => void)|null} onclose
 * @property {((event: any) => void)|null} [onerror]
 * @property {(() => void)|null} [onalive]
 * @property {(text: string) => void} send
 * @property {(code?: number) => void} close
 * @typedef {new (url: string, protocols?: string[]) => any} SocketClass
 */

export class Connection {
  #urls;
  #next = 0;
  #WebSocket;
  #random;
  /** @type {typeof globalThis.fetch|null} */
  #fetch;
  #on;
  /** @type {SocketLike|null} */
  #socket = null;
  #attempt = 0;
  /** Waits in a row: one for each round of all relays. */
  #waits = 0;
  /** @type {string|null} */
  #user;
  /** @type {Tokens|null} */
  #tokens = null;
  /** The token of this attempt. @type {string|null} */
  #token = null;
  /** The attempt that has no socket yet. @type {object|null} */
  #waiting = null;
  #openedAt = 0;
  #heardAt = 0;
  #pingMs = PING_DEFAULT_MS;
  /** @type {Record<'retry'|'open'|'silence'|'pong'|'probe', Timer|null>} */
  #timers = { retry: null, open: null, silence: null, pong: null, probe: null };
  /** Ends the look for a socket, while there is one. @type {(() => void)|null} */
  #endProbe = null;
  #ref = 0;
  /** @type {Map<number, {resolve: (ok: any) => void, reject: (error: ChatError) => void}>} */
  #requests = new Map();

  /**
   * @param {object} options
   * @param {string[]} options.urls ready-made socket URLs, tried in turn
   * @param {SocketClass} options.WebSocket
   * @param {() => number} [options.random]
   * @param {typeof globalThis.fetch|null} [options.fetch] opens streams, and finds out why sockets fail
   * @param {import('./tokens.js').GetToken} [options.getToken] without it the URLs name the user
   * @param {string|null} options.user whom relays must know it as; null: the first one tells
   * @param {{state: () => void, known: (user: string) => void, hello: (hello: Frame) => void, frame: (frame: Frame) => void}} options.on
   *   called when the status has changed; when a relay has said who we are; when a relay has greeted (then requests may be made);
   *   with each frame that is no answer
   */
  constructor({ urls, WebSocket, random = Math.random, fetch = null, getToken, user, on }) {
    this.#urls = urls;
    this.#WebSocket = WebSocket;
    this.#random = random;
    this.#fetch = fetch;
    this.#on = on;
    this.#user = user;
    if (getToken) {
      this.#tokens = new Tokens(getToken, random, { failed: (error) => this.#tokenFailed(error) });
    }
    /** @type {Status} */
    this.status = {
      state: 'offline',
      url: null,
      transport: 'socket',
      relay: null,
      attempt: 0,
      retryAt: null,
      close: null,
      hello: null,
      error: null,
      expiresIn: null,
    };
  }

  /** Starts, or cuts the wait for the next attempt short. */
  open() {
    if (this.status.state === 'connected') this.check();
    else if (!this.#socket && !this.#waiting) {
      if (this.status.state === 'offline') this.status = { ...this.status, close: null };
      this.#try();
    }
  }

  /** Ends the connection and all attempts. */
  close() {
    this.#fail('CLOSED', 'The client was closed');
    this.#drop(1000);
    this.#tokens?.close();
    this.#set({ state: 'offline', retryAt: null, close: null, error: null });
  }

  /** There is reason to doubt the connection (network changed, page woke up): ask now. */
  check() {
    if (this.status.state === 'connected') this.#ping(DOUBT_TIMEOUT_MS);
    else if (this.#timers.retry !== null) this.#try();
  }

  /**
   * Asks the relay. Answers are handled before any later frame is.
   * @param {string} op
   * @param {Frame} [fields]
   * @param {CallOptions} [options]
   * @returns {Promise<any>} what `ok` holds
   * @throws {ChatError}
   */
  request(op, fields = {}, { timeoutMs = REQUEST_TIMEOUT_MS, signal } = {}) {
    const socket = this.#socket;
    if (this.status.state !== 'connected' || socket === null) {
      return Promise.reject(new ChatError('OFFLINE', 'Not connected'));
    }
    if (signal?.aborted) return Promise.reject(signal.reason);
    this.#ref += 1;
    const ref = this.#ref;
    let frame;
    try {
      frame = JSON.stringify({ ref, op, ...fields });
    } catch (error) {
      return Promise.reject(new ChatError('INVALID', `no JSON: ${error}`, { what: 'json' }));
    }
    // A relay would close the connection over it, and again after each reconnection.
    const mostBytes = this.status.hello?.limits?.frame ?? Infinity;
    if (frame.length * 3 > mostBytes && new TextEncoder().encode(frame).length > mostBytes) {
      return Promise.reject(new ChatError('TOOBIG', '', { max_bytes: mostBytes }));
    }
    const answer = new Promise((resolve, reject) => {
      this.#requests.set(ref, { resolve, reject });
      socket.send(frame);
    });
    return bounded(answer, { timeoutMs, signal }, () => this.#requests.delete(ref));
  }

  /** @param {Partial<Status>} change */
  #set(change) {
    this.status = { ...this.status, ...change };
    this.#on.state();
  }

  /** @param {('retry'|'open'|'silence'|'pong'|'probe')[]} names */
  #clear(...names) {
    for (const name of names) {
      clearTimeout(this.#timers[name] ?? undefined);
      this.#timers[name] = null;
    }
  }

  #try() {
    this.#clear('retry');
    const attempt = {};
    this.#waiting = attempt;
    // Who hears of a change may have closed the connection since.
    const isOurs = () => attempt === this.#waiting;
    this.#set({ state: 'connecting', attempt: this.#attempt, retryAt: null });
    if (!isOurs()) return;
    const connect = () => {
      const url = /** @type {string} */ (this.#urls[this.#next % this.#urls.length]);
      this.#next += 1;
      this.#set({ url, transport: 'socket' });
      if (isOurs()) this.#connect(url);
    };
    if (this.#tokens === null) {
      connect();
      return;
    }
    this.#tokens.forAttempt().then(
      (token) => {
        if (!isOurs()) return;
        this.#token = token;
        connect();
      },
      (error) => {
        if (isOurs()) this.#set({ error });
        if (!isOurs()) return;
        this.#waiting = null;
        this.#again(0, this.status.close);
      },
    );
  }

  /** @param {string} url */
  #connect(url) {
    this.#waiting = null;
    let socket;
    try {
      socket = this.#makeSocket(url);
    } catch {
      this.#noSocket(url, readClose(NOBODY, ''));
      return;
    }
    this.#use(socket, OPEN_TIMEOUT_MS, (close) => this.#noSocket(url, close));
  }

  /** @param {string} url @returns {SocketLike} */
  #makeSocket(url) {
    return this.#token === null
      ? new this.#WebSocket(url)
      : new this.#WebSocket(url, [SUBPROTOCOL, `bearer.${this.#token}`]);
  }

  /**
   * Speaks over a socket, or over what looks like one.
   * @param {SocketLike} socket
   * @param {number} timeoutMs until its `hello`
   * @param {(close: CloseInfo) => void} failed it has ended before its `hello`
   */
  #use(socket, timeoutMs, failed) {
    this.#socket = socket;
    let isGreeted = false;
    const isOurs = () => socket === this.#socket;
    const ended = (/** @type {number} */ code, /** @type {string} */ reason) => {
      if (!isOurs()) return;
      this.#socket = null;
      this.#clear('open');
      const close = readClose(code, reason);
      if (isGreeted) this.#lost(close);
      else failed(close);
    };
    socket.onmessage = (event) => {
      if (!isOurs()) return;
      const frame = parse(event.data);
      this.#heard();
      if (frame === null) return;
      if (frame.ref !== undefined && frame.type === undefined) this.#answer(frame);
      else if (frame.type === 'hello' && !isGreeted) {
        isGreeted = true;
        this.#greeted(frame);
      } else this.#on.frame(frame);
    };
    socket.onalive = () => {
      if (isOurs() && isGreeted) this.#heard();
    };
    socket.onclose = (event) => ended(event.code, event.reason);
    // A refused connection is an error to Node before it is an end, and in some versions only that.
    socket.onerror = () => {
      if (!isGreeted) setTimeout(() => ended(NOBODY, ''), 0);
    };
    this.#timers.open = setTimeout(() => {
      if (!isOurs()) return;
      socket.close(4000);
      ended(NOBODY, 'silent');
    }, timeoutMs);
  }

  /**
   * There is no socket to be had. If no relay has refused it, a stream may get through.
   * @param {string} url
   * @param {CloseInfo} close
   */
  #noSocket(url, close) {
    if (close.code >= 4000 || this.#fetch === null || this.status.state !== 'connecting') {
      this.#lost(close, true);
      return;
    }
    this.#use(new Stream(url, this.#token, this.#fetch), STREAM_TIMEOUT_MS, (why) => {
      this.#lost(why, true);
      if (why.code < 4000) this.#askWhy(url);
    });
    this.#set({ transport: 'stream' });
  }

  /**
   * Nothing could be opened. Asked once for a round of all relays.
   * @param {string} url
   */
  async #askWhy(url) {
    if (this.#attempt % this.#urls.length !== 0 || this.status.state !== 'connecting') return;
    const error = await refusalOf(url, this.#fetch);
    const { state, error: known } = this.status;
    if (state === 'connecting' && (known === null || known.code === 'REFUSED')) {
      this.#set({ error });
    }
  }

  /** @param {Frame} hello */
  #greeted(hello) {
    this.#clear('open');
    if (this.#user !== null && hello.user !== this.#user) {
      // Rooms and unsent lines of one user must not become another's.
      this.#drop(1000);
      this.#stop({ ...readClose(UNAUTHORISED, ''), name: 'unauthorised', what: 'user' });
      return;
    }
    this.#user = hello.user;
    this.#openedAt = monotonicMs();
    this.#pingMs = Number.isFinite(hello.ping_ms) ? hello.ping_ms : PING_DEFAULT_MS;
    // Not by what was assumed before the relay said it.
    this.#clear('silence');
    this.#heard();
    const expiresIn = hello.expires_in ?? null;
    const error = this.status.error?.code === 'REFUSED' ? null : this.status.error;
    const relay = hello.relay ?? null;
    const socket = this.#socket;
    this.#on.known(hello.user);
    if (socket !== this.#socket) return;
    this.#set({ state: 'connected', close: null, hello, relay, expiresIn, error });
    // Who heard of it may have closed the connection.
    if (socket !== this.#socket) return;
    this.#tokens?.accepted(hello.expires_in, (token) => this.#renew(token));
    if (this.status.transport === 'stream') this.#probeLater();
    this.#on.hello(hello);
  }

  #probeLater() {
    this.#timers.probe = setTimeout(() => this.#probe(), SOCKET_EVERY_MS);
  }

  /** Whether a socket gets through by now: then it takes the place of the stream. */
  #probe() {
    /** @type {SocketLike} */
    let socket;
    try {
      socket = this.#makeSocket(/** @type {string} */ (this.status.url));
    } catch {
      this.#probeLater();
      return;
    }
    const forget = () => {
      clearTimeout(timer);
      this.#endProbe = null;
      socket.onmessage = socket.onclose = null;
      // Errors of a socket that is closed early are nobody's.
      socket.onerror = () => {};
      socket.close(1000);
    };
    const end = (/** @type {boolean} */ isThere) => {
      forget();
      if (!isThere) {
        this.#probeLater();
        return;
      }
      this.#drop(1000);
      this.#next -= 1;
      this.#try();
    };
    const timer = setTimeout(() => end(false), OPEN_TIMEOUT_MS);
    socket.onmessage = () => end(true);
    socket.onclose = () => end(false);
    socket.onerror = () => end(false);
    this.#endProbe = forget;
  }

  /**
   * Gives the relay the next token.
   * @param {string} token
   * @returns {Promise<number|undefined>}
   */
  async #renew(token) {
    const { expires_in: expiresIn } = await this.request('auth', { token });
    this.#token = token;
    this.#set({ expiresIn: expiresIn ?? null, error: null });
    return expiresIn;
  }

  /** @param {ChatError|null} error */
  #tokenFailed(error) {
    if (error !== this.status.error) this.#set({ error });
  }

  #heard() {
    this.#heardAt = monotonicMs();
    this.#clear('pong');
    if (this.#timers.silence === null) this.#watch(this.#pingMs * 1.5);
  }

  /**
   * One timer for all frames: when it fires it looks how long the silence really was.
   * @param {number} waitMs
   */
  #watch(waitMs) {
    this.#timers.silence = setTimeout(() => {
      this.#timers.silence = null;
      const left = this.#heardAt + this.#pingMs * 1.5 - monotonicMs();
      if (left > 0) this.#watch(left);
      else this.#ping(PONG_TIMEOUT_MS);
    }, waitMs);
  }

  /** @param {number} patienceMs */
  #ping(patienceMs) {
    if (this.#timers.pong !== null) return;
    this.#timers.pong = setTimeout(() => this.#giveUp(), patienceMs);
    this.request('ping', { ts: Date.now() }, { timeoutMs: patienceMs * 2 }).catch(() => {});
  }

  /** @param {Frame} frame */
  #answer(frame) {
    const request = this.#requests.get(frame.ref);
    if (!request) return;
    this.#requests.delete(frame.ref);
    if (frame.error) {
      const { code, message, ...details } = frame.error;
      request.reject(new ChatError(code, message, details));
    } else request.resolve(frame.ok ?? {});
  }

  /** The socket is dead, whatever it says. */
  #giveUp() {
    this.#drop(4000);
    this.#lost(readClose(NOBODY, 'silent'));
  }

  /** @param {number} code */
  #drop(code) {
    const socket = this.#socket;
    this.#socket = null;
    this.#waiting = null;
    this.#tokens?.stop();
    this.#clear('retry', 'open', 'silence', 'pong', 'probe');
    this.#endProbe?.();
    this.#fail();
    if (socket) {
      try {
        socket.close(code);
      } catch {
        // A socket that cannot be closed is closed.
      }
    }
  }

  /**
   * Nothing that was asked is answered any longer.
   * @param {string} [code]
   * @param {string} [message]
   */
  #fail(code = 'LOST', message = 'The connection was lost') {
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    for (const { reject } of requests) reject(new ChatError(code, message));
  }

  /**
   * @param {CloseInfo} close
   * @param {boolean} [neverOpened]
   */
  #lost(close, neverOpened = false) {
    this.#clear('open', 'silence', 'pong', 'probe');
    this.#endProbe?.();
    this.#tokens?.stop();
    const lived = this.#openedAt > 0 && monotonicMs() - this.#openedAt >= SETTLED_MS;
    this.#openedAt = 0;
    if (lived) {
      this.#attempt = this.#waits = 0;
      this.#tokens?.settled();
    }
    /** @type {number|null} */
    let waitMs = close.final ? null : close.retryMs;
    if (this.#tokens !== null && isAboutToken(close)) waitMs = this.#tokens.refused(close);
    if (waitMs === null) {
      this.#stop(close);
      return;
    }
    // All who were connected must not come at once; who found nobody may look at the next one.
    const isMidRound = this.#next % this.#urls.length !== 0;
    const isNextAtOnce = neverOpened && isMidRound && close.code === NOBODY;
    this.#again(isNextAtOnce ? null : waitMs, { ...close, final: false });
    this.#fail();
  }

  /**
   * Only somebody who puts something right can start anew.
   * @param {CloseInfo} close
   */
  #stop(close) {
    this.#tokens?.close();
    this.#set({ state: 'offline', retryAt: null, close });
    this.#fail();
  }

  /**
   * The next attempt comes after a while.
   * @param {number|null} leastMs null: at once
   * @param {CloseInfo|null} close
   */
  #again(leastMs, close) {
    let waitMs = 0;
    if (leastMs !== null) {
      waitMs = Math.max(leastMs, backoffMs(this.#waits, this.#random));
      this.#waits += 1;
    }
    this.#attempt += 1;
    this.#timers.retry = setTimeout(() => this.#try(), waitMs);
    this.#set({
      state: 'connecting',
      attempt: this.#attempt,
      retryAt: Date.now() + waitMs,
      close,
      relay: null,
    });
  }
}

/** @param {string} text @returns {Frame|null} */
function parse(text) {
  try {
    const frame = JSON.parse(text);
    return frame !== null && typeof frame === 'object' ? frame : null;
  } catch {
    return null;
  }
}
