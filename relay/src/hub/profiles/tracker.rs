//! Which profile changes are scheduled, and which were delivered recently.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use chat_protocol::id::Id;
use parking_lot::Mutex;

/// One user's changes are published at most once in this time.
const UPDATE_INTERVAL: Duration = Duration::from_secs(2);
/// How long a delivered change is remembered, to recognise it when another relay publishes it too.
const REMEMBERED: Duration = Duration::from_secs(10);

/// Scheduled and recently delivered changes.
#[derive(Default)]
pub(crate) struct ProfileTracker {
    /// Per user: when the next change may be published, and whether one is scheduled.
    scheduled: Mutex<HashMap<Box<str>, Scheduled>>,
    delivered: Mutex<HashMap<Box<str>, Known>>,
}

struct Scheduled {
    not_before: Instant,
    is_due: bool,
}

/// The last change of one user that this relay's connections have received.
struct Known {
    id: Id,
    data: Box<str>,
    rooms: BTreeSet<Box<str>>,
    at: Instant,
}

impl ProfileTracker {
    /// Schedules the publication of a user's change and returns its time. None: one is already
    /// scheduled.
    pub(super) fn schedule(&self, user: &str, now: Instant) -> Option<Instant> {
        let mut scheduled = self.scheduled.lock();
        let scheduled =
            scheduled.entry(user.into()).or_insert(Scheduled { not_before: now, is_due: false });
        if std::mem::replace(&mut scheduled.is_due, true) {
            return None;
        }
        Some(scheduled.not_before.max(now))
    }

    /// Starts the publication: a change from here on is scheduled anew.
    pub(super) fn start(&self, user: &str, now: Instant) {
        let next = Scheduled { not_before: now + UPDATE_INTERVAL, is_due: false };
        self.scheduled.lock().insert(user.into(), next);
    }

    /// Notes a change for these rooms. Returns the rooms that have not received it yet, and those
    /// that have. None: a newer change is known.
    pub(super) fn note(
        &self,
        (user, id, data): (&str, Id, &str),
        rooms: &[String],
        now: Instant,
    ) -> Option<(Vec<String>, Vec<Box<str>>)> {
        let mut delivered = self.delivered.lock();
        let known = delivered.entry(user.into()).or_insert_with(|| Known {
            id,
            data: data.into(),
            rooms: BTreeSet::new(),
            at: now,
        });
        if id < known.id {
            return None;
        }
        if *known.data != *data {
            known.data = data.into();
            known.rooms.clear();
        }
        (known.id, known.at) = (id, now);
        let before: Vec<Box<str>> = known.rooms.iter().cloned().collect();
        let mut new = rooms.to_vec();
        new.retain(|room| known.rooms.insert(room.as_str().into()));
        Some((new, before))
    }

    /// Drops old entries.
    pub(crate) fn tidy(&self, now: Instant) {
        let mut delivered = self.delivered.lock();
        delivered.retain(|_, known| now.saturating_duration_since(known.at) < REMEMBERED);
        if delivered.is_empty() {
            *delivered = HashMap::new();
        }
        let mut scheduled = self.scheduled.lock();
        scheduled.retain(|_, scheduled| scheduled.is_due || scheduled.not_before > now);
        if scheduled.is_empty() {
            *scheduled = HashMap::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> Id {
        Id { ms: n, n }
    }

    #[test]
    fn each_room_gets_each_change_once_and_nothing_older() {
        let (tracker, now) = (ProfileTracker::default(), Instant::now());
        let delivered = |n, data, rooms: &[&str]| {
            let rooms: Vec<String> = rooms.iter().map(|room| (*room).to_owned()).collect();
            tracker.note(("bob", id(n), data), &rooms, now).map(|(new, before)| (new, before.len()))
        };
        let rooms = |rooms: &[&str]| rooms.iter().map(|&room| room.to_owned()).collect::<Vec<_>>();
        assert_eq!(delivered(5, "A", &["a", "b"]), Some((rooms(&["a", "b"]), 0)));
        assert_eq!(
            delivered(5, "A", &["b", "c"]),
            Some((rooms(&["c"]), 2)),
            "another relay's word"
        );
        assert_eq!(delivered(6, "A", &["a"]), Some((rooms(&[]), 3)), "something else has changed");
        assert_eq!(delivered(7, "B", &["a"]), Some((rooms(&["a"]), 0)));
        assert_eq!(delivered(6, "A", &["c"]), None, "late");
        assert_eq!(delivered(8, "A", &["a"]), Some((rooms(&["a"]), 0)), "back to what it was");
        tracker.tidy(now + REMEMBERED);
        assert!(tracker.delivered.lock().is_empty());
    }

    #[test]
    fn quick_changes_are_published_together() {
        let (tracker, now) = (ProfileTracker::default(), Instant::now());
        assert_eq!(tracker.schedule("bob", now), Some(now), "the first at once");
        assert_eq!(tracker.schedule("bob", now), None, "it is under way");
        tracker.start("bob", now);
        assert_eq!(
            tracker.schedule("bob", now),
            Some(now + UPDATE_INTERVAL),
            "the last of the others later"
        );
        assert_eq!(tracker.schedule("bob", now), None);
        tracker.tidy(now + 2 * UPDATE_INTERVAL);
        assert_eq!(tracker.schedule("bob", now), None, "nothing due is forgotten");
        tracker.start("bob", now);
        tracker.tidy(now + UPDATE_INTERVAL);
        assert!(tracker.scheduled.lock().is_empty());
    }
}
