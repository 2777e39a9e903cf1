//! A slice of the timer's work: it ends after some time or after some work, whichever is first.
//!
//! Time alone is no bound: what is ended in a slice is published, and replicated when the slice is
//! over, and that takes as long again. So the things that end are counted.

/// Microseconds after which a slice begins nothing more: it is to take 2 ms at most, and one step
/// takes less than the rest.
const MOST_US: u64 = 1_000;
/// Things that end in one slice. A step may go beyond this by what one step ends.
pub(crate) const MOST: usize = 256;

/// See the module's documentation.
pub(crate) struct TimeSlice {
    started_us: u64,
    /// Steps made, and things that ended in them.
    done: usize,
}

impl TimeSlice {
    /// A slice that begins when a clock that only goes forward shows `us`.
    pub(crate) fn starting_at(us: u64) -> TimeSlice {
        TimeSlice { started_us: us, done: 0 }
    }

    /// Counts a step in which so many things ended.
    pub(crate) fn count(&mut self, ended: usize) {
        self.done += 1 + ended;
    }

    /// Steps made, and things that ended in them.
    pub(crate) fn done(&self) -> usize {
        self.done
    }

    /// Microseconds since the slice began.
    pub(crate) fn passed_us(&self, us: u64) -> u64 {
        us.saturating_sub(self.started_us)
    }

    /// Whether it is over at `us`.
    pub(crate) fn is_over(&self, us: u64) -> bool {
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
        assert!(!slice.is_over(4_000), "a clock that steps back");
        slice.count(MOST - 2);
        assert!(!slice.is_over(5_000));
        slice.count(0);
        assert!(slice.is_over(5_000), "a step counts too");
        assert_eq!(slice.done(), MOST);
    }
}
