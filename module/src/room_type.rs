//! The type `chat-room`: what Redis asks of a value. Load, save, rewrite, free, copy, digest,
//! memory, defragmentation.
//!
//! Each callback translates and nothing more. A payload that does not decode is refused with a
//! line in the log; presence is saved, but not copied, nor in the append-only file, nor the digest.

use std::ffi::{c_int, c_void};
use std::ptr;

use chat_room::varint::Malformed;
use chat_room::{Id, Loader, Mover, Part, Record, Room, Sleep};
use redis_module::native_types::RedisType;
use redis_module::raw::{
    self, RedisModuleDefragCtx, RedisModuleDigest, RedisModuleIO, RedisModuleKeyOptCtx,
    RedisModuleString, RedisModuleTypeMethods,
};

use crate::config;
use crate::dropped::Gone;
use crate::index::{Facts, Filed, Index};
use crate::redis::{Flags, api, guarded, log_warning, string_bytes};
use crate::state;

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
        self.room.set_presence_aside();
    }

    /// Has the timer free what the room has given up.
    #[inline]
    pub(crate) fn note_leftovers(&self) {
        if let (true, Some(filed)) = (self.room.has_leftovers(), &self.filed) {
            state::with(|state| state.leftovers.insert(filed.number));
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
        let facts = self.facts(if beyond { Some(now.steady_ms) } else { next });
        let last = self.room.last();
        state::with(|state| {
            state.clock.used(last.ms, now.ms);
            self.filed = Some(add(&mut state.index, database, name, facts));
        });
    }
}

pub(crate) static CHAT_ROOM: TypeHandle = TypeHandle(RedisType::new(
    "chat-room",
    ENCODING,
    RedisModuleTypeMethods {
        version: raw::REDISMODULE_TYPE_METHOD_VERSION as u64,
        rdb_load: Some(rdb_load),
        rdb_save: Some(rdb_save),
        aof_rewrite: Some(aof_rewrite),
        free: Some(free),
        mem_usage: None,
        digest: Some(digest),
        aux_load: None,
        aux_save: None,
        aux_save_triggers: 0,
        free_effort: None,
        unlink: None,
        copy: None,
        defrag: Some(defrag),
        mem_usage2: Some(mem_usage),
        free_effort2: Some(free_effort),
        unlink2: Some(unlink),
        copy2: Some(copy),
        aux_save2: None,
    },
));

/// The type as registered.
pub(crate) struct TypeHandle(RedisType);

impl TypeHandle {
    /// Redis's pointer to the type.
    pub(crate) fn raw(&self) -> *mut raw::RedisModuleType {
        *self.0.raw_type.borrow()
    }

    /// Registers the type. The macro of the crate calls this at load.
    pub(crate) fn create_data_type(&self, ctx: *mut raw::RedisModuleCtx) -> Result<(), &str> {
        self.0.create_data_type(ctx)
    }
}

fn room<'a>(value: *const c_void) -> &'a StoredRoom {
    // SAFETY: Redis hands the callbacks of our type a value that `RoomKey::fill`, `rdb_load` or
    // `copy` made, and keeps it for the length of the callback.
    unsafe { &*value.cast::<StoredRoom>() }
}

unsafe extern "C" fn rdb_load(rdb: *mut RedisModuleIO, encoding: c_int) -> *mut c_void {
    let load = || {
        if encoding > ENCODING {
            log_warning("this chat-room was saved by a later version of the module");
            return ptr::null_mut();
        }
        let Some(loaded) = load_pieces(rdb) else { return ptr::null_mut() };
        let mut room = match loaded {
            Ok(room) => room,
            Err(error) => {
                log_warning(&format!("a chat-room was refused: {error}"));
                return ptr::null_mut();
            }
        };
        let loading = Flags::of_server().is_loading();
        if !loading && !room.is_plausible() {
            log_warning("a chat-room was refused: its numbers are beyond what a room may reach");
            return ptr::null_mut();
        }
        let loaded_at = Some(room.last());
        let now = state::now();
        if loading && state::with(|state| state.loading_file) {
            // The file's other records do not tell who has gone since this part was written.
            room.set_presence_aside();
            while room.free_leftovers(usize::MAX) {}
        }
        room.wake(now, if loading { Sleep::Counts } else { Sleep::DoesNotCount });
        let quiet_until = if loading { 0 } else { now.steady_ms + config::presence_grace() };
        let mut stored = Box::new(StoredRoom { room, filed: None, loaded_at, quiet_until });
        let name: *const RedisModuleString = api!(RedisModule_GetKeyNameFromIO(rdb));
        let database = api!(RedisModule_GetDbIdFromIO(rdb));
        // A restored room is filed by the event of its key, once it is there to stay.
        if loading && !name.is_null() && database >= 0 {
            let name = string_bytes(name);
            state::with(|state| state.gone.forget(database, name));
            stored.file_loaded(database, name);
        }
        Box::into_raw(stored).cast()
    };
    guarded("loading a room", load).unwrap_or(ptr::null_mut())
}

/// Reads a room; none of the pieces is kept. `None`: the file ends early.
fn load_pieces(rdb: *mut RedisModuleIO) -> Option<Result<Room, Malformed>> {
    let mut loader = Loader::default();
    while !loader.is_complete() {
        let mut length = 0_usize;
        let start = api!(RedisModule_LoadStringBuffer(rdb, &mut length));
        if start.is_null() {
            return None;
        }
        // SAFETY: Redis answers a buffer of that length, which is ours to free.
        let piece = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) };
        let read = loader.read(piece);
        api!(RedisModule_Free(start.cast()));
        if let Err(error) = read {
            return Some(Err(error));
        }
    }
    Some(loader.finish())
}

unsafe extern "C" fn rdb_save(rdb: *mut RedisModuleIO, value: *mut c_void) {
    guarded("saving a room", || {
        room(value).room.save(Part::Everything(state::now()), &mut |piece| {
            api!(RedisModule_SaveStringBuffer(rdb, piece.as_ptr().cast(), piece.len()));
        });
    });
}

unsafe extern "C" fn aof_rewrite(
    aof: *mut RedisModuleIO,
    key: *mut RedisModuleString,
    value: *mut c_void,
) {
    guarded("rewriting a room", || {
        let (mut record, mut place) = (Vec::new(), 0);
        room(value).room.save(Part::Durable, &mut |piece| {
            record.clear();
            Record::SnapshotPiece { place, stored: piece.into() }.write(&mut record);
            let (command, format) = (c"CHAT.APPLY", c"sb");
            api!(RedisModule_EmitAOF(
                aof,
                command.as_ptr(),
                format.as_ptr(),
                key,
                record.as_ptr(),
                record.len()
            ));
            place += 1;
        });
    });
}

unsafe extern "C" fn free(value: *mut c_void) {
    // May run in a thread of Redis's that frees in the background; touches nothing but the room.
    guarded("freeing a room", || {
        // SAFETY: the value was a box, and Redis gives it up here.
        drop(unsafe { Box::from_raw(value.cast::<StoredRoom>()) });
    });
}

unsafe extern "C" fn digest(digest: *mut RedisModuleDigest, value: *mut c_void) {
    guarded("the digest of a room", || {
        room(value).room.digest(&mut |piece| {
            let start = piece.as_ptr().cast_mut().cast();
            api!(RedisModule_DigestAddStringBuffer(digest, start, piece.len()));
        });
        api!(RedisModule_DigestEndSequence(digest));
    });
}

unsafe extern "C" fn mem_usage(
    options: *mut RedisModuleKeyOptCtx,
    value: *const c_void,
    _samples: usize,
) -> usize {
    let size = || {
        let name = string_bytes(api!(RedisModule_GetKeyNameFromOptCtx(options)));
        let stored = room(value);
        let beside = size_of::<StoredRoom>() - size_of::<Room>();
        stored.room.memory() + beside + Index::memory_of(name)
    };
    guarded("the size of a room", size).unwrap_or(0)
}

unsafe extern "C" fn free_effort(
    _options: *mut RedisModuleKeyOptCtx,
    value: *const c_void,
) -> usize {
    guarded("the effort to free a room", || room(value).room.free_effort()).unwrap_or(1)
}

unsafe extern "C" fn unlink(options: *mut RedisModuleKeyOptCtx, value: *const c_void) {
    guarded("unlinking a room", || {
        let stored = room(value);
        let Some(filed) = stored.filed.as_ref() else { return };
        let database = api!(RedisModule_GetDbIdFromOptCtx(options));
        let name = string_bytes(api!(RedisModule_GetKeyNameFromOptCtx(options)));
        let last = stored.room.last();
        // On a replica the primary tells.
        let tells = Flags::of_server().is_primary();
        state::with(|state| {
            state.index.remove(database, filed);
            if tells {
                state.gone.add(database, name, Gone { last, reason: "replaced" });
            }
        });
    });
}

unsafe extern "C" fn copy(
    _options: *mut RedisModuleKeyOptCtx,
    value: *const c_void,
) -> *mut c_void {
    let copy = || {
        let room = room(value).room.copy();
        let copy = StoredRoom { room, ..StoredRoom::blank() };
        Box::into_raw(Box::new(copy)).cast()
    };
    guarded("copying a room", copy).unwrap_or(ptr::null_mut())
}

/// Moves allocations for [`defrag`].
struct Defragmenter(*mut RedisModuleDefragCtx);

impl Defragmenter {
    /// Where an allocation is to be from now on: Redis has copied it and freed the old place.
    fn relocate<T>(&self, start: *mut T) -> Option<*mut T> {
        let moved: *mut T = api!(RedisModule_DefragAlloc(self.0, start.cast())).cast();
        (!moved.is_null()).then_some(moved)
    }
}

impl Mover for Defragmenter {
    fn list<T>(&mut self, list: &mut Vec<T>) {
        let (length, capacity) = (list.len(), list.capacity());
        if capacity == 0 || size_of::<T>() == 0 {
            return;
        }
        if let Some(moved) = self.relocate(list.as_mut_ptr()) {
            // SAFETY: the entries lie at `moved` now, in an allocation of the same size; the list of the
            // old place must not free it again.
            let old =
                std::mem::replace(list, unsafe { Vec::from_raw_parts(moved, length, capacity) });
            std::mem::forget(old);
        }
    }

    fn text(&mut self, text: &mut Box<str>) {
        let length = text.len();
        if length == 0 {
            return;
        }
        if let Some(moved) = self.relocate(text.as_mut_ptr()) {
            // SAFETY: as for a list. The bytes are the same, so they are UTF-8.
            let moved = unsafe {
                let bytes = ptr::slice_from_raw_parts_mut(moved, length);
                Box::from_raw(bytes as *mut str)
            };
            std::mem::forget(std::mem::replace(text, moved));
        }
    }

    fn value<T>(&mut self, value: &mut Box<T>) {
        if size_of::<T>() == 0 {
            return;
        }
        if let Some(moved) = self.relocate(ptr::from_mut::<T>(value)) {
            // SAFETY: as for a list.
            std::mem::forget(std::mem::replace(value, unsafe { Box::from_raw(moved) }));
        }
    }

    fn must_stop(&mut self) -> bool {
        api!(RedisModule_DefragShouldStop(self.0)) != 0
    }
}

/// Moves what a room consists of, as far as that is possible: see the core. Returns 1 while there is
/// more.
unsafe extern "C" fn defrag(
    ctx: *mut RedisModuleDefragCtx,
    _key: *mut RedisModuleString,
    value: *mut *mut c_void,
) -> c_int {
    let mut from: std::ffi::c_ulong = 0;
    api!(RedisModule_DefragCursorGet(ctx, &mut from));
    let mut mover = Defragmenter(ctx);
    // SAFETY: Redis hands over the place where it keeps the pointer to the value.
    let place = unsafe { &mut *value.cast::<*mut StoredRoom>() };
    if from == 0
        && let Some(moved) = mover.relocate(*place)
    {
        *place = moved;
    }
    // SAFETY: as in `room`; Redis runs nothing else meanwhile.
    let stored = unsafe { &mut **place };
    let next = guarded("moving a room", || stored.room.relocate(from, &mut mover)).flatten();
    if let Some(next) = next {
        api!(RedisModule_DefragCursorSet(ctx, next as std::ffi::c_ulong));
    }
    c_int::from(next.is_some())
}
