//! The server around the commands: clock, state, log, timers, events, INFO.

use std::ffi::{CString, c_int, c_longlong, c_void};
use std::ptr;
use std::time::{SystemTime, UNIX_EPOCH};

use redis_module::raw::{
    self, RedisModuleCtx, RedisModuleEvent, RedisModuleInfoCtx, RedisModuleString,
};

use super::call::bytes;
use super::{Call, MainThread, api, guarded};
use crate::server_events::{self, ServerEvent};

/// Microseconds since the epoch. Redis 7.0 tells modules milliseconds only.
pub(crate) fn now_us() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs() * 1_000_000 + u64::from(now.subsec_micros())
}

/// Milliseconds since the epoch.
pub(crate) fn now_ms() -> u64 {
    now_us() / 1000
}

/// Microseconds of a clock that only goes forward.
pub(crate) fn monotonic_us() -> u64 {
    api!(RedisModule_MonotonicMicroseconds())
}

/// Milliseconds of the same clock.
fn monotonic_ms() -> u64 {
    monotonic_us() / 1000
}

/// A random number, from the server's own generator.
pub(crate) fn chance() -> u64 {
    let mut bytes = [0_u8; 8];
    api!(RedisModule_GetRandomBytes(bytes.as_mut_ptr(), bytes.len()));
    u64::from_le_bytes(bytes)
}

/// What the server is doing.
#[derive(Clone, Copy)]
pub(crate) struct Flags(u32);

impl Flags {
    /// As of now.
    pub(crate) fn of(call: &Call<'_>) -> Flags {
        Flags(api!(RedisModule_GetContextFlags(call.ctx())) as u32)
    }

    /// As of now, outside of any call.
    pub(crate) fn of_server() -> Flags {
        Flags(api!(RedisModule_GetContextFlags(ptr::null_mut())) as u32)
    }

    /// Whether this is a primary.
    pub(crate) fn is_primary(self) -> bool {
        self.0 & raw::REDISMODULE_CTX_FLAGS_MASTER != 0
    }

    /// Whether data is being loaded.
    pub(crate) fn is_loading(self) -> bool {
        self.0 & (raw::REDISMODULE_CTX_FLAGS_LOADING | raw::REDISMODULE_CTX_FLAGS_ASYNC_LOADING)
            != 0
    }

    /// Whether this command was decided elsewhere: it comes from our primary, or is being loaded. While
    /// a copy is loaded beside what is there, no commands are loaded, but clients are served.
    pub(crate) fn is_replay(self) -> bool {
        let loading = raw::REDISMODULE_CTX_FLAGS_LOADING | raw::REDISMODULE_CTX_FLAGS_ASYNC_LOADING;
        self.is_from_primary() || self.0 & loading == raw::REDISMODULE_CTX_FLAGS_LOADING
    }

    /// Whether this command comes from our primary.
    pub(crate) fn is_from_primary(self) -> bool {
        self.0 & raw::REDISMODULE_CTX_FLAGS_REPLICATED != 0
    }
}

/// Whether more memory is used than `maxmemory` allows, although Redis has evicted what it may.
pub(crate) fn memory_is_short(call: &Call<'_>) -> bool {
    let flags = api!(RedisModule_GetContextFlags(call.ctx())) as u32;
    flags & raw::REDISMODULE_CTX_FLAGS_OOM != 0
}

/// Whether a write now would end the server: writes are paused for a planned failover.
pub(crate) fn replica_traffic_is_to_be_avoided() -> bool {
    api!(RedisModule_AvoidReplicaTraffic()) != 0
}

/// Whether it is certain that no replica and no append-only file follows this server: none is
/// connected, no backlog waits for one to come back, none is being made by a child.
pub(crate) fn nobody_follows(call: &Call<'_>) -> bool {
    let flags = api!(RedisModule_GetContextFlags(call.ctx())) as u32;
    let alone = raw::REDISMODULE_CTX_FLAGS_MASTER;
    let busy = raw::REDISMODULE_CTX_FLAGS_AOF
        | raw::REDISMODULE_CTX_FLAGS_ACTIVE_CHILD
        | raw::REDISMODULE_CTX_FLAGS_LOADING
        | raw::REDISMODULE_CTX_FLAGS_ASYNC_LOADING;
    if flags & alone == 0 || flags & busy != 0 {
        return false;
    }
    let info = api!(RedisModule_GetServerInfo(call.ctx(), c"replication".as_ptr()));
    if info.is_null() {
        return false;
    }
    let is_zero = |field: &std::ffi::CStr| {
        let mut failed: c_int = 0;
        let value = api!(RedisModule_ServerInfoGetFieldUnsigned(info, field.as_ptr(), &mut failed));
        failed == 0 && value == 0
    };
    let nobody = is_zero(c"connected_slaves") && is_zero(c"repl_backlog_active");
    api!(RedisModule_FreeServerInfo(call.ctx(), info));
    nobody
}

/// Writes a warning to the server's log.
pub(crate) fn log_warning(message: &str) {
    let Ok(message) = CString::new(message) else { return };
    // SAFETY: `%s` takes the one C string that follows.
    unsafe {
        if let Some(log) = raw::RedisModule_Log {
            log(ptr::null_mut(), c"warning".as_ptr(), c"%s".as_ptr(), message.as_ptr());
        }
    }
}

/// Has Redis set all settings, from its configuration or to their defaults. False: a line of redis.conf
/// or of MODULE LOADEX is wrong, and the log says which. The module must refuse to load then: Redis
/// would try to unload it, which ends the server, as a module with a type cannot be unloaded.
pub(crate) fn load_settings(call: &Call<'_>) -> bool {
    api!(RedisModule_LoadConfigs(call.ctx())) == 0
}

/// Tells Redis what we can do: refuse a payload that ends early, where Redis would else end itself, and
/// serve the rooms that are there while a replica loads others beside them (`swapdb`).
pub(crate) fn set_options(call: &Call<'_>) {
    let options =
        raw::REDISMODULE_OPTIONS_HANDLE_IO_ERRORS | raw::REDISMODULE_OPTIONS_HANDLE_REPL_ASYNC_LOAD;
    api!(RedisModule_SetModuleOptions(call.ctx(), options as c_int));
}

/// The timer that is armed, and when it should have gone off by the clock that only goes forward.
static ARMED: MainThread<(u64, u64)> = MainThread::new((0, 0));

/// Calls `timers::tick` once, in so many milliseconds.
pub(crate) fn arm_timer(call: &Call<'_>, milliseconds: u64) {
    extern "C" fn fire(ctx: *mut RedisModuleCtx, _data: *mut c_void) {
        let call = Call::without_arguments(ctx);
        let again = guarded("a timer", || crate::timers::tick(&call)).unwrap_or(1000);
        arm_timer(&call, again);
    }
    let period = c_longlong::try_from(milliseconds).unwrap_or(c_longlong::MAX);
    let id = api!(RedisModule_CreateTimer(call.ctx(), period, Some(fire), ptr::null_mut()));
    ARMED.replace((id, monotonic_ms() + milliseconds));
}

/// Arms the timer again if it is overdue: Redis's timers go by the server's clock, and wait as long
/// as it was set back.
fn rearm_timer(call: &Call<'_>) {
    const OVERDUE: u64 = 500;
    let (id, due) = ARMED.with(|armed| *armed);
    if id != 0 && monotonic_ms() > due + OVERDUE {
        api!(RedisModule_StopTimer(call.ctx(), id, ptr::null_mut()));
        arm_timer(call, 0);
    }
}

/// Subscribes to everything the index of rooms must hear of.
pub(crate) fn subscribe(call: &Call<'_>) -> bool {
    extern "C" fn keyspace(
        ctx: *mut RedisModuleCtx,
        _kind: c_int,
        event: *const std::ffi::c_char,
        key: *mut RedisModuleString,
    ) -> c_int {
        // SAFETY: Redis hands over a C string that outlives the callback.
        let event = unsafe { std::ffi::CStr::from_ptr(event) };
        let call = Call::without_arguments(ctx);
        guarded("a key event", || server_events::on_key(&call, event.to_bytes(), bytes(key)));
        0
    }
    extern "C" fn server(
        ctx: *mut RedisModuleCtx,
        event: RedisModuleEvent,
        sub: u64,
        data: *mut c_void,
    ) {
        if event.id == raw::REDISMODULE_EVENT_CRON_LOOP {
            return rearm_timer(&Call::without_arguments(ctx));
        }
        let Some(event) = read_event(event.id, sub, data) else { return };
        guarded("a server event", || server_events::on_server(event));
    }

    let kinds = raw::REDISMODULE_NOTIFY_GENERIC
        | raw::REDISMODULE_NOTIFY_EXPIRED
        | raw::REDISMODULE_NOTIFY_EVICTED;
    let mut ok =
        api!(RedisModule_SubscribeToKeyspaceEvents(call.ctx(), kinds, Some(keyspace))) == 0;
    for id in [
        raw::REDISMODULE_EVENT_REPLICATION_ROLE_CHANGED,
        raw::REDISMODULE_EVENT_FLUSHDB,
        raw::REDISMODULE_EVENT_LOADING,
        raw::REDISMODULE_EVENT_FORK_CHILD,
        raw::REDISMODULE_EVENT_PERSISTENCE,
        raw::REDISMODULE_EVENT_REPLICA_CHANGE,
        raw::REDISMODULE_EVENT_CRON_LOOP,
        raw::REDISMODULE_EVENT_SWAPDB,
        raw::REDISMODULE_EVENT_REPL_ASYNC_LOAD,
    ] {
        let event = RedisModuleEvent { id, dataver: 1 };
        ok &= api!(RedisModule_SubscribeToServerEvent(call.ctx(), event, Some(server))) == 0;
    }
    ok
}

fn read_event(id: u64, sub: u64, data: *mut c_void) -> Option<ServerEvent> {
    match (id, sub) {
        (raw::REDISMODULE_EVENT_REPLICATION_ROLE_CHANGED, 0) => Some(ServerEvent::Promoted),
        (raw::REDISMODULE_EVENT_FLUSHDB, raw::REDISMODULE_SUBEVENT_FLUSHDB_START) => {
            // SAFETY: this event carries a RedisModuleFlushInfo.
            let info = unsafe { &*data.cast::<raw::RedisModuleFlushInfo>() };
            Some(ServerEvent::Flushed { database: (info.dbnum >= 0).then_some(info.dbnum) })
        }
        (raw::REDISMODULE_EVENT_LOADING, raw::REDISMODULE_SUBEVENT_LOADING_AOF_START) => {
            Some(ServerEvent::LoadsFile)
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
        ) => Some(ServerEvent::CopyBegins),
        (
            raw::REDISMODULE_EVENT_REPL_ASYNC_LOAD,
            raw::REDISMODULE_SUBEVENT_REPL_ASYNC_LOAD_COMPLETED,
        ) => Some(ServerEvent::CopyTaken),
        (
            raw::REDISMODULE_EVENT_REPL_ASYNC_LOAD,
            raw::REDISMODULE_SUBEVENT_REPL_ASYNC_LOAD_ABORTED,
        ) => Some(ServerEvent::CopyFailed),
        (raw::REDISMODULE_EVENT_SWAPDB, _) => {
            // SAFETY: this event carries a RedisModuleSwapDbInfo.
            let info = unsafe { &*data.cast::<raw::RedisModuleSwapDbInfo>() };
            Some(ServerEvent::Swapped { first: info.dbnum_first, second: info.dbnum_second })
        }
        _ => None,
    }
}

/// Writes the fields of `INFO chat`.
pub(crate) struct InfoWriter(*mut RedisModuleInfoCtx);

impl InfoWriter {
    /// One line `chat_name:value`.
    pub(crate) fn field(&mut self, name: &str, value: u64) {
        let Ok(name) = CString::new(name) else { return };
        api!(RedisModule_InfoAddFieldULongLong(self.0, name.as_ptr(), value));
    }
}

/// Makes `INFO chat` answer.
pub(crate) fn on_info(call: &Call<'_>) -> bool {
    extern "C" fn info(ctx: *mut RedisModuleInfoCtx, crashing: c_int) {
        api!(RedisModule_InfoAddSection(ctx, c"".as_ptr()));
        // A crash is reported by the thread that crashed, which may be any.
        let whole = crashing == 0;
        guarded("INFO", || crate::info::write(&mut InfoWriter(ctx), whole));
    }
    api!(RedisModule_RegisterInfoFunc(call.ctx(), Some(info))) == 0
}
