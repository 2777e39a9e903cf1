/**
 * Who is here, asked of the relay for one room.
 *
 * The one idea: events keep the picture right, and whoever may have missed some asks for the first
 * page of `who`. One question at a time; reasons that come meanwhile make one more. While nobody
 * looks at the room the question waits.
 *
 * It refuses to ask because of what a crowded room tells: there it would never end.
 */

import { AGAIN_MS, isPassing, pauseMs } from '../words/error.js';

/** @typedef {import('./state.js').RoomState} RoomState */
/** @typedef {import('./follow.js').Inside} Inside */

const WHO_COUNT = 500;

export class Who {
  #room;
  #link;
  /** Made anew with each connection, so that answers of an older one are known as such. */
  #state = { asking: false, again: false };
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  #isWanted = false;

  /**
   * @param {RoomState} room
   * @param {Inside} link
   */
  constructor(room, link) {
    this.#room = room;
    this.#link = link;
  }

  /** On a new connection: what was asked is not answered any more. */
  reset() {
    this.#state = { asking: false, again: false };
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Somebody looks now. */
  look() {
    if (this.#isWanted) this.ask();
  }

  /** Asks in a while, if there still is reason to: many may find that reason at once. */
  askSoon() {
    if (this.#timer) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        if (this.#room.peopleDoubtful()) this.ask();
      },
      AGAIN_MS + Math.random() * AGAIN_MS,
    );
  }

  ask() {
    this.#isWanted = !this.#link.isWatched();
    if (this.#isWanted) return;
    const state = this.#state;
    if (state.asking) {
      state.again = true;
      return;
    }
    state.asking = true;
    this.#room.expectPeople();
    const done = (/** @type {boolean} */ again) => {
      state.asking = false;
      if (state === this.#state && (again || state.again)) this.ask();
      state.again = false;
    };
    this.#link.request('who', { room: this.#room.name, count: WHO_COUNT }).then(
      ({ users, list, cursor }) => {
        this.#link.changed(this.#room.setPeople(list, users, (cursor ?? null) === null));
        done(false);
      },
      (error) => {
        if (!isPassing(error)) {
          if (state === this.#state) this.#room.presenceDuringWho = null;
          done(false);
        } else {
          clearTimeout(this.#timer);
          this.#timer = setTimeout(() => {
            this.#timer = undefined;
            done(true);
          }, pauseMs(error));
        }
      },
    );
  }
}
