//! When an unknown key is a reason to fetch the set. Any client can send tokens with invented names of
//! keys, so it must not cause a fetch each time.
//!
//! Requests while a fetch is on its way share it. Beyond that a bucket holds five fetches and refills
//! by one in a minute. Time is passed in.

use std::time::{Duration, Instant};

/// Fetches at once.
const BURST: u32 = 5;
/// A fetch comes back in this time.
const REFILL: Duration = Duration::from_secs(60);

/// What an unknown key leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// A fetch.
    Fetch,
    /// Waiting for the fetch of another.
    Join,
    /// Nothing now.
    NotDue,
}

/// The fetches that unknown keys may still cause.
#[derive(Debug)]
pub(super) struct Demand {
    /// When the bucket was, or will be, empty of debts: each fetch moves it on by [`REFILL`].
    paid_until: Instant,
    is_pending: bool,
}

impl Demand {
    pub(super) fn new(now: Instant) -> Demand {
        Demand { paid_until: now, is_pending: false }
    }

    /// An unknown key has come.
    pub(super) fn ask(&mut self, now: Instant) -> Turn {
        if self.is_pending {
            return Turn::Join;
        }
        let owed = self.paid_until.saturating_duration_since(now);
        if owed > REFILL * (BURST - 1) {
            return Turn::NotDue;
        }
        self.paid_until = self.paid_until.max(now) + REFILL;
        self.is_pending = true;
        Turn::Fetch
    }

    /// A fetch has ended.
    pub(super) fn done(&mut self) {
        self.is_pending = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_fetches_at_once_and_then_one_in_a_minute() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut demand = Demand::new(start);
        let mut ask = |seconds| {
            let turn = demand.ask(at(seconds));
            let second = if turn == Turn::Fetch { Turn::Join } else { Turn::NotDue };
            assert_eq!(demand.ask(at(seconds)), second, "a request meanwhile shares the fetch");
            demand.done();
            turn == Turn::Fetch
        };
        assert!((0..5).all(|_| ask(1)), "a burst");
        assert!((0..1000).all(|_| !ask(1)), "and no more");
        assert!(!ask(60));
        assert!(ask(61), "one a minute later");
        assert!(!ask(61));
        assert!((0..5).all(|_| ask(100_000)), "full again, and no fuller");
        assert!(!ask(100_000));
    }
}
