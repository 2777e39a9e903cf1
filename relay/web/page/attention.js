/**
 * Whether somebody is at the screen.
 *
 * The one idea: input and visibility of the page feed `OwnStatus`, and one timer waits for what
 * time alone changes; whoever listens hears each change of the status once.
 *
 * It refuses to count: a thousand mouse moves in a second are one.
 */

import { OwnStatus } from './own-status.js';

const INPUTS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart'];
const NOTICE_EVERY_MS = 1000;

export class Attention {
  #own;
  #changed;
  #told = 'online';
  #timer = null;
  #inputAt = 0;

  /**
   * @param {string} chosen the status chosen earlier, or ``
   * @param {(status: string) => void} changed
   */
  constructor(chosen, changed) {
    this.#own = new OwnStatus(chosen, Date.now());
    this.#changed = changed;
    for (const name of INPUTS) {
      window.addEventListener(name, () => this.#input(), { passive: true, capture: true });
    }
    document.addEventListener('visibilitychange', () => this.#see());
    this.#see();
  }

  /** What the person chose; empty: nothing, the status follows what they do. */
  get chosen() {
    return this.#own.chosen;
  }

  get status() {
    return this.#own.at(Date.now());
  }

  choose(status) {
    this.#own.choose(status, Date.now());
    this.#look();
  }

  #input() {
    const now = Date.now();
    if (now - this.#inputAt < NOTICE_EVERY_MS) return;
    this.#inputAt = now;
    this.#own.input(now);
    this.#look();
  }

  #see() {
    if (document.visibilityState === 'visible') this.#own.reveal(Date.now());
    else this.#own.hide(Date.now());
    this.#look();
  }

  #look() {
    clearTimeout(this.#timer);
    const { status } = this;
    if (status !== this.#told) {
      this.#told = status;
      this.#changed(status);
    }
    const waitMs = this.#own.changesIn(Date.now());
    if (waitMs !== null) this.#timer = setTimeout(() => this.#look(), waitMs + 20);
  }
}
