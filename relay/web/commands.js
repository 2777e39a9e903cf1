/**
 * Slash commands.
 *
 * The one idea: one table; parsing it is pure, doing it is the page's. A line that starts with two
 * slashes is a text that starts with one.
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
  me: { argument: 'text', help: 'say what you are doing' },
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
  const [, name, rest] = /^\/(\S*)\s*([^]*)$/.exec(text);
  const command = name.toLowerCase();
  if (!Object.hasOwn(COMMANDS, command)) {
    return { problem: `There is no command /${name}. /help lists them; // writes a slash.` };
  }
  const argument = rest.trim();
  const wanted = COMMANDS[command].argument;
  if (argument === '' && wanted !== '' && !wanted.startsWith('[')) {
    return { problem: `Usage: /${command} ${wanted}` };
  }
  return { command, argument };
}

/** One line per command. */
export function helpLines() {
  return Object.entries(COMMANDS).map(
    ([name, { argument, help }]) => `/${name}${argument && ` ${argument}`}: ${help}`,
  );
}
