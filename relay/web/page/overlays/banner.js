/**
 * The line under the room's head that says what is wrong, and the one thing to do about it.
 *
 * The one idea: the connection's trouble comes before the room's.
 *
 * It refuses to act: it says which button was pressed.
 */

import { setText } from '../elements.js';
import { explain, until } from '../words.js';

/** Close codes that no reconnection mends, by their reason. */
const CLOSED = {
  __proto__: null,
  kicked: () => 'You were signed out by the server',
  address: () => 'There are too many connections from your address',
  toobig: () => 'Something was too large to send',
  suspended: ({ untilMs }) => `You are suspended${until({ until_ms: untilMs })}`,
  expired: ({ what }) =>
    what === 'revoked' ? 'You were signed out everywhere' : 'Your sign-in has ended',
  replaced: () => 'You are connected elsewhere too often',
};

export class Banner {
  #parts;
  #on;
  #timer = null;
  #act = null;

  /**
   * @param {{box, text, action}} parts elements of the page
   * @param {{connect: () => void, leave: () => void, join: () => void}} on
   */
  constructor(parts, on) {
    this.#parts = parts;
    this.#on = on;
    parts.action.addEventListener('click', () => this.#act?.());
  }

  /**
   * @param {object} status of the client
   * @param {import('../../sdk.js').RoomState|null} room
   * @param {string} works what works of the store, see the client's `upstream`
   */
  draw(status, room, works) {
    clearTimeout(this.#timer);
    const {
      text = '',
      action = '',
      act = null,
      isRoom = false,
    } = this.#connection(status, room, works) ?? this.#room(room) ?? this.#store(room, works) ?? {};
    const { box, text: words, action: button } = this.#parts;
    this.#act = act;
    box.hidden = text === '';
    box.dataset.kind = isRoom ? 'room' : 'connection';
    // Countdowns are not read out; #state tells of the connection.
    box.setAttribute('aria-live', isRoom ? 'polite' : 'off');
    setText(words, text);
    setText(button, action);
    button.hidden = action === '';
  }

  #connection(status, room, works) {
    const { state, attempt, retryAt, close, error } = status;
    const { connect } = this.#on;
    if (state === 'offline') {
      const why = CLOSED[close?.name]?.(close) ?? `Disconnected: ${close?.name || close?.code}`;
      const text = close?.final ? `${why}.` : 'Not connected.';
      return { text, action: 'Connect', act: connect };
    }
    if (state !== 'connecting' || attempt === 0) return null;
    const seconds = retryAt === null ? 0 : Math.ceil((retryAt - Date.now()) / 1000);
    const why = error ? explain(error) : 'No connection';
    if (seconds <= 0) return { text: `${why}. Trying…` };
    this.#timer = setTimeout(() => this.draw(status, room, works), 1000);
    return { text: `${why}. Next try in ${seconds} s.`, action: 'Try now', act: connect };
  }

  #store(room, works) {
    if (works === 'back') return null;
    const words = {
      away: room ? 'This room cannot be reached now' : 'The server cannot be reached now',
      writes_refused: 'Nothing can be stored now',
    };
    const later = room ? ' What you write is sent later.' : '';
    return { text: `${words[works]}.${later}`, isRoom: room !== null };
  }

  #room(room) {
    const problem = room?.problem;
    if (!problem || problem.code === 'NEW') return null;
    const { leave, join } = this.#on;
    if (problem.code === 'ENDED') {
      const { message, reason } = problem;
      const text = `${message}${reason ? ` (${reason})` : ''}. Whoever writes here begins it anew.`;
      return { text, action: 'Leave', act: leave, isRoom: true };
    }
    const text = `${explain(problem)}.`;
    if (problem.code === 'KICKED') return { text, action: 'Join again', act: join, isRoom: true };
    return { text, action: 'Leave', act: leave, isRoom: true };
  }
}
