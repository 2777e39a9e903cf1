//! The numbers of changes: one count for all rooms of this node.

/// Counts changes.
pub(super) struct ChangeCounter {
    /// The highest number given.
    last: u64,
    /// The highest number that a reader's cursor covers.
    covered: u64,
    /// Called at the next change, once.
    alarm: Option<fn()>,
}

impl ChangeCounter {
    pub(super) const ZERO: ChangeCounter = ChangeCounter { last: 0, covered: 0, alarm: None };

    /// The number of a change that happens now.
    pub(super) fn next(&mut self) -> u64 {
        self.last += 1;
        self.ring();
        self.last
    }

    /// The number of a change at `ms`, milliseconds since the epoch, in data that is being loaded: so
    /// loaded rooms are in the order of their activity. All later numbers are higher.
    pub(super) fn of_time(&mut self, ms: u64) -> u64 {
        self.last = self.last.max(ms.saturating_add(1));
        ms
    }

    /// The highest number given. From now on the room that has it takes another when it changes.
    pub(super) fn cover(&mut self) -> u64 {
        self.covered = self.last;
        self.last
    }

    /// Whether this is the highest number, and no reader's cursor covers it: a room that has it
    /// needs no other when it changes again.
    pub(super) fn is_fresh(&self, number: u64) -> bool {
        number == self.last && number > self.covered
    }

    /// Has `alarm` called at the next change.
    pub(super) fn set_alarm(&mut self, alarm: fn()) {
        self.alarm = Some(alarm);
    }

    /// Calls the alarm, if one is set.
    pub(super) fn ring(&mut self) {
        if let Some(alarm) = self.alarm.take() {
            alarm();
        }
    }
}
