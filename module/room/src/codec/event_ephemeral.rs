//! Events that are published and not stored.

use std::borrow::Cow;

use chat_protocol::id::Id;

use crate::codec::event_fields::{self, key, number, option, raw, reference, string};
use crate::codec::event_message::{Reactions, content};
use crate::state::log::message_body::Body;
use crate::state::room::Room;
use crate::state::users::members::Role;

/// An event that is published and not stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Ephemeral<'a> {
    /// A user became a member in a room that does not log joins.
    Joined {
        /// The user.
        user: &'a str,
        /// The user who added them; `None`: they joined by themselves.
        by: Option<&'a str>,
        /// The new member's role.
        role: Role,
    },
    /// A user's first connection opened.
    Online {
        /// The user.
        user: Cow<'a, str>,
    },
    /// A user's last connection closed.
    Offline {
        /// The user.
        user: Cow<'a, str>,
        /// `left`, `timeout` or the caller's reason.
        reason: &'a str,
    },
    /// The number of users online, in a room with too many to name.
    Occupancy,
    /// A user's shown status changed.
    Status {
        /// The user.
        user: Cow<'a, str>,
    },
    /// A signal of a client, or the backend's `notice`.
    Signal {
        /// The user.
        user: &'a str,
        /// The signal's name.
        name: &'a str,
        /// A JSON object.
        data: Option<&'a str>,
    },
    /// A member has read up to an event.
    Read {
        /// The user.
        user: &'a str,
        /// The event's id.
        read: Id,
    },
    /// A message that is not stored.
    Message {
        /// The user.
        user: &'a str,
        /// The message.
        body: Body<'a>,
    },
}

/// The signal whose name becomes the event's type.
pub(crate) const NOTICE: &str = "notice";

/// Writes an event that is not stored, with counts and status from the room's present state.
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
