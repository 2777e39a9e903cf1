/**
 * The messages of one room on the page.
 *
 * The one idea: one element per item, kept while the item lives; a line that gets stored keeps its
 * element and moves up. How an element looks beside its neighbour (author shown or not, a new day,
 * the mark of what is new) depends on the item before it alone, so each change touches two
 * elements.
 *
 * Beside it: message-element.js (what one looks like), reading-place.js (scrolling).
 *
 * It refuses innerHTML and to ask the relay anything itself.
 */

import { compareIds } from '../../sdk.js';
import { setText } from '../elements.js';
import { plural } from '../words.js';
import { drawItem, makeItem } from './message-element.js';
import { ReadingPlace } from './reading-place.js';

/** Changes before what the reader looks at, or after it. */
const AROUND = new Set(['prepend', 'remove', 'insert']);
/** Where who has no room yet begins. */
export const FIRST_ROOM = 'lobby';
const WELCOME =
  'A chat on Redis. Open this page in a second window, as somebody else, and write. '
  + 'Then stop the relay whose name stands above: the other one takes over, and no message is lost.';

export class MessagesView {
  #parts;
  #on;
  #room = null;
  #elements = new Map();
  #place;
  #below = 0;
  #loading = false;
  #countdown = null;
  /** Below our last message that somebody has read: who has. */
  #receipt = null;
  /** room -> {item, offset} at the top of the view where its reader left it */
  #places = new WeakMap();

  /**
   * @param {{scroller, list, older, toEnd, empty}} parts elements of the page
   * @param {{older: () => Promise, quoted: (id) => void, atEnd: () => void,
   *   nameOf: (user) => string, avatarOf: (user) => string|undefined}} on `atEnd`: all there is may have been seen
   */
  constructor(parts, on) {
    this.#parts = parts;
    this.#on = on;
    const { scroller, older, toEnd, list } = parts;
    this.#place = new ReadingPlace(scroller, list, {
      moved: () => this.#moved(),
      resized: () => this.#fill(),
      nearTop: () => this.#older(),
    });
    older.addEventListener('click', () => this.#older());
    toEnd.addEventListener('click', () => this.#place.toEnd());
  }

  /** Draws a room from nothing; null: no room. */
  show(room) {
    const changed = room !== this.#room;
    if (this.#room) {
      const left = changed && !this.#place.atEnd ? this.#place.place : null;
      if (left === null) this.#places.delete(this.#room);
      else this.#places.set(this.#room, { item: left.element.item, offset: left.offset });
    }
    this.#room = room;
    this.#redraw();
    const place = room && changed ? this.#places.get(room) : undefined;
    const before =
      this.#elements.get(place?.item) ?? this.#elements.get(room?.byId.get(place?.item.id));
    const first = this.#elements.get(room?.firstUnread);
    if (before) this.#place.restore(before, place.offset);
    else if (first && (changed || !first.seen)) {
      first.seen = true;
      this.#place.goTo(first);
    } else this.#place.toEnd();
    this.#fill();
  }

  /** Draws what has changed in the room shown. */
  change(changes) {
    const { list } = this.#parts;
    if (changes.some(({ what }) => what === 'replace')) {
      this.show(this.#room);
      return;
    }
    const { atEnd } = this.#place;
    const isAround = !atEnd && changes.some(({ what }) => AROUND.has(what));
    const place = isAround ? this.#place.place : null;
    let own = false;
    for (const change of changes) {
      const { what, item } = change;
      if (what === 'append') {
        this.#append(item);
        own ||= item.state === 'pending' && item.user === this.#room.user && !item.local;
        if (!atEnd) this.#below += 1;
      } else if (what === 'settle') this.#settle(item);
      else if (what === 'insert') this.#insert(item);
      else if (what === 'update') this.#update(item);
      else if (what === 'prepend') this.#prepend(change.items);
      else if (what === 'remove') {
        for (const gone of change.items) this.#remove(gone);
        this.#place.forgetMove();
      }
    }
    this.#drawReceipt();
    if (own) this.#place.toEnd();
    else if (place) this.#place.hold(place);
    list.removeAttribute('aria-busy');
    this.#around();
    if (this.#place.atEnd) this.#on.atEnd();
  }

  /** Names may be other ones now. */
  rename() {
    this.#drawReceipt();
    this.#drawAll();
  }

  /** Another day has begun: what was today is yesterday. */
  newDay() {
    this.#drawAll();
  }

  /** Shows all of a long message. */
  unfold(item) {
    const element = this.#elements.get(item);
    if (!element) return;
    element.isUnfolded = true;
    this.#draw(element);
  }

  /** Brings a message into view and gives it the focus. @returns {boolean} whether it is here */
  goTo(id) {
    const element = this.#elements.get(this.#room?.byId.get(id));
    if (!element) return false;
    this.#place.goTo(element);
    element.focus({ preventScroll: true });
    element.classList.remove('flash');
    requestAnimationFrame(() => element.classList.add('flash'));
    return true;
  }

  /** Brings an item into view. */
  lookAt(item) {
    const element = this.#elements.get(item);
    if (element) this.#place.goTo(element);
  }

  /** The element of an item that is drawn. */
  elementOf(item) {
    return this.#elements.get(item) ?? null;
  }

  get atEnd() {
    return this.#place.atEnd;
  }

  // --- elements ----------------------------------------------------------------------------------

  #scene() {
    const { nameOf, avatarOf } = this.#on;
    return { room: this.#room, nameOf, avatarOf, receipt: this.#receipt };
  }

  #redraw() {
    const { list } = this.#parts;
    // A page drawn anew is not news to be read out.
    list.setAttribute('aria-busy', 'true');
    this.#elements.clear();
    this.#receipt = null;
    this.#below = 0;
    const items = this.#room ? [...this.#room.items, ...this.#room.tail] : [];
    list.replaceChildren(...this.#makeAll(items));
    setTimeout(() => list.removeAttribute('aria-busy'), 0);
    this.#drawReceipt();
    this.#around();
  }

  #makeAll(items) {
    let before = null;
    return items.map((item) => {
      const element = this.#make(item);
      this.#draw(element, before);
      before = item;
      return element;
    });
  }

  #make(item) {
    const element = makeItem(item);
    this.#elements.set(item, element);
    return element;
  }

  /** Draws the element of an item, if it is one. */
  #draw(element, before = element?.previousElementSibling?.item ?? null) {
    if (!element?.item) return;
    const { retryAt = null, reply = null } = element.item;
    const { byId, quoted } = this.#room;
    if (reply !== null && !byId.has(reply) && !quoted.has(reply)) this.#on.quoted(reply);
    drawItem(element, before, this.#scene());
    if (retryAt !== null) this.#tick();
  }

  #drawAll() {
    for (const element of this.#elements.values()) this.#draw(element);
  }

  /** It was put where it is, or has changed: how the next one looks depends on it. */
  #drawHere(element) {
    this.#draw(element);
    this.#draw(element.nextElementSibling);
  }

  /** Counts waiting lines down. */
  #tick() {
    this.#countdown ??= setTimeout(() => {
      this.#countdown = null;
      for (const item of this.#room?.tail ?? []) {
        const element = this.#elements.get(item);
        if (element && item.retryAt !== null) this.#draw(element);
      }
    }, 1000);
  }

  #append(item) {
    const { list } = this.#parts;
    const element = this.#make(item);
    list.insertBefore(element, this.#room.tail.includes(item) ? null : this.#firstTail());
    this.#drawHere(element);
  }

  /** A notice of the past comes to its place. */
  #insert(item) {
    const { items } = this.#room;
    // Several may come at once: those after this one have no element yet.
    const after = items.slice(items.indexOf(item) + 1).find((one) => this.#elements.has(one));
    const next = this.#elements.get(after) ?? this.#firstTail();
    const element = this.#make(item);
    this.#parts.list.insertBefore(element, next);
    this.#drawHere(element);
  }

  /** The element of the first line without an id. */
  #firstTail() {
    for (const item of this.#room.tail) {
      const element = this.#elements.get(item);
      if (element) return element;
    }
    return null;
  }

  #settle(item) {
    const element = this.#elements.get(item);
    if (!element) return this.#append(item);
    const place = this.#firstTail();
    if (element.nextElementSibling !== place) {
      const follower = element.nextElementSibling;
      this.#parts.list.insertBefore(element, place);
      this.#draw(follower);
    }
    this.#drawHere(element);
    return undefined;
  }

  #update(item) {
    const element = this.#elements.get(item);
    if (element) this.#drawHere(element);
    // Whoever quotes it shows it too.
    for (const [one, other] of this.#elements) {
      if (item.id !== null && one.reply === item.id) this.#draw(other);
    }
  }

  #prepend(items) {
    const { list } = this.#parts;
    list.setAttribute('aria-busy', 'true');
    const first = list.firstElementChild;
    list.prepend(...this.#makeAll(items));
    this.#draw(first);
  }

  #remove(item) {
    const element = this.#elements.get(item);
    if (!element) return;
    const follower = element.nextElementSibling;
    this.#elements.delete(item);
    element.remove();
    this.#draw(follower);
  }

  // --- around the messages -----------------------------------------------------------------------

  #drawReceipt() {
    const before = this.#receipt;
    this.#receipt = this.#room?.readers.size > 0 ? receiptOf(this.#room, this.#on.nameOf) : null;
    for (const item of new Set([before?.item, this.#receipt?.item])) {
      this.#draw(this.#elements.get(item));
    }
  }

  #moved() {
    if (this.#place.atEnd) this.#below = 0;
    if (this.#room) this.#room.readingBack = !this.#place.atEnd;
    this.#around();
    if (this.#place.atEnd && this.#room) this.#on.atEnd();
  }

  #around() {
    const { older, toEnd, empty } = this.#parts;
    const room = this.#room;
    older.hidden = !room?.moreBefore;
    toEnd.hidden = this.#place.atEnd || !room;
    if (!toEnd.hidden) {
      setText(
        toEnd,
        this.#below > 0 ? plural(this.#below, 'new message', 'new messages') : 'Latest messages',
      );
    }
    const nothing = !room || this.#elements.size === 0;
    empty.hidden = !nothing;
    if (!nothing) return;
    if (!room) setText(empty, 'Join a room from the list, or create one.');
    else if (room.cursor === null) setText(empty, 'Loading…');
    else if (!room.problem || room.problem.code === 'NEW') {
      setText(empty, room.name === FIRST_ROOM ? WELCOME : 'Nothing has been said here yet.');
    } else setText(empty, '');
  }

  /** A page that does not fill the view cannot be scrolled for more. */
  #fill() {
    if (this.#room?.moreBefore && this.#place.fits) this.#older();
  }

  async #older() {
    if (this.#loading || !this.#room?.moreBefore) return;
    this.#loading = true;
    this.#parts.older.disabled = true;
    try {
      await this.#on.older();
    } finally {
      this.#loading = false;
      this.#parts.older.disabled = false;
    }
  }
}

/** Our newest message that somebody has read. */
function lastRead(room) {
  const isOwn = (item) => item.type === 'message' && item.user === room.user && item.id !== null;
  return room.items.findLast((item) => isOwn(item) && readersOf(room, item.id).length > 0) ?? null;
}

/** What stands below it. */
function receiptOf(room, nameOf) {
  const item = lastRead(room);
  if (item === null) return null;
  const names = readersOf(room, item.id).map(nameOf);
  const others = names.length > 3 ? ` and ${names.length - 3} more` : '';
  const words = room.isDirect ? 'Seen' : `Seen by ${names.slice(0, 3).join(', ')}${others}`;
  return { item, words, title: names.join(', ') };
}

function readersOf(room, id) {
  return [...room.readers].filter(([, ref]) => compareIds(ref, id) >= 0).map(([user]) => user);
}
