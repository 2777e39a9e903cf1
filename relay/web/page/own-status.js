/**
 * What a person's status is: chosen, or `online` and `away` as they are at the screen or not.
 *
 * The one idea: time and visibility are told from outside, so the rule is a table. A chosen status
 * stands until another is chosen; `online` hands the choice back to the rule.
 *
 * It refuses to know the page.
 */

/** Without input for this long one is away, ms. */
export const IDLE_MS = 5 * 60_000;
/** A page that is hidden for less (a reload, a glance elsewhere) is not left. */
export const HIDDEN_MS = 1000;

export class OwnStatus {
  #chosen;
  #inputAt;
  #hiddenAt;

  /** @param {string} chosen `` or `online`: by the rule */
  constructor(chosen, nowMs) {
    this.choose(chosen, nowMs);
    this.#hiddenAt = null;
  }

  get chosen() {
    return this.#chosen;
  }

  choose(status, nowMs) {
    this.#chosen = status === 'online' ? '' : status;
    this.#inputAt = nowMs;
  }

  input(nowMs) {
    this.#inputAt = nowMs;
  }

  hide(nowMs) {
    this.#hiddenAt ??= nowMs;
  }

  /** The page is seen again, which takes somebody who looks. */
  reveal(nowMs) {
    this.#hiddenAt = null;
    this.#inputAt = nowMs;
  }

  at(nowMs) {
    if (this.#chosen !== '') return this.#chosen;
    return nowMs >= this.#awayAt() ? 'away' : 'online';
  }

  /** Milliseconds until it may change by itself; null: it will not. */
  changesIn(nowMs) {
    if (this.at(nowMs) !== 'online' || this.#chosen !== '') return null;
    return this.#awayAt() - nowMs;
  }

  #awayAt() {
    const idle = this.#inputAt + IDLE_MS;
    return this.#hiddenAt === null ? idle : Math.min(idle, this.#hiddenAt + HIDDEN_MS);
  }
}
