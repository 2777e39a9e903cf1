//! Atomic slot migration: which events the server has for it, and what they say.
//!
//! Valkey (since 9.0) and Redis (since 8.4) number these events differently, and each has another
//! event under the number of the other, so the server is asked which one it is. Everything about
//! Redis 8.4 is from its documentation.

use std::ffi::{CStr, c_char, c_int, c_void};

use redis_module::raw;

use super::api::api;
use super::call::Call;
use super::main_thread::MainThread;

/// The servers that differ in this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    /// It has no such migration, or none that a module hears of.
    Other,
    Valkey,
    Redis,
}

static SERVER: MainThread<Server> = MainThread::new(Server::Other);

/// The option by which a module for Valkey declares that it copes with keys of slots that the node
/// does not own yet. Without it, Valkey refuses `CLUSTER MIGRATESLOTS`.
const VALKEY_OPTION: c_int = 1 << 5;
/// Number of the event in Valkey.
const VALKEY_EVENT: u64 = 19;
/// Number of the event in Redis.
const REDIS_EVENT: u64 = 18;
/// The kind of key event that Redis has for the keys which it removes after their slot has moved
/// away. It reaches modules only, and with a listener Redis removes the keys one by one.
const REDIS_KEY_TRIMMED: c_int = 1 << 17;

/// Finds out which events the server has. Returns the option to declare.
pub(super) fn detect(call: &Call<'_>) -> c_int {
    // SAFETY: reading the pointer; it is null before Redis 8.4.
    let has_call = unsafe { raw::RedisModule_ClusterCanAccessKeysInSlot }.is_some();
    let server = match is_valkey_with_event(call) {
        true => Server::Valkey,
        false if has_call => Server::Redis,
        false => Server::Other,
    };
    SERVER.replace(server);
    if server == Server::Valkey { VALKEY_OPTION } else { 0 }
}

/// Whether this is a Valkey with the event. Versions before 9.0 refuse to subscribe to it, and
/// `RM_IsSubEventSupported` does not know it even where it exists.
fn is_valkey_with_event(call: &Call<'_>) -> bool {
    let info = api!(RedisModule_GetServerInfo(call.ctx(), c"server".as_ptr()));
    if info.is_null() {
        return false;
    }
    // Redis has no such field.
    let version = api!(RedisModule_ServerInfoGetFieldC(info, c"valkey_version".as_ptr()));
    let major = match version.is_null() {
        true => None,
        // SAFETY: Redis returns a C string that lives as long as `info`, or null.
        false => unsafe { CStr::from_ptr(version) }.to_str().ok().and_then(major),
    };
    api!(RedisModule_FreeServerInfo(call.ctx(), info));
    major >= Some(9)
}

fn major(version: &str) -> Option<u32> {
    version.split('.').next()?.parse().ok()
}

/// The number of the event, if the server has it.
pub(super) fn event_id() -> Option<u64> {
    match SERVER.with(|server| *server) {
        Server::Other => None,
        Server::Valkey => Some(VALKEY_EVENT),
        Server::Redis => Some(REDIS_EVENT),
    }
}

/// Further kinds of key events to subscribe to.
pub(super) fn key_events() -> c_int {
    if SERVER.with(|server| *server) == Server::Redis { REDIS_KEY_TRIMMED } else { 0 }
}

/// An import of slots by an atomic migration.
pub(crate) enum SlotImport {
    /// Keys of these slots begin to arrive. The node does not own them yet.
    Started(SlotRanges),
    /// The slots belong to this node.
    Completed(SlotRanges),
    /// The keys that have arrived are removed.
    Aborted(SlotRanges),
}

/// Reads the event. `None`: it concerns the node that gives the slots away.
///
/// # Safety
///
/// `data` is what the server passed with the event.
pub(super) unsafe fn read_event(sub: u64, data: *mut c_void) -> Option<SlotImport> {
    let server = SERVER.with(|server| *server);
    let made = match (server, sub) {
        (_, 0) => SlotImport::Started,
        (Server::Valkey, 2) | (Server::Redis, 1) => SlotImport::Aborted,
        (Server::Valkey, 4) | (Server::Redis, 2) => SlotImport::Completed,
        _ => return None,
    };
    // SAFETY: as this function demands.
    let slots = unsafe {
        match server {
            Server::Valkey => valkey_slots(data),
            Server::Redis => redis_slots(data),
            Server::Other => return None,
        }
    };
    Some(made(slots))
}

/// What Valkey passes: a version, the name of the job, an array of ranges and its length.
#[repr(C)]
struct ValkeyMigration {
    version: u64,
    job_name: [c_char; 41],
    ranges: *const [c_int; 2],
    range_count: u32,
}

/// # Safety
///
/// `data` is of the event of Valkey.
unsafe fn valkey_slots(data: *mut c_void) -> SlotRanges {
    // SAFETY: as this function demands.
    let ranges = unsafe {
        let info = &*data.cast::<ValkeyMigration>();
        std::slice::from_raw_parts(info.ranges, info.range_count as usize)
    };
    let slot = |slot: c_int| u16::try_from(slot).unwrap_or(u16::MAX);
    SlotRanges::from_pairs(ranges.iter().map(|[first, last]| (slot(*first), slot(*last))))
}

/// # Safety
///
/// `data` is of the event of Redis.
unsafe fn redis_slots(data: *mut c_void) -> SlotRanges {
    // SAFETY: as this function demands.
    let ranges = unsafe {
        let array = (*data.cast::<raw::RedisModuleClusterSlotMigrationInfo>()).slots;
        let count = usize::try_from((*array).num_ranges).unwrap_or(0);
        (*array).ranges.as_slice(count)
    };
    SlotRanges::from_pairs(ranges.iter().map(|range| (range.start, range.end)))
}

/// Some slots of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SlotRanges(Vec<(u16, u16)>);

impl SlotRanges {
    /// The slots of these ranges, their last ones included.
    pub(crate) fn from_pairs(pairs: impl Iterator<Item = (u16, u16)>) -> SlotRanges {
        SlotRanges(pairs.collect())
    }

    /// Whether this slot is one of them.
    pub(crate) fn contain(&self, slot: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&slot))
    }
}
