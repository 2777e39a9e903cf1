/**
 * The list of rooms: one's own, and the directory of others on the server.
 *
 * The one idea: both lists are short and cheap, so they are drawn whole; what is typed into the join field narrows
 * both.
 *
 * It refuses to join: it says which room was asked for.
 */

import { html, nothing, render } from 'lit-html';
import { repeat } from 'lit-html/directives/repeat.js';

import { setText } from '../elements.js';
import { avatar } from '../people/avatar.js';
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
  const focused = document.activeElement;
  const key = ({ name }) => name;
  render(repeat(entries, key, row), list);
  // A row that moved has lost the focus.
  if (focused !== document.activeElement && list.contains(focused)) focused.focus();
}

function row(entry) {
  const { name, label, online = 0, unread = 0, mentions = 0, active = false } = entry;
  const { problem = false, topic = '', other = null, status = null, avatar: picture } = entry;
  const count = unread > 99 ? '99+' : String(unread);
  const about = [other === null ? label : `Direct messages with ${label}`];
  if (unread > 0) about.push(plural(unread, 'new message', 'new messages'));
  if (mentions > 0) about.push(`mentioned ${plural(mentions, 'time', 'times')}`);
  if (online > 0 && other === null) about.push(`${online} online`);
  if (status) about.push(statusWords(status));
  const isCrowd = other === null && online > 0;
  const mentioned = `${plural(mentions, 'message mentions', 'messages mention')} you`;
  const mark =
    other === null
      ? html`<span class="room-mark" aria-hidden="true">#</span>`
      : avatar(other, label, picture);
  return html`<li><button type="button" data-room=${name}
    class="room${unread > 0 ? ' unread' : ''}${problem ? ' problem-room' : ''}"
    ?data-mentions=${mentions > 0} data-status=${status ?? nothing}
    aria-current=${active ? 'true' : nothing} aria-label=${about.join(', ')}
    title=${topic ? `${name}: ${topic}` : name}
    >${mark}<span class="room-name" dir="auto">${label}</span
    ><span class="online">${isCrowd ? online.toLocaleString() : ''}</span
    ><span class="badge" title=${mentions > 0 ? mentioned : ''}>${unread > 0 ? count : ''}</span
  ></button></li>`;
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
