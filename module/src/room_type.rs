//! The type `chat-room`: what Redis asks of a value. Load, save, rewrite, copy, digest, memory,
//! defragmentation.
//!
//! Each function translates between Redis and the core. A payload that cannot be decoded is refused
//! with a line in the log. Presence is saved in RDB files, and in the commands by which Redis
//! rewrites an append-only file and Valkey migrates a slot; an append-only file discards it when it
//! is loaded. Copies and the digest leave it out.

use chat_room::{Downtime, Loader, Malformed, Part, Record, Relocator, Room, VERSION};

use crate::dropped::DroppedRoom;
use crate::index::Index;
use crate::redis::{
    AofOutput, Defragmenter, DigestOutput, Flags, KeyContext, ModuleValue, RdbInput, RdbOutput,
    ValueType, log_warning,
};
use crate::stored_room::StoredRoom;
use crate::{clock, dropped, index, indexing, loading, outgoing, presence_grace, slot_imports};

/// How an RDB file holds the stored form: version 2 as several strings, each a piece of it; version
/// 1 as one string. The stored form inside has a version of its own.
const ENCODING: i32 = 2;

/// The type as registered with Redis.
pub(crate) static CHAT_ROOM: ValueType = ValueType::new::<StoredRoom>("chat-room", ENCODING);

impl ModuleValue for StoredRoom {
    fn value_type() -> &'static ValueType {
        &CHAT_ROOM
    }

    fn load(input: &mut RdbInput, encoding: i32) -> Option<StoredRoom> {
        let loaded = match encoding {
            ..=ENCODING => load_pieces(input)?,
            _ => Err(Malformed::LATER),
        };
        let mut room = match loaded {
            Ok(room) => room,
            Err(Malformed::LATER) => {
                log_warning(&format!(
                    "a chat-room was refused: a later version of the module has saved it. This one \
                     reads stored forms up to {VERSION}: see docs/upgrades.md"
                ));
                return None;
            }
            Err(error) => {
                log_warning(&format!("a chat-room was refused: {error}"));
                return None;
            }
        };
        let loading = Flags::of_server().is_loading();
        if !loading && !room.is_plausible() {
            log_warning("a chat-room was refused: its numbers are beyond what a room may reach");
            return None;
        }
        let loaded_at = Some(room.last());
        let now = clock::now();
        if loading && loading::is_from_aof() {
            // The records that follow in the file do not say which connections have ended since.
            room.detach_presence();
            while room.free_pending(usize::MAX) {}
        }
        room.restore_deadlines(now, if loading { Downtime::Counted } else { Downtime::NotCounted });
        let grace_until = if loading { 0 } else { presence_grace::end_of_grace(now) };
        let mut stored = StoredRoom { room, entry: None, loaded_at, grace_until };
        // The event of its key adds a restored room to the index, once the key has it for good.
        if loading && let Some((database, name)) = input.key() {
            dropped::forget(database, name);
            indexing::add_loaded(&mut stored, database, name);
        }
        Some(stored)
    }

    fn save(&self, output: &mut RdbOutput) {
        self.room.save(Part::Everything(clock::now()), &mut |piece| output.piece(piece));
    }

    fn rewrite(&self, output: &mut AofOutput) {
        let (mut record, mut place) = (Vec::new(), 0);
        self.room.save(Part::Everything(clock::now()), &mut |piece| {
            record.clear();
            Record::SnapshotPiece { place, stored: piece.into() }.write(&mut record);
            output.command(outgoing::APPLY, &record);
            place += 1;
        });
    }

    fn digest(&self, output: &mut DigestOutput) {
        self.room.digest(&mut |piece| output.add(piece));
    }

    fn memory(&self, key: KeyContext) -> usize {
        let beside = size_of::<StoredRoom>() - size_of::<Room>();
        self.room.memory() + beside + Index::memory_of(key.name())
    }

    fn free_effort(&self) -> usize {
        self.room.free_effort()
    }

    fn unlinked(&self, key: KeyContext) {
        let (database, name, last) = (key.database(), key.name(), self.room.last());
        match self.entry.as_ref() {
            Some(entry) => index::with(|index| index.remove(database, entry)),
            None if slot_imports::forget_owned(database, name) => {}
            None => return,
        }
        if Flags::of_server().is_primary() {
            dropped::add(database, name, DroppedRoom { last, reason: "replaced" });
        }
    }

    fn copy(&self) -> StoredRoom {
        StoredRoom { room: self.room.copy(), ..StoredRoom::blank() }
    }

    fn defragment(&mut self, from: u64, defragmenter: &mut Defragmenter) -> Option<u64> {
        self.room.relocate(from, defragmenter)
    }
}

/// Reads a room, one piece in memory at a time. `None`: the input ends early.
fn load_pieces(input: &mut RdbInput) -> Option<Result<Room, Malformed>> {
    let mut loader = Loader::default();
    while !loader.is_complete() {
        if let Err(error) = input.piece(|piece| loader.read(piece))? {
            return Some(Err(error));
        }
    }
    Some(loader.finish())
}

impl Relocator for Defragmenter {
    fn list<T>(&mut self, list: &mut Vec<T>) {
        self.move_list(list);
    }

    fn text(&mut self, text: &mut Box<str>) {
        self.move_text(text);
    }

    fn value<T>(&mut self, value: &mut Box<T>) {
        self.move_value(value);
    }

    fn must_stop(&mut self) -> bool {
        self.should_stop()
    }
}
