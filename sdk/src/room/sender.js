/**
 * The lines of one room on their way to it.
 *
 * The one idea: a line is sent again, with its nonce, until the room's answer is known. Lines keep
 * their order: while one has to wait, so do those after it.
 *
 * It refuses to send while the room is not level with the relay: what is missing may contain them.
 */

import { monotonicMs } from '../link/time.js';
import { ChatError, isCut, isPassing, pauseMs, plain } from '../words/error.js';
import { isId } from '../words/id.js';

/** Lines that may be unanswered at a time. */
const WINDOW = 16;
const SEND_TIMEOUT_MS = 60_000;
/** How long rooms know a nonce, if `hello` does not tell; meanwhile repeating is harmless. */
const NONCE_WINDOW_MS = 300_000;
/** The part of it that is relied on: clocks differ, frames travel. */
const NONCE_LIFE = 0.8;

/** @typedef {import('./line.js').Line} Line */

/**
 * Without the members that say nothing.
 * @param {Record<string, any>} fields
 * @returns {Record<string, any>}
 */
export function compact(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value != null));
}

export class Sender {
  #follow;
  #link;
  #pausedUntil = 0;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;

  /**
   * @param {import('./follow.js').Follow} follow the room
   * @param {import('./follow.js').Link} link
   */
  constructor(follow, link) {
    this.#follow = follow;
    this.#link = link;
    for (const line of this.#lines()) line.belongsTo(this);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#pausedUntil = 0;
  }

  #lines() {
    return this.#link.outgoing.of(this.#follow.room.name);
  }

  /** Sends what may be sent now, in order. */
  flush() {
    if (!this.#follow.isLevel() || this.#pausedUntil > monotonicMs()) return;
    const lines = this.#lines().filter(
      (line) => line.state === 'pending' && line.acknowledged === null,
    );
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
    for (const line of this.#lines()) if (this.#isOld(line)) line.submitted = null;
  }

  /**
   * The room takes none of our lines any longer. Those that it has are stored.
   * @param {ChatError} error
   */
  failAll(error) {
    for (const line of this.#lines()) if (line.acknowledged === null) this.#fail(line, error);
  }

  /**
   * Takes a line back: one that failed, or that was never sent.
   * @param {Line} line
   */
  cancel(line) {
    const isUnsent = line.state === 'pending' && line.submitted === null;
    if (!isUnsent && line.state !== 'failed') return false;
    this.#link.outgoing.remove(line);
    line.state = 'cancelled';
    line.fail(new ChatError('CANCELLED', 'The line was taken back'));
    this.#follow.changed(this.#follow.room.removeLine(line.nonce));
    return true;
  }

  /**
   * Sends a failed line again, as the same line.
   * @param {Line} line
   */
  retry(line) {
    if (line.state !== 'failed') return false;
    Object.assign(line, { state: 'pending', error: null, submitted: null });
    this.#link.outgoing.save();
    this.#follow.changed([{ what: 'update', item: line }]);
    this.#follow.sendSoon();
    return true;
  }

  /** @param {Line} line */
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
    this.#link.request('send', fields, { timeoutMs: SEND_TIMEOUT_MS }).then(
      ({ id }) => {
        line.inFlight = false;
        if (isId(id) && line.id === null) this.#follow.acknowledged(line, id);
        line.settle(id ?? null);
        this.flush();
      },
      (error) => {
        line.inFlight = false;
        if (line.id === null) this.#notSent(line, error);
      },
    );
  }

  /**
   * @param {Line} line
   * @param {ChatError} error
   */
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

  /**
   * @param {Line} line
   * @param {ChatError} error
   */
  #fail(line, error) {
    Object.assign(line, { state: 'failed', error: plain(error), retryAt: null, local: false });
    this.#link.outgoing.save();
    line.fail(error);
    this.#follow.changed([{ what: 'update', item: line }]);
  }

  /**
   * Whether its nonce may be forgotten. A clock that was set back tells nothing.
   * @param {Line} line
   */
  #isOld(line) {
    if (line.submitted === null) return false;
    const life = (this.#link.nonceWindowMs() ?? NONCE_WINDOW_MS) * NONCE_LIFE;
    const age = Date.now() - line.submitted;
    return age > life || age < 0;
  }
}
