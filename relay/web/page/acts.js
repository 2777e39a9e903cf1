/**
 * What the person does in the room looked at: says something, does something with a message or with
 * somebody.
 *
 * The one idea: every act is an operation of the client; what comes of it shows by events, and an
 * error as a notice.
 *
 * It refuses to draw.
 */

import { createRoomStore, directRoom, stateOf } from '../sdk.js';
import { deleteMessage, editMessage, toggleReaction } from './messages/message-doing.js';
import { ask } from './overlays/dialogue.js';
import { openPersonMenu } from './people/person-menu.js';
import { Saying } from './saying.js';
import * as store from './store.js';

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
    unfold: (item) => messages.unfold(item),
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

  const saying = new Saying({
    client,
    keepDraft(user, name, text) {
      if (!store.loadDraft(user, name)) store.saveDraft(user, name, text);
    },
    dropDraft(user, name, text) {
      if (store.loadDraft(user, name) === text) store.saveDraft(user, name, '');
      compose.forget(name, text);
    },
    giveBack: (name) => compose.giveBack(name),
    tell: (words) => toasts.show(words),
    failed,
  });

  function openPerson(user, anchor) {
    const here = page.here();
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
      moderate: (action, options) => moderate(action, user, options, here).catch(failed),
      block: (action) => block(action, user).catch(failed),
    });
  }

  async function moderate(action, user, options, here = page.here()) {
    if (options?.role === 'owner' && !(await isMeant(nameOf(user)))) return;
    try {
      const changed = await here.mod(action, user, options);
      if (!changed) toasts.show(`Nothing changed for ${nameOf(user)}.`);
    } catch (error) {
      // Not we: they.
      if (error.code !== 'NOTMEMBER') throw error;
      toasts.show(`${nameOf(user)} is no member of this room.`, 'error');
    }
  }

  /** An owner can take everything from everybody, this one's own role too. */
  function isMeant(name) {
    const text = `${name} may then do everything here, and take your role from you.`;
    return ask({ title: `Make ${name} an owner?`, text, confirm: 'Make owner' });
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
    knownPeople() {
      const users = page.here() ? saying.mentioning(page.here()).people() : [];
      return users.map((user) => ({ user, name: nameOf(user) }));
    },

    /** Learns who else may be meant. @returns {Promise<boolean>} whether there is news */
    learnPeople: async (typed) =>
      page.here() ? saying.mentioning(page.here()).learn(typed) : false,

    /** Does something with a message. */
    act(name, item, more) {
      Promise.resolve(ACT[name](item, more)).catch(failed);
    },

    /** Gives a message another text. */
    change(id, text) {
      const { name } = room();
      editMessage(page.here(), room(), id, text).catch((error) => {
        failed(error);
        if (text !== '') compose.editAgain(name, id, text);
      });
    },

    /** Says something, here or in a room that is followed. */
    say: (text, options = {}, name = room().name) => saying.say(text, options, name),
  };
}
