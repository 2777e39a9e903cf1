/**
 * The shapes that the client hands out.
 *
 * The one idea: an event is what the relay sent, member for member, so docs/protocol.md describes it.
 *
 * @typedef {Record<string, any>} Frame a frame of the relay
 *
 * @typedef {object} RoomEvent what every event of a room has
 * @property {string} [id] its place in the room, `<ms>-<n>`; ephemeral events have none
 * @property {string} [prev] the id of the event before it
 * @property {string} room
 * @property {string} type
 * @property {number} ts ms since 1970
 *
 * @typedef {object} SaidBy
 * @property {string} user the author
 * @property {string} kind `text`, or a kind of your own
 * @property {string} text
 * @property {string} nonce
 * @property {any} [meta] JSON of the author
 * @property {string} [reply] the id of the message that it answers
 * @property {string[]} [mentions] users
 * @property {number} [m] its number in the room
 * @typedef {RoomEvent & SaidBy} MessageEvent
 *
 * @typedef {RoomEvent & {user: string, ref: string, text: string, meta?: any}} EditEvent
 * @typedef {RoomEvent & {user: string, ref: string, reason?: string}} DeleteEvent
 * @typedef {RoomEvent & {user: string, ref: string, emoji: string, removed?: boolean}} ReactionEvent
 * @typedef {RoomEvent & {user: string, kind: string, role?: string|null, by?: string, reason?: string, until?: number}} MemberEvent
 *     `kind` is `join`, `leave`, `role`, `kick`, `ban`, `unban`, `mute` or `unmute`
 * @typedef {RoomEvent & {user?: string, kind?: string, status?: string, users?: number}} PresenceEvent
 *     of one user (`join`, `leave`, `status`); in a crowded room only `users`, how many are there
 * @typedef {RoomEvent & {user: string, name: string, data?: any}} SignalEvent
 * @typedef {RoomEvent & {user: string, ref: string}} ReadEvent `user` has read up to `ref`
 * @typedef {RoomEvent & {by?: string, data: Record<string, any>}} SettingsEvent
 * @typedef {RoomEvent & {user: string, as: string, ref: string}} EraseEvent
 *
 * @typedef {object} Message a message as it is now, edits and reactions included
 * @property {string|null} id null: not stored
 * @property {string} user
 * @property {string} kind
 * @property {string} text empty once it is deleted
 * @property {number} ts
 * @property {any} meta
 * @property {string|null} reply
 * @property {string[]|null} mentions
 * @property {number|null} edited when it was edited last
 * @property {number|null} deleted when it was deleted
 * @property {string|null} by who deleted it, if it was not its author
 * @property {string|null} reason why
 * @property {{emoji: string, count: number, users: string[]}[]} reactions
 *
 * @typedef {object} Person somebody who is there
 * @property {string} user
 * @property {string} status empty: online
 * @property {number} connections
 * @property {number} since ms since 1970
 *
 * @typedef {object} CallOptions
 * @property {AbortSignal} [signal] ends the wait with the signal's reason
 * @property {number} [timeoutMs] ends it with `TIMEOUT`
 *
 * @typedef {object} CloseInfo why a relay ended the connection
 * @property {number} code
 * @property {string} name `drain`, `kicked`, `suspended`, …
 * @property {string|null} what
 * @property {string|null} message
 * @property {number|null} untilMs
 * @property {number} retryMs
 * @property {boolean} final whether only somebody who puts something right can connect again
 *
 * @typedef {object} Status the connection
 * @property {'connected'|'connecting'|'offline'} state `connected`: the relay has said hello.
 *     `connecting`: also while it waits for the next attempt. `offline`: not started, closed, or
 *     stopped by a relay
 * @property {string|null} url
 * @property {'socket'|'stream'} transport `stream`: Server-Sent Events and requests over HTTP, where no
 *     socket gets through
 * @property {string|null} relay the name of the relay
 * @property {number} attempt
 * @property {number|null} retryAt when the next attempt starts, ms since 1970
 * @property {CloseInfo|null} close why the last connection ended
 * @property {Frame|null} hello what the relay said about itself
 * @property {import('./error.js').ChatError|null} error why there is no token, or that the relay
 *     refuses this page
 * @property {number|null} expiresIn the token ends so many seconds after a relay last accepted it
 */

export {};
