//! Ends connections, messages, events and nonces whose time is over, room by room.

use chat_protocol::names::RoomName;
use chat_protocol::slot::slot_of;
use chat_room::decide::expire::{self, ConnectionExpiry};
use chat_room::{Context, Decision, Now};

use super::time_slice::TimeSlice;
use crate::index::Found;
use crate::redis::{Call, monotonic_us, serves};
use crate::stored_room::{RoomKey, StoredRoom};
use crate::{config, index, indexing, info, outgoing, presence_grace};

/// Connections, messages, events or nonces that end in one step, of each.
const STEP: usize = 32;
/// Milliseconds after which to look again at a room whose slot has moved away, if it is still here.
const UNTIL_REMOVED: u64 = 1_000;

/// Ends what is due. False: the slice is over before all has ended.
pub(super) fn end_due(call: &Call<'_>, now: Now, slice: &mut TimeSlice) -> bool {
    let mut finished = true;
    let before = slice.done();
    while let Some(found) = next(now.monotonic_ms) {
        let ended = step(call, &found, now);
        slice.count(ended);
        if slice.is_over(monotonic_us()) {
            finished = false;
            break;
        }
    }
    let done = slice.done() - before;
    if done > 0 {
        info::count_sweep(now.ms, slice.passed_us(monotonic_us()), done);
    }
    finished
}

/// The next room to look at: one whose deadline has passed, or the next one of a pass over all
/// rooms.
fn next(now: u64) -> Option<Found> {
    index::with(|index| index.due(now).or_else(|| index.next_to_rescan()))
}

/// Ends what is due in one room; returns the number of things.
fn step(call: &Call<'_>, found: &Found, now: Now) -> usize {
    call.select(found.database);
    let key = RoomKey::open_named(call, &found.name);
    let same = |stored: &&mut StoredRoom| stored.has_number(found.place.1);
    let mut key = key.ok();
    let Some(stored) = key.as_mut().and_then(RoomKey::value_mut).filter(same) else {
        index::with(|index| index.remove_stale(found));
        return 0;
    };
    if !serves(|| slot_of(&found.name)) {
        // The node that owns its slot ends what is due.
        indexing::reschedule(found.database, stored, Some(now.monotonic_ms + UNTIL_REMOVED));
        return 0;
    }
    let name = RoomName::stored(&found.name).unwrap_or(RoomName::INVALID);
    let limits = config::limits();
    let grace_until = presence_grace::until().max(stored.grace_until);
    let in_grace = now.monotonic_ms < grace_until;
    let presence = if in_grace { ConnectionExpiry::Suspended } else { ConnectionExpiry::Enabled };

    stored.room.requeue_beaten(now, STEP);
    let now = stored.with_fresh_ids(now);
    let context = Context { room: &stored.room, name, now, limits: &limits };
    let mut decision = Decision::on(&stored.room);
    expire::decide(context, presence, STEP, &mut decision);
    if in_grace && decision.steps.is_empty() {
        // Only connections are due, or the leave of connections that were lost.
        indexing::reschedule(found.database, stored, Some(grace_until));
        return 0;
    }

    let mut outcome = outgoing::take_buffers();
    let (online, endings) = (stored.room.online(), stored.room.expirable_items());
    let last = stored.room.last();
    stored.room.execute(name.as_str(), now, &decision.steps, &mut outcome);
    info::count_timeouts(online - stored.room.online());
    // After SWAPDB the name belongs to another room, in which these connections are not online.
    let has_moved = stored.entry.as_ref().is_some_and(|entry| entry.home != found.database);
    if has_moved || name == RoomName::INVALID {
        outcome.events.clear();
    }
    let key_name = call.make_name(&found.name);
    if outcome.visible {
        call.signal_modified(&key_name);
    }
    outgoing::send(call, &key_name, &outcome);
    outgoing::keep_buffers(outcome);

    if stored.room.last() != last {
        // A user was logged as offline.
        indexing::update(found.database, stored, &limits, now);
    }
    let deadline = match decision.unfinished {
        true => Some(now.monotonic_ms),
        false => stored.room.next_deadline(&limits, now),
    };
    indexing::reschedule(found.database, stored, deadline);
    indexing::note_pending_free(stored);
    endings.saturating_sub(stored.room.expirable_items())
}
