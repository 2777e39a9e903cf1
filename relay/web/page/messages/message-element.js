/**
 * One message or notice as an element.
 *
 * The one idea: `makeItem` makes the element, whose inside is a template of the item, of the one before it and
 * of the scene. `drawItem` may be called as often as one likes.
 *
 * It refuses to listen: who clicks what is the list's.
 */

import { html, nothing, render } from 'lit-html';
import { guard } from 'lit-html/directives/guard.js';
import { repeat } from 'lit-html/directives/repeat.js';

import { make } from '../elements.js';
import { avatar } from '../people/avatar.js';
import { clock, dayName, dayOf, explain, fullTime, hue, noticeText } from '../words.js';
import { isOnlyEmoji, textNodes } from './text.js';

const GROUP_MS = 5 * 60_000;
const LONG_CHARS = 3000;
const LONG_LINES = 25;
const QUOTE_CHARS = 160;

/**
 * What an item is drawn with.
 * @typedef {object} Scene
 * @property {import('../../sdk.js').RoomState} room
 * @property {(user: string) => string} nameOf
 * @property {(user: string) => string|undefined} avatarOf
 * @property {{item: object, words: string, title: string}|null} receipt who has read which of our messages
 */

/** The element of an item of a room, not drawn yet. */
export function makeItem(item) {
  const element = make('div', item.type === 'notice' ? 'notice' : 'message');
  element.tabIndex = -1;
  element.item = item;
  if (item.type === 'notice') return element;
  const { user, kind, nonce } = item;
  element.setAttribute('role', 'article');
  element.dataset.user = user;
  if (nonce) element.dataset.nonce = nonce;
  if (kind !== 'text' && (kind !== 'system' || isServer(item))) element.dataset.kind = kind;
  return element;
}

/**
 * @param {Element} element of `makeItem`
 * @param {object|null} before the item before
 * @param {Scene} scene
 */
export function drawItem(element, before, scene) {
  const { item } = element;
  const { room } = scene;
  const isNewDay = !before || dayOf(before.ts) !== dayOf(item.ts);
  const isFirstUnread = room.firstUnread === item;
  const marks = [
    isFirstUnread ? html`<div class="unread-mark">New messages</div>` : nothing,
    isNewDay ? html`<div class="day">${dayName(item.ts)}</div>` : nothing,
  ];
  const isGrouped = !isNewDay && !isFirstUnread && isSameVoice(before, item);
  element.classList.toggle('grouped', isGrouped);
  if (item.id) element.dataset.id = item.id;
  if (item.type === 'notice') {
    render(html`${marks}${notice(item, scene)}`, element);
    return;
  }
  element.dataset.state = item.state;
  element.toggleAttribute('data-local', item.local);
  element.toggleAttribute('data-ephemeral', item.ephemeral);
  element.toggleAttribute('data-deleted', isDeleted(item));
  element.toggleAttribute('data-edited', isEdited(item));
  element.toggleAttribute('data-mentions-me', item.mentions?.includes(room.user) ?? false);
  render(html`${marks}${message(item, element.isUnfolded ?? false, scene)}`, element);
}

const isDeleted = ({ deleted }) => (deleted ?? null) !== null;
const isEdited = ({ edited }) => (edited ?? null) !== null;
/** The store lets nobody else send this kind; what is only shown by a relay it has not seen. */
const isServer = ({ kind, user, local }) => user === '*' || (kind === 'system' && !local);

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

const notice = ({ ts, event }, { nameOf }) =>
  html`<p class="notice-text" dir="auto" title=${fullTime(ts)}>${noticeText(event, nameOf)}</p>`;

function message(item, isUnfolded, scene) {
  const { nameOf, avatarOf, receipt } = scene;
  const { user, ts } = item;
  const name = isServer(item) ? 'Server' : nameOf(user);
  const picture = isServer(item) ? undefined : avatarOf(user);
  return html`${avatar(user, name, picture)}
    <div class="body">
      <div class="head"
        ><button type="button" class="author" tabindex="-1" dir="auto" title=${user} ?disabled=${isServer(item)}
          .style=${`--hue: ${hue(user)}`}>${name}</button
        ><time class="time" datetime=${new Date(ts).toISOString()} title=${fullTime(ts)}>${clock(ts)}</time
      ></div>
      ${(item.reply ?? null) !== null && !isDeleted(item) ? quote(item, scene) : nothing}
      ${words(item, isUnfolded, scene)}
      ${item.reactions?.length ? reactions(item, scene) : nothing}
      ${item.state === 'stored' ? nothing : status(item, scene)}
      ${
        receipt?.item === item
          ? html`<div class="receipt" aria-live="off" title=${receipt.title}>${receipt.words}</div>`
          : nothing
      }
    </div>`;
}

function words(item, isUnfolded, { room, nameOf }) {
  const { mentions, edited } = item;
  const text = isDeleted(item) ? deletedText(item, nameOf) : item.text;
  const isLong = text.length > LONG_CHARS || text.split('\n').length > LONG_LINES;
  const isFolded = isLong && !isUnfolded;
  const isEmoji = !isDeleted(item) && isOnlyEmoji(text);
  const nodes = () =>
    isDeleted(item) ? text : textNodes(text, { mentions, self: room.user, nameOf });
  return html`<div class="text${isFolded ? ' long' : ''}${isEmoji ? ' only-emoji' : ''}" dir="auto"
      >${guard([text, isDeleted(item)], nodes)}</div>
    ${
      isFolded
        ? html`<button type="button" class="unfold" tabindex="-1">Show all</button>`
        : nothing
    }
    ${
      isEdited(item) && !isDeleted(item)
        ? html`<span class="edited" title="Edited ${fullTime(edited)}">(edited)</span>`
        : nothing
    }`;
}

function deletedText({ by, reason }, nameOf) {
  const who = by ? ` by ${by === '*' ? 'the server' : nameOf(by)}` : '';
  return `Message deleted${who}${reason ? `: ${reason}` : ''}`;
}

/** The message that is answered, above the answer. */
function quote({ reply }, { room, nameOf }) {
  const quoted = room.byId.get(reply) ?? room.quoted.get(reply);
  const isThere = quoted && !isDeleted(quoted);
  const author = isThere ? nameOf(quoted.user) : '';
  let text = 'A message that is no longer there';
  if (isThere) text = shorten(quoted.text);
  else if (quoted === undefined) text = '…';
  return html`<button type="button" class="quote" tabindex="-1" dir="auto" data-ref=${reply}
      aria-label="In reply to ${author}: ${text}"
      ><span class="quote-author">${author}</span><span class="quote-text">${text}</span></button>`;
}

const shorten = (text) => {
  const line = text.replace(/\s+/g, ' ');
  return line.length > QUOTE_CHARS ? `${line.slice(0, QUOTE_CHARS)}…` : line;
};

function reactions(item, { room, nameOf }) {
  const key = ({ emoji }) => emoji;
  const button = ({ emoji, count, users }) => {
    const names = users.map(nameOf).join(', ');
    const others = count > users.length ? ` and ${count - users.length} more` : '';
    return html`<button type="button" class="reaction" tabindex="-1" data-emoji=${emoji}
        title="${names}${others}" aria-label="${emoji} ${count}: ${names}${others}"
        aria-pressed=${String(users.includes(room.user))}
        ><span class="emoji">${emoji}</span><span class="count">${count.toLocaleString()}</span
      ></button>`;
  };
  const all = repeat(together(item.reactions), key, button);
  return html`<div class="reactions" aria-live="off">${all}</div>`;
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

function status(item, { room }) {
  const isFailed = item.state === 'failed';
  let words = 'Sending…';
  if (isFailed) words = `Not sent. ${explain({ ...item.error, isDirect: room.isDirect })}.`;
  else if (item.local) words = 'Shown by this relay, not stored yet';
  else if (item.retryAt !== null) {
    const seconds = Math.max(0, Math.ceil((item.retryAt - Date.now()) / 1000));
    if (seconds > 0) words = `Waiting, sends again in ${seconds} s`;
  }
  const buttons = html`
    <button type="button" class="retry" tabindex="-1">Try again</button>
    <button type="button" class="discard" tabindex="-1">Discard</button>`;
  return html`<div class="status"><span class="words">${words}</span>${
    isFailed && item.user === room.user ? buttons : nothing
  }</div>`;
}
