//! The only place with `unsafe` besides the type's callbacks: Redis's C interface behind safe types.
//!
//! What is here is one to one: a call and its arguments, a key that closes itself, replies,
//! replication, publishing, timers, server events. It knows rooms only as the value of a key and
//! decides nothing. Every entry from Redis goes through [`guarded`], because a panic that crossed
//! the C frames would end the server.

mod call;
mod key;
mod register;
mod server;

pub(crate) use call::{Call, EntryPoint, Name, Words, bytes as string_bytes, enter};
pub(crate) use key::RoomKey;
pub(crate) use register::{Arg, Keys, Spec, add_category, register};
pub(crate) use server::{
    Flags, InfoWriter, arm_timer, chance, load_settings, log_warning, memory_is_short,
    monotonic_us, nobody_follows, now_ms, now_us, on_info, replica_traffic_is_to_be_avoided,
    set_options, subscribe,
};

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls a function of Redis's module interface. Every one used is in Redis 7.0, the floor, so its
/// pointer was set when the module was initialised; those of later versions are looked up by hand.
macro_rules! api {
    ($function:ident ( $($argument:expr),* $(,)? )) => {{
        // SAFETY: the pointers are set once at load, before any of our code runs, and Redis calls
        // us from its main thread only; the arguments are valid as said at each use.
        #[allow(clippy::unwrap_used, reason = "OK because init has checked that all are there")]
        unsafe { redis_module::raw::$function.unwrap()($($argument),*) }
    }};
}
pub(crate) use api;

/// What belongs to Redis's main thread, which runs all of our code but two callbacks: rooms may be freed
/// and crashes reported in another, and neither looks at anything here. (A thread-local is looked up
/// at every use, which costs as much as a check of a send.)
pub(crate) struct MainThread<T>(RefCell<T>);

// SAFETY: as said above, no second thread comes here.
unsafe impl<T> Sync for MainThread<T> {}

impl<T> MainThread<T> {
    pub(crate) const fn new(value: T) -> Self {
        MainThread(RefCell::new(value))
    }

    /// Puts another value in its place.
    pub(crate) fn replace(&self, value: T) -> T {
        self.0.replace(value)
    }

    /// Borrows the value for the length of `body`, which must not come here again.
    pub(crate) fn with<R>(&self, body: impl FnOnce(&mut T) -> R) -> R {
        body(&mut self.0.borrow_mut())
    }
}

/// Runs `body`; a panic in it is logged and answered with `None`.
pub(crate) fn guarded<T>(what: &str, body: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => Some(value),
        Err(_) => {
            log_warning(&format!("a defect in {what} was caught; please report it"));
            None
        }
    }
}
