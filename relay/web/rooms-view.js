/**
 * The list of rooms: those joined, and the directory of others on the server.
 *
 * The one idea: both lists are short and cheap, so they are drawn whole, row by row in place; what
 * is typed into the join field narrows both.
 *
 * It refuses to join: it says which room was asked for.
 */

import { plural } from './words.js';

export class RoomsView {
  #parts;
  #on;
  #joined = [];
  #directory = [];
  #active = null;
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

  /** @param {import('./room.js').Room[]} rooms */
  setJoined(rooms, active) {
    this.#joined = rooms;
    this.#active = active;
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
    const fits = (name) => name.toLowerCase().includes(wanted);
    const joined = new Set(this.#joined.map((room) => room.name));
    drawRows(rooms, this.#joined.filter((room) => fits(room.name)).map((room) => ({
      name: room.name, unread: room.unread, online: room.online, active: room.name === this.#active,
      problem: room.problem !== null, topic: room.topic,
    })));
    const others = this.#directory.filter(({ room }) => !joined.has(room) && fits(room));
    drawRows(directory, others.map(({ room, online, topic }) => ({ name: room, online, topic })));
    if (this.#note) note.textContent = this.#note;
    else if (others.length) note.textContent = '';
    else note.textContent = wanted ? 'No other room matches.' : 'No other rooms yet.';
  }
}

function drawRows(list, entries) {
  const rows = new Map([...list.children].map((row) => [row.firstElementChild.dataset.room, row]));
  let place = list.firstElementChild;
  for (const entry of entries) {
    const row = rows.get(entry.name) ?? makeRow(entry.name);
    rows.delete(entry.name);
    dressRow(row, entry);
    if (row === place) place = place.nextElementSibling;
    else list.insertBefore(row, place);
  }
  for (const row of rows.values()) row.remove();
}

function makeRow(name) {
  const row = document.createElement('li');
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'room';
  button.dataset.room = name;
  const label = document.createElement('span');
  label.className = 'room-name';
  label.dir = 'auto';
  label.textContent = name;
  const online = document.createElement('span');
  online.className = 'online';
  const badge = document.createElement('span');
  badge.className = 'badge';
  button.append(label, online, badge);
  row.append(button);
  return row;
}

function dressRow(row, { name, online, unread = 0, active = false, problem = false, topic }) {
  const button = row.firstElementChild;
  const [, onlineElement, badge] = button.children;
  const count = unread > 99 ? '99+' : String(unread);
  setText(onlineElement, online > 0 ? online.toLocaleString() : '');
  setText(badge, unread > 0 ? count : '');
  button.classList.toggle('unread', unread > 0);
  button.classList.toggle('problem-room', problem);
  button.title = topic ? `${name}: ${topic}` : name;
  if (active) button.setAttribute('aria-current', 'true');
  else button.removeAttribute('aria-current');
  const parts = [name];
  if (unread > 0) parts.push(plural(unread, 'new message', 'new messages'));
  if (online > 0) parts.push(`${online} online`);
  button.setAttribute('aria-label', parts.join(', '));
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Arrow keys walk a list. */
function moveFocus(event, list) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const buttons = [...list.querySelectorAll('.room')];
  const next = buttons[buttons.indexOf(document.activeElement) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
}
