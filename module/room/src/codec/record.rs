//! Records: what was decided, in bytes.
//!
//! A record is complete: ids, absolute times and counts are in it, so applying it needs no clock,
//! no setting and no randomness. Records of presence are separate from the others because they go
//! to replicas but not into the append-only file.
//!
//! The table below is the only description of the records: it makes the type, the writer and the
//! reader. A record is its tag and then its fields in the order of the table, each in the form
//! named behind `as` (`record_forms.rs`). The meaning of a tag never changes, nor do the fields of
//! a record: replicas of other versions and append-only files hold these bytes. A new record or field
//! raises the number of the stored form (`snapshot_write.rs`).

use std::borrow::Cow;

use chat_protocol::id::Id;

use crate::bytes::varint::{Malformed, Reader};
use crate::codec::record_content::{Erasure, NewMessage, NewSettings};
use crate::codec::record_forms as form;
use crate::state::users::members::{MemberChange, Role};

macro_rules! records {
    ($(
        $(#[$doc:meta])*
        $name:ident = $tag:literal
        $({ $($(#[$field_doc:meta])* $field:ident: $type:ty as $form:ident,)* })?
        $(( $whole:ty as $whole_form:ident ))?;
    )*) => {
        /// One change of a room.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Record<'a> {
            $(
                $(#[$doc])*
                $name $({ $($(#[$field_doc])* $field: $type,)* })? $(($whole))?,
            )*
        }

        impl<'a> Record<'a> {
            /// Appends the record's bytes.
            pub fn write(&self, out: &mut Vec<u8>) {
                match self {
                    $(Record::$name $({ $($field),* })? $(($whole_form))? => {
                        out.push($tag);
                        $($(form::$form::write(out, $field);)*)?
                        $(form::$whole_form::write(out, $whole_form);)?
                    })*
                }
            }

            /// Reads one record. Errors: bytes that would not leave a room that can be stored and
            /// loaded again.
            fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
                Ok(match reader.byte()? {
                    $($tag => Record::$name
                        $({ $($field: form::$form::read(reader)?,)* })?
                        $((form::$whole_form::read(reader)?))?,)*
                    _ => return Err(Malformed("unknown record")),
                })
            }
        }
    };
}

records! {
    /// The room is created.
    Create = 1 {
        /// Milliseconds since the epoch.
        ms: u64 as creation_time,
    };
    /// A message is stored.
    Message = 2 (NewMessage<'a> as new_message);
    /// Settings change.
    Settings = 3 (NewSettings<'a> as new_settings);
    /// A user becomes a member.
    Join = 4 {
        /// Milliseconds since the epoch.
        ms: u64 as time,
        /// The id of the event, in a room that logs joins.
        logged: Option<Id> as optional_event_id,
        /// The new member's role.
        role: Role as role,
        /// The new member.
        user: &'a str as user,
        /// The user who added them; `None`: they joined by themselves.
        by: Option<&'a str> as optional_actor,
    };
    /// A member leaves.
    Leave = 5 {
        /// The id of the event.
        id: Id as event_id,
        /// The member.
        user: &'a str as user,
        /// The user who removed them; `None`: they left by themselves.
        by: Option<&'a str> as optional_actor,
    };
    /// A member's role changes.
    Role = 6 {
        /// The id of the event.
        id: Id as event_id,
        /// The new role.
        role: Role as role,
        /// The member.
        user: &'a str as user,
        /// The user who changed it, if it is another one.
        by: Option<&'a str> as optional_actor,
    };
    /// The user of a personal room follows a room.
    Follow = 7 {
        /// Milliseconds since the epoch.
        since: u64 as time,
        /// The followed room.
        room: &'a str as room,
    };
    /// The user of a personal room follows a room no longer.
    Unfollow = 8 {
        /// The room.
        room: &'a str as room,
    };
    /// Messages, events and nonces that are too old or too many are removed: all before these
    /// numbers.
    Trim = 9 {
        /// Message number.
        messages_from: u64 as number,
        /// Event number.
        journal_from: u64 as number,
        /// Event number.
        nonces_from: u64 as number,
    };
    /// The whole room without its presence, in the stored form.
    Snapshot = 10 {
        /// See `snapshot_write.rs`.
        stored: Cow<'a, [u8]> as whole_room,
    };
    /// The first connection of a personal room's user opened, or the last one closed.
    Seen = 11 {
        /// Milliseconds since the epoch.
        ms: u64 as time,
    };
    /// Moderation changes the role or the rights of a user.
    Moderate = 12 {
        /// The id of the event.
        id: Id as event_id,
        /// The change.
        change: MemberChange<'a> as member_change,
    };
    /// A message gets another text.
    Edit = 13 {
        /// The id of the event.
        id: Id as event_id,
        /// The message's id.
        message: Id as id,
        /// The user who edits it.
        user: &'a str as actor,
        /// The new text.
        text: &'a str as text,
        /// The new meta; `None`: unchanged.
        meta: Option<&'a str> as meta,
    };
    /// A message is deleted.
    Delete = 14 {
        /// The id of the event.
        id: Id as event_id,
        /// The message's id.
        message: Id as id,
        /// The user who deletes it.
        user: &'a str as actor,
        /// The reason.
        reason: Option<&'a str> as reason,
    };
    /// A reaction is added or removed.
    React = 15 {
        /// The id of the event.
        id: Id as event_id,
        /// The message's id.
        message: Id as id,
        /// The user who reacts.
        user: &'a str as actor,
        /// The emoji.
        emoji: &'a str as emoji,
        /// Whether the reaction is removed.
        removed: bool as flag,
    };
    /// A member has read up to an event.
    Read = 16 {
        /// The event's id.
        read: Id as id,
        /// The member.
        user: &'a str as user,
    };
    /// The ids of events are ahead of the clock by another time.
    Lead = 17 {
        /// Number of the first event whose id is.
        first: u64 as number,
        /// Milliseconds.
        ms: u64 as time,
    };
    /// A durable event says that the user of a personal room came online.
    LogOnline = 19 {
        /// The id of the event.
        id: Id as event_id,
        /// The user.
        user: &'a str as user,
    };
    /// A durable event says that the user of a personal room went offline.
    LogOffline = 20 {
        /// The id of the event.
        id: Id as event_id,
        /// When the user came online, milliseconds since the epoch.
        since: u64 as time,
        /// The user.
        user: &'a str as user,
        /// Why the user went offline.
        reason: &'a str as required_reason,
    };
    /// The user logged as online is forgotten without an event: the room has another kind of name.
    ForgetOnline = 21;
    /// A part of what a user left in the room is erased.
    Erase = 18 (Erasure<'a> as erasure);
    /// A piece of the whole room: see [`crate::Loader`]. The record stands
    /// alone, and the room stays empty until the last piece.
    SnapshotPiece = 24 {
        /// The number of pieces before this one.
        place: u64 as number,
        /// See `snapshot_write.rs`.
        stored: Cow<'a, [u8]> as bytes,
    };
    /// A connection is new, is refreshed or changes its status. Presence.
    Present = 32 {
        /// Milliseconds until the connection expires without a beat. Each copy of the room counts
        /// them by its own clock.
        ttl: u64 as ttl,
        /// The time of the decision, milliseconds since the epoch.
        now: u64 as time,
        /// The connection's name.
        connection: &'a str as connection,
        /// The connection's user.
        user: &'a str as user,
        /// The connection's new status; `None`: unchanged.
        status: Option<&'a str> as status,
    };
    /// Connections are refreshed. Presence.
    Beat = 33 {
        /// Milliseconds until the connections expire without another beat.
        ttl: u64 as ttl,
        /// The connections' names.
        connections: Vec<&'a str> as connections,
    };
    /// Connections are closed. Presence.
    Absent = 34 {
        /// The connections' names.
        connections: Vec<Cow<'a, str>> as closed_connections,
    };
}

impl<'a> Record<'a> {
    /// Reads records that [`Record::write`] has written one after another. Errors: malformed bytes,
    /// before any record is applied.
    pub fn read_all(bytes: &'a [u8]) -> Result<Vec<Record<'a>>, Malformed> {
        let mut reader = Reader::new(bytes);
        let mut records = Vec::new();
        while !reader.is_empty() {
            records.push(Record::read(&mut reader)?);
        }
        let is_piece = |record: &Record<'_>| matches!(record, Record::SnapshotPiece { .. });
        if records.len() > 1 && records.iter().any(is_piece) {
            return Err(Malformed("a piece of a snapshot does not stand alone"));
        }
        Ok(records)
    }

    /// Whether this is a record of presence, which expires by itself.
    pub fn is_presence(&self) -> bool {
        matches!(self, Record::Present { .. } | Record::Beat { .. } | Record::Absent { .. })
    }

    /// The id of the durable event that this record makes, if it makes one.
    pub(crate) fn event_id(&self) -> Option<Id> {
        match self {
            Record::Message(message) => Some(message.id),
            Record::Settings(settings) => Some(settings.id),
            Record::Erase(erasure) => Some(erasure.id),
            Record::Join { logged, .. } => *logged,
            Record::Leave { id, .. }
            | Record::Role { id, .. }
            | Record::Moderate { id, .. }
            | Record::Edit { id, .. }
            | Record::Delete { id, .. }
            | Record::React { id, .. }
            | Record::LogOnline { id, .. }
            | Record::LogOffline { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// Whether applying this record uses up a number: numbers are never used again.
    pub(crate) fn consumes_number(&self) -> bool {
        let place = matches!(self, Record::Join { .. } | Record::Present { .. });
        place || self.event_id().is_some()
    }

    /// Whether this record can create a room.
    pub fn creates_room(&self) -> bool {
        matches!(self, Record::Create { .. } | Record::Snapshot { .. })
    }
}
