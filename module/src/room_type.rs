//! The type `chat-room`: what Redis asks of a value. Load, save, rewrite, copy, digest, memory,
//! defragmentation.
//!
//! Each function translates between Redis and the core. A payload that cannot be decoded is refused
//! with a line in the log. Presence is saved in RDB files; copies, the append-only file and the
//! digest leave it out.

use crate::config;
use crate::dropped::Gone;
use crate::index::{Facts, Filed, Index};
use crate::redis::{
    AofOutput, Defragmenter, DigestOutput, Flags, Key, KeyContext, ModuleValue, RdbInput,
    RdbOutput, ValueType, log_warning,
};
use crate::state;
use chat_protocol::id::Id;
use chat_room::varint::Malformed;
use chat_room::{Downtime, Loader, Part, Record, Relocator, Room};

/// The version of the way the stored form is put into an RDB file: as strings, each a piece of it. In
/// the first version it was one. What is inside has a version of its own.
const ENCODING: i32 = 2;

/// The value of a key.
pub(crate) struct StoredRoom {
    pub(crate) room: Room,
    /// Where the index has it; `None`: nowhere yet.
    pub(crate) filed: Option<Filed>,
    /// Its newest id when it was loaded or restored; what came after that elsewhere is not known.
    pub(crate) loaded_at: Option<Id>,
    /// Nobody's presence ends before this, by the steady clock: it was restored, and its relays must
    /// be heard first.
    pub(crate) quiet_until: u64,
}

impl StoredRoom {
    /// A room that is not yet made.
    pub(crate) fn blank() -> StoredRoom {
        StoredRoom { room: Room::default(), filed: None, loaded_at: None, quiet_until: 0 }
    }

    /// It bears another name now, under which nobody has come.
    pub(crate) fn moved(&mut self) {
        self.room.detach_presence();
    }

    /// Has the timer free what the room has given up.
    #[inline]
    pub(crate) fn note_pending_free(&self) {
        if let (true, Some(filed)) = (self.room.has_pending_free(), &self.filed) {
            state::with(|state| state.pending_free.insert(filed.number));
        }
    }

    /// Whether nothing durable has happened since it was loaded or restored.
    pub(crate) fn is_as_loaded(&self) -> bool {
        self.loaded_at == Some(self.room.last())
    }

    /// What the index files of this room.
    pub(crate) fn facts(&self, deadline: Option<u64>) -> Facts {
        let (activity, connections) = (self.room.last_activity(), self.room.connections());
        Facts { activity, deadline, connections }
    }

    /// Files a room that is new to the index.
    pub(crate) fn file(&mut self, database: i32, name: &[u8]) {
        self.file_by(Index::add, database, name);
    }

    /// Files a room that the server has loaded.
    fn file_loaded(&mut self, database: i32, name: &[u8]) {
        self.file_by(Index::add_loaded, database, name);
    }

    fn file_by(
        &mut self,
        add: fn(&mut Index, i32, &[u8], Facts) -> Filed,
        database: i32,
        name: &[u8],
    ) {
        let now = state::now();
        let limits = config::limits();
        let beyond = self.room.is_beyond_bounds(&limits);
        let next = self.room.next_deadline(&limits, now);
        let facts = self.facts(if beyond { Some(now.monotonic_ms) } else { next });
        let last = self.room.last();
        state::with(|state| {
            state.clock.used(last.ms, now.ms);
            self.filed = Some(add(&mut state.index, database, name, facts));
        });
    }
}

/// The type as registered with Redis.
pub(crate) static CHAT_ROOM: ValueType = ValueType::new::<StoredRoom>("chat-room", ENCODING);

/// A key that may hold a room.
pub(crate) type RoomKey = Key<StoredRoom>;

impl ModuleValue for StoredRoom {
    fn value_type() -> &'static ValueType {
        &CHAT_ROOM
    }

    fn load(input: &mut RdbInput, encoding: i32) -> Option<StoredRoom> {
        if encoding > ENCODING {
            log_warning("this chat-room was saved by a later version of the module");
            return None;
        }
        let loaded = load_pieces(input)?;
        let mut room = match loaded {
            Ok(room) => room,
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
        let now = state::now();
        if loading && state::with(|state| state.loading_file) {
            // The file's other records do not tell who has gone since this part was written.
            room.detach_presence();
            while room.free_pending(usize::MAX) {}
        }
        room.restore_deadlines(now, if loading { Downtime::Counted } else { Downtime::NotCounted });
        let quiet_until = if loading { 0 } else { now.monotonic_ms + config::presence_grace() };
        let mut stored = StoredRoom { room, filed: None, loaded_at, quiet_until };
        // A restored room is filed by the event of its key, once it is there to stay.
        if loading && let Some((database, name)) = input.key() {
            state::with(|state| state.gone.forget(database, name));
            stored.file_loaded(database, name);
        }
        Some(stored)
    }

    fn save(&self, output: &mut RdbOutput) {
        self.room.save(Part::Everything(state::now()), &mut |piece| output.piece(piece));
    }

    fn rewrite(&self, output: &mut AofOutput) {
        let (mut record, mut place) = (Vec::new(), 0);
        self.room.save(Part::Durable, &mut |piece| {
            record.clear();
            Record::SnapshotPiece { place, stored: piece.into() }.write(&mut record);
            output.command(c"CHAT.APPLY", &record);
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
        let Some(filed) = self.filed.as_ref() else { return };
        let (database, name, last) = (key.database(), key.name(), self.room.last());
        // On a replica the primary tells.
        let tells = Flags::of_server().is_primary();
        state::with(|state| {
            state.index.remove(database, filed);
            if tells {
                state.gone.add(database, name, Gone { last, reason: "replaced" });
            }
        });
    }

    fn copy(&self) -> StoredRoom {
        StoredRoom { room: self.room.copy(), ..StoredRoom::blank() }
    }

    fn defragment(&mut self, from: u64, defragmenter: &mut Defragmenter) -> Option<u64> {
        self.room.relocate(from, defragmenter)
    }
}

/// Reads a room; none of the pieces is kept. `None`: the input ends early.
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
