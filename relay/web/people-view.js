/**
 * Who is here: the panel beside the messages, and the line that says who is typing.
 *
 * The one idea: rows are kept per user and put in order; a presence event moves one row.
 *
 * It refuses to count: the room says how many there are.
 */

import { hue, initial } from './words.js';

const ROWS_MOST = 500;

export class PeopleView {
  #parts;
  #rows = new Map();
  #room = null;

  /** @param {{list, count, more, typing}} parts elements of the page */
  constructor(parts) {
    this.#parts = parts;
  }

  /** @param {import('./room.js').Room|null} room */
  show(room) {
    this.#room = room;
    this.#rows.clear();
    this.#parts.list.replaceChildren();
    this.draw();
    this.drawTyping();
  }

  draw() {
    const { list, count, more } = this.#parts;
    const room = this.#room;
    const people = room ? [...room.people.values()].sort(byName(room.user)) : [];
    const shown = people.slice(0, ROWS_MOST);
    const users = new Set(shown.map((person) => person.user));
    for (const [user, row] of this.#rows) {
      if (users.has(user)) continue;
      row.remove();
      this.#rows.delete(user);
    }
    let place = list.firstElementChild;
    for (const person of shown) {
      const row = this.#rows.get(person.user) ?? this.#make(person.user);
      dress(row, person);
      if (row === place) place = place.nextElementSibling;
      else list.insertBefore(row, place);
    }
    count.textContent = room ? room.online.toLocaleString() : '';
    const hidden = room ? Math.max(0, room.online - shown.length) : 0;
    const partial = hidden > 0 && people.length > 0;
    more.textContent = partial ? `and ${hidden.toLocaleString()} more` : '';
  }

  drawTyping() {
    const users = [...(this.#room?.typing.keys() ?? [])];
    let words = '';
    if (users.length === 1) words = `${users[0]} is typing…`;
    else if (users.length === 2) words = `${users[0]} and ${users[1]} are typing…`;
    else if (users.length > 2) words = `${users[0]}, ${users[1]} and others are typing…`;
    const { typing } = this.#parts;
    if (typing.textContent !== words) typing.textContent = words;
  }

  #make(user) {
    const row = document.createElement('li');
    row.className = 'person';
    row.dataset.user = user;
    const avatar = document.createElement('span');
    avatar.className = 'avatar';
    avatar.setAttribute('aria-hidden', 'true');
    avatar.style.setProperty('--hue', hue(user));
    avatar.textContent = initial(user);
    const name = document.createElement('span');
    name.className = 'person-name';
    name.dir = 'auto';
    name.textContent = user === this.#room.user ? `${user} (you)` : user;
    name.title = user;
    const status = document.createElement('span');
    status.className = 'person-status';
    row.append(avatar, name, status);
    this.#rows.set(user, row);
    return row;
  }
}

function dress(row, { status }) {
  const words = status && status !== 'online' ? status : '';
  row.dataset.status = status || 'online';
  const element = row.querySelector('.person-status');
  if (element.textContent !== words) element.textContent = words;
}

/** Oneself first, then by name. */
function byName(self) {
  return (a, b) => (b.user === self) - (a.user === self) || a.user.localeCompare(b.user);
}
