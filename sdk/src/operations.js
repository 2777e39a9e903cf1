/**
 * What a relay does when it is asked, one method each.
 *
 * The one idea: a method says what it needs and what it answers; what comes of it shows by events,
 * the same for everybody in the room.
 *
 * It refuses to repeat: an operation that fell with its connection is the caller's to ask again.
 */

import { own } from './own.js';
import { compact } from './sender.js';

export class Operations extends EventTarget {
  /**
   * Asks the relay; see `ChatClient`.
   * @abstract
   */
  request() {
    throw new TypeError('not connected to anything');
  }

  /**
   * A followed room is told what was learned of it; see `ChatClient`.
   * @abstract
   */
  learn() {}

  /** An ephemeral event of our own name. */
  signal(name, signalName, data) {
    const fields = { room: name, name: signalName };
    return this.request('signal', data === undefined ? fields : { ...fields, data });
  }

  /** Gives a message another text. */
  edit(name, id, text, meta) {
    return this.request('edit', compact({ room: name, id, text, meta }));
  }

  /** Deletes a message, for all and for ever. */
  erase(name, id, reason) {
    return this.request('delete', compact({ room: name, id, reason }));
  }

  /** Puts this user's reaction to a message. Resolves to whether it was not there before. */
  async react(name, id, emoji) {
    return Boolean((await this.request('react', { room: name, id, emoji })).changed);
  }

  /** Takes this user's reaction back. Resolves to whether it was there. */
  async unreact(name, id, emoji) {
    const answer = await this.request('react', { room: name, id, emoji, remove: true });
    return Boolean(answer.changed);
  }

  /**
   * Moderates.
   * @param {'kick'|'ban'|'unban'|'mute'|'unmute'|'role'} action
   * @param {{role?: string, forMs?: number, reason?: string}} [options]
   * @returns {Promise<boolean>} whether anything changed
   */
  async moderate(name, action, user, { role, forMs, reason } = {}) {
    const fields = compact({ room: name, action, user, role, for_ms: forMs, reason });
    return Boolean((await this.request('mod', fields)).changed);
  }

  /** Asks what a room is, and changes it if `set` holds settings. A followed one learns it too. */
  async about(name, set) {
    const { settings } = await this.request('room', compact({ room: name, set }));
    this.learn(name, (room) => room.setAbout(settings));
    return settings;
  }

  /** Asks for the roles of a followed room's members: the first of them, owners among these. */
  async roles(name) {
    const { members } = await this.members(name, { count: 200 });
    this.learn(name, (room) => room.setRoles(members));
  }

  /** Changes this user's `name`, `avatar` or `status` (words about oneself). */
  async setProfile(fields) {
    await this.request('room', { room: `@${this.user}`, set: fields });
    this.profiles.refresh(this.user);
  }

  /**
   * One page of members: {cursor: string|null, members: {user, role, joined}[]}. With `prefix` those
   * whose names begin with it; `count` then bounds how many are examined.
   */
  async members(name, { cursor, count = 100, prefix } = {}) {
    const answer = await this.request('members', compact({ room: name, cursor, count, prefix }));
    return { cursor: answer.cursor ?? null, members: answer.members ?? [] };
  }

  /** The role of a user in a room; null: no member. */
  async roleOf(name, user) {
    let cursor;
    do {
      const page = await this.members(name, { cursor, count: 1000, prefix: user });
      const found = page.members.find((member) => member.user === user);
      if (found) return found.role;
      cursor = page.cursor;
    } while (cursor !== null);
    return null;
  }

  /** Whether a user has ever been here. */
  async isKnown(user) {
    return (
      (own((await this.request('profiles', { users: [user] })).profiles, user) ?? null) !== null
    );
  }

  /**
   * A page of rooms by last activity.
   * @returns {Promise<{cursor: string|null, rooms: {room, last, members, online, topic}[]}>}
   */
  async directory({ match, cursor, count = 100 } = {}) {
    const answer = await this.request('rooms', compact({ match, cursor, count }));
    return { cursor: answer.cursor ?? null, rooms: answer.rooms ?? [] };
  }
}
