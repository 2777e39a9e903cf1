/**
 * What the person does in the room looked at: says something, does something with a message or with
 * somebody.
 *
 * The one idea: every act is an operation of the client; what comes of it shows by events, and an
 * error as a notice.
 *
 * It refuses to draw.
 */

import { createRoomStore, directRoom, otherSide, stateOf } from '../sdk.js';
import { deleteMessage, editMessage, toggleReaction } from './messages/message-doing.js';
import { ask } from './overlays/dialogue.js';
import { Mentioning } from './people/mentioning.js';
import { openPersonMenu } from './people/person-menu.js';

/** How far back a quoted message is looked for. */
const PAGES_BACK_MOST = 20;
const PAGE_COUNT = 200;

/**
 * @param {object} page {client, here, room: functions that answer what holds now: the client, the room
 *   looked at, and what is known of it; messages, compose,
 *   toasts: views; failed, nameOf, open}
 */
export function makeActs(page) {
  const { messages, compose, toasts, failed, nameOf, open } = page;
  const client = () => page.client();
  const room = () => page.room();

  const ACT = {
    react: (item, emoji) => toggleReaction(page.here(), room(), item, emoji),
    link: (item) => copyLink(item.id),
    reply: (item) => compose.reply(item.id, `Replying to ${nameOf(item.user)}: ${item.text}`),
    edit: (item) => compose.edit(item.id, item.text),
    delete: (item) => deleteMessage(page.here(), room(), item),
    retry: (item) => item.retry(),
    discard: (item) => item.cancel(),
    person: (item, anchor) => openPerson(item.user, anchor),
    quote: (item) => goToQuoted(room(), item.reply),
  };

  /** Copies the address of a message in the room looked at. */
  async function copyLink(id) {
    const url = new URL(window.location);
    url.searchParams.delete('user');
    url.searchParams.set('room', room().name);
    url.searchParams.set('message', id);
    try {
      await navigator.clipboard.writeText(url.href);
      toasts.show('The link is copied.');
    } catch {
      // Only pages that came safely may write to the clipboard.
      toasts.show(url.href);
    }
  }

  /** Goes to a message, loading what lies between. */
  async function goToQuoted(here, id) {
    for (let pages = 0; pages < PAGES_BACK_MOST; pages += 1) {
      if (here !== room() || messages.goTo(id)) return;
      if (here.quoted.get(id) === null || !here.moreBefore) break;
      await createRoomStore(page.here()).older(PAGE_COUNT);
    }
    toasts.show('That message is no longer there, or too far back.');
  }

  /** Whom one may mean here: who is there, has written, or is a member. */
  function known() {
    const here = room();
    if (!here) return new Set();
    const authors = here.items.filter(({ type, user }) => type === 'message' && user !== '*');
    const other = otherSide(here.name, here.user);
    return new Set([
      ...here.people.keys(),
      ...authors.map(({ user }) => user),
      ...here.roles.keys(),
      ...(other ? [other] : []),
    ]);
  }

  const mentioning = new Mentioning({ known, room: () => page.here() });
  /** What is being said: one text after the other. */
  let saying = Promise.resolve();

  function openPerson(user, anchor) {
    const { role, roles, isDirect, user: self } = room();
    const scene = {
      user,
      name: nameOf(user),
      self,
      role,
      theirs: roles.get(user),
      profile: client().names.of(user),
      isDirect,
    };
    openPersonMenu(anchor, scene, {
      write: () => open(directRoom(self, user)),
      mention: () => compose.insert(`@${user}`),
      moderate: (action, options) => moderate(action, user, options).catch(failed),
      block: (action) => block(action, user).catch(failed),
    });
  }

  async function moderate(action, user, options) {
    try {
      const changed = await page.here().mod(action, user, options);
      if (!changed) toasts.show(`Nothing changed for ${nameOf(user)}.`);
    } catch (error) {
      // Not we: they.
      if (error.code !== 'NOTMEMBER') throw error;
      toasts.show(`${nameOf(user)} is no member of this room.`, 'error');
    }
  }

  /** Makes somebody a member, of whom it is sure that this is meant. */
  async function invite(user) {
    const here = page.here();
    const role = await here.roleOf(user);
    if (role !== null) {
      toasts.show(`${nameOf(user)} is in this room already: ${role}.`);
      return;
    }
    if (((await client().profiles([user])).get(user) ?? null) === null) {
      const title = `Nobody called “${user}” has been here yet`;
      if (!(await ask({ title, text: 'Is the name right?', confirm: 'Add anyway' }))) return;
    }
    if (!(await here.mod('role', user, { role: 'member' }))) return;
    toasts.show(`${nameOf(user)} is a member of this room now.`);
  }

  async function block(action, user) {
    await client().request('mod', { room: `@${client().user}`, action, user });
    toasts.show(
      action === 'ban'
        ? `You take no direct messages from ${nameOf(user)} now.`
        : `You take direct messages from ${nameOf(user)} again.`,
    );
  }

  return {
    openPerson,
    goTo: (id) => goToQuoted(room(), id),
    moderate,
    invite,
    block,

    /** Users who are known from other rooms and are not in this one. */
    strangers() {
      const here = room();
      const users = client()
        .followed.map(stateOf)
        .flatMap(({ people, roles }) => [...people.keys(), ...roles.keys()]);
      return [...new Set(users)].filter((user) => !here.roles.has(user)).sort();
    },

    /** Users with their names, for completion. */
    knownPeople: () =>
      [...mentioning.people().values()].map((user) => ({ user, name: nameOf(user) })),

    /** Learns who else may be meant. @returns {Promise<boolean>} whether there is news */
    learnPeople: (typed) => mentioning.learn(typed),

    /** Does something with a message. */
    act(name, item, more) {
      Promise.resolve(ACT[name](item, more)).catch(failed);
    },

    /** Gives a message another text. */
    change(id, text) {
      editMessage(page.here(), room(), id, text).catch(failed);
    },

    /** Says something, here or in a room that is followed. */
    say(text, options = {}, name = room().name) {
      saying = saying.then(async () => {
        const { users, unknown, tooMany } = await mentioning.of(text, client().user);
        // Whether it is stored shows in the line.
        client()
          ?.get(name)
          ?.send(text, { ...options, mentions: users.length ? users : undefined });
        if (tooMany > 0) {
          toasts.show(`Only the first 50 are told that they are mentioned, ${tooMany} are not.`);
        }
        const words = unknown.map((word) => `@${word}`).join(', ');
        if (words) toasts.show(`Nobody here is called ${words}: nobody was told.`);
      });
      saying = saying.catch(failed);
    },
  };
}
