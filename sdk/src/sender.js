/**
 * The lines of one room on their way to it.
 *
 * The one idea: a line is sent again, with its nonce, until the room's answer is known. Lines keep
 * their order: while one has to wait, so do those after it.
 *
 * It refuses to send while the room is not level with the relay: what is missing may contain them.
 */

import { ChatError } from './error.js';
import { isId } from './id.js';
import { monotonicMs } from './time.js';

/** Lines that may be unanswered at a time. */
const WINDOW = 16;
const SEND_TIMEOUT_MS = 60_000;
/** Pause before an operation is repeated that the relay could not serve just now. */
export const AGAIN_MS = 1000;
/** How long rooms know a nonce, if `hello` does not tell; meanwhile repeating is harmless. */
const NONCE_WINDOW_MS = 300_000;
/** The part of it that is relied on: clocks differ, frames travel. */
const NONCE_LIFE = 0.8;
/** The same request is served later: by the relay, or by Redis once it is not full, loading, … any more. */
const PASSING = new Set([
  'UNAVAILABLE',
  'TIMEOUT',
  'TRYAGAIN',
  'RATELIMIT',
  'OOM',
  'MISCONF',
  'NOREPLICAS',
  'LOADING',
  'BUSY',
  'READONLY',
  'MASTERDOWN',
  'CLUSTERDOWN',
]);

/** Whether the same request may succeed a little later. */
export const isPassing = (error) => PASSING.has(error.code);

/** Whether the request fell with its connection: the next one starts anew. */
export const isCut = (error) => error.code === 'LOST' || error.code === 'OFFLINE';

/** Some time around the pause that the relay asks for, or ours. */
export const pauseMs = (error) => (error.retryMs ?? AGAIN_MS) + Math.random() * AGAIN_MS;

/** Without the members that say nothing. */
export function compact(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value != null));
}

/** An error as it is kept with a line or a room. */
export function plain({ code, message, details }) {
  return { ...details, code, message };
}

export class Sender {
  #follow;
  #link;
  #pausedUntil = 0;
  #timer = null;

  /**
   * @param {import('./room/follow.js').Follow} follow the room
   * @param {object} link as in follow.js
   */
  constructor(follow, link) {
    this.#follow = follow;
    this.#link = link;
  }

  stop() {
    clearTimeout(this.#timer);
    this.#pausedUntil = 0;
  }

  /** Sends what may be sent now, in order. */
  flush() {
    if (!this.#follow.isLevel() || this.#pausedUntil > monotonicMs()) return;
    const lines = this.#link.outgoing
      .of(this.#follow.room.name)
      .filter((line) => line.state === 'pending' && line.acknowledged === null);
    let free = WINDOW - lines.filter((line) => line.inFlight).length;
    for (const line of lines) {
      if (line.inFlight) continue;
      if (free <= 0) break;
      free -= 1;
      this.#submit(line);
    }
  }

  /**
   * All that came since the cursor is known. A line so old that its nonce may be forgotten, and not
   * among it, was not stored: it may be sent as if for the first time.
   */
  nothingMissed() {
    for (const line of this.#link.outgoing.of(this.#follow.room.name)) {
      if (this.#isOld(line)) line.submitted = null;
    }
  }

  /** The room takes none of our lines any longer. */
  failAll(error) {
    for (const line of this.#link.outgoing.of(this.#follow.room.name)) this.#fail(line, error);
  }

  #submit(line) {
    // Unknown if it was stored, and the nonce may be forgotten: only the user can tell.
    if (this.#isOld(line)) {
      this.#fail(line, new ChatError('UNCONFIRMED', 'It is not known whether it arrived'));
      return;
    }
    line.inFlight = true;
    line.submitted ??= Date.now();
    if (line.retryAt !== null) {
      line.retryAt = null;
      line.waitsFor = null;
      this.#follow.changed([{ what: 'update', item: line }]);
    }
    this.#link.outgoing.save();
    const { room, text, nonce, meta, reply, mentions } = line;
    const kind = line.kind === 'text' ? null : line.kind;
    const fields = compact({ room, text, nonce, kind, meta, reply, mentions });
    this.#link.request('send', fields, SEND_TIMEOUT_MS).then(
      ({ id }) => {
        line.inFlight = false;
        if (isId(id) && line.id === null) this.#follow.acknowledged(line, id);
        this.flush();
      },
      (error) => {
        line.inFlight = false;
        if (line.id === null) this.#notSent(line, error);
      },
    );
  }

  #notSent(line, error) {
    if (isCut(error)) return;
    if (!isPassing(error)) {
      this.#fail(line, error);
      this.#follow.refusedToWrite(error);
      this.flush();
      return;
    }
    const waitMs = error.retryMs ?? pauseMs(error);
    line.retryAt = Date.now() + waitMs;
    line.waitsFor = error.code;
    this.#pausedUntil = Math.max(this.#pausedUntil, monotonicMs() + waitMs);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.#pausedUntil = 0;
        this.flush();
      },
      this.#pausedUntil - monotonicMs() + 10,
    );
    this.#follow.changed([{ what: 'update', item: line }]);
  }

  #fail(line, error) {
    Object.assign(line, { state: 'failed', error: plain(error), retryAt: null, local: false });
    this.#link.outgoing.save();
    this.#follow.changed([{ what: 'update', item: line }]);
  }

  #isOld(line) {
    const life = (this.#link.nonceWindowMs() ?? NONCE_WINDOW_MS) * NONCE_LIFE;
    return line.submitted !== null && Date.now() - line.submitted > life;
  }
}
