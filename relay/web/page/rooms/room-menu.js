/**
 * What one can do with a room.
 *
 * The one idea: everybody may search and read what it is about, moderators change that, owners the
 * rules.
 *
 * It refuses to do anything: it says what was chosen, mostly as a slash command.
 */

import { moderates } from '../../sdk.js';
import { ask } from '../overlays/dialogue.js';
import { openMenu } from '../overlays/menu.js';

const SLOW = [
  ['0', 'Off'],
  ['5s', '5 seconds'],
  ['15s', '15 seconds'],
  ['30s', '30 seconds'],
  ['1m', '1 minute'],
  ['5m', '5 minutes'],
  ['1h', '1 hour'],
];

/**
 * @param {Element} anchor
 * @param {import('../../sdk.js').RoomState} room
 * @param {(command: string, argument: string) => void} command
 * @param {(fields: object) => void} set changes settings that no command sets
 * @param {string[]} names users who may be added, for completion
 */
export function openRoomMenu(anchor, room, command, set, names) {
  const entries = [{ heading: room.topic || room.name }];
  entries.push({ label: 'Search…', act: () => command('search', '') });
  if (!room.isDirect && room.role !== null) {
    entries.push({ label: 'Members…', act: () => command('members', '') });
  }
  if (!room.isDirect && moderates(room.role)) {
    entries.push({ label: 'Topic…', act: () => askTopic(room, set) });
    entries.push({ label: 'Add somebody…', act: () => askWhom(command, names) });
    entries.push({ label: 'Banned and muted…', act: () => command('bans', '') });
    entries.push(
      room.frozen
        ? { label: 'Unfreeze', act: () => command('unfreeze', '') }
        : { label: 'Freeze: only moderators write', act: () => command('freeze', '') },
    );
  }
  if (room.role === 'owner' && !room.isDirect) {
    entries.push({ label: 'Slow mode…', act: () => askSlow(command) });
    entries.push(
      room.access === 'members'
        ? { label: 'Open to everybody', act: () => command('public', '') }
        : { label: 'Members only', act: () => command('private', '') },
    );
  }
  const leave = room.isDirect ? 'Put away' : 'Leave';
  const act = () => command('leave', room.name);
  entries.push({ label: leave, isDangerous: !room.isDirect, act });
  openMenu(anchor, entries, { label: `The room ${room.name}` });
}

async function askTopic(room, set) {
  const fields = [{ name: 'topic', label: 'What is this room about?', value: room.topic }];
  const answer = await ask({ title: 'Topic', confirm: 'Change', fields });
  if (answer) set({ topic: answer.topic });
}

async function askWhom(command, names) {
  const fields = [{ name: 'user', label: 'User name', maxLength: 96, choices: names }];
  const answer = await ask({ title: 'Add somebody', confirm: 'Add', fields });
  if (answer?.user) command('invite', answer.user);
}

async function askSlow(command) {
  const fields = [{ name: 'time', label: 'Between two messages of one user', options: SLOW }];
  const answer = await ask({ title: 'Slow mode', confirm: 'Set', fields });
  if (answer) command('slow', answer.time);
}
