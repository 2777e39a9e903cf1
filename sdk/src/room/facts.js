/**
 * What a room is, apart from what was said there: its settings, and who is what.
 *
 * The one idea: the relay's operations `room` and `members` tell it whole, events keep it right.
 *
 * It refuses to guess: what was not told is what a new room has.
 */

const FOR_EVER = Infinity;

/**
 * Whether a setting is on, as frames or as the store write it.
 * @param {unknown} value
 */
export const isYes = (value) => value === true || value === 'yes' || value === 1;

export class RoomFacts {
  constructor() {
    /** The reader's role; null: no member. @type {string|null} */
    this.role = null;
    /** user -> role, of those it was told of @type {Map<string, string>} */
    this.roles = new Map();
    this.topic = '';
    /** Whether only moderators may write. */
    this.frozen = false;
    /** `open` or `members`: who may read. */
    this.access = 'open';
    /** ms that must lie between two messages of one user; 0: nothing is asked. */
    this.slowMs = 0;
    /** Bytes that a text may have; null: not known. @type {number|null} */
    this.maxText = null;
    /** Until when (ms) the reader may not write; Infinity: for ever; null: may. @type {number|null} */
    this.mutedUntil = null;
  }

  /**
   * Who is what here.
   * @param {{user: string, role: string}[]} members
   * @returns {import('./state.js').Change[]}
   */
  setRoles(members) {
    this.roles = new Map(members.map(({ user, role }) => [user, role]));
    return [{ what: 'people' }];
  }

  /**
   * What the room is, as the relay's operation `room` tells it.
   * @param {Record<string, any>} settings
   * @returns {import('./state.js').Change[]}
   */
  setAbout(settings) {
    const { topic = '', frozen, slow, role, access, muted_until: mutedUntil } = settings;
    this.topic = topic ?? '';
    this.frozen = isYes(frozen);
    this.slowMs = Number(slow) || 0;
    this.access = access ?? 'open';
    this.maxText = Number(settings.max_text) || null;
    if (role !== undefined) this.role = role;
    this.setMuted(mutedUntil);
    return [{ what: 'about' }];
  }

  /**
   * The reader may not write until `ms`; 0: for ever; undefined or null: may.
   * @param {number|null|undefined} ms
   */
  setMuted(ms) {
    if (ms === undefined || ms === null) this.mutedUntil = null;
    else this.mutedUntil = Number(ms) > 0 ? Number(ms) : FOR_EVER;
  }
}
