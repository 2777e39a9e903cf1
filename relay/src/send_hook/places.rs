//! How many questions are open at once: of one user, about one room, of the relay.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::metrics::METRICS;

/// Questions of one user.
const QUESTIONS_OF_A_USER: usize = 4;
/// Questions about one room.
const QUESTIONS_OF_A_ROOM: usize = 16;
/// Questions of the relay.
const QUESTIONS_OF_A_RELAY: usize = 256;

/// The open questions.
#[derive(Clone, Default)]
pub(super) struct Places(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    all: usize,
    users: HashMap<Arc<str>, usize>,
    rooms: HashMap<Arc<str>, usize>,
}

/// The right to one open question, until it is dropped.
pub(crate) struct Place {
    places: Places,
    user: Arc<str>,
    room: Arc<str>,
}

impl Places {
    /// A place for a question of this user about this room. `None`: all are taken.
    pub(super) fn take(&self, user: &str, room: &str) -> Option<Place> {
        let mut taken = self.0.lock();
        let of = |map: &HashMap<Arc<str>, usize>, name| map.get(name).copied().unwrap_or(0);
        if taken.all >= QUESTIONS_OF_A_RELAY
            || of(&taken.users, user) >= QUESTIONS_OF_A_USER
            || of(&taken.rooms, room) >= QUESTIONS_OF_A_ROOM
        {
            return None;
        }
        let (user, room): (Arc<str>, Arc<str>) = (user.into(), room.into());
        taken.all += 1;
        *taken.users.entry(user.clone()).or_default() += 1;
        *taken.rooms.entry(room.clone()).or_default() += 1;
        METRICS.hook_open.set(taken.all as f64);
        Some(Place { places: self.clone(), user, room })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock();
        taken.all -= 1;
        give_back(&mut taken.users, &self.user);
        give_back(&mut taken.rooms, &self.room);
        METRICS.hook_open.set(taken.all as f64);
    }
}

fn give_back(map: &mut HashMap<Arc<str>, usize>, name: &str) {
    match map.get_mut(name) {
        Some(count) if *count > 1 => *count -= 1,
        _ => {
            map.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_holds_and_places_come_back() {
        let places = Places::default();
        let mut own: Vec<Place> = (0..4).filter_map(|_| places.take("alice", "lobby")).collect();
        assert_eq!(own.len(), 4);
        assert!(places.take("alice", "tea").is_none(), "a fifth of one user");
        let mut others: Vec<Place> =
            (0..12).filter_map(|n| places.take(&format!("user{n}"), "lobby")).collect();
        assert_eq!(others.len(), 12);
        assert!(places.take("bob", "lobby").is_none(), "a seventeenth about one room");
        own.pop();
        others.push(places.take("bob", "lobby").expect("a place has come back"));
        others.extend((0..240).filter_map(|n| places.take(&format!("u{n}"), &format!("r{n}"))));
        assert_eq!(own.len() + others.len(), QUESTIONS_OF_A_RELAY);
        assert!(places.take("zoe", "zoo").is_none(), "one too many for the relay");
        drop((own, others));
        let taken = places.0.lock();
        assert_eq!((taken.all, taken.users.len(), taken.rooms.len()), (0, 0, 0));
    }
}
