//! Keeps the index in step with the rooms.

use chat_room::Now;
use chat_room::limits::Limits;

use crate::index::{Entry, Index, IndexedValues};
use crate::redis::Call;
use crate::stored_room::{RoomKey, StoredRoom};
use crate::{clock, config, dropped, index, presence_grace, slot_imports};

/// Puts a new room into the empty key named by word 1, `name`, and adds it.
pub(crate) fn put_into_key(call: &Call<'_>, key: &mut RoomKey, room: StoredRoom, name: &[u8]) {
    put_by(Index::add, call, key, room, name);
}

/// Puts a room that the server is loading into the empty key named by word 1, `name`, and adds it.
pub(crate) fn put_loaded_into_key(
    call: &Call<'_>,
    key: &mut RoomKey,
    room: StoredRoom,
    name: &[u8],
) {
    put_by(Index::add_loaded, call, key, room, name);
}

fn put_by(add: AddToIndex, call: &Call<'_>, key: &mut RoomKey, mut room: StoredRoom, name: &[u8]) {
    if !slot_imports::hold(call.database(), name) {
        dropped::publish_before_new(call, name);
        add_by(add, &mut room, call.database(), name);
    }
    key.fill(call, 1, room);
}

type AddToIndex = fn(&mut Index, i32, &[u8], IndexedValues) -> Entry;

/// Adds a new room.
fn add(stored: &mut StoredRoom, database: i32, name: &[u8]) {
    add_by(Index::add, stored, database, name);
}

/// Adds a room that the server is loading.
pub(crate) fn add_loaded(stored: &mut StoredRoom, database: i32, name: &[u8]) {
    if !slot_imports::hold(database, name) {
        add_by(Index::add_loaded, stored, database, name);
    }
}

/// Adds a room whose slot has come to this node, with a grace: its relays have to find it first.
/// False: there is none.
pub(crate) fn add_next_owned(call: &Call<'_>) -> bool {
    let Some((database, name)) = slot_imports::pop_owned() else { return false };
    call.select(database);
    let Ok(mut key) = RoomKey::open_named(call, &name) else { return true };
    if let Some(stored) = key.value_mut().filter(|stored| stored.entry.is_none()) {
        stored.grace_until = presence_grace::end_of_grace(clock::now());
        add(stored, database, &name);
        note_pending_free(stored);
    }
    true
}

fn add_by(add: AddToIndex, stored: &mut StoredRoom, database: i32, name: &[u8]) {
    let now = clock::now();
    let limits = config::limits();
    let deadline = match stored.room.is_beyond_bounds(&limits) {
        true => Some(now.monotonic_ms),
        false => stored.room.next_deadline(&limits, now),
    };
    let values = stored.indexed_values(deadline);
    clock::note_id(stored.room.last().ms, now.ms);
    stored.entry = Some(index::with(|index| add(index, database, name, values)));
}

/// Adds the room that a key holds under a new name, after `prepare`. Does nothing if it has an
/// entry under this name already.
pub(crate) fn add_renamed(call: &Call<'_>, name: &[u8], prepare: fn(&mut StoredRoom)) {
    let database = call.database();
    let Ok(mut key) = RoomKey::open_named(call, name) else { return };
    let Some(stored) = key.value_mut() else { return };
    let is_known = |entry: &Entry| {
        let found = index::with(|index| index.find(database, entry.number));
        found.is_some_and(|found| *found.name == *name)
    };
    if !stored.entry.as_ref().is_some_and(is_known) {
        if slot_imports::hold(database, name) {
            prepare(stored);
            stored.entry = None;
            return;
        }
        dropped::publish_before_new(call, name);
        prepare(stored);
        if stored.room.lacks_leave() {
            stored.grace_until = presence_grace::end_of_grace(clock::now());
        }
        add(stored, database, name);
        note_pending_free(stored);
    }
}

/// Updates the entry of a room after a change.
pub(crate) fn update(database: i32, stored: &mut StoredRoom, limits: &Limits, now: Now) {
    update_by(Index::update, database, stored, limits, now);
}

/// Updates the entry of a room after a change that the server is loading.
pub(crate) fn update_loaded(database: i32, stored: &mut StoredRoom, limits: &Limits, now: Now) {
    update_by(Index::update_loaded, database, stored, limits, now);
}

#[inline(always)]
fn update_by(
    update: fn(&mut Index, i32, &mut Entry, IndexedValues),
    database: i32,
    stored: &mut StoredRoom,
    limits: &Limits,
    now: Now,
) {
    let values = stored.indexed_values(stored.room.next_deadline(limits, now));
    clock::note_id(stored.room.last().ms, now.ms);
    if let Some(entry) = stored.entry.as_mut() {
        index::with(|index| update(index, database, entry, values));
    }
    note_pending_free(stored);
}

/// Makes a room due at once: a decision could not remove all that is beyond its bounds, and the
/// timer removes the rest.
pub(crate) fn make_due(database: i32, stored: &mut StoredRoom, now: Now) {
    let values = stored.indexed_values(Some(now.monotonic_ms));
    if let Some(entry) = stored.entry.as_mut() {
        index::with(|index| index.update(database, entry, values));
    }
}

/// Updates the entry of a room after its deadline has passed.
pub(crate) fn reschedule(database: i32, stored: &mut StoredRoom, deadline: Option<u64>) {
    let values = stored.indexed_values(deadline);
    if let Some(entry) = stored.entry.as_mut() {
        index::with(|index| index.reschedule(database, entry, values));
    }
}

/// Has the timer free what the room has given up.
#[inline]
pub(crate) fn note_pending_free(stored: &StoredRoom) {
    if let (true, Some(entry)) = (stored.room.has_pending_free(), &stored.entry) {
        index::with(|index| index.add_pending_free(entry.number));
    }
}
