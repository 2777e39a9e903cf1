/**
 * What stands around the conversation: the room's name and state above it, what is wrong, and what
 * keeps one from writing below it.
 *
 * The one idea: all of it follows from the room and the connection, and is drawn together; what
 * counts down is drawn again by itself.
 *
 * It refuses to draw messages.
 */

import { hasEnded } from '../../sdk.js';
import { composeNote } from '../compose/compose-note.js';
import { setText } from '../elements.js';

const MOST_WAIT_MS = 60_000;

export class RoomHead {
  #parts;
  #on;
  #timer = null;

  /**
   * @param {{title, about, leave}} parts elements of the page
   * @param {{rooms: import('./room-list.js').RoomList, compose, banner}} on views beside it
   */
  constructor(parts, on) {
    this.#parts = parts;
    this.#on = on;
  }

  /**
   * @param {import('../../sdk.js').RoomState|null} room
   * @param {object} status of the client
   * @param {string} works what works of the store, see the client's `upstream`
   */
  draw(room, status, works) {
    const { title, about, leave } = this.#parts;
    const { rooms, compose, banner } = this.#on;
    setText(title, room ? rooms.labelOf(room.name) : 'No room');
    setText(about, room ? rooms.aboutOf(room) : '');
    for (const element of document.querySelectorAll('.of-room')) element.hidden = !room;
    leave.title = room?.isDirect ? 'Put this conversation away' : 'Leave this room';
    leave.setAttribute('aria-label', leave.title);
    compose.allow(room !== null && (room.problem === null || hasEnded(room.problem)));
    banner.draw(status, room, works);
    this.#drawNote(room);
  }

  #drawNote(room) {
    clearTimeout(this.#timer);
    const { words, againMs } = composeNote(room, Date.now());
    this.#on.compose.note(words);
    if (againMs === null) return;
    this.#timer = setTimeout(() => this.#drawNote(room), Math.min(againMs, MOST_WAIT_MS) + 20);
  }
}
