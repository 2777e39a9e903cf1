/**
 * The messages of one room on the page.
 *
 * The one idea: one element per item, kept while the item lives; a line that gets stored keeps its
 * element and moves up. How an element looks beside its neighbour (author shown or not, a new day,
 * the unread mark) depends on the item before it alone, so each change touches two elements.
 *
 * The end of the list stays in view while the reader is there; otherwise nothing moves under the
 * reader's eyes and a button counts what is new.
 *
 * It refuses innerHTML and to ask the relay anything itself.
 */

import {
  clock, dayName, dayOf, explain, fullTime, hue, initial, isOnlyEmoji, noticeText, plural, putText,
} from './words.js';

const GROUP_MS = 5 * 60_000;
/** Closer to the end than this counts as being there. */
const END_PX = 60;
/** Closer to the top than this loads older messages. */
const TOP_PX = 300;
const LONG_CHARS = 3000;
const LONG_LINES = 25;

export class MessagesView {
  #parts;
  #on;
  #room = null;
  #elements = new Map();
  #atEnd = true;
  #lastTop = 0;
  #below = 0;
  #loading = false;
  #countdown = null;
  /** room -> distance from the end where its reader left it */
  #places = new WeakMap();

  /**
   * @param {{scroller, list, older, toEnd, empty}} parts elements of the page
   * @param {{older: () => Promise, retry: (nonce) => void, discard: (nonce) => void}} on
   */
  constructor(parts, on) {
    this.#parts = parts;
    this.#on = on;
    const { scroller, older, toEnd, list } = parts;
    scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    older.addEventListener('click', () => this.#older());
    toEnd.addEventListener('click', () => this.#toEnd());
    list.addEventListener('click', (event) => this.#clicked(event));
    // Once per frame, however many messages came: measuring after each would cost a layout each.
    const keep = new ResizeObserver(() => {
      if (this.#atEnd) this.#scrollToEnd();
      this.#fill();
    });
    keep.observe(scroller);
    keep.observe(list);
  }

  /** Draws a room from nothing; null: no room. */
  show(room) {
    const { scroller } = this.#parts;
    if (this.#room && this.#room !== room && !this.#atEnd) {
      const place = scroller.scrollHeight - scroller.scrollTop;
      this.#places.set(this.#room, place);
    } else if (this.#room) this.#places.delete(this.#room);
    const changed = room !== this.#room;
    this.#room = room;
    this.#redraw();
    const place = room && changed ? this.#places.get(room) : undefined;
    if (place !== undefined) {
      scroller.scrollTop = scroller.scrollHeight - place;
      this.#lastTop = Infinity;
      this.#noteEnd();
    } else if (changed && room?.firstUnread && this.#elements.has(room.firstUnread)) {
      this.#elements.get(room.firstUnread).scrollIntoView({ block: 'center' });
      this.#lastTop = Infinity;
      this.#noteEnd();
    } else this.#toEnd();
    this.#fill();
  }

  /** Draws what has changed in the room shown. */
  change(changes) {
    const { scroller, list } = this.#parts;
    if (changes.some(({ what }) => what === 'replace')) {
      this.show(this.#room);
      return;
    }
    const atEnd = this.#atEnd;
    const above = !atEnd && changes.some(({ what }) => what === 'prepend' || what === 'remove');
    const fromEnd = above ? scroller.scrollHeight - scroller.scrollTop : 0;
    let own = false;
    for (const change of changes) {
      const { what, item } = change;
      if (what === 'append') {
        this.#append(item);
        own ||= item.state === 'pending' && item.user === this.#room.user && !item.local;
        if (!atEnd) this.#below += 1;
      } else if (what === 'settle') this.#settle(item);
      else if (what === 'update') this.#update(item);
      else if (what === 'prepend') this.#prepend(change.items);
      else if (what === 'remove') {
        for (const gone of change.items) this.#remove(gone);
        this.#lastTop = 0;
      }
    }
    if (own && !atEnd) this.#toEnd();
    else if (above) scroller.scrollTop = scroller.scrollHeight - fromEnd;
    list.removeAttribute('aria-busy');
    this.#around();
  }

  // --- elements ----------------------------------------------------------------------------------

  #redraw() {
    const { list } = this.#parts;
    // A page drawn anew is not news to be read out.
    list.setAttribute('aria-busy', 'true');
    this.#elements.clear();
    this.#below = 0;
    const elements = [];
    let before = null;
    for (const item of this.#items()) {
      const element = this.#make(item);
      this.#beside(element, item, before);
      elements.push(element);
      before = item;
    }
    list.replaceChildren(...elements);
    setTimeout(() => list.removeAttribute('aria-busy'), 0);
    this.#around();
  }

  #items() {
    return this.#room ? [...this.#room.items, ...this.#room.tail] : [];
  }

  #make(item) {
    const element = item.type === 'notice' ? makeNotice(item) : makeMessage(item);
    element.item = item;
    this.#elements.set(item, element);
    this.#dress(element, item);
    return element;
  }

  /** What depends on the item alone and may change. */
  #dress(element, item) {
    if (item.id) element.dataset.id = item.id;
    if (item.type === 'notice') return;
    element.dataset.state = item.state;
    element.toggleAttribute('data-local', item.local);
    element.toggleAttribute('data-ephemeral', item.ephemeral);
    const time = element.querySelector('time');
    const iso = new Date(item.ts).toISOString();
    if (time.dateTime !== iso) {
      time.dateTime = iso;
      time.textContent = clock(item.ts);
      time.title = fullTime(item.ts);
    }
    const status = element.querySelector('.status');
    if (item.state === 'stored') status?.remove();
    else this.#dressStatus(status ?? addStatus(element), item);
  }

  #dressStatus(status, item) {
    const failed = item.state === 'failed';
    const mine = item.user === this.#room.user;
    let words = '';
    if (failed) words = `Not sent. ${explain(item.error)}.`;
    else if (item.local) words = 'Shown by this relay, not stored yet';
    else if (item.retryAt !== null) {
      const seconds = Math.max(0, Math.ceil((item.retryAt - Date.now()) / 1000));
      words = seconds > 0 ? `Waiting, sends again in ${seconds} s` : 'Sending…';
      if (seconds > 0) this.#tick();
    } else words = 'Sending…';
    status.querySelector('.words').textContent = words;
    for (const button of status.querySelectorAll('button')) button.hidden = !(failed && mine);
  }

  /** Counts waiting lines down. */
  #tick() {
    this.#countdown ??= setTimeout(() => {
      this.#countdown = null;
      for (const item of this.#room?.tail ?? []) {
        const element = this.#elements.get(item);
        if (element && item.retryAt !== null) this.#dress(element, item);
      }
    }, 1000);
  }

  /** What depends on the item before. */
  #beside(element, item, before) {
    const newDay = !before || dayOf(before.ts) !== dayOf(item.ts);
    mark(element, 'day', newDay ? dayName(item.ts) : null);
    mark(element, 'unread-mark', this.#room.firstUnread === item ? 'New' : null);
    const grouped = !newDay && this.#room.firstUnread !== item && isSameVoice(before, item);
    element.classList.toggle('grouped', grouped);
  }

  #besideAgain(element) {
    if (!element) return;
    this.#beside(element, element.item, element.previousElementSibling?.item ?? null);
  }

  #append(item) {
    const { list } = this.#parts;
    const element = this.#make(item);
    list.insertBefore(element, this.#room.tail.includes(item) ? null : this.#firstTail());
    this.#besideAgain(element);
    this.#besideAgain(element.nextElementSibling);
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
      this.#besideAgain(follower);
    }
    this.#dress(element, item);
    this.#besideAgain(element);
    this.#besideAgain(element.nextElementSibling);
    return undefined;
  }

  #update(item) {
    const element = this.#elements.get(item);
    if (!element) return;
    this.#dress(element, item);
    this.#besideAgain(element);
    this.#besideAgain(element.nextElementSibling);
  }

  #prepend(items) {
    const { list } = this.#parts;
    list.setAttribute('aria-busy', 'true');
    const elements = [];
    let before = null;
    for (const item of items) {
      const element = this.#make(item);
      this.#beside(element, item, before);
      elements.push(element);
      before = item;
    }
    const first = list.firstElementChild;
    list.prepend(...elements);
    this.#besideAgain(first);
  }

  #remove(item) {
    const element = this.#elements.get(item);
    if (!element) return;
    const follower = element.nextElementSibling;
    this.#elements.delete(item);
    element.remove();
    this.#besideAgain(follower);
  }

  #clicked({ target }) {
    const button = target.closest('button');
    const item = button?.closest('.message')?.item;
    if (!item) return;
    if (button.classList.contains('retry')) this.#on.retry(item.nonce);
    if (button.classList.contains('discard')) this.#on.discard(item.nonce);
    if (button.classList.contains('unfold')) {
      button.previousElementSibling.classList.remove('long');
      button.remove();
    }
  }

  // --- scrolling ---------------------------------------------------------------------------------

  #scrolled() {
    this.#noteEnd();
    if (this.#parts.scroller.scrollTop < TOP_PX) this.#older();
  }

  /**
   * Whether the reader is at the end. Only moving up leaves it: a list that grew since the last
   * frame is no reader's doing.
   */
  #noteEnd() {
    const { scroller } = this.#parts;
    const { scrollTop } = scroller;
    const near = scroller.scrollHeight - scrollTop - scroller.clientHeight < END_PX;
    if (near || scrollTop < this.#lastTop - 1) this.#atEnd = near;
    this.#lastTop = scrollTop;
    if (this.#atEnd) this.#below = 0;
    if (this.#room) this.#room.readingBack = !this.#atEnd;
    this.#around();
  }

  #scrollToEnd() {
    const { scroller } = this.#parts;
    scroller.scrollTop = scroller.scrollHeight;
  }

  #toEnd() {
    this.#scrollToEnd();
    this.#noteEnd();
  }

  /** What stands around the list. */
  #around() {
    const { older, toEnd, empty } = this.#parts;
    const room = this.#room;
    older.hidden = !room?.moreBefore;
    toEnd.hidden = this.#atEnd || !room;
    if (!toEnd.hidden) {
      toEnd.textContent = this.#below > 0
        ? plural(this.#below, 'new message', 'new messages')
        : 'Latest messages';
    }
    const nothing = !room || this.#elements.size === 0;
    empty.hidden = !nothing;
    if (!nothing) return;
    if (!room) empty.textContent = 'Join a room from the list, or create one.';
    else if (room.cursor === null) empty.textContent = 'Loading…';
    else if (!room.problem) empty.textContent = 'Nothing has been said here yet.';
    else empty.textContent = '';
  }

  /** A page that does not fill the view cannot be scrolled for more. */
  #fill() {
    const { scroller } = this.#parts;
    if (this.#room?.moreBefore && scroller.scrollHeight <= scroller.clientHeight) this.#older();
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

function isSameVoice(before, item) {
  return before.type === 'message' && item.type === 'message'
    && before.user === item.user && before.kind === 'text' && item.kind === 'text'
    && item.ts - before.ts < GROUP_MS;
}

function make(tag, className, text) {
  const element = document.createElement(tag);
  element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

/** Sets, changes or takes away a line above an item. */
function mark(element, className, text) {
  const known = element.querySelector(`:scope > .${className}`);
  if (text === null) known?.remove();
  else if (!known) element.prepend(make('div', className, text));
  else if (known.textContent !== text) known.textContent = text;
}

function makeNotice(item) {
  const element = make('div', 'notice');
  const text = make('p', 'notice-text', noticeText(item.event));
  text.dir = 'auto';
  text.title = fullTime(item.ts);
  element.append(text);
  return element;
}

function makeMessage({ user, kind, text, nonce }) {
  const element = make('div', 'message');
  if (nonce) element.dataset.nonce = nonce;
  if (kind !== 'text') element.dataset.kind = kind;
  const author = kind === 'system' || user === '*' ? 'Server' : user;
  const avatar = make('span', 'avatar', initial(author));
  avatar.setAttribute('aria-hidden', 'true');
  avatar.style.setProperty('--hue', hue(author));
  const body = make('div', 'body');
  const name = make('span', 'author', author);
  name.style.setProperty('--hue', hue(author));
  const head = make('div', 'head');
  head.append(name, make('time', 'time'));
  const words = make('div', 'text');
  words.dir = 'auto';
  putText(words, text);
  if (isOnlyEmoji(text)) words.classList.add('only-emoji');
  body.append(head, words);
  if (text.length > LONG_CHARS || text.split('\n').length > LONG_LINES) {
    words.classList.add('long');
    const unfold = make('button', 'unfold', 'Show all');
    unfold.type = 'button';
    body.append(unfold);
  }
  element.append(avatar, body);
  return element;
}

function addStatus(element) {
  const status = make('div', 'status');
  const retry = make('button', 'retry', 'Try again');
  const discard = make('button', 'discard', 'Discard');
  retry.type = 'button';
  discard.type = 'button';
  status.append(make('span', 'words'), retry, discard);
  element.querySelector('.body').append(status);
  return status;
}
