//! What a caller of the commands sees: replies, events, documentation, access lists, settings and
//! limits.

// Redis's ACL protects a room's key and channel.
mod acl;
// How many rooms one user may create on a node.
mod create_limit;
// COMMAND DOCS: arity, flags and key positions of every command.
mod documentation;
// Rate limits per user: the error says when to try again.
mod flood;
// Invisible characters in names and texts.
mod names_and_texts;
// A repeated send returns the first id and publishes nothing.
mod nonces;
// Profiles in personal rooms.
mod profiles;
// CHAT.ROOM_RO answers wherever reads are possible.
mod readonly_room;
// Every command's reply and the event that it publishes.
mod replies;
// Messages, edits and reactions that exceed their age are removed.
mod retention;
// Edits, deletions and reactions, in history and as events.
mod revisions;
// The module's settings and INFO section.
mod settings;
// Unread counts compared with a model.
mod unread;
