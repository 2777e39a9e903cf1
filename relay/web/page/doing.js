/**
 * What the slash commands do.
 *
 * The one idea: one function per row of commands.js, given the typed argument; an error of the
 * relay becomes a notice.
 *
 * It refuses to draw.
 */

import { directRoom, visibleName } from '../sdk.js';
import { firstWord, helpLines, userOf } from './compose/commands.js';
import { showLines } from './overlays/dialogue.js';
import { blockedBy, membersOf, sanctionsOf } from './people/member-lists.js';
import { asAvatar, chooseFile } from './people/own-picture.js';
import { parseDuration, plural } from './words.js';

const ROLES = ['owner', 'moderator', 'member'];

/**
 * @param {object} page {client, room, active, people, open, leave, say, search, chooseStatus, moderate, invite,
 *   block, tell, failed}: the first two are functions that answer what holds now
 * @returns {(command: string, argument: string) => Promise<void>}
 */
export function makeDoing(page) {
  const client = () => page.client();
  const room = () => page.room();
  const here = () => {
    const followed = client().get(page.active());
    if (followed === null) throw new TypeError('this needs a room');
    return followed;
  };
  const moderate = async (argument, action, hasTime) => {
    const [word, rest] = firstWord(argument);
    const [time, others] = firstWord(rest);
    const forMs = hasTime ? parseDuration(time) : null;
    const reason = forMs === null ? rest : others;
    await page.moderate(action, userOf(word), {
      forMs: forMs ?? undefined,
      reason: reason || undefined,
    });
  };
  const set = async (fields) => {
    await client().room(page.active(), { set: fields });
  };

  const DO = {
    help: () => showLines('Commands', helpLines()),
    join: (name) => page.open(name),
    leave: (name) => page.leave(name || page.active()),
    me: (text) => page.say(text, { kind: 'action' }),
    online: () => page.chooseStatus(''),
    away: () => page.chooseStatus('away'),
    dnd: () => page.chooseStatus('dnd'),
    status: (words) => page.chooseStatus(words),
    search: (words) => page.search(words),

    async rooms(match) {
      const { rooms: found } = await client().rooms({ match: match || undefined });
      const lines = found.map(({ room: name, online }) => `${name} (${online} online)`);
      page.tell(lines.join('\n') || 'There is no such room.');
    },

    users() {
      const { people, online } = room();
      const names = [...people.keys()].sort((a, b) => a.localeCompare(b));
      const shown = names.slice(0, 50).join(', ');
      page.tell(`${plural(online, 'user', 'users')} here now: ${shown}`);
    },

    members: () => page.people('Members', membersOf(here())),
    bans: () => page.people('Banned and muted', sanctionsOf(here())),
    blocks: () => page.people('People you block', blockedBy(client())),

    pm(argument) {
      const [word, text] = firstWord(argument);
      const name = directRoom(client().user, userOf(word));
      page.open(name);
      if (text) page.say(text, {}, name);
    },

    async nick(name) {
      if (name && !visibleName(name)) throw new TypeError('nobody would see this name');
      await client().room(`@${client().user}`, { set: { name } });
      page.tell(name ? `Others see you as ${name} now.` : 'Others see your user name now.');
    },

    async picture(word) {
      const file = word === 'none' ? null : await chooseFile();
      if (file === null && word !== 'none') return;
      const avatar = file === null ? '' : await asAvatar(file);
      await client().room(`@${client().user}`, { set: { avatar } });
      page.tell(file === null ? 'Your picture is taken away.' : 'Others see your picture now.');
    },

    async topic(text) {
      if (text) await set({ topic: text });
      else {
        const { topic } = await client().room(page.active());
        page.tell(topic ? `The topic is “${topic}”.` : 'This room has no topic.');
      }
    },

    kick: (argument) => moderate(argument, 'kick', false),
    ban: (argument) => moderate(argument, 'ban', true),
    mute: (argument) => moderate(argument, 'mute', true),
    unban: (argument) => moderate(argument, 'unban', false),
    unmute: (argument) => moderate(argument, 'unmute', false),
    invite: (argument) => page.invite(userOf(firstWord(argument)[0])),
    block: (argument) => page.block('ban', userOf(firstWord(argument)[0])),
    unblock: (argument) => page.block('unban', userOf(firstWord(argument)[0])),

    async role(argument) {
      const [word, role] = firstWord(argument);
      if (ROLES.includes(role)) await page.moderate('role', userOf(word), { role });
      else page.tell(`A role is one of ${ROLES.join(', ')}.`);
    },

    freeze: () => set({ frozen: true }),
    unfreeze: () => set({ frozen: false }),
    private: () => set({ access: 'members' }),
    public: () => set({ access: 'open' }),

    async slow(time) {
      const slowMs = time === '0' ? 0 : parseDuration(time);
      if (slowMs === null) page.tell('Times are like 30s, 10m or 1h.');
      else await set({ slow: slowMs });
    },
  };

  return async (command, argument) => {
    try {
      await DO[command](argument);
    } catch (error) {
      page.failed(error);
    }
  };
}
