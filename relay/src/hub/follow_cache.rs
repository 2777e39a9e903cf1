//! A cache of which rooms are in which users' lists, so that not every send repeats `CHAT.FOLLOW`.
//!
//! An entry is valid for one minute, because another relay may remove the room from the list
//! meanwhile. The cache is bounded: when it is full it is emptied, at the cost of some repeated
//! commands.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long an entry is valid.
const VALID_FOR: Duration = Duration::from_secs(60);
/// Number of entries.
const ENTRIES_MAX: usize = 50_000;

/// The cache.
#[derive(Default)]
pub(crate) struct FollowCache(Mutex<Known>);

#[derive(Default)]
struct Known {
    rooms: HashMap<Box<str>, HashMap<Box<str>, Instant>>,
    count: usize,
    tidied: Option<Instant>,
}

impl FollowCache {
    /// Whether this user's list is known to contain this room.
    pub(crate) fn holds(&self, user: &str, room: &str, now: Instant) -> bool {
        let known = self.0.lock();
        let since = known.rooms.get(room).and_then(|users| users.get(user));
        since.is_some_and(|since| now.saturating_duration_since(*since) < VALID_FOR)
    }

    /// Notes that this user's list contains this room.
    pub(crate) fn note(&self, user: &str, room: &str, now: Instant) {
        let mut known = self.0.lock();
        if known.count >= ENTRIES_MAX {
            *known = Known::default();
        }
        let users = known.rooms.entry(room.into()).or_default();
        if users.insert(user.into(), now).is_none() {
            known.count += 1;
        }
    }

    /// Drops one entry: this user's list may no longer contain this room.
    pub(crate) fn forget(&self, user: &str, room: &str) {
        let mut known = self.0.lock();
        let Some(users) = known.rooms.get_mut(room) else { return };
        let had = usize::from(users.remove(user).is_some());
        if users.is_empty() {
            known.rooms.remove(room);
        }
        known.count -= had;
    }

    /// Drops all entries of this room.
    pub(crate) fn forget_room(&self, room: &str) {
        let mut known = self.0.lock();
        known.count -= known.rooms.remove(room).map_or(0, |users| users.len());
    }

    /// Drops old entries, at most once a minute.
    pub(crate) fn tidy(&self, now: Instant) {
        let mut known = self.0.lock();
        let recent = |since: &Instant| now.saturating_duration_since(*since) < VALID_FOR;
        if known.tidied.as_ref().is_some_and(recent) {
            return;
        }
        known.rooms.retain(|_, users| {
            users.retain(|_, since| recent(since));
            !users.is_empty()
        });
        known.rooms.shrink_to_fit();
        known.count = known.rooms.values().map(HashMap::len).sum();
        known.tidied = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_valid_until_it_is_old_or_dropped() {
        let (follow_cache, start) = (FollowCache::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for (user, room) in [("alice", "a"), ("bob", "a"), ("alice", "b")] {
            follow_cache.note(user, room, at(0));
        }
        follow_cache.note("alice", "a", at(30));
        assert_eq!(follow_cache.0.lock().count, 3);
        assert!(follow_cache.holds("bob", "a", at(59)) && !follow_cache.holds("bob", "a", at(60)));
        assert!(!follow_cache.holds("carol", "a", at(0)));
        follow_cache.forget("bob", "a");
        follow_cache.forget("bob", "nowhere");
        assert!(!follow_cache.holds("bob", "a", at(0)) && follow_cache.holds("alice", "a", at(60)));
        follow_cache.tidy(at(70));
        assert_eq!(follow_cache.0.lock().count, 1, "alice in a");
        follow_cache.forget_room("a");
        let known = follow_cache.0.lock();
        assert_eq!((known.count, known.rooms.len()), (0, 0));
    }

    #[test]
    fn it_is_bounded() {
        let (follow_cache, now) = (FollowCache::default(), Instant::now());
        for user in 0..=ENTRIES_MAX {
            follow_cache.note(&user.to_string(), "a", now);
        }
        assert_eq!(follow_cache.0.lock().count, 1);
    }
}
