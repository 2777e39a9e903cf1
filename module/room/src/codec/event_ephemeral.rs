//! Events that are published and not stored.

use std::borrow::Cow;

use chat_protocol::id::Id;

use crate::codec::event_fields::{self, key, number, option, raw, reference, string};
use crate::codec::event_message::{Reactions, content};
use crate::state::log::message_body::Body;
use crate::state::room::Room;
use crate::state::users::members::Role;

/// Something that is published and not stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Ephemeral<'a> {
    /// A user became a member, in a room that does not log joins.
    Joined {
        /// Who.
        user: &'a str,
        /// Who added them, if somebody else did.
        by: Option<&'a str>,
        /// As what.
        role: Role,
    },
    /// A user's first connection came.
    Online {
        /// Who.
        user: Cow<'a, str>,
    },
    /// A user's last connection went.
    Offline {
        /// Who.
        user: Cow<'a, str>,
        /// `left`, `timeout` or what the caller said.
        reason: &'a str,
    },
    /// How many users are here, in a room with too many to name.
    Occupancy,
    /// A user's shown status changed.
    Status {
        /// Who.
        user: Cow<'a, str>,
    },
    /// A signal of a client, or the backend's `notice`.
    Signal {
        /// Who.
        user: &'a str,
        /// What kind of signal.
        name: &'a str,
        /// A JSON object.
        data: Option<&'a str>,
    },
    /// A member has read up to an event.
    Read {
        /// Who.
        user: &'a str,
        /// The event's id.
        read: Id,
    },
    /// A message nobody stores.
    Message {
        /// Who.
        user: &'a str,
        /// What it says.
        body: Body<'a>,
    },
}

/// The name of the signal that becomes an event type of its own.
pub(crate) const NOTICE: &str = "notice";

/// Writes an event that is not stored, as of the room's present state.
pub(crate) fn ephemeral(
    out: &mut Vec<u8>,
    name: &str,
    room: &Room,
    ts: u64,
    event: &Ephemeral<'_>,
) {
    let kind = match event {
        Ephemeral::Joined { .. } => "member",
        Ephemeral::Online { .. } | Ephemeral::Offline { .. } | Ephemeral::Status { .. } => {
            "presence"
        }
        Ephemeral::Occupancy => "occupancy",
        Ephemeral::Signal { name, .. } if *name == NOTICE => NOTICE,
        Ephemeral::Signal { .. } => "signal",
        Ephemeral::Read { .. } => "read",
        Ephemeral::Message { .. } => "message",
    };
    event_fields::ephemeral(out, name, room.last, kind, ts);
    match event {
        Ephemeral::Joined { user, by, role } => {
            string(out, key!("user"), user);
            option(out, key!("by"), *by);
            string(out, key!("kind"), "join");
            string(out, key!("role"), role.as_str());
        }
        Ephemeral::Online { user } => presence(out, room, user, "join", None),
        Ephemeral::Occupancy => number(out, key!("users"), room.online() as u64),
        Ephemeral::Status { user } => presence(out, room, user, "status", None),
        Ephemeral::Offline { user, reason } => presence(out, room, user, "leave", Some(reason)),
        Ephemeral::Signal { user, name, data } => {
            string(out, key!("user"), user);
            if *name != NOTICE {
                string(out, key!("name"), name);
            }
            raw(out, key!("data"), *data);
        }
        Ephemeral::Message { user, body } => {
            string(out, key!("user"), user);
            content(out, body, Reactions { list: &[], users: &room.users });
        }
        Ephemeral::Read { user, read } => {
            string(out, key!("user"), user);
            reference(out, key!("ref"), *read);
        }
    }
    out.push(b'}');
}

fn presence(out: &mut Vec<u8>, room: &Room, user: &str, kind: &str, reason: Option<&str>) {
    string(out, key!("user"), user);
    string(out, key!("kind"), kind);
    let online = room.presence_of(user);
    option(out, key!("status"), online.map(|online| online.statuses.shown()));
    number(out, key!("users"), room.online() as u64);
    option(out, key!("reason"), reason);
}
