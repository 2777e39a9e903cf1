/**
 * One followed room: kept level with whichever relay we are connected to.
 *
 * The one idea: it is either level, then each durable event must name our cursor as its
 * predecessor, or a question is on its way that will make it level, and events wait. An answer
 * counts only if no newer question was asked and the cursor has not moved under it.
 *
 * The relay delivers without gaps; the check here is the last defence.
 *
 * Beside it: sender.js (lines on their way), pages.js, who.js, telling.js (typing, reading).
 *
 * It refuses to open connections and to fold events: room.js does.
 */

import { monotonicMs } from '../link/time.js';
import { AGAIN_MS, ChatError, failure, isCut, isPassing, pauseMs, plain } from '../words/error.js';
import { compareIds, isId, NOWHERE } from '../words/id.js';
import { Pages } from './pages.js';
import { Sender } from './sender.js';
import { hasEnded } from './state.js';
import { Telling } from './telling.js';
import { Who } from './who.js';

/** @typedef {import('../words/types.js').Frame} Frame */

/** Questions in a row that brought no agreement before we slow down. */
const HASTY_QUESTIONS = 3;
/** A greater `last` on an ephemeral event may be the relay's own business for this long. */
const BEHIND_MS = 2000;
const WAITING_MOST = 1000;

/**
 * The way out of a room.
 * @typedef {object} Link
 * @property {import('./outgoing.js').Outgoing} outgoing
 * @property {number} keepItems
 * @property {() => boolean} isConnected
 * @property {() => boolean} isSocket
 * @property {() => number|undefined} nonceWindowMs
 * @property {(op: string, fields?: Record<string, any>, options?: import('../words/types.js').CallOptions) => Promise<any>} request
 * @property {(room: RoomState, changes: Change[]) => void} changed
 * @property {(room: RoomState, event: Record<string, any>) => void} heard each event, once and in order
 * @property {(room: RoomState) => void} reloaded another page has taken the place of what was known
 * @property {(room: RoomState, error: ChatError) => void} problem a followed room could not be resumed
 * @property {(room: RoomState, error: ChatError) => void} lost it cannot be read any longer
 * @property {(error: ChatError) => void} refused the room was never followed: it has no page
 * @property {(room: RoomState) => void} [doubt] what is unread is to be asked
 * @property {() => boolean} hasEyes
 */

/**
 * What the parts of a room have of it.
 * @typedef {object} Inside
 * @property {Link['request']} request
 * @property {(changes: Change[]) => void} changed
 * @property {() => boolean} isWatched
 */

/** @typedef {import('./state.js').RoomState} RoomState */
/** @typedef {import('./state.js').Change} Change */
/** @typedef {import('./line.js').Line} Line */

export class Follow {
  #link;
  #sender;
  #op = 'join';
  /** The promise of the first page, while it is open. @type {Promise<RoomState>|null} */
  #begun = null;
  /** @type {{resolve: (room: RoomState) => void, reject: (error: ChatError) => void}|null} */
  #settle = null;
  #level = false;
  /** Whether somebody wants the notices of the past, and has not got them. */
  #wantsNotices = false;
  /** Grows with every question, so that late answers are known as such. */
  #question = 0;
  #hasty = 0;
  /** Durable events that came while a question was on its way. @type {Frame[]} */
  #waiting = [];
  #who;
  /** @type {Record<string, ReturnType<typeof setTimeout>|undefined>} */
  #timers = {};

  /**
   * @param {import('./state.js').RoomState} room
   * @param {Link} link
   */
  constructor(room, link) {
    this.room = room;
    this.#link = link;
    this.#sender = new Sender(this, link);
    /** @type {Inside} */
    const inside = {
      request: link.request,
      changed: (changes) => this.changed(changes),
      isWatched: () => !room.background || !link.hasEyes(),
    };
    this.#who = new Who(room, inside);
    /** What the reader tells the room. */
    this.telling = new Telling(room, inside);
    this.pages = new Pages(room, inside);
    room.tail = link.outgoing.of(room.name);
    /** Whether it is not followed any longer, for good. */
    this.hasEnded = false;
  }

  /** Whether a membership ends with it. That of a direct room never does. */
  get isMember() {
    return !this.room.isDirect && (this.#op === 'join' || this.room.role !== null);
  }

  /**
   * The reader looks at the room, or away.
   * @param {boolean} isLooking
   */
  look(isLooking) {
    this.changed(this.room.setBackground(!isLooking));
    if (isLooking) this.#who.look();
  }

  /** Whether somebody waits for its first page. */
  get isBeginning() {
    return this.#begun !== null;
  }

  /** Whether nothing is missing and lines may be sent. */
  isLevel() {
    return this.#level && this.room.problem === null && this.#link.isConnected();
  }

  /**
   * Asks for the first page, if that has not been done.
   * @param {string} op
   * @returns {Promise<RoomState>}
   */
  begin(op) {
    if (this.#begun) return this.#begun;
    const { cursor, problem, role, name, isDirect } = this.room;
    const isReading = cursor !== null && !problem;
    // Who reads already may still become a member.
    const isNewMember = op === 'join' && role === null && !isDirect;
    if (isReading && !isNewMember) return Promise.resolve(this.room);
    this.#op = op;
    this.#begun = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    if (isReading) this.#ask(op, { room: name, since: cursor });
    else this.#start();
    return this.#begun;
  }

  /**
   * On a new connection. What needs no more than its cursor is left to be resumed with others.
   * @returns {boolean} whether it is
   */
  takeUp() {
    this.#level = false;
    this.#waiting = [];
    this.#who.reset();
    this.telling.reset();
    this.changed([...this.room.dropLocal(), ...this.room.expireTyping(Infinity)]);
    const { cursor, problem } = this.room;
    if (cursor === null || this.#begun) this.#start();
    // A room that ended may have begun anew.
    else return problem === null || hasEnded(problem);
    return false;
  }

  /** There is another connection: until the room is taken up on it, nothing is sent. */
  interrupt() {
    this.#level = false;
  }

  /** It is known by now who we are, and which lines an earlier page has left. */
  adoptLines() {
    const { room } = this;
    const lines = this.#link.outgoing.of(room.name);
    if (lines.length === 0) return;
    for (const line of lines) {
      line.user = room.user;
      line.belongsTo(this.#sender);
    }
    room.tail = [...lines, ...room.tail.filter((item) => !lines.includes(item))];
    this.changed([{ what: 'replace' }]);
    this.#sender.flush();
  }

  /** Stops all that would happen by itself. */
  stop() {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#timers = {};
    this.#sender.stop();
    this.#who.stop();
    this.telling.stop();
  }

  /**
   * Nobody waits for its first page any longer.
   * @param {ChatError} error
   */
  giveUp(error) {
    this.stop();
    this.#question += 1;
    this.#begun?.catch(() => {});
    this.#settle?.reject(error);
    this.#begun = this.#settle = null;
  }

  /**
   * It is not followed any longer.
   * @param {ChatError} error
   */
  end(error) {
    this.hasEnded = true;
    this.#level = false;
    this.giveUp(error);
  }

  // --- becoming level ----------------------------------------------------------------------------

  /**
   * Learns what else happened since the first message that is known: pages have only messages. Never fails.
   * @returns {Promise<void>}
   */
  async learnNotices() {
    this.#wantsNotices = true;
    await this.#lookForNotices();
  }

  /** Until the room is level on a socket, they stay wanted: a stream has no answer of its own to it. */
  async #lookForNotices() {
    const { room } = this;
    if (!this.#wantsNotices || !this.isLevel() || !this.#link.isSocket()) return;
    this.#wantsNotices = false;
    let since = room.oldest();
    const question = this.#question;
    try {
      while (since !== null) {
        const answer = await this.#link.request('subscribe', { room: room.name, since });
        // What is asked meanwhile makes the room level by itself.
        if (question !== this.#question || !this.#level) return await this.learnNotices();
        const { recovered, more, events } = answer;
        since = null;
        if (recovered === true) {
          this.changed(room.insertNotices(events));
          const last = events.at(-1)?.id;
          // The relay has stopped before what is known.
          if (more && last && compareIds(last, room.cursor ?? NOWHERE) < 0) since = last;
          for (const event of events) {
            if (compareIds(event.id, room.cursor ?? NOWHERE) > 0) this.#durable(event);
          }
        }
        // The relay has stopped there, or is elsewhere.
        if (since === null && (recovered !== true || more)) this.#sync();
      }
    } catch (/** @type {any} */ error) {
      // The next connection asks again.
      this.#wantsNotices = isCut(error) || isPassing(error);
      if (!isPassing(error)) return;
      clearTimeout(this.#timers.notices);
      this.#timers.notices = setTimeout(() => this.#lookForNotices(), pauseMs(error));
    }
  }

  /** The newest page, membership included. */
  #start() {
    this.#ask(this.#op, { room: this.room.name });
  }

  /** What came after the cursor. */
  #sync() {
    const { name, cursor } = this.room;
    if (cursor === null || this.#begun) this.#start();
    else this.#ask('subscribe', { room: name, since: cursor });
  }

  /**
   * @param {string} op
   * @param {Frame} fields
   */
  #ask(op, fields) {
    this.#level = false;
    if (this.hasEnded || !this.#link.isConnected()) return;
    const hear = this.expectAnswer(fields.since ?? null);
    this.#link.request(op, fields).then((answer) => hear(null, answer), hear);
  }

  /**
   * A question about what came after `since` is on its way.
   * @returns {(error: ChatError|null, answer?: any) => void} where its answer goes
   */
  expectAnswer(since = this.room.cursor) {
    this.#question += 1;
    const question = this.#question;
    clearTimeout(this.#timers.again);
    return (error, answer) => {
      if (question !== this.#question) return;
      if (error) this.#refused(error);
      else this.#answered(answer, since);
    };
  }

  /**
   * @param {Frame} answer
   * @param {string|null} since
   */
  #answered(answer, since) {
    const { room } = this;
    if (since !== null && since !== room.cursor) {
      this.#sync();
      return;
    }
    const recovered = since !== null && answer.recovered === true;
    const isFirst = room.cursor === null;
    this.changed(recovered ? room.catchUp(answer, monotonicMs()) : room.replace(answer));
    if (!recovered && !isFirst) this.#link.reloaded(room);
    if (recovered && answer.more) {
      this.#sync();
      return;
    }
    if (recovered) this.#sender.nothingMissed();
    this.#becameLevel();
  }

  #becameLevel() {
    const waiting = this.#waiting;
    this.#level = true;
    this.#waiting = [];
    for (const event of waiting) {
      if (!this.#level) this.#waiting.push(event);
      // Before the position: it was part of the answer, or of a past the room has forgotten.
      else if (compareIds(event.id, this.room.cursor ?? NOWHERE) > 0) this.#durable(event);
    }
    if (!this.#level) return;
    this.#settle?.resolve(this.room);
    this.#begun = this.#settle = null;
    this.#who.ask();
    this.#sender.flush();
    this.#lookForNotices();
    this.pages.again();
  }

  /** @param {ChatError} error */
  #refused(error) {
    // The next connection asks again.
    if (isCut(error)) return;
    if (isPassing(error)) {
      this.#askLater(error);
      return;
    }
    const { room } = this;
    const settle = this.#settle;
    const isNews = room.problem === null;
    this.#begun = this.#settle = null;
    // Who may only read goes on reading.
    if (error.code === 'DENIED' && settle && isNews && room.cursor !== null) {
      this.#op = 'subscribe';
      settle.reject(error);
      this.#sync();
      return;
    }
    // It does not come into being by us.
    if (error.code === 'NOROOM' && this.#op === 'join' && settle) this.#sender.failAll(error);
    if (error.code === 'NOROOM' && room.isDirect) {
      this.#ended();
      settle?.resolve(room);
      // What was written before it was known to be new makes it.
      if (this.#link.outgoing.of(room.name).some((line) => line.state === 'pending')) {
        this.begin('join').catch(() => {});
      }
      return;
    }
    if (settle && room.cursor === null) {
      this.#never(error);
      settle.reject(error);
      return;
    }
    if (error.code === 'NOROOM') {
      this.#ended();
      this.#level = true;
    } else this.#lose(error);
    if (settle) settle.reject(error);
    else if (isNews) this.#link.problem(room, error);
  }

  /**
   * The room cannot be asked now; it comes back by itself.
   * @param {ChatError} error
   */
  #askLater(error) {
    this.#level = false;
    clearTimeout(this.#timers.again);
    this.#timers.again = setTimeout(() => this.#sync(), pauseMs(error));
  }

  /**
   * The room was refused before its first page came.
   * @param {ChatError} error
   */
  #never(error) {
    this.#sender.failAll(error);
    this.#link.refused(error);
  }

  /**
   * The room may not be read any longer.
   * @param {ChatError} error
   */
  #lose(error) {
    if (this.#settle && this.room.cursor === null) {
      this.#never(error);
      return;
    }
    const isNews = this.room.problem === null;
    this.#settle?.reject(error);
    this.#begun = this.#settle = null;
    this.#level = false;
    this.#waiting = [];
    this.#sender.failAll(error);
    this.changed(this.room.end(plain(error)));
    if (isNews) this.#link.lost(this.room, error);
  }

  /**
   * The room is gone. Its channel is still listened to: it may begin anew. A direct room that is
   * not there is one in which nobody has written yet.
   * @param {string} [reason]
   */
  #ended(reason = '') {
    this.#waiting = [];
    const problem = this.room.isDirect
      ? { code: 'NEW', message: 'Nothing was written yet' }
      : { code: 'ENDED', message: 'This room has ended', reason };
    const isNews = this.room.problem === null && !this.room.isDirect && this.room.cursor !== null;
    this.changed(this.room.end(problem));
    if (isNews) this.#link.lost(this.room, new ChatError(problem.code, problem.message));
  }

  /** Somebody wrote here: if that makes the room, it is there now. */
  beginAnew() {
    if (this.room.problem && !this.#begun) this.begin('subscribe').catch(() => {});
  }

  // --- frames ------------------------------------------------------------------------------------

  /**
   * A frame about this room, or about none.
   * @param {Frame} frame
   */
  frame(frame) {
    const { room } = this;
    switch (frame.type) {
      case 'reload':
        this.#question += 1;
        this.#waiting = [];
        clearTimeout(this.#timers.again);
        this.changed(room.replace(frame));
        this.#link.reloaded(room);
        return this.#becameLevel();
      case 'reset':
        return this.#who.ask();
      case 'gone': {
        this.#question += 1;
        const error = failure(frame);
        return isPassing(error) ? this.#askLater(error) : this.#lose(error);
      }
      case 'drop':
        return this.#ended(frame.reason);
      case 'withdraw':
        return this.#withdraw(frame);
      default:
    }
    if (frame.room !== room.name) return undefined;
    if (isId(frame.id)) return this.#durable(frame);
    this.changed(room.apply(frame, monotonicMs()));
    if (isId(frame.last)) this.#heardOf(frame.last);
    if (frame.type === 'presence' && room.peopleDoubtful()) this.#who.askSoon();
    return undefined;
  }

  /** @param {Frame} event */
  #durable(event) {
    const { room } = this;
    if (!this.#level) {
      if (this.#waiting.length < WAITING_MOST) this.#waiting.push(event);
      return;
    }
    const place = room.place(event);
    if (place === 'known') return;
    if (place === 'next') {
      const hadEnded = room.problem !== null;
      this.#hasty = 0;
      this.changed(room.apply(event, monotonicMs()));
      if (hadEnded) this.#who.ask();
      return;
    }
    this.#waiting.push(event);
    this.#level = false;
    this.#hasty += 1;
    if (this.#hasty <= HASTY_QUESTIONS) this.#sync();
    else this.#timers.again = setTimeout(() => this.#sync(), AGAIN_MS * this.#hasty);
  }

  /**
   * The room has a newer event than our last one. The relay should bring it; if not, ask.
   * @param {string} last
   */
  #heardOf(last) {
    const isBehind = () => this.#level && compareIds(last, this.room.cursor ?? NOWHERE) > 0;
    if (this.#timers.behind || !isBehind()) return;
    this.#timers.behind = setTimeout(() => {
      this.#timers.behind = undefined;
      if (isBehind()) this.#sync();
    }, BEHIND_MS);
  }

  /**
   * A line shown while Redis was away was refused in the end.
   * @param {Frame} frame
   */
  #withdraw({ nonce, user }) {
    const line = this.room.tail.find(
      (item) => item.nonce === nonce && (!user || item.user === user),
    );
    // Our own line hears its error as the answer to `send`.
    if (!line || line.user === this.room.user) return;
    this.changed(this.room.removeLine(nonce, line.user));
  }

  // --- what the user does ------------------------------------------------------------------------

  /**
   * Shows a line, which is not sent yet.
   * @param {Line} line
   */
  show(line) {
    this.telling.endTyping();
    line.belongsTo(this.#sender);
    this.changed(this.room.addLine(line));
  }

  /** Writing into a room that ended makes it anew; one joins it again to hear the answer. */
  sendSoon() {
    if (this.room.problem && !this.#begun) this.begin('join').catch(() => {});
    else this.#sender.flush();
  }

  /**
   * What a refusal says about the room.
   * @param {Frame} frame
   */
  refusedToWrite({ code, details }) {
    if (code === 'MUTED') this.room.setMuted(details.until_ms ?? 0);
    else if (code === 'FROZEN') this.room.frozen = true;
    else return;
    this.changed([{ what: 'about' }]);
  }

  /**
   * @param {Line} line
   * @param {string} id
   */
  acknowledged(line, id) {
    this.changed(this.room.acknowledge(line, id));
    this.#heardOf(id);
  }

  #watchTyping() {
    clearTimeout(this.#timers.typingEnd);
    const ends = Math.min(...this.room.typing.values());
    if (!Number.isFinite(ends)) return;
    this.#timers.typingEnd = setTimeout(
      () => {
        this.changed(this.room.expireTyping(monotonicMs()));
        this.#watchTyping();
      },
      Math.max(0, ends - monotonicMs()) + 10,
    );
  }

  /**
   * Tells what has changed in the room, after drawing the consequences.
   * @param {Change[]} changes
   */
  changed(changes) {
    if (changes.length) this.#tell(changes);
    for (const event of this.room.applied.splice(0)) this.#link.heard(this.room, event);
  }

  /** @param {Change[]} changes */
  #tell(changes) {
    const { room } = this;
    const { outgoing, keepItems } = this.#link;
    for (const { what, item, items } of changes) {
      if (what === 'typing') this.#watchTyping();
      else if (what === 'doubt') this.#link.doubt?.(room);
      else if (what === 'settle' && item.user === room.user) {
        outgoing.remove(item);
        item.settle?.(item.id);
      } else if (what === 'remove') {
        // Lines that are stored, but lie before what we hold.
        for (const line of items ?? []) if (line.acknowledged && !line.id) outgoing.remove(line);
      } else if (what === 'replace') {
        // Lines that the page contains.
        for (const line of outgoing.of(room.name)) {
          if (room.tail.includes(line)) continue;
          outgoing.remove(line);
          line.settle(line.id);
        }
      }
    }
    // In steps of a tenth, not for every message, and not under the eyes of who reads back.
    const isLong = room.items.length > keepItems * 1.1;
    const trimmed = isLong && (room.background || !room.readingBack) ? room.trim(keepItems) : [];
    this.#link.changed(room, [...changes, ...trimmed]);
  }
}
