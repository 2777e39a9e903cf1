//! Work that no command asks for: connections, messages and nonces that end by themselves.
//!
//! One timer. Only a primary does it, never while writes are paused (a write would end the server
//! during a planned failover), in slices of 2 ms. A slice ends between two rooms, and looks at every
//! connection of a room, so a room with very many of them makes it longer. After a load, a
//! promotion, a jump of the clock or a stall nothing expires before one grace has passed: the
//! connections' relays must be heard first.

use std::cell::Cell;

use chat_room::Now;
use chat_room::decide::{Context, expire};
use chat_room::names::RoomName;

use crate::index::Found;
use crate::redis::{Call, Flags, RoomKey, monotonic_ms, now_ms, replica_traffic_is_to_be_avoided};
use crate::{commands, config, events, info, state};

/// Milliseconds between looks when nothing is due.
pub(crate) const INTERVAL: u64 = 100;
/// Milliseconds one slice of work may take.
const SLICE: u64 = 2;
/// Milliseconds between slices.
const PAUSE: u64 = 1;
/// Connections or messages that end in one step.
const STEP: usize = 256;
/// A jump of the clock by more than this, in milliseconds, is taken for one.
const JUMP: u64 = 1_000;

/// Does what is due; returns after how many milliseconds to come again.
pub(crate) fn tick(call: &Call<'_>) -> u64 {
    let flags = Flags::of(call);
    let now = now_ms();
    watch_clock(now);
    watch_settings();
    if replica_traffic_is_to_be_avoided() {
        return INTERVAL;
    }
    if !flags.is_primary() || flags.is_loading() {
        state::with(|state| state.gone.clear());
        return INTERVAL;
    }
    let started = monotonic_ms();
    while events::tell_one(call) {
        if monotonic_ms() - started >= SLICE {
            return PAUSE;
        }
    }
    if state::with(|state| started < state.quiet_until) {
        return INTERVAL;
    }
    let mut steps = 0;
    while let Some(found) = next(now) {
        step(call, &found, now);
        steps += 1;
        if monotonic_ms() - started >= SLICE {
            return PAUSE;
        }
    }
    if steps > 0 {
        info::swept(now);
    }
    INTERVAL
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

fn step(call: &Call<'_>, found: &Found, now: u64) {
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
    let now = Now { ms: now, id_ms: now, unused_ms: now };
    let decision = expire::decide(Context { room: &stored.room, name, now, limits: &limits }, STEP);
    info::timed_out(&decision.steps);
    let mut effects = state::with(|state| std::mem::take(&mut state.effects));
    effects.clear();
    stored.room.carry_out(name.as_str(), now.ms, decision.steps, &mut effects);
    let key_name = call.make_name(&found.name);
    if effects.visible {
        call.signal_modified(&key_name);
    }
    commands::send_out(call, &key_name, &effects);
    let facts = stored.facts(stored.room.next_deadline(&limits));
    state::with(|state| {
        if let Some(filed) = stored.filed.as_mut() {
            state.index.renew(found.database, filed, facts);
        }
        state.effects = effects;
    });
}

thread_local! {
    /// The two clocks at the last look: the server's, and the one that only goes forward.
    static CLOCKS: Cell<Option<(u64, u64)>> = const { Cell::new(None) };
    /// `chat.history-ttl` at the last look.
    static HISTORY_TTL: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Grants a grace if the server's clock has jumped forward, or the server has stood still: in either
/// case no beat could be heard.
fn watch_clock(now: u64) {
    let monotonic = monotonic_ms();
    if let Some((then, monotonic_then)) = CLOCKS.replace(Some((now, monotonic))) {
        let passed = monotonic.saturating_sub(monotonic_then);
        if now > then + passed + JUMP || passed > INTERVAL + JUMP {
            state::with(|state| state.quiet_until = monotonic + config::presence_grace());
        }
    }
}

/// Has every room filed anew if the age at which messages end has changed.
fn watch_settings() {
    let ttl = config::limits().history_ttl;
    if HISTORY_TTL.replace(Some(ttl)).is_some_and(|before| before != ttl) {
        state::with(|state| state.refile = state.index.numbers().collect());
    }
}
