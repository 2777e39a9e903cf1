//! Work that no command asks for: connections, messages and nonces that end by themselves.
//!
//! One timer. Only a primary does it, never while writes are paused (a write would end the server
//! during a planned failover), in slices of 2 ms: a step ends at most so many things in one room, so
//! a room of a million connections is worked off in many. After a load, a promotion, a jump of the
//! clock or a stall nobody's presence ends before one grace has passed: the connections' relays
//! must be heard first.

use std::cell::Cell;

use chat_room::Now;
use chat_room::decide::{Context, expire};
use chat_room::names::RoomName;

use crate::index::{Facts, Found};
use crate::redis::{Call, Flags, RoomKey, monotonic_us, replica_traffic_is_to_be_avoided};
use crate::room_type::StoredRoom;
use crate::{commands, config, events, info, state};

/// Milliseconds between looks when nothing is due.
pub(crate) const INTERVAL: u64 = 100;
/// Microseconds after which a slice of work begins nothing more: it is to take 2 ms at most, and one
/// step takes less than the rest.
const SLICE: u64 = 1_500;
/// Milliseconds between slices.
const PAUSE: u64 = 1;
/// Connections or messages that end in one step.
const STEP: usize = 128;
/// A jump of the clock by more than this, in milliseconds, is taken for one.
const JUMP: u64 = 1_000;

/// Does what is due; returns after how many milliseconds to come again.
pub(crate) fn tick(call: &Call<'_>) -> u64 {
    let flags = Flags::of(call);
    let now = state::now();
    watch_clock(now);
    watch_settings();
    if replica_traffic_is_to_be_avoided() {
        return INTERVAL;
    }
    if !flags.is_primary() || flags.is_loading() {
        state::with(|state| state.gone.clear());
        return INTERVAL;
    }
    let started = monotonic_us();
    let used_up = || monotonic_us() - started >= SLICE;
    while events::tell_one(call) {
        if used_up() {
            return PAUSE;
        }
    }
    if state::with(|state| now.steady_ms < state.quiet_until) {
        return INTERVAL;
    }
    let mut again = INTERVAL;
    let mut steps = 0;
    while let Some(found) = next(now.steady_ms) {
        step(call, &found, now);
        steps += 1;
        if used_up() {
            again = PAUSE;
            break;
        }
    }
    if steps > 0 {
        info::swept(now.ms, monotonic_us() - started);
    }
    again
}

/// The next room to look at: one whose deadline has come, or one to be filed anew.
fn next(now: u64) -> Option<Found> {
    state::with(|state| {
        if let Some(due) = state.index.due(now) {
            return Some(due);
        }
        while let Some((database, number)) = state.refile.pop_front() {
            if let Some(found) = state.index.find(database, number) {
                return Some(found);
            }
        }
        None
    })
}

fn step(call: &Call<'_>, found: &Found, now: Now) {
    call.select(found.database);
    let (Ok(mut key), Ok(name)) =
        (RoomKey::open_named(call, &found.name), RoomName::parse(&found.name))
    else {
        return state::with(|state| state.index.forget(found));
    };
    let same = |filed: &crate::index::Filed| filed.number == found.place.1;
    let Some(stored) = key.stored_mut().filter(|stored| stored.filed.as_ref().is_some_and(same))
    else {
        return state::with(|state| state.index.forget(found));
    };
    let limits = config::limits();
    if now.steady_ms < stored.quiet_until {
        let facts = stored.facts(Some(stored.quiet_until));
        return renew(found, stored, facts);
    }
    stored.room.settle(now, STEP);
    let decision = expire::decide(Context { room: &stored.room, name, now, limits: &limits }, STEP);
    let mut effects = state::with(|state| std::mem::take(&mut state.effects));
    effects.clear();
    let before = stored.room.online();
    stored.room.carry_out(name.as_str(), now, decision.steps, &mut effects);
    info::timed_out(before - stored.room.online());
    // Who came to a database that has changed places since is present in another room by now.
    if stored.filed.as_ref().is_some_and(|filed| filed.home != found.database) {
        effects.events.clear();
    }
    let key_name = call.make_name(&found.name);
    if effects.visible {
        call.signal_modified(&key_name);
    }
    commands::send_out(call, &key_name, &effects);
    let facts = stored.facts(stored.room.next_deadline(&limits, now));
    renew(found, stored, facts);
    state::with(|state| state.effects = effects);
}

fn renew(found: &Found, stored: &mut StoredRoom, facts: Facts) {
    state::with(|state| {
        if let Some(filed) = stored.filed.as_mut() {
            state.index.renew(found.database, filed, facts);
        }
    });
}

thread_local! {
    /// The two clocks at the last look: the server's, and the steady one.
    static CLOCKS: Cell<Option<(u64, u64)>> = const { Cell::new(None) };
    /// `chat.history-ttl` at the last look.
    static HISTORY_TTL: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Grants a grace if the server's clock has jumped, or the server has stood still: no beat could be
/// heard meanwhile. After a jump the ages of messages are reckoned anew.
fn watch_clock(now: Now) {
    let Some(before) = CLOCKS.replace(Some((now.ms, now.steady_ms))) else { return };
    let passed = now.steady_ms.saturating_sub(before.1);
    let jumped = now.ms.abs_diff(before.0 + passed) > JUMP;
    if jumped || passed > INTERVAL + JUMP {
        state::with(|state| {
            state.quiet_until = now.steady_ms + config::presence_grace();
            if jumped {
                state.refile = state.index.numbers().collect();
            }
        });
    }
}

/// Has every room filed anew if the age at which messages end has changed.
fn watch_settings() {
    let ttl = config::limits().history_ttl;
    if HISTORY_TTL.replace(Some(ttl)).is_some_and(|before| before != ttl) {
        state::with(|state| state.refile = state.index.numbers().collect());
    }
}
