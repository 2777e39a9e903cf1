//! `CHAT.APPLY room records` (internal)
//!
//! How decided changes travel: the primary sends it to replicas and the append-only file. Refused
//! from ordinary clients. Passed on verbatim, but records of presence not to the append-only file.

use chat_room::decide::Step;
use chat_room::names::RoomName;
use chat_room::varint::Malformed;
use chat_room::{Effects, Record, Refusal, Sleep};

use super::{entry, refile, room_name};
use crate::error::Error;
use crate::redis::{Arg, Call, Flags, Keys, RoomKey, Spec, log_warning};
use crate::room_type::StoredRoom;
use crate::state::Snapshot;
use crate::{config, events, state};

pub(super) static SPEC: Spec = Spec {
    name: "chat.apply",
    entry: entry!(run),
    flags: "write admin",
    arity: 3,
    keys: Keys::Write,
    summary: "Applies changes decided by the primary. Internal: refused from clients.",
    complexity: "O(N) with N the changes",
    arguments: &[Arg::Key("room"), Arg::Text("records")],
};

fn run(call: &Call<'_>) -> Result<(), Error> {
    let flags = Flags::of(call);
    if !flags.is_replay() {
        return Err(Refusal::Syntax("CHAT.APPLY is for replication only").into());
    }
    let name = room_name(call)?;
    let bytes = call.word(2).unwrap_or_default();
    let records = Record::read_all(bytes).map_err(|error| {
        log_warning(&format!("records of a room were refused: {error}"));
        Refusal::Syntax("malformed records")
    })?;
    if let [Record::SnapshotPiece { place, stored }] = &records[..] {
        return take_piece(call, name, *place, stored);
    }
    let durable = records.iter().any(|record| !record.is_presence());
    let mut key = RoomKey::open(call, 1)?;
    let mut fresh = StoredRoom::blank();
    let is_new = key.stored().is_none();
    let begins = records.first().is_some_and(Record::makes_a_room);
    if is_new && !begins {
        log_warning("records came for a room that is not there");
        return Err(Refusal::NoRoom.into());
    }
    let stored = key.stored_mut().unwrap_or(&mut fresh);
    let mut effects = Effects::default();
    let steps: Vec<Step<'_>> = records.into_iter().map(Step::Record).collect();
    let now = state::now();
    stored.room.carry_out(name.as_str(), now, &steps, &mut effects);
    let database = call.database();
    if is_new {
        // Of what went under this name while this server was a primary.
        events::tell(call, name.as_str().as_bytes(), None);
        fresh.file(database, name.as_str().as_bytes());
        key.fill(call, 1, fresh);
    } else {
        refile(database, stored, &config::limits(), now);
    }
    if effects.visible {
        call.signal_modified(&call.name(1));
    }
    if durable && flags.is_from_primary() {
        call.replicate_verbatim();
    }
    call.reply_ok();
    Ok(())
}

/// Takes in one piece of a snapshot. The room is there, or is another one, with the last of them; what
/// is never completed, as its file was cut off, is forgotten with the next one, or after the load.
fn take_piece(call: &Call<'_>, name: RoomName<'_>, place: u64, piece: &[u8]) -> Result<(), Error> {
    let (database, key_name) = (call.database(), name.as_str().as_bytes());
    let taken = state::with(|state| {
        if place == 0 {
            state.snapshot = Some(Snapshot::of(database, key_name));
        }
        let fits = |snapshot: &Snapshot| snapshot.is_next(database, key_name, place);
        let mut snapshot = state.snapshot.take().filter(fits).ok_or(Malformed("out of order"))?;
        snapshot.loader.read(piece)?;
        if snapshot.loader.is_complete() {
            return snapshot.loader.finish().map(Some);
        }
        snapshot.pieces += 1;
        state.snapshot = Some(snapshot);
        Ok(None)
    });
    let room = taken.map_err(|error: Malformed| {
        log_warning(&format!("a piece of a room was refused: {error}"));
        Refusal::Syntax("malformed records")
    })?;
    if let Some(mut room) = room {
        let now = state::now();
        room.wake(now, Sleep::DoesNotCount);
        let mut key = RoomKey::open(call, 1)?;
        if let Some(stored) = key.stored_mut() {
            stored.room = room;
            refile(database, stored, &config::limits(), now);
        } else {
            let mut fresh = StoredRoom { room, ..StoredRoom::blank() };
            events::tell(call, key_name, None);
            fresh.file(database, key_name);
            key.fill(call, 1, fresh);
        }
        call.signal_modified(&call.name(1));
    }
    if Flags::of(call).is_from_primary() {
        call.replicate_verbatim();
    }
    call.reply_ok();
    Ok(())
}
