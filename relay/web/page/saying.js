/**
 * Says something in a room: finds out whom the text means, and gives it to the client.
 *
 * The one idea: account and room are those of the moment in which it is said. Until the client has the text,
 * and with it keeps it, it is the room's draft: it is not lost when the page is closed meanwhile, and never
 * sent for somebody else.
 *
 * It refuses to ask for names without a connection.
 */

import { otherSide, stateOf } from '../sdk.js';
import { Mentioning } from './people/mentioning.js';

/** Whom one may mean in a room: who is there, has written, or is known as a member. */
function known({ name, user, people, items, roles }) {
  const authors = items.filter((item) => item.type === 'message' && item.user !== '*');
  const other = otherSide(name, user);
  return [
    ...people.keys(),
    ...authors.map((item) => item.user),
    ...roles.keys(),
    ...(other ? [other] : []),
  ];
}

/** What one types to say this. */
function typed(text, { kind }) {
  if (kind === 'action') return `/me ${text}`;
  return text.startsWith('/') ? `/${text}` : text;
}

export class Saying {
  #page;
  /** @type {WeakMap<object, Mentioning>} by the followed room */
  #mentioning = new WeakMap();
  /** What is being said: one text after the other. */
  #last = Promise.resolve();

  /**
   * @param {object} page {client: () => the client, or null; keepDraft, dropDraft: (user, room, text) => void, which keep the
   *   draft of another text; giveBack: (room) => void, which lets the person have the draft again; tell: (words) =>
   *   void; failed: (error) => void}
   */
  constructor(page) {
    this.#page = page;
  }

  /**
   * Who may be meant in a followed room.
   * @returns {Mentioning}
   */
  mentioning(room) {
    const found = this.#mentioning.get(room) ?? new Mentioning(room, () => known(stateOf(room)));
    this.#mentioning.set(room, found);
    return found;
  }

  /**
   * @param {string} text
   * @param {object} options of `room.send`
   * @param {string} name of a followed room
   */
  say(text, options, name) {
    const { client, keepDraft, tell, failed } = this.#page;
    const speaker = client();
    const room = speaker.get(name);
    const draft = typed(text, options);
    keepDraft(speaker.user, name, draft);
    if (!room) {
      tell(`You are not in ${name}. The text is kept there as a draft.`);
      return;
    }
    this.#last = this.#last
      .then(() => this.#send(speaker, room, text, options, draft))
      .catch(failed);
  }

  async #send(speaker, room, text, options, draft) {
    const { client, dropDraft, giveBack, tell } = this.#page;
    const isConnected = speaker.connection.state === 'connected';
    const meant = await this.mentioning(room).of(text, speaker.user, isConnected);
    if (client() !== speaker || speaker.get(room.name) !== room) return;
    // Once a relay has refused us for good, the client takes nothing.
    if (speaker.whyNot() !== null) {
      tell('Not sent: you are disconnected. The text is kept as a draft.');
      giveBack(room.name);
      return;
    }
    const { users, unknown, tooMany } = meant;
    // Whether it is stored shows in the line.
    room.send(text, { ...options, mentions: users.length ? users : undefined });
    dropDraft(speaker.user, room.name, draft);
    if (tooMany > 0) {
      tell(`Only the first 50 are told that they are mentioned, ${tooMany} are not.`);
    }
    const words = unknown.map((word) => `@${word}`).join(', ');
    if (words && isConnected) tell(`Nobody here is called ${words}: nobody was told.`);
  }
}
