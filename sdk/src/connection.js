/**
 * A connection to any one of several relays, opened anew whenever it is lost.
 *
 * The one idea: whoever uses it sees states, frames and answers, never sockets. Relays are tried in
 * turn with exponential backoff and full jitter, so that a thousand clients of a fallen relay do
 * not come back in step. A socket that fell silent is asked (`ping`) and, if it stays silent, given
 * up without waiting for TCP to notice.
 *
 * What a close code asks for is in close.js. With tokens (tokens.js) an attempt waits until there is
 * one. It goes in the subprotocol, so that no URL holds it.
 *
 * It refuses to know rooms and to repeat a request: what was unanswered when a socket was lost
 * fails with `LOST`, and who asked knows best what to do.
 */

import { backoffMs, isAboutToken, readClose, UNAUTHORISED } from './close.js';
import { ChatError } from './error.js';
import { refusalOf } from './refusal.js';
import { monotonicMs } from './time.js';
import { Tokens } from './tokens.js';

const SUBPROTOCOL = 'redis-chat.v1';
/** From the attempt to `hello`. */
const OPEN_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 15_000;
/** How long a pinged relay may stay silent; less when there is reason to doubt. */
const PONG_TIMEOUT_MS = 10_000;
const DOUBT_TIMEOUT_MS = 5000;
const PING_DEFAULT_MS = 25_000;
/** A connection that lived this long starts the backoff anew. */
const SETTLED_MS = 5000;

export class Connection {
  #urls;
  #next = 0;
  #WebSocket;
  #random;
  #fetch;
  #on;
  #socket = null;
  #attempt = 0;
  #user;
  #tokens = null;
  /** The attempt that waits for a token. */
  #waiting = null;
  #openedAt = 0;
  #heardAt = 0;
  #pingMs = PING_DEFAULT_MS;
  #timers = { retry: null, open: null, silence: null, pong: null };
  #ref = 0;
  #requests = new Map();

  /**
   * @param {object} options
   * @param {string[]} options.urls ready-made socket URLs, tried in turn
   * @param {typeof WebSocket} options.WebSocket
   * @param {() => number} [options.random]
   * @param {typeof fetch} [options.fetch] finds out why sockets fail; see refusal.js
   * @param {Function} [options.getToken] as in tokens.js; without it the URLs name the user
   * @param {string} options.user whom relays must know it as
   * @param {{state: Function, hello: Function, frame: Function}} options.on called when the status
   *   has changed; when a relay has greeted (then requests may be made); with each frame that is
   *   no answer
   */
  constructor({ urls, WebSocket, random = Math.random, fetch, getToken, user, on }) {
    this.#urls = urls;
    this.#WebSocket = WebSocket;
    this.#random = random;
    this.#fetch = fetch;
    this.#on = on;
    this.#user = user;
    if (getToken) {
      this.#tokens = new Tokens(getToken, random, { failed: (error) => this.#tokenFailed(error) });
    }
    /** See `ChatClient.status`. */
    this.status = {
      state: 'offline',
      url: null,
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
    if (this.status.state === 'connected') return this.check();
    if (this.#socket || this.#waiting) return undefined;
    return this.#try();
  }

  /** Ends the connection and all attempts. */
  close() {
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
   * @returns {Promise<object>} what `ok` holds
   * @throws {ChatError}
   */
  request(op, fields = {}, timeoutMs = REQUEST_TIMEOUT_MS) {
    if (this.status.state !== 'connected') {
      return Promise.reject(new ChatError('OFFLINE', 'Not connected'));
    }
    this.#ref += 1;
    const ref = this.#ref;
    const frame = JSON.stringify({ ref, op, ...fields });
    // A relay would close the connection over it, and again after each reconnection.
    const mostBytes = this.status.hello.limits?.frame ?? Infinity;
    if (frame.length * 3 > mostBytes && new TextEncoder().encode(frame).length > mostBytes) {
      return Promise.reject(new ChatError('TOOBIG', '', { max_bytes: mostBytes }));
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#requests.delete(ref);
        reject(new ChatError('TIMEOUT', 'The relay did not answer in time'));
      }, timeoutMs);
      this.#requests.set(ref, { resolve, reject, timer });
      this.#socket.send(frame);
    });
  }

  #set(change) {
    this.status = { ...this.status, ...change };
    this.#on.state();
  }

  #clear(...names) {
    for (const name of names) {
      clearTimeout(this.#timers[name]);
      this.#timers[name] = null;
    }
  }

  #try() {
    this.#clear('retry');
    this.#set({ state: 'connecting', attempt: this.#attempt, retryAt: null });
    if (this.#tokens === null) return this.#connect();
    const attempt = {};
    this.#waiting = attempt;
    const ours = (handle) => (value) => {
      if (attempt !== this.#waiting) return;
      this.#waiting = null;
      handle(value);
    };
    this.#tokens.forAttempt().then(
      ours((token) => this.#connect([SUBPROTOCOL, `bearer.${token}`])),
      ours((error) => {
        this.#set({ error });
        this.#again(0, this.status.close);
      }),
    );
    return undefined;
  }

  #connect(...protocols) {
    const url = this.#urls[this.#next % this.#urls.length];
    this.#next += 1;
    this.#set({ url });
    let socket;
    try {
      socket = new this.#WebSocket(url, ...protocols);
    } catch {
      return this.#lost(readClose(1006, ''));
    }
    this.#socket = socket;
    let greeted = false;
    let opened = false;
    socket.onopen = () => {
      opened = true;
    };
    const ours = (handle) => (event) => {
      if (socket === this.#socket) handle(event);
    };
    socket.onmessage = ours((event) => {
      this.#heard();
      const frame = parse(event.data);
      if (frame === null) return;
      if (frame.ref !== undefined && frame.type === undefined) this.#answer(frame);
      else if (frame.type === 'hello' && !greeted) {
        greeted = true;
        this.#greeted(frame);
      } else this.#on.frame(frame);
    });
    socket.onclose = ours((event) => {
      this.#socket = null;
      this.#lost(readClose(event.code, event.reason));
      if (!opened) this.#askWhy(url);
    });
    this.#timers.open = setTimeout(() => this.#giveUp(), OPEN_TIMEOUT_MS);
    return undefined;
  }

  /** No socket could be opened. Asked once for a round of all relays. */
  async #askWhy(url) {
    if (this.#attempt % this.#urls.length !== 0 || this.status.state !== 'connecting') return;
    const error = await refusalOf(url, this.#fetch);
    const { state, error: known } = this.status;
    if (state === 'connecting' && (known === null || known.code === 'REFUSED'))
      this.#set({ error });
  }

  #greeted(hello) {
    this.#clear('open');
    if (hello.user !== this.#user) {
      // Rooms and unsent lines of one user must not become another's.
      this.#drop(1000);
      this.#stop({ ...readClose(UNAUTHORISED, ''), name: 'unauthorised', what: 'user' });
      return;
    }
    this.#openedAt = monotonicMs();
    this.#pingMs = Number.isFinite(hello.ping_ms) ? hello.ping_ms : PING_DEFAULT_MS;
    this.#heard();
    const expiresIn = hello.expires_in ?? null;
    const error = this.status.error?.code === 'REFUSED' ? null : this.status.error;
    this.#set({ state: 'connected', close: null, hello, expiresIn, error });
    this.#tokens?.accepted(hello.expires_in, (token) => this.#renew(token));
    this.#on.hello();
  }

  /** Gives the relay the next token. */
  async #renew(token) {
    const { expires_in: expiresIn } = await this.request('auth', { token });
    this.#set({ expiresIn: expiresIn ?? null, error: null });
    return expiresIn;
  }

  #tokenFailed(error) {
    if (error !== this.status.error) this.#set({ error });
  }

  #heard() {
    this.#heardAt = monotonicMs();
    this.#clear('pong');
    if (this.#timers.silence === null) this.#watch(this.#pingMs * 1.5);
  }

  /** One timer for all frames: when it fires it looks how long the silence really was. */
  #watch(waitMs) {
    this.#timers.silence = setTimeout(() => {
      this.#timers.silence = null;
      const left = this.#heardAt + this.#pingMs * 1.5 - monotonicMs();
      if (left > 0) this.#watch(left);
      else this.#ping(PONG_TIMEOUT_MS);
    }, waitMs);
  }

  #ping(patienceMs) {
    if (this.#timers.pong !== null) return;
    this.#timers.pong = setTimeout(() => this.#giveUp(), patienceMs);
    this.request('ping', { ts: Date.now() }, patienceMs * 2).catch(() => {});
  }

  #answer(frame) {
    const request = this.#requests.get(frame.ref);
    if (!request) return;
    this.#requests.delete(frame.ref);
    clearTimeout(request.timer);
    if (frame.error) {
      const { code, message, ...details } = frame.error;
      request.reject(new ChatError(code, message, details));
    } else request.resolve(frame.ok ?? {});
  }

  /** The socket is dead, whatever it says. */
  #giveUp() {
    this.#drop(4000);
    this.#lost(readClose(1006, 'silent'));
  }

  #drop(code) {
    const socket = this.#socket;
    this.#socket = null;
    this.#waiting = null;
    this.#tokens?.stop();
    this.#clear('retry', 'open', 'silence', 'pong');
    this.#fail();
    if (socket) {
      try {
        socket.close(code);
      } catch {
        // A socket that cannot be closed is closed.
      }
    }
  }

  #fail() {
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    for (const { reject, timer } of requests) {
      clearTimeout(timer);
      reject(new ChatError('LOST', 'The connection was lost'));
    }
  }

  #lost(close) {
    this.#clear('open', 'silence', 'pong');
    this.#tokens?.stop();
    const lived = this.#openedAt > 0 && monotonicMs() - this.#openedAt >= SETTLED_MS;
    this.#openedAt = 0;
    if (lived) {
      this.#attempt = 0;
      this.#tokens?.settled();
    }
    let waitMs = close.final ? null : close.retryMs;
    if (this.#tokens !== null && isAboutToken(close)) waitMs = this.#tokens.refused(close);
    if (waitMs === null) {
      this.#stop(close);
      return;
    }
    this.#again(waitMs, { ...close, final: false });
    this.#fail();
  }

  /** Only somebody who puts something right can start anew. */
  #stop(close) {
    this.#tokens?.close();
    this.#set({ state: 'offline', retryAt: null, close });
    this.#fail();
  }

  /** The next attempt comes after a while. */
  #again(leastMs, close) {
    const waitMs = Math.max(leastMs, backoffMs(this.#attempt, this.#random));
    this.#attempt += 1;
    this.#timers.retry = setTimeout(() => this.#try(), waitMs);
    this.#set({ state: 'connecting', attempt: this.#attempt, retryAt: Date.now() + waitMs, close });
  }
}

function parse(text) {
  try {
    const frame = JSON.parse(text);
    return frame !== null && typeof frame === 'object' ? frame : null;
  } catch {
    return null;
  }
}
