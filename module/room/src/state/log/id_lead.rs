//! By how much the ids of a room are ahead of the clock.
//!
//! The millisecond of an id may be later than the event: after a failover ids start a margin after
//! everything that the old primary may have used (`module/src/clock.rs`). The time of an event is
//! its id's millisecond less this lead. A new lead is noted only if it differs by more than
//! [`TOLERANCE`] from the one before, so a room whose ids follow the clock has none, and one that
//! was busy after a failover has one for every second by which its ids fall back.

use crate::bytes::allocation::allocated;

/// Milliseconds by which a lead may change without being noted: times of events are as exact.
pub(crate) const TOLERANCE: u64 = 1_000;

/// The leads of a room, by the first event of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IdLead {
    /// Number of the first event, and milliseconds; by number. Most rooms have none.
    #[allow(clippy::box_collection, reason = "most rooms have none, and there are many rooms")]
    spans: Option<Box<Vec<(u64, u64)>>>,
}

impl IdLead {
    /// The lead to note for the next event, whose id is `ahead` of the clock, if the newest one is
    /// `noted`.
    #[inline]
    pub(crate) fn to_note(noted: u64, ahead: u64) -> Option<u64> {
        let differs = ahead.abs_diff(noted) > TOLERANCE || (ahead == 0 && noted > 0);
        differs.then_some(ahead)
    }

    /// The newest lead.
    #[inline]
    pub(crate) fn newest(&self) -> u64 {
        self.list().last().map_or(0, |(_, lead)| *lead)
    }

    /// The lead of event `n`.
    #[inline]
    pub(crate) fn of(&self, n: u64) -> u64 {
        self.spans.as_deref().map_or(0, |spans| find(spans, n))
    }

    /// Notes the lead of the events from number `first` on. False: there is one of a later event.
    pub(crate) fn note(&mut self, first: u64, lead: u64) -> bool {
        let in_order = self.list().last().is_none_or(|(last, _)| *last < first);
        if in_order {
            self.spans.get_or_insert_default().push((first, lead));
        }
        in_order
    }

    /// Forgets the leads of the events before number `n` that no later event has.
    pub(crate) fn forget_before(&mut self, n: u64) {
        let Some(spans) = &mut self.spans else { return };
        let after = spans.partition_point(|(first, _)| *first <= n);
        spans.drain(..after.saturating_sub(1));
        if matches!(spans[..], [(first, 0)] if first <= n) {
            self.spans = None;
        }
    }

    /// First events and leads, by number.
    pub(crate) fn list(&self) -> &[(u64, u64)] {
        self.spans.as_deref().map_or(&[], Vec::as_slice)
    }

    /// Bytes it takes on the heap.
    pub(crate) fn memory(&self) -> usize {
        self.spans.as_ref().map_or(0, |spans| {
            allocated(size_of::<Vec<(u64, u64)>>())
                + allocated(spans.capacity() * size_of::<(u64, u64)>())
        })
    }
}

fn find(spans: &[(u64, u64)], n: u64) -> u64 {
    let after = spans.partition_point(|(first, _)| *first <= n);
    after.checked_sub(1).and_then(|at| spans.get(at)).map_or(0, |(_, lead)| *lead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lead_is_noted_if_it_differs_by_more_than_a_second_or_has_ended() {
        for (noted, ahead, expected) in [
            (0, 0, None),
            (0, 1, None),
            (0, 1_000, None),
            (0, 1_001, Some(1_001)),
            (90_000, 89_000, None),
            (90_000, 88_999, Some(88_999)),
            (90_000, 91_001, Some(91_001)),
            (500, 0, Some(0)),
            (500, 1, None),
        ] {
            assert_eq!(IdLead::to_note(noted, ahead), expected, "{noted} noted, {ahead} ahead");
        }
    }

    #[test]
    fn an_event_has_the_lead_noted_before_it() {
        let mut lead = IdLead::default();
        assert_eq!((lead.of(7), lead.newest(), lead.memory()), (0, 0, 0));
        assert!(lead.note(5, 90_000) && lead.note(9, 40_000) && lead.note(20, 0));
        assert!(!lead.note(20, 1) && !lead.note(19, 1));
        for (n, expected) in [(1, 0), (4, 0), (5, 90_000), (8, 90_000), (9, 40_000), (20, 0)] {
            assert_eq!(lead.of(n), expected, "event {n}");
        }
        lead.forget_before(8);
        assert_eq!((lead.of(8), lead.list().len()), (90_000, 3));
        lead.forget_before(12);
        assert_eq!(lead.list(), [(9, 40_000), (20, 0)]);
        lead.forget_before(20);
        assert_eq!(lead, IdLead::default());
    }
}
