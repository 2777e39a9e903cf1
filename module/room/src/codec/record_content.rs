//! What the larger records hold: a new message, changed settings.

use chat_protocol::id::Id;

use crate::state::log::message_body::Body;
use crate::state::settings::table::Setting;

/// A message to store.
#[derive(Clone, Debug, PartialEq)]
pub struct NewMessage<'a> {
    pub(crate) id: Id,
    pub(crate) author: &'a str,
    pub(crate) body: Body<'a>,
    /// The digest of the text, if the room remembers the message's nonce.
    pub(crate) digest: Option<u64>,
}

/// A part of the erasure of a user: what one call of CHAT.ERASE removes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Erasure<'a> {
    pub(crate) id: Id,
    pub(crate) user: &'a str,
    /// The digits of the name that replaces the user's.
    pub(crate) alias: u64,
    /// The newest event that was examined, in this call or in earlier ones.
    pub(crate) up_to: Id,
    /// Message numbers, from and to.
    pub(crate) messages: (u64, u64),
    /// Event numbers of nonces, from and to.
    pub(crate) nonces: (u64, u64),
    /// The journal before this event number is removed.
    pub(crate) journal_from: u64,
    pub(crate) end: End,
}

/// What a part of an erasure ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing: more calls follow.
    None = 0,
    /// Also the bans and mutes of the user, and the journal.
    All = 1,
    /// [`End::All`], but a ban stays.
    ButBan = 2,
}

/// Settings to change.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSettings<'a> {
    pub(crate) id: Id,
    pub(crate) by: &'a str,
    pub(crate) changes: Vec<Setting<'a>>,
}
