//! Work that no command asks for: connections, messages and nonces that end by themselves, and what
//! a lowered bound has left beyond it.
//!
//! One timer. Only a primary does it, never while writes are paused (a write would end the server
//! during a planned failover), in slices of 2 ms: a step ends at most so many things in one room, so
//! a room of a million connections is worked off in many. After a load, a promotion, a jump of the
//! clock or a stall nobody's presence ends before one grace has passed: the connections' relays
//! must be heard first.

mod time_slice;

use chat_protocol::names::RoomName;
use chat_room::decide::expire::{self, Presence};
use chat_room::decide::{Context, Decision};
use chat_room::limits::Limits;
use chat_room::{Now, Replication};

use self::time_slice::TimeSlice;
use crate::index::{Facts, Found, Position};
use crate::redis::{Call, Flags, MainThread, has_no_copies, monotonic_us, writes_are_paused};
use crate::room_type::{RoomKey, StoredRoom};
use crate::{commands, config, info, server_events, state};

/// Milliseconds between looks when nothing is due.
pub(crate) const INTERVAL: u64 = 100;
/// Milliseconds between looks for copies.
const LOOK_INTERVAL: u64 = 1_000;
/// Milliseconds between slices.
const PAUSE: u64 = 1;
/// Connections, messages, events or nonces that end in one step, each.
const STEP: usize = 32;
/// Leftovers that are freed in one step. Each takes a small part of what an ending does, as nothing
/// is published of it.
const FREED: usize = 128;
/// A jump of the clock by more than this, in milliseconds, is taken for one.
const JUMP: u64 = 1_000;

/// Does what is due; returns after how many milliseconds to come again.
pub(crate) fn tick(call: &Call<'_>) -> u64 {
    let flags = Flags::of(call);
    let now = state::now();
    watch_clock(now);
    watch_settings();
    watch_copies(call, now);
    if writes_are_paused() {
        return INTERVAL;
    }
    let mut slice = TimeSlice::starting_at(monotonic_us());
    if !flags.is_primary() || flags.is_loading() {
        // The primary tells.
        while state::with(|state| state.gone.pop().is_some()) {
            slice.count(0);
            if slice.is_over(monotonic_us()) {
                return PAUSE;
            }
        }
        while !flags.is_loading() && free_pending(call) {
            slice.count(FREED / 8);
            if slice.is_over(monotonic_us()) {
                return PAUSE;
            }
        }
        return INTERVAL;
    }
    while server_events::tell_one(call) {
        slice.count(0);
        if slice.is_over(monotonic_us()) {
            return PAUSE;
        }
    }
    let mut again = sweep(call, now, &mut slice);
    // A little at every turn, whatever else is due: what was deleted is to be gone from memory.
    while free_pending(call) {
        slice.count(FREED / 8);
        if slice.is_over(monotonic_us()) {
            again = PAUSE;
            break;
        }
    }
    again
}

/// Ends what is due, room by room; returns after how many milliseconds to come again.
fn sweep(call: &Call<'_>, now: Now, slice: &mut TimeSlice) -> u64 {
    let mut again = INTERVAL;
    let before = slice.done();
    while let Some(found) = next(now.monotonic_ms) {
        let ended = step(call, &found, now);
        slice.count(ended);
        if slice.is_over(monotonic_us()) {
            again = PAUSE;
            break;
        }
    }
    let done = slice.done() - before;
    if done > 0 {
        info::swept(now.ms, slice.passed_us(monotonic_us()), done);
    }
    again
}

/// The next room to look at: one whose deadline has come, or one to be filed anew.
fn next(now: u64) -> Option<Found> {
    state::with(|state| {
        if let Some(due) = state.index.due(now) {
            return Some(due);
        }
        let found = state.index.after(state.look_anew?);
        state.look_anew = found.as_ref().map(Position::of);
        found
    })
}

/// Ends what is due in one room; returns how many things.
fn step(call: &Call<'_>, found: &Found, now: Now) -> usize {
    call.select(found.database);
    let Ok(mut key) = RoomKey::open_named(call, &found.name) else {
        state::with(|state| state.index.forget(found));
        return 0;
    };
    let name = RoomName::stored(&found.name).unwrap_or(RoomName::INVALID);
    let same = |filed: &crate::index::Filed| filed.number == found.place.1;
    let Some(stored) = key.value_mut().filter(|stored| stored.filed.as_ref().is_some_and(same))
    else {
        state::with(|state| state.index.forget(found));
        return 0;
    };
    let limits = config::limits();
    let quiet_until = state::with(|state| state.quiet_until).max(stored.quiet_until);
    let is_quiet = now.monotonic_ms < quiet_until;
    let presence = if is_quiet { Presence::Stays } else { Presence::Ends };
    stored.room.requeue_beaten(now, STEP);
    let context = Context { room: &stored.room, name, now, limits: &limits };
    let mut decision = Decision::on(&stored.room);
    expire::decide(context, presence, STEP, &mut decision);
    if is_quiet && decision.steps.is_empty() {
        // Nothing but connections is due.
        let facts = stored.facts(Some(quiet_until));
        renew(found, stored, facts);
        return 0;
    }
    let unfinished = decision.unfinished;
    let mut outcome = state::take_outcome();
    let (before, expirable) = (stored.room.online(), stored.room.expirable_items());
    stored.room.execute(name.as_str(), now, &decision.steps, &mut outcome);
    info::timed_out(before - stored.room.online());
    // Who came to a database that has changed places since is present in another room by now.
    let is_elsewhere = stored.filed.as_ref().is_some_and(|filed| filed.home != found.database);
    if is_elsewhere || name == RoomName::INVALID {
        outcome.events.clear();
    }
    let key_name = call.make_name(&found.name);
    if outcome.visible {
        call.signal_modified(&key_name);
    }
    commands::send_out(call, &key_name, &outcome);
    state::keep_outcome(outcome);
    let next = stored.room.next_deadline(&limits, now);
    let facts = stored.facts(if unfinished { Some(now.monotonic_ms) } else { next });
    renew(found, stored, facts);
    stored.note_pending_free();
    expirable.saturating_sub(stored.room.expirable_items())
}

/// Frees some of what a room has given up, on any copy of it. False: there is nothing to be freed.
fn free_pending(call: &Call<'_>) -> bool {
    let Some(number) = state::with(|state| state.pending_free.pop_first()) else { return false };
    let Some(found) = state::with(|state| state.index.find_anywhere(number)) else { return true };
    call.select(found.database);
    let Ok(mut key) = RoomKey::open_named(call, &found.name) else { return true };
    let same = |stored: &&mut StoredRoom| stored.filed.is_some_and(|filed| filed.number == number);
    if let Some(stored) = key.value_mut().filter(same)
        && stored.room.free_pending(FREED)
    {
        state::with(|state| state.pending_free.insert(number));
    }
    true
}

fn renew(found: &Found, stored: &mut StoredRoom, facts: Facts) {
    state::with(|state| {
        if let Some(filed) = stored.filed.as_mut() {
            state.index.renew(found.database, filed, facts);
        }
    });
}

/// The server's clock and the steady one at the last look.
static CLOCKS: MainThread<Option<(u64, u64)>> = MainThread::new(None);
/// When it was last looked for copies, by the steady clock.
static LOOKED_FOR_COPIES: MainThread<u64> = MainThread::new(0);
/// The settings that bound what a room keeps, at the last look.
static BOUNDS: MainThread<Option<[u64; 5]>> = MainThread::new(None);

/// Grants a grace if the server's clock has jumped, or the server has stood still: no beat could be
/// heard meanwhile. After a jump the ages of messages are reckoned anew.
fn watch_clock(now: Now) {
    let Some(before) = CLOCKS.replace(Some((now.ms, now.monotonic_ms))) else { return };
    let passed = now.monotonic_ms.saturating_sub(before.1);
    let jumped = now.ms.abs_diff(before.0 + passed) > JUMP;
    if jumped || passed > INTERVAL + JUMP {
        state::with(|state| {
            state.quiet_until = now.monotonic_ms + config::presence_grace();
            if jumped {
                state.look_anew = Some(Position::START);
            }
        });
    }
}

/// Finds out whether somebody may hold a copy of the rooms that is to follow.
///
/// Writing records down and handing them to Redis costs as much as the rest of a send, so it is not
/// done for nobody; Redis then gets the command itself, to count it for its save points. Without
/// replicas, backlog and append-only file it goes nowhere. Once a replica has asked for the data there
/// is a backlog, and nothing tells us; what goes into it before the data is copied concerns nobody:
/// whoever can ask for a place in it got that place with a copy of the data, by a child or by a file
/// saved here. Both are events, before anything else is done, and there are records from then on.
fn watch_copies(call: &Call<'_>, now: Now) {
    if LOOKED_FOR_COPIES.with(|at| *at) + LOOK_INTERVAL > now.monotonic_ms {
        return;
    }
    LOOKED_FOR_COPIES.replace(now.monotonic_ms);
    let copies = if has_no_copies(call) { Replication::Off } else { Replication::On };
    state::with(|state| state.copies = copies);
}

/// Remembers the bounds with which the server starts.
pub(crate) fn start() {
    watch_settings();
}

/// Has every room looked at anew if a bound of what it keeps has changed.
fn watch_settings() {
    let limits = config::limits();
    let Limits { history_max, history_ttl, journal_max, nonce_window, room_bytes, .. } = limits;
    let bounds = [history_max, history_ttl, journal_max, nonce_window, room_bytes];
    if BOUNDS.replace(Some(bounds)).is_some_and(|before| before != bounds) {
        state::with(|state| state.look_anew = Some(Position::START));
    }
}
