/**
 * The list of rooms: one's own, and the directory of others on the server.
 *
 * The one idea: both lists are short and cheap, so they are drawn whole, row by row in place; what
 * is typed into the join field narrows both.
 *
 * It refuses to join: it says which room was asked for.
 */

import { make, makeButton, setAttribute, setText } from '../elements.js';
import { dressAvatar, makeAvatar } from '../people/avatar.js';
import { statusWords } from '../people/status-menu.js';
import { plural } from '../words.js';

export class RoomsView {
  #parts;
  #on;
  #own = [];
  #directory = [];
  #note = '';

  /**
   * @param {{rooms, directory, note, input}} parts elements of the page
   * @param {{open: (room: string) => void}} on
   */
  constructor(parts, on) {
    this.#parts = parts;
    this.#on = on;
    parts.input.addEventListener('input', () => this.#draw());
    for (const list of [parts.rooms, parts.directory]) {
      list.addEventListener('click', ({ target }) => {
        const row = target.closest('.room');
        if (row) this.#on.open(row.dataset.room);
      });
      list.addEventListener('keydown', (event) => moveFocus(event, list));
    }
  }

  /**
   * @param {{name, label, unread, mentions, online, active, problem, topic, other, status}[]} rooms
   *   `other`: the other user of a direct room, with their status
   */
  setOwn(rooms) {
    this.#own = rooms;
    this.#draw();
  }

  /** @param {{room, online, members, topic}[]} rooms @param {string} note what to say instead */
  setDirectory(rooms, note = '') {
    this.#directory = rooms;
    this.#note = note;
    this.#draw();
  }

  #draw() {
    const { rooms, directory, note, input } = this.#parts;
    const wanted = input.value.trim().toLowerCase();
    const fits = (...names) => names.some((name) => name.toLowerCase().includes(wanted));
    const own = new Set(this.#own.map((room) => room.name));
    drawRows(
      rooms,
      this.#own.filter(({ name, label }) => fits(name, label)),
    );
    const others = this.#directory.filter(({ room }) => !own.has(room) && fits(room));
    drawRows(
      directory,
      others.map(({ room, online, topic }) => ({
        name: room,
        label: room,
        online,
        topic,
      })),
    );
    if (this.#note) setText(note, this.#note);
    else if (others.length) setText(note, '');
    else setText(note, wanted ? 'No other room matches.' : 'No other rooms yet.');
  }
}

function drawRows(list, entries) {
  const rows = new Map([...list.children].map((row) => [row.firstElementChild.dataset.room, row]));
  const focused = document.activeElement;
  let place = list.firstElementChild;
  for (const entry of entries) {
    const row = rows.get(entry.name) ?? makeRow(entry);
    rows.delete(entry.name);
    dressRow(row, entry);
    if (row === place) place = place.nextElementSibling;
    else list.insertBefore(row, place);
  }
  for (const row of rows.values()) row.remove();
  // A row that moved has lost the focus.
  if (focused !== document.activeElement && list.contains(focused)) focused.focus();
}

function makeRow({ name, other = null }) {
  const row = make('li');
  const button = makeButton('room');
  button.dataset.room = name;
  const mark = other === null ? make('span', 'room-mark', '#') : makeAvatar();
  mark.setAttribute('aria-hidden', 'true');
  const label = make('span', 'room-name');
  label.dir = 'auto';
  button.append(mark, label, make('span', 'online'), make('span', 'badge'));
  row.append(button);
  return row;
}

function dressRow(row, entry) {
  const { name, label, online = 0, unread = 0, mentions = 0, active = false } = entry;
  const { problem = false, topic = '', other = null, status = null, avatar } = entry;
  const button = row.firstElementChild;
  const [mark, labelElement, onlineElement, badge] = button.children;
  const count = unread > 99 ? '99+' : String(unread);
  if (other !== null) {
    dressAvatar(mark, other, label, avatar);
    setAttribute(button, 'data-status', status);
  }
  setText(labelElement, label);
  setText(onlineElement, other === null && online > 0 ? online.toLocaleString() : '');
  setText(badge, unread > 0 ? count : '');
  badge.title =
    mentions > 0 ? `${plural(mentions, 'message mentions', 'messages mention')} you` : '';
  button.classList.toggle('unread', unread > 0);
  button.toggleAttribute('data-mentions', mentions > 0);
  button.classList.toggle('problem-room', problem);
  button.title = topic ? `${name}: ${topic}` : name;
  setAttribute(button, 'aria-current', active ? 'true' : null);
  const parts = [other === null ? label : `Direct messages with ${label}`];
  if (unread > 0) parts.push(plural(unread, 'new message', 'new messages'));
  if (mentions > 0) parts.push(`mentioned ${plural(mentions, 'time', 'times')}`);
  if (online > 0 && other === null) parts.push(`${online} online`);
  if (status) parts.push(statusWords(status));
  setAttribute(button, 'aria-label', parts.join(', '));
}

/** Arrow keys walk a list. */
function moveFocus(event, list) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || event.altKey) return;
  const buttons = [...list.querySelectorAll('.room')];
  const next = buttons[buttons.indexOf(document.activeElement) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
}
