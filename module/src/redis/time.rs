//! The two clocks of the server, and its random numbers.

use std::time::{SystemTime, UNIX_EPOCH};

use super::api::api;

/// Microseconds since the epoch, by the wall clock. Redis 7.0 gives modules only milliseconds.
pub(crate) fn now_us() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs() * 1_000_000 + u64::from(now.subsec_micros())
}

/// Milliseconds since the epoch, by the wall clock.
pub(crate) fn now_ms() -> u64 {
    now_us() / 1000
}

/// Microseconds of the monotonic clock.
pub(crate) fn monotonic_us() -> u64 {
    api!(RedisModule_MonotonicMicroseconds())
}

/// Milliseconds of the monotonic clock.
pub(crate) fn monotonic_ms() -> u64 {
    monotonic_us() / 1000
}

/// A random number from the server's own generator.
pub(crate) fn random_number() -> u64 {
    let mut bytes = [0_u8; 8];
    api!(RedisModule_GetRandomBytes(bytes.as_mut_ptr(), bytes.len()));
    u64::from_le_bytes(bytes)
}
