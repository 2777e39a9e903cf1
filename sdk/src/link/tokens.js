/**
 * The token that proves who this user is: got from the application, replaced before it ends.
 *
 * The one idea: the application is asked in time and never twice at once. What it gave is kept
 * until it is about to end or a relay refuses it; a relay that accepts it says for how long.
 *
 * It refuses to read tokens: what is in them is between the application and the relay.
 */

import { ChatError } from '../words/error.js';
import { backoffMs } from './close.js';

/** A token that ends sooner is replaced; of a short one, at half of its life. */
const MARGIN_MS = 30_000;
/** Between two questions that nobody waits for. */
const APART_MS = 5000;
/** The application has so long to answer. */
const ANSWER_TIMEOUT_MS = 30_000;
/** Longer timers fire at once. */
const STEP_MOST_MS = 86_400_000;
/** A token issued in the second of a revocation is revoked too. */
const REVOKED_WAIT_MS = 1100;
/** What the name of a subprotocol may hold. */
const TOKEN = /^[\w.~+-]+$/;

/** @typedef {(why: {reason: string, signal: AbortSignal}) => Promise<string>} GetToken */
/** @typedef {{monotonic: number, wall: number}} Reading */
/** @typedef {(token: string) => Promise<number|undefined>} Renew */

/**
 * Milliseconds since `reading`: by the clock that counted more, as one may stand still in sleep.
 * @param {Reading} reading
 */
function since(reading) {
  return Math.max(performance.now() - reading.monotonic, Date.now() - reading.wall);
}

const readClocks = () => ({ monotonic: performance.now(), wall: Date.now() });

export class Tokens {
  #getToken;
  #random;
  #on;
  /** @type {string|null} */
  #token = null;
  /** Why the application is asked next. */
  #reason = 'start';
  /**
   * When the token was accepted, and how long after that it is replaced.
   * @type {{at: Reading, renewAfterMs: number}|null}
   */
  #accepted = null;
  /** @type {Promise<string>|null} */
  #asking = null;
  /** Ends the question. @type {(() => void)|null} */
  #abort = null;
  /** @type {Reading|null} */
  #askedAt = null;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  /** Failures of renewing in a row. */
  #failures = 0;
  /** The refusals that the application has answered with a fresh token. @type {Set<string>} */
  #refusals = new Set();
  /** Changes whenever the socket does: who waits across that is no longer meant. @type {object|null} */
  #socket = null;

  /**
   * @param {GetToken} getToken
   * @param {() => number} random
   * @param {{failed: (error: ChatError|null) => void}} on called when no token came; null: one did
   */
  constructor(getToken, random, on) {
    this.#getToken = getToken;
    this.#random = random;
    this.#on = on;
  }

  /**
   * The token for an attempt: the one at hand, unless it is about to end.
   * @returns {Promise<string>}
   * @throws {ChatError} `TOKEN`
   */
  forAttempt() {
    if (this.#token !== null && !this.#isDue()) return Promise.resolve(this.#token);
    return this.#ask();
  }

  /**
   * A relay has accepted the token, which ends in `expiresIn` seconds (undefined: never). In time
   * the application is asked for the next one, and `renew` gives it to the relay.
   * @param {number|undefined} expiresIn
   * @param {Renew} renew returns the next `expiresIn`
   */
  accepted(expiresIn, renew) {
    this.stop();
    if (expiresIn === undefined || !Number.isFinite(expiresIn)) {
      this.#accepted = null;
      return;
    }
    const lifeMs = Math.max(0, expiresIn * 1000);
    const renewAfterMs = Math.max(lifeMs - MARGIN_MS, lifeMs / 2);
    this.#accepted = { at: readClocks(), renewAfterMs };
    const socket = {};
    this.#socket = socket;
    this.#renewWhenDue(socket, renew);
  }

  /**
   * A relay has closed the socket because of the token. Returns the milliseconds after which a
   * fresh one may be let in; null: the application's fresh token was refused for the same reason.
   * @param {import('../words/types.js').CloseInfo} close
   */
  refused({ code, what }) {
    this.#token = null;
    this.#accepted = null;
    const refusal = `${code} ${what}`;
    if (this.#refusals.has(refusal)) return null;
    this.#refusals.add(refusal);
    if (what === 'revoked' || what === 'expired') this.#reason = what;
    else this.#reason = 'refused';
    return what === 'revoked' ? REVOKED_WAIT_MS : 0;
  }

  /** A relay has served with the token for a while: a later refusal is a new one. */
  settled() {
    this.#refusals.clear();
  }

  /** The socket is gone: nothing is renewed. */
  stop() {
    clearTimeout(this.#timer);
    this.#socket = null;
  }

  /** Nobody waits for a token any longer. What was refused may be tried again. */
  close() {
    this.stop();
    this.#refusals.clear();
    this.#abort?.();
    this.#asking?.catch(() => {});
    this.#asking = null;
  }

  #isDue() {
    return this.#dueInMs() <= 0;
  }

  /** Until the token is replaced; infinite: it does not end, or nobody knows. */
  #dueInMs() {
    if (this.#accepted === null) return Infinity;
    return this.#accepted.renewAfterMs - since(this.#accepted.at);
  }

  /**
   * @param {object} socket
   * @param {Renew} renew
   */
  #renewWhenDue(socket, renew) {
    const apartMs = this.#askedAt === null ? 0 : APART_MS - since(this.#askedAt);
    const waitMs = Math.max(this.#dueInMs(), apartMs);
    this.#timer = setTimeout(
      () => {
        // Timers may fire early, and long ones fire in steps.
        if (this.#dueInMs() > 0) this.#renewWhenDue(socket, renew);
        else this.#renew(socket, renew);
      },
      Math.min(waitMs, STEP_MOST_MS),
    );
  }

  /**
   * @param {object} socket
   * @param {Renew} renew
   */
  async #renew(socket, renew) {
    try {
      const token = await this.#ask();
      if (socket !== this.#socket) return;
      const expiresIn = await renew(token);
      if (socket !== this.#socket) return;
      this.#failures = 0;
      this.accepted(expiresIn, renew);
    } catch (error) {
      if (socket !== this.#socket) return;
      this.#on.failed(/** @type {ChatError} */ (error));
      this.#failures += 1;
      const waitMs = Math.max(APART_MS, backoffMs(this.#failures, this.#random));
      this.#timer = setTimeout(() => this.#renew(socket, renew), waitMs);
    }
  }

  /** Asks the application. Who asks meanwhile gets the same answer. @returns {Promise<string>} */
  #ask() {
    if (this.#asking === null) {
      const asking = this.#call().finally(() => {
        if (this.#asking === asking) this.#asking = null;
      });
      this.#asking = asking;
    }
    return this.#asking;
  }

  async #call() {
    this.#askedAt = readClocks();
    const controller = new AbortController();
    /** @type {() => void} */
    let abort = () => {};
    /** @type {Promise<never>} */
    const ended = new Promise((_, reject) => {
      abort = () => {
        reject(new ChatError('TOKEN', 'The application gave no token in time'));
        controller.abort();
      };
    });
    this.#abort = abort;
    const timer = setTimeout(abort, ANSWER_TIMEOUT_MS);
    try {
      const answer = this.#getToken({ reason: this.#reason, signal: controller.signal });
      const token = await Promise.race([answer, ended]);
      if (typeof token !== 'string' || !TOKEN.test(token)) {
        throw new ChatError('TOKEN', 'What the application gave is no token');
      }
      this.#token = token;
      this.#accepted = null;
      this.#reason = 'ending';
      this.#on.failed(null);
      return token;
    } catch (error) {
      if (error instanceof ChatError) throw error;
      const why = `The application gave no token: ${error instanceof Error ? error.message : error}`;
      throw Object.assign(new ChatError('TOKEN', why), { cause: error });
    } finally {
      clearTimeout(timer);
      // A later question has its own.
      if (this.#abort === abort) this.#abort = null;
    }
  }
}
