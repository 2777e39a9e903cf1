//! `CHAT.APPLY room records` (internal)
//!
//! Applies changes that a primary has decided: this is how they travel to replicas and to the
//! append-only file. Clients may not call it. It accepts every name of a key, because the key may
//! have been renamed, or created under older rules.
//!
//! Records that cannot be read were written by a later version of the module, or are damaged. A
//! replica that went on without them would hold less than its primary and might be promoted, and a
//! server that loaded a file without them would write it again without them. So the server ends,
//! as Redis does when it cannot load a file, unless `chat.skip-unreadable-records` is set. A primary
//! to which slots move does not end for another node's records: it refuses them.
//!
//! Records that can be read but do not fit, and unreadable ones that are skipped, are left out,
//! counted in `INFO chat` and logged at most once a second. The reply is OK all the same: after an
//! error Redis would log each of them, or abort if `propagation-error-behavior` says so.
//!
//! - Reply: OK.
//! - Errors: ERR, for clients, and for records that a node which hands over a slot has sent.
//! - Complexity: O(N), N the changes.
//! - Replicates: itself as it came; records of presence not to the append-only file.

use std::borrow::Cow;

use chat_protocol::names::RoomName;
use chat_room::{CommandError, Downtime, Malformed, Outcome, Record, Step, VERSION};

use crate::error_reply::ErrorReply;
use crate::loading::PieceSource;
use crate::redis::{self, Arg, Call, CommandSpec, Flags, Keys, OpenError};
use crate::serving::entry;
use crate::stored_room::{RoomKey, StoredRoom};
use crate::{clock, config, indexing, info, loading, presence_grace};

pub(super) static SPEC: CommandSpec = CommandSpec {
    name: "chat.apply",
    entry: entry!(run),
    flags: "write admin",
    arity: 3,
    keys: Keys::Write,
    summary: "Applies changes decided by the primary. Internal: refused from clients.",
    complexity: "O(N) with N the changes",
    arguments: &[Arg::Key("room"), Arg::Text("records")],
};

fn run(call: &Call<'_>) -> Result<(), ErrorReply> {
    let flags = Flags::of(call);
    if !flags.is_replay() {
        return Err(CommandError::Syntax("CHAT.APPLY is for replication only").into());
    }
    match apply(call, flags) {
        Ok(()) => {}
        Err(Refusal::Misplaced(reason)) => info::count_refused_records(1, &reason),
        Err(Refusal::Unreadable(error)) => {
            let is_slot_import = flags.is_primary() && flags.is_from_primary();
            if !config::skips_unreadable_records() && !is_slot_import {
                end_server(flags, error);
            }
            info::count_refused_records(1, &error.to_string());
            if is_slot_import {
                return Err(CommandError::Syntax("records of another version").into());
            }
        }
    }
    call.reply_ok();
    Ok(())
}

/// Why records were not applied.
enum Refusal {
    /// A later version of the module has written them, or they are damaged.
    Unreadable(Malformed),
    /// No primary of ours sends them.
    Misplaced(Cow<'static, str>),
}

impl From<Malformed> for Refusal {
    fn from(error: Malformed) -> Self {
        Refusal::Unreadable(error)
    }
}

impl From<&'static str> for Refusal {
    fn from(reason: &'static str) -> Self {
        Refusal::Misplaced(reason.into())
    }
}

impl From<OpenError> for Refusal {
    fn from(error: OpenError) -> Self {
        Refusal::Misplaced(ErrorReply::from(error).message())
    }
}

/// Ends the server, with the reason in its log.
fn end_server(flags: Flags, error: Malformed) -> ! {
    let source = if flags.is_from_primary() { "the primary" } else { "the append-only file" };
    redis::end(&format!(
        "{source} has a change of a room that this module (stored form {VERSION}) cannot read: \
         {error}. Probably a later version wrote it. The server ends, because going on without the \
         change would lose it. Load the later module: see docs/upgrades.md, also about \
         chat.skip-unreadable-records"
    ))
}

/// Applies the records. Errors: why none of them can be applied.
fn apply(call: &Call<'_>, flags: Flags) -> Result<(), Refusal> {
    let key_name = call.word(1).unwrap_or_default();
    let bytes = call.word(2).unwrap_or_default();
    let records = Record::read_all(bytes)?;
    if let [Record::SnapshotPiece { place, stored }] = &records[..] {
        return take_piece(call, flags, key_name, *place, stored);
    }
    let durable = records.iter().any(|record| !record.is_presence());
    let mut key = RoomKey::open(call, 1)?;
    let mut created = StoredRoom::blank();
    let is_new = key.value().is_none();
    let begins = records.first().is_some_and(Record::creates_room);
    if is_new && !begins {
        return Err("there is no such room".into());
    }
    let stored = key.value_mut().unwrap_or(&mut created);
    let mut outcome = Outcome::default();
    let now = clock::now();
    let mut out_of_place = 0;
    for record in records {
        if stored.room.accepts(&record) {
            // The primary of the room publishes the events.
            let (name, step) = (RoomName::INVALID.as_str(), [Step::Record(record)]);
            stored.room.execute(name, now, &step, &mut outcome);
        } else {
            out_of_place += 1;
        }
    }
    if out_of_place > 0 {
        info::count_refused_records(out_of_place, "events that do not come after the last");
    }
    let (database, limits) = (call.database(), config::limits());
    match (is_new, flags.is_from_primary()) {
        (true, true) => indexing::put_into_key(call, &mut key, created, key_name),
        (true, false) => indexing::put_loaded_into_key(call, &mut key, created, key_name),
        (false, true) => indexing::update(database, stored, &limits, now),
        (false, false) => indexing::update_loaded(database, stored, &limits, now),
    }
    if outcome.visible {
        call.signal_modified(&call.name(1));
    }
    if durable && flags.is_from_primary() {
        call.replicate_verbatim();
    }
    Ok(())
}

/// Takes one piece of a snapshot. The last one creates the room, or replaces the one in the key.
///
/// A snapshot in a file is of a time when other connections were online: those have gone. One from
/// a primary is of a room that moves to this node with its slot, and its connections stay online: a
/// grace gives their relays the time to find this node.
fn take_piece(
    call: &Call<'_>,
    flags: Flags,
    key_name: &[u8],
    place: u64,
    piece: &[u8],
) -> Result<(), Refusal> {
    let database = call.database();
    let source = match flags.is_from_primary() {
        true => PieceSource::Primary,
        false => PieceSource::File,
    };
    let taken = match loading::take_piece(source, database, key_name, place, piece) {
        // A replica that begins to follow while a slot arrives misses the first pieces.
        Err(loading::OUT_OF_ORDER) if source == PieceSource::Primary => {
            return Err("a piece of a room that is out of order".into());
        }
        taken => taken?,
    };
    if let Some(mut room) = taken {
        if !room.is_plausible() {
            return Err(Malformed("numbers beyond what a room may reach").into());
        }
        let now = clock::now();
        let (loaded_at, grace_until) = match source {
            PieceSource::Primary => (Some(room.last()), presence_grace::end_of_grace(now)),
            PieceSource::File => {
                room.detach_presence();
                while room.free_pending(usize::MAX) {}
                (None, 0)
            }
        };
        room.restore_deadlines(now, Downtime::NotCounted);
        let mut key = RoomKey::open(call, 1)?;
        if let Some(stored) = key.value_mut() {
            (stored.room, stored.loaded_at, stored.grace_until) = (room, loaded_at, grace_until);
            indexing::update(database, stored, &config::limits(), now);
        } else {
            let created = StoredRoom { room, entry: None, loaded_at, grace_until };
            match source {
                PieceSource::Primary => {
                    indexing::put_into_key(call, &mut key, created, key_name);
                }
                PieceSource::File => {
                    indexing::put_loaded_into_key(call, &mut key, created, key_name);
                }
            }
        }
        call.signal_modified(&call.name(1));
    }
    if flags.is_from_primary() {
        call.replicate_verbatim();
    }
    Ok(())
}
