//! The server around the commands: what it is doing, its log, its settings, its options.

use std::ffi::{CStr, c_int};
use std::ptr;

use redis_module::raw;

use super::api::api;
use super::call::Call;
use super::log::log_warning;
use super::migration;

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

    /// Whether this server is a primary.
    pub(crate) fn is_primary(self) -> bool {
        self.has(raw::REDISMODULE_CTX_FLAGS_MASTER)
    }

    /// Whether this server is a node of a cluster.
    pub(super) fn is_cluster(self) -> bool {
        self.has(raw::REDISMODULE_CTX_FLAGS_CLUSTER)
    }

    /// Whether data is being loaded.
    pub(crate) fn is_loading(self) -> bool {
        self.has(raw::REDISMODULE_CTX_FLAGS_LOADING | raw::REDISMODULE_CTX_FLAGS_ASYNC_LOADING)
    }

    /// Whether this command was decided elsewhere: it comes from our primary or from an append-only
    /// file. While a copy is loaded beside the present data, no commands are loaded, but clients
    /// are served.
    pub(crate) fn is_replay(self) -> bool {
        let loading = raw::REDISMODULE_CTX_FLAGS_LOADING | raw::REDISMODULE_CTX_FLAGS_ASYNC_LOADING;
        self.is_from_primary() || self.0 & loading == raw::REDISMODULE_CTX_FLAGS_LOADING
    }

    /// Whether this command comes from our primary.
    pub(crate) fn is_from_primary(self) -> bool {
        self.has(raw::REDISMODULE_CTX_FLAGS_REPLICATED)
    }

    /// Whether more memory is used than `maxmemory` allows, after Redis has evicted what it may.
    pub(crate) fn is_out_of_memory(self) -> bool {
        self.has(raw::REDISMODULE_CTX_FLAGS_OOM)
    }

    /// Whether any of these bits is set.
    fn has(self, bits: u32) -> bool {
        self.0 & bits != 0
    }
}

/// Whether a write now would abort the server: writes are paused for a planned failover.
pub(crate) fn writes_are_paused() -> bool {
    api!(RedisModule_AvoidReplicaTraffic()) != 0
}

/// Whether certainly no replica and no append-only file receives what this server replicates: no
/// replica is connected, no backlog is kept for one, no child is writing a copy of the data.
pub(crate) fn has_no_copies(call: &Call<'_>) -> bool {
    let flags = Flags::of(call);
    let busy = raw::REDISMODULE_CTX_FLAGS_AOF
        | raw::REDISMODULE_CTX_FLAGS_ACTIVE_CHILD
        | raw::REDISMODULE_CTX_FLAGS_LOADING
        | raw::REDISMODULE_CTX_FLAGS_ASYNC_LOADING;
    if !flags.is_primary() || flags.has(busy) {
        return false;
    }
    let info = api!(RedisModule_GetServerInfo(call.ctx(), c"replication".as_ptr()));
    if info.is_null() {
        return false;
    }
    let is_zero = |field: &CStr| {
        let mut failed: c_int = 0;
        let value = api!(RedisModule_ServerInfoGetFieldUnsigned(info, field.as_ptr(), &mut failed));
        failed == 0 && value == 0
    };
    let none = is_zero(c"connected_slaves") && is_zero(c"repl_backlog_active");
    api!(RedisModule_FreeServerInfo(call.ctx(), info));
    none
}

/// Has Redis set all settings, from its configuration or to their defaults. False: a line of
/// redis.conf or of MODULE LOADEX is wrong, and the log names it. The module must refuse to load
/// then: Redis would try to unload it, which aborts the server, because a module that has a type
/// cannot be unloaded.
pub(crate) fn load_settings(call: &Call<'_>) -> bool {
    api!(RedisModule_LoadConfigs(call.ctx())) == 0
}

/// Ends the server at once, as Redis does when it cannot load a file: exit code 1, nothing is saved.
pub(crate) fn end(reason: &str) -> ! {
    log_warning(reason);
    std::process::exit(1)
}

/// Declares what the module can do: refuse a payload that ends early, where Redis would otherwise
/// abort, serve the present data while a replica loads a copy beside it (`swapdb`), and cope with
/// the atomic migration of slots.
pub(crate) fn set_options(call: &Call<'_>) {
    let options =
        raw::REDISMODULE_OPTIONS_HANDLE_IO_ERRORS | raw::REDISMODULE_OPTIONS_HANDLE_REPL_ASYNC_LOAD;
    let options = options as c_int | migration::detect(call);
    api!(RedisModule_SetModuleOptions(call.ctx(), options));
}
