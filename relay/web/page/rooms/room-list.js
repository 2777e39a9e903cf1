/**
 * Which rooms are listed, and which of them are followed.
 *
 * The one idea: the inbox says which rooms are one's own; the newest of them are followed, so that
 * their counts are live, the others show what the inbox says. A direct room that was put away stays
 * away until somebody writes there.
 *
 * It refuses to join anything: following changes no membership.
 */

import { compareIds, otherSide, stateOf } from '../../sdk.js';
import { statusWords } from '../people/status-menu.js';
import * as store from '../store.js';
import { ago, explain } from '../words.js';
import { RoomsView } from './rooms-view.js';

const FOLLOW_MOST = 30;
const WATCH_MOST = 15;
const DIRECTORY_EVERY_MS = 20_000;

export class RoomList {
  #view;
  #menu;
  #on;
  #client = null;
  /** Rooms that were put away, and their newest id then. */
  #hidden = new Map();

  /**
   * @param {{rooms, directory, note, input, menu}} parts elements of the page
   * @param {{open: (room) => void, nameOf: (user) => string, learned: () => void}} on
   */
  constructor({ menu, ...parts }, on) {
    this.#menu = menu;
    this.#on = on;
    this.#view = new RoomsView(parts, on);
    parts.input.addEventListener('focus', () => this.loadDirectory());
    setInterval(() => {
      if (document.visibilityState === 'visible') this.loadDirectory();
    }, DIRECTORY_EVERY_MS);
  }

  signIn(client) {
    this.#client = client;
    this.#hidden = store.loadHidden(client.user);
  }

  signOut() {
    this.#client = null;
    this.#view.setOwn([]);
    this.#view.setDirectory([]);
  }

  /** How a room is called: a direct one by the other's name. */
  labelOf(name) {
    const other = this.#client ? otherSide(name, this.#client.user) : null;
    return other === null ? name : this.#on.nameOf(other);
  }

  /** The line under a room's name. */
  aboutOf(room) {
    const other = otherSide(room.name, this.#client.user);
    if (other !== null) return this.#contactWords(other);
    const isKnown = room.cursor !== null && !room.problem;
    const about = isKnown ? `${room.online.toLocaleString()} online` : '';
    return [about, room.topic].filter(Boolean).join(' · ');
  }

  #contactWords(user) {
    const words = this.#client.names.of(user)?.status ?? '';
    const state = this.#client.contacts.of(user);
    if (!state) return words;
    const { online, status, lastSeen } = state;
    const seen = lastSeen > 0 ? `last seen ${ago(lastSeen)}` : 'offline';
    return [online > 0 ? statusWords(status) : seen, words].filter(Boolean).join(' · ');
  }

  /** Follows the newest rooms of the inbox. */
  followInbox() {
    const listed = this.#listed();
    for (const { name, room } of listed.slice(0, FOLLOW_MOST)) {
      if (!room) this.followQuietly(name);
    }
    const others = listed.map(({ name }) => otherSide(name, this.#client.user)).filter(Boolean);
    for (const other of others.slice(0, WATCH_MOST)) this.#client.contacts.watch(other);
  }

  /** Follows a room that was ours; if it is ours no more, that is no news. */
  followQuietly(name) {
    this.#client.subscribe(name).catch(() => {});
  }

  /** A direct room is taken off the list. */
  putAway(name) {
    if (otherSide(name, this.#client.user) === null) return;
    const known = this.#client.overview().find((entry) => entry.name === name);
    this.#hidden.set(name, known?.last ?? '0-0');
    store.saveHidden(this.#client.user, this.#hidden);
  }

  bringBack(name) {
    const other = otherSide(name, this.#client.user);
    if (other !== null) this.#client.contacts.watch(other);
    if (!this.#hidden.delete(name)) return;
    store.saveHidden(this.#client.user, this.#hidden);
    this.followInbox();
  }

  /** The first room that is followed, or null. */
  first() {
    return this.#listed().find(({ room }) => room)?.name ?? null;
  }

  /** The room before or after one in the list. */
  beside(name, step) {
    const names = this.#listed().map((entry) => entry.name);
    return names.length ? names[(names.indexOf(name) + step + names.length) % names.length] : null;
  }

  /** Draws the list. @returns {number} how much is unread in all of it */
  draw(active) {
    if (!this.#client) return 0;
    const listed = this.#listed();
    this.#view.setOwn(listed.map((entry) => this.#row(entry, active)));
    const others = listed.some(({ name, unread }) => unread > 0 && name !== active);
    this.#menu.toggleAttribute('data-unread', others);
    return listed.reduce((sum, { unread }) => sum + unread, 0);
  }

  async loadDirectory() {
    const asked = this.#client;
    if (asked?.connection.state !== 'connected') return;
    try {
      const { rooms: found } = await asked.rooms();
      if (asked !== this.#client) return;
      for (const { room: name, topic } of found) {
        const room = asked.get(name);
        if (room && topic) stateOf(room).topic = topic;
      }
      this.#view.setDirectory(found);
      this.#on.learned();
    } catch (error) {
      const isNews = asked === this.#client && error.code !== 'LOST';
      if (isNews) this.#view.setDirectory([], explain(error));
    }
  }

  #listed() {
    return (
      this.#client?.overview().filter(({ name, last }) => {
        const hidden = this.#hidden.get(name);
        return hidden === undefined || compareIds(last, hidden) > 0;
      }) ?? []
    );
  }

  #row({ name, room: followed, unread, mentions }, active) {
    const room = followed && stateOf(followed);
    const other = otherSide(name, this.#client.user);
    const contact = other === null ? null : this.#client.contacts.of(other);
    return {
      name,
      label: this.labelOf(name),
      unread,
      mentions,
      online: room?.online ?? 0,
      active: name === active,
      problem: Boolean(room?.problem) && room.problem.code !== 'NEW',
      topic: room?.topic ?? '',
      other,
      avatar: other === null ? undefined : this.#on.avatarOf(other),
      status: contact?.online > 0 ? contact.status || 'online' : null,
    };
  }
}
