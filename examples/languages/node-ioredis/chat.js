/**
 * CHAT.* commands through ioredis, with replies as objects and errors as ChatError.
 *
 *     const chat = new Chat(new Redis()); // or new Cluster(...)
 *     await chat.call('CHAT.SEND', 'lobby', 'alice', 'hello'); // the id
 *     (await chat.call('CHAT.MEMBERS', 'lobby')).members[0].user;
 */
import { Command } from 'ioredis';

// The members of each reply that is an array. `name:a,b` is an array of rows with these members; the
// reply of CHAT.UNREAD is such an array itself.
const REPLIES = {
  'CHAT.HISTORY': 'last events more',
  'CHAT.SYNC': 'recovered last events more',
  'CHAT.MEMBERS': 'cursor members:user,role,joined',
  'CHAT.PRESENCE': 'users last',
  'CHAT.BEAT': 'last unknown',
  'CHAT.WHO': 'cursor users connections online:user,status,connections,since',
  'CHAT.READ': 'cursor unread',
  'CHAT.UNREAD': ':unread,mentions,cursor,last',
  'CHAT.SANCTIONS': 'cursor sanctions:user,banned,muted',
  'CHAT.ERASE': 'cursor changed',
  'CHAT.ROOMS': 'cursor rooms:room,last,members,online,topic',
  'CHAT.CHANGES': 'cursor anew rooms:room,last more',
  'CHAT.FOLLOWS': 'cursor rooms:room,since',
};
const MAPS = ['CHAT.ROOM', 'CHAT.ROOM_RO'];
const WITHOUT_KEY = ['CHAT.ROOMS', 'CHAT.CHANGES'];
// The errors of redis-chat: those with an argument behind the code, and the others.
const WITH_ARGUMENT = ['INVALID', 'DENIED', 'BANNED', 'MUTED', 'RATELIMIT', 'TOOBIG'];
const WITHOUT_ARGUMENT = ['NOROOM', 'NOMSG', 'NOTMEMBER', 'FROZEN'];

/** A command was refused: `code` says why, `arguments` what or until when. */
export class ChatError extends Error {
  constructor(code, words, text) {
    super(text);
    this.name = 'ChatError';
    this.code = code;
    this.arguments = words;
  }
}

/** Tells a cluster which node has the room: ioredis looks for keys only in commands that it knows. */
class RoomCommand extends Command {
  getKeys() {
    return this.args.slice(0, 1);
  }
}

/** Calls commands through a client of a server, of a cluster, or of one of its nodes. */
export class Chat {
  constructor(client) {
    this.client = client;
  }

  async call(command, ...words) {
    const Kind = WITHOUT_KEY.includes(command) ? Command : RoomCommand;
    const sent = new Kind(command, words, { replyEncoding: 'utf8' });
    try {
      return parse(command, await this.client.sendCommand(sent));
    } catch (error) {
      throw asChatError(error);
    }
  }
}

function asChatError(error) {
  // Not before a capital letter: `DENIED Redis is running in protected mode` is no code.
  const [code, argument] = String(error.message).split(/ (?![A-Z])/);
  if (WITH_ARGUMENT.includes(code)) return new ChatError(code, [argument], error.message);
  if (WITHOUT_ARGUMENT.includes(code)) return new ChatError(code, [], error.message);
  return error; // Of the client, or of Redis itself, such as READONLY.
}

function parse(command, reply) {
  if (MAPS.includes(command)) return Array.isArray(reply) ? pairs(reply) : reply;
  const shape = REPLIES[command];
  if (shape === undefined || reply === null) return reply;
  if (shape.startsWith(':')) return rows(shape.slice(1), reply);
  return Object.fromEntries(shape.split(' ').map((name, at) => part(name, reply[at])));
}

function part(name, value) {
  const [first, fields] = name.split(':');
  if (fields) return [first, rows(fields, value)];
  if (name === 'events') return [name, value.map((event) => JSON.parse(event))];
  return [name, ['more', 'recovered', 'anew'].includes(name) ? value === 1 : value];
}

const rows = (fields, values) => values.map((row) => row && named(fields.split(','), row));
const named = (names, row) => Object.fromEntries(names.map((name, at) => [name, row[at]]));
const pairs = (flat) =>
  Object.fromEntries(flat.flatMap((name, at) => (at % 2 ? [] : [[name, flat[at + 1]]])));
