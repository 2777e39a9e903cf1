//! Which profile changes are on their way, and which were delivered lately.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use chat_protocol::id::Id;
use parking_lot::Mutex;

/// One user's changes are told at most once in this time.
const TOLD_EVERY: Duration = Duration::from_secs(2);
/// What was told is remembered for this long, against what others say of the same change.
const REMEMBERED: Duration = Duration::from_secs(10);

/// What is on its way and what was told lately.
#[derive(Default)]
pub(crate) struct ProfileTracker {
    /// When a user's changes may be told again, and whether that will be done.
    passing: Mutex<HashMap<Box<str>, Passing>>,
    told: Mutex<HashMap<Box<str>, Known>>,
}

struct Passing {
    not_before: Instant,
    is_due: bool,
}

/// The news of one user that this relay's connections have.
struct Known {
    id: Id,
    data: Box<str>,
    rooms: BTreeSet<Box<str>>,
    at: Instant,
}

impl ProfileTracker {
    /// When to tell of a change of this user; None: that is under way already.
    pub(super) fn due(&self, user: &str, now: Instant) -> Option<Instant> {
        let mut passing = self.passing.lock();
        let passing =
            passing.entry(user.into()).or_insert(Passing { not_before: now, is_due: false });
        if std::mem::replace(&mut passing.is_due, true) {
            return None;
        }
        Some(passing.not_before.max(now))
    }

    /// It is being told now: what changes from here on is for the next time.
    pub(super) fn begin(&self, user: &str, now: Instant) {
        let next = Passing { not_before: now + TOLD_EVERY, is_due: false };
        self.passing.lock().insert(user.into(), next);
    }

    /// Notes that these rooms are told this of a user. Returns those that have yet to be, and those
    /// that know it; None: something newer is known.
    pub(super) fn note(
        &self,
        (user, id, data): (&str, Id, &str),
        rooms: &[String],
        now: Instant,
    ) -> Option<(Vec<String>, Vec<Box<str>>)> {
        let mut told = self.told.lock();
        let known = told.entry(user.into()).or_insert_with(|| Known {
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

    /// Forgets what is old.
    pub(crate) fn tidy(&self, now: Instant) {
        let mut told = self.told.lock();
        told.retain(|_, known| now.saturating_duration_since(known.at) < REMEMBERED);
        if told.is_empty() {
            *told = HashMap::new();
        }
        let mut passing = self.passing.lock();
        passing.retain(|_, passing| passing.is_due || passing.not_before > now);
        if passing.is_empty() {
            *passing = HashMap::new();
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
    fn each_room_is_told_each_change_once_and_nothing_older() {
        let (news, now) = (ProfileTracker::default(), Instant::now());
        let told = |n, data, rooms: &[&str]| {
            let rooms: Vec<String> = rooms.iter().map(|room| (*room).to_owned()).collect();
            news.note(("bob", id(n), data), &rooms, now).map(|(new, before)| (new, before.len()))
        };
        let rooms = |rooms: &[&str]| rooms.iter().map(|&room| room.to_owned()).collect::<Vec<_>>();
        assert_eq!(told(5, "A", &["a", "b"]), Some((rooms(&["a", "b"]), 0)));
        assert_eq!(told(5, "A", &["b", "c"]), Some((rooms(&["c"]), 2)), "another relay's word");
        assert_eq!(told(6, "A", &["a"]), Some((rooms(&[]), 3)), "something else has changed");
        assert_eq!(told(7, "B", &["a"]), Some((rooms(&["a"]), 0)));
        assert_eq!(told(6, "A", &["c"]), None, "late");
        assert_eq!(told(8, "A", &["a"]), Some((rooms(&["a"]), 0)), "back to what it was");
        news.tidy(now + REMEMBERED);
        assert!(news.told.lock().is_empty());
    }

    #[test]
    fn quick_changes_are_told_together() {
        let (news, now) = (ProfileTracker::default(), Instant::now());
        assert_eq!(news.due("bob", now), Some(now), "the first at once");
        assert_eq!(news.due("bob", now), None, "it is under way");
        news.begin("bob", now);
        assert_eq!(news.due("bob", now), Some(now + TOLD_EVERY), "the last of the others later");
        assert_eq!(news.due("bob", now), None);
        news.tidy(now + 2 * TOLD_EVERY);
        assert_eq!(news.due("bob", now), None, "nothing due is forgotten");
        news.begin("bob", now);
        news.tidy(now + TOLD_EVERY);
        assert!(news.passing.lock().is_empty());
    }
}
