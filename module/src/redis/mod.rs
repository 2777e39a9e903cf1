//! A small wrapper of Redis's module interface, and the only place with `unsafe`.
//!
//! One to one: a call and its arguments, a key that closes itself, replies, replication, publishing,
//! a timer, events, a value type. It decides nothing and knows nothing of rooms: another module
//! could use it. The module's own functions are passed in when it is loaded. Every entry from Redis
//! goes through [`guarded`], because a panic across C frames would abort the server.

mod call;
mod command;
mod defrag;
mod events;
mod info;
mod key;
mod server;
mod time;
mod timer;
mod value_io;
mod value_type;

use call::string_bytes;
pub(crate) use call::{Call, Name, ReplicationTarget, Words};
pub(crate) use command::{Arg, CommandSpec, Keys, add_category, enter, register_command};
pub(crate) use defrag::Defragmenter;
pub(crate) use events::{EventHandlers, ServerEvent, subscribe};
pub(crate) use info::{InfoThread, InfoWriter, register_info};
pub(crate) use key::{Key, OpenError};
pub(crate) use server::{
    Flags, has_no_copies, load_settings, log_warning, set_options, writes_are_paused,
};
pub(crate) use time::{monotonic_us, now_ms, now_us, random_number};
pub(crate) use timer::start_timer;
pub(crate) use value_io::{AofOutput, DigestOutput, RdbInput, RdbOutput};
pub(crate) use value_type::{KeyContext, ModuleValue, ValueType};

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls a function of the module interface. Redis 7.0, the oldest server supported, has all that are
/// called so; functions of later versions are checked for null where they are called.
macro_rules! api {
    ($function:ident ( $($argument:expr),* $(,)? )) => {{
        // SAFETY: Redis sets the pointers once at load, before any code of the module runs; the
        // arguments are handles that Redis passed to this call, or pointers to live Rust values.
        #[allow(clippy::unwrap_used, reason = "OK because every supported server has the function")]
        unsafe { redis_module::raw::$function.unwrap()($($argument),*) }
    }};
}
use api;

/// A value that only Redis's main thread uses. That thread runs all code of the module except two
/// callbacks: another thread may free a value or report a crash, and neither reads anything here. (A
/// thread-local is looked up at every use, which costs as much as a check of a send.)
pub(crate) struct MainThread<T>(RefCell<T>);

// SAFETY: only the main thread uses it, as said above.
unsafe impl<T> Sync for MainThread<T> {}

impl<T> MainThread<T> {
    pub(crate) const fn new(value: T) -> Self {
        MainThread(RefCell::new(value))
    }

    /// Replaces the value; returns the old one.
    pub(crate) fn replace(&self, value: T) -> T {
        self.0.replace(value)
    }

    /// Borrows the value for the length of `body`, which must not use it again.
    pub(crate) fn with<R>(&self, body: impl FnOnce(&mut T) -> R) -> R {
        body(&mut self.0.borrow_mut())
    }
}

/// Runs `body`. `None`: it panicked, which is logged.
pub(crate) fn guarded<T>(what: &str, body: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => Some(value),
        Err(_) => {
            log_warning(&format!("a defect in {what} was caught; please report it"));
            None
        }
    }
}
