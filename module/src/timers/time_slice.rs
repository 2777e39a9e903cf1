//! A slice of the timer's work. It ends after some time or after some work, whichever is first.
//!
//! Time alone is not a bound: what ends in a slice is published, and replicated after the slice,
//! which takes as long again. So the things that end are counted too.

/// Milliseconds between ticks when nothing is due.
pub(super) const INTERVAL: u64 = 100;
/// Milliseconds between slices when more is due.
pub(super) const PAUSE: u64 = 1;

/// Microseconds after which a slice starts no further step: a slice takes at most 2 ms, and one
/// step less than the rest.
const MOST_US: u64 = 1_000;
/// Steps and things ended after which a slice starts no further step.
const MOST: usize = 256;

/// See the documentation of this file.
pub(super) struct TimeSlice {
    started_us: u64,
    /// Steps done, and things that ended in them.
    done: usize,
}

impl TimeSlice {
    /// A slice that starts when the monotonic clock shows `us`.
    pub(super) fn starting_at(us: u64) -> TimeSlice {
        TimeSlice { started_us: us, done: 0 }
    }

    /// Counts a step in which `ended` things ended.
    pub(super) fn count(&mut self, ended: usize) {
        self.done += 1 + ended;
    }

    /// Steps done, and things that ended in them.
    pub(super) fn done(&self) -> usize {
        self.done
    }

    /// Microseconds from the start to `us`.
    pub(super) fn passed_us(&self, us: u64) -> u64 {
        us.saturating_sub(self.started_us)
    }

    /// Whether the slice is over at `us`.
    pub(super) fn is_over(&self, us: u64) -> bool {
        self.done >= MOST || self.passed_us(us) >= MOST_US
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_ends_after_its_time_or_after_its_work() {
        let mut slice = TimeSlice::starting_at(5_000);
        assert!(!slice.is_over(5_999) && slice.is_over(6_000));
        assert!(!slice.is_over(4_000), "the clock goes back");
        slice.count(MOST - 2);
        assert!(!slice.is_over(5_000));
        slice.count(0);
        assert!(slice.is_over(5_000), "a step counts too");
        assert_eq!(slice.done(), MOST);
    }
}
