//! Work that no command asks for: connections, messages and nonces that end by themselves, rooms
//! that a lowered setting put beyond their bounds, `drop` events, memory to free.
//!
//! One timer does all of it, in slices of at most 2 ms. A step ends a bounded number of things in
//! one room, so a room of a million connections takes many steps. Only a primary ends anything:
//! replicas get the records. Nothing is written while writes are paused, because a write would
//! abort the server during a planned failover. A primary that knows that its cluster is not well
//! ends nothing either: another node may have taken its slots.

mod expiry;
mod lazy_free;
mod time_slice;
mod watch;

use self::time_slice::{INTERVAL, PAUSE, TimeSlice};
use crate::redis::{Call, Flags, monotonic_us, start_timer, writes_are_paused};
use crate::{clock, dropped, indexing, slot_imports};

/// Starts the timer when the module is loaded.
pub(crate) fn start(call: &Call<'_>) {
    watch::watch_settings();
    start_timer(call, INTERVAL, tick);
}

/// Does what is due; returns after how many milliseconds to run again.
fn tick(call: &Call<'_>) -> u64 {
    let flags = Flags::of(call);
    let now = clock::now();
    watch::watch_clock(now);
    watch::watch_settings();
    watch::watch_replication(call, now);
    if writes_are_paused() {
        return INTERVAL;
    }
    let mut slice = TimeSlice::starting_at(monotonic_us());
    let finished = if flags.is_loading() {
        work_off(&mut slice, dropped::discard_next)
    } else if !flags.is_primary() {
        work_off(&mut slice, dropped::discard_next)
            && work_off(&mut slice, || indexing::add_next_owned(call))
            && lazy_free::free(call, &mut slice)
    } else if !watch::watch_cluster(call, now) {
        lazy_free::free(call, &mut slice)
    } else {
        let added = work_off(&mut slice, slot_imports::discard_next)
            && work_off(&mut slice, || indexing::add_next_owned(call));
        added && work_off(&mut slice, || dropped::publish_next(call)) && {
            let nothing_due = expiry::end_due(call, now, &mut slice);
            // At least one step in every slice, even if other work is due: deleted texts must
            // leave memory.
            lazy_free::free(call, &mut slice) && nothing_due
        }
    };
    if finished { INTERVAL } else { PAUSE }
}

/// Repeats `step` until it returns false. False: the slice is over before.
fn work_off(slice: &mut TimeSlice, mut step: impl FnMut() -> bool) -> bool {
    while step() {
        slice.count(0);
        if slice.is_over(monotonic_us()) {
            return false;
        }
    }
    true
}
