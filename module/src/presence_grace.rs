//! The grace of presence: a time during which no connection times out.
//!
//! A server receives no beats while it loads, is promoted or stands still, and a jump of the wall
//! clock may be the only sign of such a time. One grace (`chat.presence-grace`) after each of these, every relay
//! has had the time to send its beats.

use chat_room::Now;

use crate::config;
use crate::redis::MainThread;

/// The end of the server's last grace, by the monotonic clock.
static UNTIL: MainThread<u64> = MainThread::new(0);

/// Starts a grace for all rooms.
pub(crate) fn start(now: Now) {
    UNTIL.replace(end_of_grace(now));
}

/// The end of the server's last grace, by the monotonic clock; it may have passed.
pub(crate) fn until() -> u64 {
    UNTIL.with(|until| *until)
}

/// The end of a grace that starts now, by the monotonic clock.
pub(crate) fn end_of_grace(now: Now) -> u64 {
    now.monotonic_ms + config::presence_grace()
}
