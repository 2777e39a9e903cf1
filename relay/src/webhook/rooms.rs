//! How far each room is, and which rooms are to be read.
//!
//! The one idea: a room is idle, wanted, or busy (being read, or with events that are not settled). It
//! is read on only when it is idle again, from where its settled events end, so nothing is skipped
//! and no room is read twice at a time.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_protocol::id::Id;

use crate::webhook::changed::Round;
use crate::webhook::place::Place;
use crate::webhook::settings::Settings;
use crate::webhook::state::Positions;

/// The rooms.
pub(super) struct Rooms {
    positions: Positions,
    /// Rooms that are read from the beginning again.
    anew: HashMap<Arc<str>, Place>,
    /// Rooms with a position that the present walk has not listed yet.
    unlisted: Option<HashSet<Arc<str>>>,
    wanted: VecDeque<(Arc<str>, Instant)>,
    is_wanted: HashSet<Arc<str>>,
    busy: HashMap<Arc<str>, Busy>,
    /// Rooms whose positions have changed since they were stored.
    changed: HashSet<Arc<str>>,
}

/// A room that is being read, or has events that are not settled.
struct Busy {
    since: Instant,
    /// Where to read on when all events are settled; `None`: it is gone.
    next: Option<Place>,
    /// Whether there is more to read then.
    more: bool,
}

impl Rooms {
    /// Rooms with these stored positions.
    pub(super) fn new(positions: Positions) -> Rooms {
        Rooms {
            positions,
            anew: HashMap::new(),
            unlisted: None,
            wanted: VecDeque::new(),
            is_wanted: HashSet::new(),
            busy: HashMap::new(),
            changed: HashSet::new(),
        }
    }

    /// The number of rooms that wait to be read.
    pub(super) fn wanted(&self) -> usize {
        self.wanted.len()
    }

    /// Whether every position is stored, or on its way there.
    pub(super) fn is_stored(&self) -> bool {
        self.changed.is_empty()
    }

    /// How long the oldest room has waited for its events to arrive.
    pub(super) fn lag(&self, now: Instant) -> Duration {
        let oldest = self.wanted.front().map(|(_, since)| *since).into_iter();
        let oldest = oldest.chain(self.busy.values().map(|busy| busy.since)).min();
        oldest.map_or(Duration::ZERO, |oldest| now.duration_since(oldest))
    }

    /// Notes which rooms have changed.
    pub(super) fn listed(&mut self, round: Round, settings: &Settings, now: Instant) {
        if round.is_anew {
            self.unlisted = Some(self.positions.keys().cloned().collect());
        }
        for (room, newest) in round.rooms {
            if let Some(unlisted) = &mut self.unlisted {
                unlisted.remove(room.as_str());
            }
            let room: Arc<str> = room.into();
            let is_known = self.positions.get(&room).copied() == newest;
            if let Some(busy) = self.busy.get_mut(&room) {
                busy.more = true;
            } else if !is_known || self.anew.contains_key(&room) {
                self.want(room, now);
            }
        }
        if round.is_complete
            && let Some(unlisted) = self.unlisted.take()
        {
            for room in unlisted.into_iter().filter(|room| settings.wants_room(room)) {
                if !self.busy.contains_key(&room) {
                    self.want(room, now);
                }
            }
        }
    }

    fn want(&mut self, room: Arc<str>, now: Instant) {
        if self.is_wanted.insert(room.clone()) {
            self.wanted.push_back((room, now));
        }
    }

    /// Takes the next rooms to read, and where from. They are busy from now on.
    pub(super) fn take_wanted(&mut self, most: usize) -> Vec<(Arc<str>, Option<Place>)> {
        let mut rooms = Vec::new();
        while rooms.len() < most
            && let Some((room, since)) = self.wanted.pop_front()
        {
            self.is_wanted.remove(&room);
            let at = self.positions.get(&room).map(|id| Place::At(*id));
            let place = self.anew.get(&room).copied().or(at);
            self.busy.insert(room.clone(), Busy { since, next: place, more: false });
            rooms.push((room, place));
        }
        rooms
    }

    /// The room could not be read now: it is read again.
    pub(super) fn not_read(&mut self, room: Arc<str>, now: Instant) {
        self.busy.remove(&room);
        self.want(room, now);
    }

    /// The room cannot be read at all.
    pub(super) fn forget(&mut self, room: &Arc<str>) {
        self.busy.remove(room);
    }

    /// The room is read on from here when its events are settled.
    pub(super) fn continue_at(&mut self, room: &Arc<str>, next: Option<Place>, more: bool) {
        if let Some(busy) = self.busy.get_mut(room) {
            busy.next = next;
            busy.more |= more;
        }
    }

    /// All events that were read of a room are settled.
    pub(super) fn finish(&mut self, room: &Arc<str>, now: Instant) {
        let Some(busy) = self.busy.remove(room) else { return };
        self.set_place(room, busy.next);
        if busy.more {
            self.want(room.clone(), now);
        }
    }

    /// The events of a room before this place are settled. `None`: it is gone.
    pub(super) fn set_place(&mut self, room: &Arc<str>, place: Option<Place>) {
        match place {
            Some(Place::At(id)) => {
                self.anew.remove(room);
                if self.positions.insert(room.clone(), id) != Some(id) {
                    self.changed.insert(room.clone());
                }
            }
            // Stored only when it is at its end: until then a restart begins it again.
            Some(place) => drop(self.anew.insert(room.clone(), place)),
            None => {
                self.anew.remove(room);
                if self.positions.remove(room).is_some() {
                    self.changed.insert(room.clone());
                }
            }
        }
    }

    /// Takes positions that have changed; `None`: the room is gone.
    pub(super) fn take_changed(&mut self, most: usize) -> Vec<(Arc<str>, Option<Id>)> {
        let rooms: Vec<Arc<str>> = self.changed.iter().take(most).cloned().collect();
        let position = |room: Arc<str>| {
            self.changed.remove(&room);
            let position = self.positions.get(&room).copied();
            (room, position)
        };
        rooms.into_iter().map(position).collect()
    }

    /// Positions that could not be stored: they are stored with the next ones.
    pub(super) fn not_stored(&mut self, rooms: Vec<(Arc<str>, Option<Id>)>) {
        self.changed.extend(rooms.into_iter().map(|(room, _)| room));
    }
}
