//! Subscriptions to the events of keys and of the server.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

use redis_module::raw::{self, RedisModuleCtx, RedisModuleEvent, RedisModuleString};

use super::api::api;
use super::blocking::ring_if_overdue;
use super::call::Call;
use super::call::string_bytes;
use super::guard::guarded;
use super::migration::{self, SlotImport};
use super::timer::rearm_if_overdue;

/// An event of the server.
pub(crate) enum ServerEvent {
    /// This server has become a primary.
    Promoted,
    /// A copy of the data leaves the server: a child was forked, or the server saves by itself. The
    /// copy may seed a replica or begin an append-only file.
    Copied,
    /// The server begins to load an append-only file.
    AofLoadStarted,
    /// The server has finished loading.
    Loaded,
    /// A replica begins to load a copy of its primary's data beside its own data, which it goes on
    /// serving (`repl-diskless-load swapdb`).
    AsyncLoadStarted,
    /// The loaded copy has replaced the replica's own data.
    AsyncLoadCompleted,
    /// The copy was discarded.
    AsyncLoadAborted,
    /// A database is being emptied; `None`: all of them.
    Flushed { database: Option<i32> },
    /// Two databases have changed places.
    Swapped { first: i32, second: i32 },
    /// Slots of a cluster are moving to this node.
    SlotImport(SlotImport),
}

/// What the module does on events. Neither function may write to Redis.
#[derive(Clone, Copy)]
pub(crate) struct EventHandlers {
    /// Called with the name of the event and of the key.
    pub(crate) on_key: fn(&Call<'_>, &[u8], &[u8]),
    pub(crate) on_server: fn(ServerEvent),
}

static HANDLERS: OnceLock<EventHandlers> = OnceLock::new();

/// Subscribes to generic, expired and evicted key events and to all of [`ServerEvent`]. False:
/// Redis refused.
pub(crate) fn subscribe(call: &Call<'_>, handlers: EventHandlers) -> bool {
    HANDLERS.get_or_init(|| handlers);
    let kinds = raw::REDISMODULE_NOTIFY_GENERIC
        | raw::REDISMODULE_NOTIFY_EXPIRED
        | raw::REDISMODULE_NOTIFY_EVICTED;
    let kinds = kinds as c_int | migration::key_events();
    let mut accepted =
        api!(RedisModule_SubscribeToKeyspaceEvents(call.ctx(), kinds, Some(key_event))) == 0;
    let ids = [
        raw::REDISMODULE_EVENT_REPLICATION_ROLE_CHANGED,
        raw::REDISMODULE_EVENT_FLUSHDB,
        raw::REDISMODULE_EVENT_LOADING,
        raw::REDISMODULE_EVENT_FORK_CHILD,
        raw::REDISMODULE_EVENT_PERSISTENCE,
        raw::REDISMODULE_EVENT_REPLICA_CHANGE,
        raw::REDISMODULE_EVENT_CRON_LOOP,
        raw::REDISMODULE_EVENT_SWAPDB,
        raw::REDISMODULE_EVENT_REPL_ASYNC_LOAD,
    ];
    for id in ids.into_iter().chain(migration::event_id()) {
        let event = RedisModuleEvent { id, dataver: 1 };
        accepted &=
            api!(RedisModule_SubscribeToServerEvent(call.ctx(), event, Some(server_event))) == 0;
    }
    accepted
}

extern "C" fn key_event(
    ctx: *mut RedisModuleCtx,
    _kind: c_int,
    event: *const c_char,
    key: *mut RedisModuleString,
) -> c_int {
    let Some(handlers) = HANDLERS.get() else { return 0 };
    // SAFETY: Redis passes a C string that outlives the callback.
    let event = unsafe { CStr::from_ptr(event) };
    let call = Call::without_arguments(ctx);
    guarded("a key event", || (handlers.on_key)(&call, event.to_bytes(), string_bytes(key)));
    0
}

extern "C" fn server_event(
    ctx: *mut RedisModuleCtx,
    event: RedisModuleEvent,
    sub: u64,
    data: *mut c_void,
) {
    if event.id == raw::REDISMODULE_EVENT_CRON_LOOP {
        ring_if_overdue();
        return rearm_if_overdue(&Call::without_arguments(ctx));
    }
    let Some(handlers) = HANDLERS.get() else { return };
    let Some(event) = read_event(event.id, sub, data) else { return };
    guarded("a server event", || (handlers.on_server)(event));
}

/// Translates an event. `None`: it concerns nothing that a module keeps.
fn read_event(id: u64, sub: u64, data: *mut c_void) -> Option<ServerEvent> {
    if Some(id) == migration::event_id() {
        // SAFETY: Redis passed `data` with this event.
        return unsafe { migration::read_event(sub, data) }.map(ServerEvent::SlotImport);
    }
    match (id, sub) {
        (raw::REDISMODULE_EVENT_REPLICATION_ROLE_CHANGED, 0) => Some(ServerEvent::Promoted),
        (raw::REDISMODULE_EVENT_FLUSHDB, raw::REDISMODULE_SUBEVENT_FLUSHDB_START) => {
            // SAFETY: this event carries a RedisModuleFlushInfo.
            let info = unsafe { &*data.cast::<raw::RedisModuleFlushInfo>() };
            Some(ServerEvent::Flushed { database: (info.dbnum >= 0).then_some(info.dbnum) })
        }
        (raw::REDISMODULE_EVENT_LOADING, raw::REDISMODULE_SUBEVENT_LOADING_AOF_START) => {
            Some(ServerEvent::AofLoadStarted)
        }
        (raw::REDISMODULE_EVENT_LOADING, raw::REDISMODULE_SUBEVENT_LOADING_ENDED) => {
            Some(ServerEvent::Loaded)
        }
        (raw::REDISMODULE_EVENT_FORK_CHILD, raw::REDISMODULE_SUBEVENT_FORK_CHILD_BORN)
        | (raw::REDISMODULE_EVENT_PERSISTENCE, _)
        | (raw::REDISMODULE_EVENT_REPLICA_CHANGE, _) => Some(ServerEvent::Copied),
        (
            raw::REDISMODULE_EVENT_REPL_ASYNC_LOAD,
            raw::REDISMODULE_SUBEVENT_REPL_ASYNC_LOAD_STARTED,
        ) => Some(ServerEvent::AsyncLoadStarted),
        (
            raw::REDISMODULE_EVENT_REPL_ASYNC_LOAD,
            raw::REDISMODULE_SUBEVENT_REPL_ASYNC_LOAD_COMPLETED,
        ) => Some(ServerEvent::AsyncLoadCompleted),
        (
            raw::REDISMODULE_EVENT_REPL_ASYNC_LOAD,
            raw::REDISMODULE_SUBEVENT_REPL_ASYNC_LOAD_ABORTED,
        ) => Some(ServerEvent::AsyncLoadAborted),
        (raw::REDISMODULE_EVENT_SWAPDB, _) => {
            // SAFETY: this event carries a RedisModuleSwapDbInfo.
            let info = unsafe { &*data.cast::<raw::RedisModuleSwapDbInfo>() };
            Some(ServerEvent::Swapped { first: info.dbnum_first, second: info.dbnum_second })
        }
        _ => None,
    }
}
