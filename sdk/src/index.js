/**
 * The JavaScript client of redis-chat, for browsers, workers, Node and anything else with a WebSocket.
 *
 *     const chat = createClient({ url: 'wss://chat.example.com/ws', getToken });
 *     const room = await chat.join('lobby');
 *     room.on('message', ({ user, text }) => console.log(user, text));
 *     await room.send('hello');
 *
 * Lists for user interfaces are in `redis-chat/store`, hooks in `redis-chat/react`, one connection for all
 * tabs in `redis-chat/shared`.
 */

import { ChatClient } from './client/chat.js';

/**
 * Makes a client and connects it.
 * @param {import('./client/options.js').ClientOptions} options
 * @returns {ChatClient}
 * @throws {TypeError} if it cannot work with these options
 */
export const createClient = (options) => new ChatClient(options);

export { ChatError } from './words/error.js';
export { compareIds, isId } from './words/id.js';
export { directRoom, otherSide } from './words/names.js';
