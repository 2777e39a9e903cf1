//! The module's section of `INFO`.

use std::ffi::{CString, c_int};
use std::sync::OnceLock;

use redis_module::raw::RedisModuleInfoCtx;

use super::api::api;
use super::call::Call;
use super::guard::guarded;

/// Which thread asks for the section.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum InfoThread {
    /// Redis's main thread: everything may be read.
    Main,
    /// The thread that crashed, which may be any: only atomic values may be read.
    Crashed,
}

/// Writes the fields of the section.
pub(crate) type WriteInfo = fn(&mut InfoWriter, InfoThread);

static WRITE: OnceLock<WriteInfo> = OnceLock::new();

/// Receives the fields of the section.
pub(crate) struct InfoWriter(*mut RedisModuleInfoCtx);

impl InfoWriter {
    /// Adds one line `<module>_name:value`.
    pub(crate) fn field(&mut self, name: &str, value: u64) {
        let Ok(name) = CString::new(name) else { return };
        api!(RedisModule_InfoAddFieldULongLong(self.0, name.as_ptr(), value));
    }
}

/// Has `write` answer `INFO` with the module's section. False: Redis refused.
pub(crate) fn register_info(call: &Call<'_>, write: WriteInfo) -> bool {
    extern "C" fn info(ctx: *mut RedisModuleInfoCtx, crashing: c_int) {
        let Some(write) = WRITE.get() else { return };
        api!(RedisModule_InfoAddSection(ctx, c"".as_ptr()));
        let thread = if crashing == 0 { InfoThread::Main } else { InfoThread::Crashed };
        guarded("INFO", || write(&mut InfoWriter(ctx), thread));
    }
    WRITE.get_or_init(|| write);
    api!(RedisModule_RegisterInfoFunc(call.ctx(), Some(info))) == 0
}
