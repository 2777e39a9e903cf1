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

/// Settings to change.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSettings<'a> {
    pub(crate) id: Id,
    pub(crate) by: &'a str,
    pub(crate) changes: Vec<Setting<'a>>,
}
