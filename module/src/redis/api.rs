//! Calls of the C interface.

/// Calls a function of the module interface. Redis 7.0, the oldest server supported, has all that
/// are called so; functions of later versions are checked for null where they are called.
macro_rules! api {
    ($function:ident ( $($argument:expr),* $(,)? )) => {{
        // SAFETY: Redis sets the pointers once at load, before any code of the module runs; the
        // arguments are handles that Redis passed to this call, or pointers to live Rust values.
        #[allow(clippy::unwrap_used, reason = "OK because every supported server has the function")]
        unsafe { redis_module::raw::$function.unwrap()($($argument),*) }
    }};
}
pub(super) use api;
