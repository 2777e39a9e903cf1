//! Frees memory that rooms have given up, on primaries and replicas: deleted texts, reactions,
//! ended presence.

use super::time_slice::TimeSlice;
use crate::index;
use crate::redis::{Call, monotonic_us};
use crate::stored_room::{RoomKey, StoredRoom};

/// Allocations that are freed in one step.
const STEP: usize = 128;
/// What such a step counts in a slice: freeing takes a small part of the time that ending a
/// connection takes, because nothing is published.
const WORK: usize = STEP / 8;

/// Frees memory. False: the slice is over before all is freed.
pub(super) fn free(call: &Call<'_>, slice: &mut TimeSlice) -> bool {
    while step(call) {
        slice.count(WORK);
        if slice.is_over(monotonic_us()) {
            return false;
        }
    }
    true
}

/// Frees some memory of one room. False: no room has any to free.
fn step(call: &Call<'_>) -> bool {
    let Some(number) = index::with(|index| index.pop_pending_free()) else { return false };
    let found = index::with(|index| index.find_in_any_database(number));
    let Some(found) = found else { return true };
    call.select(found.database);
    let Ok(mut key) = RoomKey::open_named(call, &found.name) else { return true };
    let same = |stored: &&mut StoredRoom| stored.has_number(number);
    if let Some(stored) = key.value_mut().filter(same)
        && stored.room.free_pending(STEP)
    {
        index::with(|index| index.add_pending_free(number));
    }
    true
}
