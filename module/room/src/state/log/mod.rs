//! The log of a room: its messages and its journal of events.

pub(crate) mod annotations;
pub(crate) mod id_lead;
pub(crate) mod journal;
pub(crate) mod message_body;
pub(crate) mod message_run;
pub(crate) mod messages;
pub(crate) mod reaction_users;
pub(crate) mod tombstones;
