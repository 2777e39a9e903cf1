//! What a caller of the commands sees: replies, events, documentation, settings and limits.

mod acl;
mod create_limit;
mod documentation;
mod flood;
mod names_and_texts;
mod nonces;
mod profiles;
mod readonly_room;
mod replies;
mod retention;
mod revisions;
mod settings;
mod unread;
