/**
 * One message or notice as an element.
 *
 * The one idea: `makeItem` makes what never changes, `dressItem` brings the rest in line with the
 * item and may be called as often as one likes; `dressBeside` does what depends on the item before.
 *
 * It refuses to listen: who clicks what is the list's.
 */

import { keep, make, makeButton, setAttribute, setText } from '../elements.js';
import { dressAvatar, makeAvatar } from '../people/avatar.js';
import { clock, dayName, dayOf, explain, fullTime, hue, noticeText } from '../words.js';
import { isOnlyEmoji, putText } from './text.js';

const GROUP_MS = 5 * 60_000;
const LONG_CHARS = 3000;
const LONG_LINES = 25;
const QUOTE_CHARS = 160;

/**
 * @param {object} item of a room
 * @param {{room, nameOf: (user) => string, avatarOf: (user) => string|undefined}} scene
 */
export function makeItem(item, scene) {
  const element = item.type === 'notice' ? make('div', 'notice') : makeMessage(item);
  element.tabIndex = -1;
  element.item = item;
  dressItem(element, item, scene);
  return element;
}

/** What depends on the item alone and may change. */
export function dressItem(element, item, scene) {
  if (item.id) element.dataset.id = item.id;
  if (item.type === 'notice') {
    dressNotice(element, item, scene);
    return;
  }
  element.dataset.state = item.state;
  element.toggleAttribute('data-local', item.local);
  element.toggleAttribute('data-ephemeral', item.ephemeral);
  element.toggleAttribute('data-deleted', (item.deleted ?? null) !== null);
  element.toggleAttribute('data-edited', (item.edited ?? null) !== null);
  element.toggleAttribute('data-mentions-me', item.mentions?.includes(scene.room.user) ?? false);
  dressAuthor(element, item, scene);
  const body = element.querySelector('.body');
  dressQuote(body, item, scene);
  dressText(body, item, scene);
  dressReactions(body, item, scene);
  const isStored = item.state === 'stored';
  const status = keep(body, 'status', !isStored, () => addStatus(body));
  if (status) dressStatus(status, item, scene);
}

/** What depends on the item before. */
export function dressBeside(element, item, before, firstUnread) {
  const newDay = !before || dayOf(before.ts) !== dayOf(item.ts);
  mark(element, 'day', newDay ? dayName(item.ts) : null);
  mark(element, 'unread-mark', firstUnread === item ? 'New messages' : null);
  const grouped = !newDay && firstUnread !== item && isSameVoice(before, item);
  element.classList.toggle('grouped', grouped);
}

function isSameVoice(before, item) {
  return (
    before.type === 'message'
    && item.type === 'message'
    && before.user === item.user
    && before.kind === 'text'
    && item.kind === 'text'
    && item.reply === null
    && item.ts - before.ts < GROUP_MS
  );
}

/** Sets, changes or takes away a line above an item. */
function mark(element, className, text) {
  const line = keep(element, className, text !== null, () => {
    const made = make('div', className);
    element.prepend(made);
    return made;
  });
  if (line) setText(line, text);
}

function dressNotice(element, item, { nameOf }) {
  const text = keep(element, 'notice-text', true, () => {
    const made = make('p', 'notice-text');
    made.dir = 'auto';
    made.title = fullTime(item.ts);
    element.append(made);
    return made;
  });
  setText(text, noticeText(item.event, nameOf));
}

function makeMessage({ user, kind, nonce }) {
  const element = make('div', 'message');
  element.setAttribute('role', 'article');
  element.dataset.user = user;
  if (nonce) element.dataset.nonce = nonce;
  if (kind !== 'text') element.dataset.kind = kind;
  const avatar = makeAvatar();
  const body = make('div', 'body');
  const head = make('div', 'head');
  const author = makeButton('author');
  author.tabIndex = -1;
  author.dir = 'auto';
  head.append(author, make('time', 'time'));
  const words = make('div', 'text');
  words.dir = 'auto';
  body.append(head, words);
  element.append(avatar, body);
  return element;
}

const isServer = ({ kind, user }) => kind === 'system' || user === '*';

function dressAuthor(element, item, { nameOf, avatarOf }) {
  const name = isServer(item) ? 'Server' : nameOf(item.user);
  const author = element.querySelector('.author');
  const avatar = element.querySelector('.avatar');
  setText(author, name);
  if (author.title !== item.user) {
    author.title = item.user;
    author.disabled = isServer(item);
    author.style.setProperty('--hue', hue(item.user));
  }
  dressAvatar(avatar, item.user, name, isServer(item) ? undefined : avatarOf(item.user));
  const time = element.querySelector('.head > time');
  const iso = new Date(item.ts).toISOString();
  if (time.dateTime === iso) return;
  time.dateTime = iso;
  time.textContent = clock(item.ts);
  time.title = fullTime(item.ts);
}

function dressText(body, item, { room, nameOf }) {
  const words = body.querySelector('.text');
  const isDeleted = (item.deleted ?? null) !== null;
  const text = isDeleted ? deletedText(item, nameOf) : item.text;
  const edited = keep(body, 'edited', !isDeleted && (item.edited ?? null) !== null, () => {
    const made = make('span', 'edited', '(edited)');
    words.after(made);
    return made;
  });
  if (edited) edited.title = `Edited ${fullTime(item.edited)}`;
  if (words.shown === text) return;
  words.shown = text;
  if (isDeleted) words.textContent = text;
  else putText(words, text, { mentions: item.mentions, self: room.user, nameOf });
  words.classList.toggle('only-emoji', !isDeleted && isOnlyEmoji(text));
  const isLong = text.length > LONG_CHARS || text.split('\n').length > LONG_LINES;
  words.classList.toggle('long', isLong);
  keep(body, 'unfold', isLong, () => {
    const unfold = makeButton('unfold', 'Show all');
    words.after(unfold);
    return unfold;
  });
}

function deletedText({ by, reason }, nameOf) {
  const who = by ? ` by ${by === '*' ? 'the server' : nameOf(by)}` : '';
  return `Message deleted${who}${reason ? `: ${reason}` : ''}`;
}

/** The message that is answered, above the answer. */
function dressQuote(body, item, { room, nameOf }) {
  const isWanted = (item.reply ?? null) !== null && (item.deleted ?? null) === null;
  const quote = keep(body, 'quote', isWanted, () => {
    const made = makeButton('quote');
    made.tabIndex = -1;
    made.dir = 'auto';
    made.dataset.ref = item.reply;
    made.append(make('span', 'quote-author'), make('span', 'quote-text'));
    body.querySelector('.text').before(made);
    return made;
  });
  if (!quote) return;
  const quoted = room.byId.get(item.reply) ?? room.quoted.get(item.reply);
  const [author, text] = quote.children;
  const isThere = quoted && (quoted.deleted ?? null) === null;
  setText(author, isThere ? nameOf(quoted.user) : '');
  if (isThere) setText(text, shorten(quoted.text));
  else if (quoted === undefined) setText(text, '…');
  else setText(text, 'A message that is no longer there');
  quote.setAttribute('aria-label', `In reply to ${author.textContent}: ${text.textContent}`);
}

const shorten = (text) => {
  const line = text.replace(/\s+/g, ' ');
  return line.length > QUOTE_CHARS ? `${line.slice(0, QUOTE_CHARS)}…` : line;
};

function dressReactions(body, item, { room, nameOf }) {
  const reactions = together(item.reactions ?? []);
  const box = keep(body, 'reactions', reactions.length > 0, () => {
    const made = make('div', 'reactions');
    made.setAttribute('aria-live', 'off');
    body.insertBefore(made, body.querySelector(':scope > :is(.status, .receipt)'));
    return made;
  });
  if (!box) return;
  const known = new Map([...box.children].map((one) => [one.dataset.emoji, one]));
  for (const { emoji, count, users } of reactions) {
    const button = known.get(emoji) ?? makeReaction(emoji);
    // Moving one that is there would take the focus from it.
    if (!known.delete(emoji)) box.append(button);
    const names = users.map(nameOf).join(', ');
    const others = count > users.length ? ` and ${count - users.length} more` : '';
    button.title = `${names}${others}`;
    setAttribute(button, 'aria-pressed', String(users.includes(room.user)));
    setAttribute(button, 'aria-label', `${emoji} ${count}: ${names}${others}`);
    setText(button.lastElementChild, count.toLocaleString());
  }
  for (const button of known.values()) button.remove();
}

/** The same emoji may have come with and without the sign that asks for its colours. */
export function together(reactions) {
  const found = new Map();
  for (const { emoji, count, users } of reactions) {
    const key = emoji.replaceAll('\ufe0f', '');
    const same = found.get(key);
    if (same === undefined) found.set(key, { emoji, count, users: [...users] });
    else {
      const others = users.filter((user) => !same.users.includes(user));
      // Who has put both counts once, as far as names are known.
      same.count += count - (users.length - others.length);
      same.users.push(...others);
    }
  }
  return [...found.values()];
}

function makeReaction(emoji) {
  const button = makeButton('reaction');
  button.tabIndex = -1;
  button.dataset.emoji = emoji;
  button.append(make('span', 'emoji', emoji), make('span', 'count'));
  return button;
}

function addStatus(body) {
  const status = make('div', 'status');
  const retry = makeButton('retry', 'Try again');
  status.append(make('span', 'words'), retry, makeButton('discard', 'Discard'));
  body.append(status);
  return status;
}

function dressStatus(status, item, { room }) {
  const failed = item.state === 'failed';
  let words = 'Sending…';
  if (failed) words = `Not sent. ${explain({ ...item.error, isDirect: room.isDirect })}.`;
  else if (item.local) words = 'Shown by this relay, not stored yet';
  else if (item.retryAt !== null) {
    const seconds = Math.max(0, Math.ceil((item.retryAt - Date.now()) / 1000));
    if (seconds > 0) words = `Waiting, sends again in ${seconds} s`;
  }
  setText(status.querySelector('.words'), words);
  const mayAct = failed && item.user === room.user;
  for (const button of status.querySelectorAll('button')) button.hidden = !mayAct;
}
