/**
 * Where the reader is in the list of messages.
 *
 * The one idea: the end of the list stays in view while the reader is there; otherwise nothing
 * moves under the reader's eyes.
 *
 * It refuses to know what the list holds. The heights of elements that were never in view are guesses of the
 * browser: a place to come back to is an element, not a distance.
 */

/** Closer to the end than this counts as being there. */
const END_PX = 60;
/** Closer to the top than this is near the beginning. */
const TOP_PX = 300;

export class ReadingPlace {
  #scroller;
  #list;
  #on;
  #lastTop = 0;
  #lastHeight = 0;
  /** Whether the reader is at the end. */
  atEnd = true;

  /**
   * @param {Element} scroller
   * @param {Element} list what grows in it
   * @param {{moved: () => void, resized: () => void, nearTop: () => void}} on
   */
  constructor(scroller, list, on) {
    this.#scroller = scroller;
    this.#list = list;
    this.#on = on;
    scroller.addEventListener(
      'scroll',
      () => {
        this.note();
        if (scroller.scrollTop < TOP_PX) on.nearTop();
      },
      { passive: true },
    );
    // Once per frame, however many messages came: measuring after each would cost a layout each.
    const keep = new ResizeObserver(() => {
      if (this.atEnd) this.#jump();
      on.resized();
    });
    keep.observe(scroller);
    keep.observe(list);
  }

  /**
   * What stands at the top of the view, and how far from its border: a place to come back to.
   * @returns {{element: Element, offset: number}|null}
   */
  get place() {
    const { top } = this.#scroller.getBoundingClientRect();
    const elements = [...this.#list.children];
    const element = elements.find((one) => one.getBoundingClientRect().bottom > top);
    return element ? { element, offset: element.getBoundingClientRect().top - top } : null;
  }

  /** Whether all there is fits. */
  get fits() {
    return this.#scroller.scrollHeight <= this.#scroller.clientHeight;
  }

  toEnd() {
    this.#jump();
    this.note();
  }

  /** Goes where the reader was: the element so far from the top of the view. */
  restore(element, offset) {
    this.#go(element, () => this.#put(element, offset));
  }

  /** What stands around a place has changed by nobody's moving. */
  hold({ element, offset }) {
    if (element.isConnected) this.#put(element, offset);
  }

  #put(element, offset) {
    const { top } = this.#scroller.getBoundingClientRect();
    this.#scroller.scrollTop += element.getBoundingClientRect().top - top - offset;
  }

  /** The list got shorter: the next position is no move up. */
  forgetMove() {
    this.#lastTop = 0;
  }

  /** Shows an element of the list in the middle. */
  goTo(element) {
    this.#go(element, () => element.scrollIntoView({ block: 'center' }));
  }

  /** What comes into view gets its height with the next frames, and moves the element. */
  #go(element, put) {
    let frames = 2;
    const step = () => {
      if (!element.isConnected) return;
      put();
      this.#lastTop = Infinity;
      this.note();
      frames -= 1;
      if (frames >= 0) requestAnimationFrame(step);
    };
    step();
  }

  /**
   * Whether the reader is at the end. Only moving up leaves it: a list that grew since the last
   * frame is no reader's doing, and neither is a taller view, which the browser scrolls back by as
   * much: the field below it shrinks when a message of several lines is sent.
   */
  note() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const near = scrollHeight - scrollTop - clientHeight < END_PX;
    const grown = Math.max(0, clientHeight - this.#lastHeight);
    if (near || scrollTop < this.#lastTop - grown - 1) this.atEnd = near;
    this.#lastTop = scrollTop;
    this.#lastHeight = clientHeight;
    this.#on.moved();
  }

  /** Here the position is known: what the browser tells of a move later was not the reader's. */
  #jump() {
    const scroller = this.#scroller;
    scroller.scrollTop = scroller.scrollHeight;
    this.#lastTop = scroller.scrollTop;
    this.#lastHeight = scroller.clientHeight;
  }
}
