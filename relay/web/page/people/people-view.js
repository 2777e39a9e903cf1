/**
 * Who is here: the panel beside the messages, and the line that says who is typing.
 *
 * The one idea: a row per user, in order. A click on somebody opens the room of the two, the button beside it
 * everything else.
 *
 * It refuses to count: the room says how many there are.
 */

import { html, render } from 'lit-html';
import { repeat } from 'lit-html/directives/repeat.js';

import { setText } from '../elements.js';
import { avatar } from './avatar.js';
import { statusWords } from './status-menu.js';

const ROWS_MOST = 500;
const ROLE_WORDS = { owner: 'owner', moderator: 'moderator' };

export class PeopleView {
  #parts;
  #on;
  #room = null;

  /**
   * @param {{list, count, more, typing}} parts elements of the page
   * @param {{nameOf: (user) => string, open: (user) => void, menu: (user, anchor) => void}} on
   */
  constructor(parts, on) {
    this.#parts = parts;
    this.#on = on;
    parts.list.addEventListener('click', ({ target }) => {
      const row = target.closest('.person');
      if (!row) return;
      const { user } = row.dataset;
      const more = target.closest('.person-more');
      if (more) on.menu(user, more);
      else if (user === this.#room?.user) on.menu(user, row.querySelector('.person-open'));
      else on.open(user);
    });
    parts.list.addEventListener('keydown', (event) => this.#walk(event));
  }

  /** @param {import('../../sdk.js').RoomState|null} room */
  show(room) {
    this.#room = room;
    this.draw();
    this.drawTyping();
  }

  draw() {
    const { list, count, more } = this.#parts;
    const room = this.#room;
    const people = room ? [...room.people.values()].sort(byName(room.user, this.#on.nameOf)) : [];
    const shown = people.slice(0, ROWS_MOST);
    const key = ({ user }) => `${room.name} ${user}`;
    render(
      repeat(shown, key, (person) => this.#row(person)),
      list,
    );
    setText(count, room ? room.online.toLocaleString() : '');
    const hidden = room ? Math.max(0, room.online - shown.length) : 0;
    if (hidden === 0 || (people.length === 0 && !room.isCrowded)) setText(more, '');
    else if (people.length === 0) setText(more, `${hidden.toLocaleString()} people`);
    else setText(more, `and ${hidden.toLocaleString()} more`);
  }

  drawTyping() {
    const users = [...(this.#room?.typing.keys() ?? [])].map(this.#on.nameOf);
    let words = '';
    if (users.length === 1) words = `${users[0]} is typing…`;
    else if (users.length === 2) words = `${users[0]} and ${users[1]} are typing…`;
    else if (users.length > 2) words = `${users[0]}, ${users[1]} and others are typing…`;
    setText(this.#parts.typing, words);
  }

  #row({ user, status }) {
    const room = this.#room;
    const name = this.#on.nameOf(user);
    const you = user === room.user ? 'you' : '';
    const words = status && status !== 'online' ? statusWords(status) : '';
    const about = [you, ROLE_WORDS[room.roles.get(user)], words].filter(Boolean).join(' · ');
    const title = user === room.user ? user : `${user}: write to them alone`;
    return html`<li class="person" data-user=${user} data-status=${status || 'online'}>
      <button type="button" class="person-open" title=${title}
        aria-label=${[name, about].filter(Boolean).join(', ')}
        >${avatar(user, name, this.#on.avatarOf(user))}<span class="person-words"
          ><span class="person-name" dir="auto">${name}</span
          ><span class="person-status" dir="auto">${about}</span
        ></span
      ></button>
      <button type="button" class="icon more person-more" aria-label="More about ${name}"></button>
    </li>`;
  }

  /** Arrow keys walk the list. */
  #walk(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const row = event.target.closest('.person');
    const next = step > 0 ? row?.nextElementSibling : row?.previousElementSibling;
    if (!next) return;
    event.preventDefault();
    next.querySelector('.person-open').focus();
  }
}

/** Oneself first, then by name. */
function byName(self, nameOf) {
  return (a, b) =>
    (b.user === self) - (a.user === self) || nameOf(a.user).localeCompare(nameOf(b.user));
}
