/**
 * Slash commands.
 *
 * The one idea: one table; parsing it is pure, doing it is the page's (doing.js). A line that
 * starts with two slashes is a text that starts with one.
 *
 * It refuses to know what the commands do.
 */

/** name -> {argument, help}; the argument in [brackets] may be left out. */
export const COMMANDS = {
  help: { argument: '', help: 'list the commands' },
  join: { argument: 'room', help: 'join or create a room' },
  leave: { argument: '[room]', help: 'leave this room, or another' },
  rooms: { argument: '[pattern]', help: 'list rooms of this server, e.g. /rooms dev*' },
  users: { argument: '', help: 'who is here now' },
  members: { argument: '', help: 'all members of this room' },
  me: { argument: 'text', help: 'say what you are doing' },
  pm: { argument: 'user [text]', help: 'write to somebody alone' },
  nick: { argument: '[name]', help: 'change the name others see; without one, your user name' },
  picture: { argument: '[none]', help: 'choose a picture of you; /picture none takes it away' },
  topic: { argument: '[text]', help: 'show or change what this room is about' },
  search: { argument: '[text]', help: 'search in what is loaded of this room' },
  online: { argument: '', help: 'be online, and away when you are away' },
  away: { argument: '', help: 'be away until /online' },
  dnd: { argument: '', help: 'ask not to be disturbed until /online' },
  status: { argument: '[words]', help: 'say how you are in your own words' },
  kick: { argument: 'user [reason]', help: 'remove somebody from this room' },
  ban: { argument: 'user [time] [reason]', help: 'keep somebody out, e.g. /ban eve 1d spam' },
  unban: { argument: 'user', help: 'let somebody in again' },
  mute: { argument: 'user [time] [reason]', help: 'let somebody only read, e.g. /mute eve 10m' },
  unmute: { argument: 'user', help: 'let somebody write again' },
  bans: { argument: '', help: 'who is banned or muted in this room' },
  role: { argument: 'user role', help: 'make somebody owner, moderator or member' },
  invite: { argument: 'user', help: 'make somebody a member of this room' },
  freeze: { argument: '', help: 'let only moderators write here' },
  unfreeze: { argument: '', help: 'let everybody write here again' },
  slow: { argument: 'time', help: 'time between messages of one user, e.g. /slow 30s; 0 ends it' },
  private: { argument: '', help: 'let only members read here' },
  public: { argument: '', help: 'let anyone read and join' },
  block: { argument: 'user', help: 'take no direct messages from somebody' },
  unblock: { argument: 'user', help: 'take them again' },
  blocks: { argument: '', help: 'whom you block' },
};

/**
 * What a typed text means.
 * @returns {{text: string} | {command: string, argument: string} | {problem: string} | null}
 *   null: nothing to do
 */
export function parseInput(typed) {
  const text = typed.replace(/\r\n?/g, '\n').replace(/^\n+|\s+$/g, '');
  if (text === '') return null;
  if (text.startsWith('//')) return { text: text.slice(1) };
  if (!text.startsWith('/')) return { text };
  const [, name, rest] = /^\/(\S*)\s*(.*)$/s.exec(text);
  const command = name.toLowerCase();
  if (!Object.hasOwn(COMMANDS, command)) {
    return { problem: `There is no command /${name}. /help lists them; // writes a slash.` };
  }
  const argument = rest.trim();
  const wanted = COMMANDS[command].argument;
  const needed = wanted.split(' ').filter((word) => word !== '' && !word.startsWith('[')).length;
  if (argument.split(/\s+/).filter(Boolean).length < needed) {
    return { problem: `Usage: /${command} ${wanted}` };
  }
  return { command, argument };
}

/** The first word of an argument, without the `@` of a mention, and the rest. */
export function firstWord(argument) {
  const [, word, rest] = /^(\S*)\s*(.*)$/s.exec(argument);
  return [word, rest];
}

/** A user as typed: `@bob` is bob. */
export const userOf = (word) => word.replace(/^@/, '');

/** One line per command. */
export function helpLines() {
  return Object.entries(COMMANDS).map(
    ([name, { argument, help }]) => `/${name}${argument && ` ${argument}`}: ${help}`,
  );
}
