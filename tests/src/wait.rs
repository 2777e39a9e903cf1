//! Waiting with a deadline: the only place of this package with a sleep.
//!
//! A scenario never waits "long enough": it names what it waits for, and a wait that fails prints
//! what has arrived. The logs follow by themselves: every process prints the tail of its log when a
//! panic drops it.

use std::time::{Duration, Instant};

/// For events that take milliseconds; the length only allows for a loaded machine.
pub const SOON: Duration = Duration::from_secs(20);

/// For events that include a reconnection with backoff, a restart or a grace.
pub const LATER: Duration = Duration::from_secs(45);

const PAUSE: Duration = Duration::from_millis(5);

/// Calls `probe` until it returns `Ok`, and returns that value.
///
/// `Err` holds the state so far.
///
/// # Panics
/// After `deadline`, with `what` and the last `Err`.
#[track_caller]
pub fn eventually<T>(
    what: &str,
    deadline: Duration,
    mut probe: impl FnMut() -> Result<T, String>,
) -> T {
    let start = Instant::now();
    loop {
        let found = match probe() {
            Ok(value) => return value,
            Err(found) => found,
        };
        let waited = start.elapsed();
        assert!(waited < deadline, "waited {waited:.1?} in vain for {what}; there is: {found}");
        pause(PAUSE);
    }
}

/// Checks for all of `span` that nothing happens: `probe` must keep returning `Ok`.
///
/// # Panics
/// As soon as `probe` returns `Err`.
#[track_caller]
pub fn never(what: &str, span: Duration, mut probe: impl FnMut() -> Result<(), String>) {
    let start = Instant::now();
    while start.elapsed() < span {
        if let Err(found) = probe() {
            panic!("{what}, after {:.1?}: {found}", start.elapsed());
        }
        pause(PAUSE);
    }
}

/// Waits until `moment`, where the scenario is about the passing of time.
pub fn until(moment: Instant) {
    while let Some(rest) = moment.checked_duration_since(Instant::now()).filter(|r| !r.is_zero()) {
        pause(rest.min(PAUSE));
    }
}

#[expect(clippy::disallowed_methods, reason = "the one sleep, between two looks at a condition")]
fn pause(span: Duration) {
    std::thread::sleep(span);
}
