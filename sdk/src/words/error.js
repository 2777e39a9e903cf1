/**
 * Why an operation did not succeed.
 *
 * The one idea: one class for all, told apart by `code`; a table says what each code asks for.
 */

/** The same request may succeed later: the relay or Redis cannot serve it now. */
const WAITS = [
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
];
/** The request fell with its connection, or there is none, and why. */
const CUT = ['LOST', 'OFFLINE', 'TOKEN', 'REFUSED'];
/** The room can not be read any longer, or is not there. */
const ENDS_ROOM = ['NOTMEMBER', 'KICKED', 'BANNED', 'NOROOM', 'LEFT', 'ENDED', 'NEW'];

/** @param {string} code */
export function kindOf(code) {
  if (WAITS.includes(code)) return 'wait';
  if (CUT.includes(code)) return 'cut';
  return ENDS_ROOM.includes(code) ? 'room' : 'caller';
}

export class ChatError extends Error {
  /**
   * @param {string} code the relay's word (`BANNED`, `RATELIMIT`, …), or one of the client: `OFFLINE` not
   *   connected, `LOST` the connection broke before the answer, `TIMEOUT` no answer in time, `CLOSED` the
   *   client was closed, `LEFT` the room was left, `ENDED` the room is gone, `CANCELLED` taken back,
   *   `UNCONFIRMED` nobody knows whether it was stored, `TOKEN` the application gave no token,
   *   `REFUSED` the relay takes no socket from this page; and the name of a final close in capitals
   * @param {string} [message] for people
   * @param {Record<string, any>} [details] the code's arguments as in the frame
   */
  constructor(code, message, details = {}) {
    super(message || code);
    this.name = 'ChatError';
    this.code = code;
    /** The arguments as they came: `retry_ms`, `until_ms`, `max_bytes`, `what`. */
    this.details = details;
  }

  /** @returns {string|undefined} what was wrong, one word */
  get what() {
    return this.details.what;
  }

  /** @returns {number|undefined} ms to wait before the same is tried again, if the relay said so */
  get retryMs() {
    return this.details.retry_ms;
  }

  /** @returns {number|undefined} until when (ms since 1970) a ban or a mute holds; 0: for ever */
  get untilMs() {
    return this.details.until_ms;
  }

  /** Whether it is of no use to try again soon. A mute or a ban may have an end: `untilMs`. */
  get final() {
    const kind = kindOf(this.code);
    return kind === 'caller' || kind === 'room';
  }
}

/**
 * Whether the same request may succeed a little later.
 * @param {any} error
 */
export const isPassing = (error) => kindOf(error?.code) === 'wait';

/**
 * Whether the request fell with its connection: the next one starts anew.
 * @param {any} error
 */
export const isCut = (error) => error?.code === 'CLOSED' || kindOf(error?.code) === 'cut';

/** Pause before an operation is repeated that the relay could not serve just now, ms. */
export const AGAIN_MS = 1000;

/**
 * Some time around the pause that the relay asks for, or ours.
 * @param {any} error
 */
export const pauseMs = (error) => (error.retryMs ?? AGAIN_MS) + Math.random() * AGAIN_MS;

/**
 * The members of an `error` of the relay as an error.
 * @param {Record<string, any>} members
 */
export function failure({ code = 'DENIED', message = '', ...details }) {
  return new ChatError(code, message, details);
}

/**
 * An error as it is kept with a line or a room.
 * @param {ChatError} error
 * @returns {{code: string, message: string} & Record<string, any>}
 */
export function plain({ code, message, details }) {
  return { ...details, code, message };
}
