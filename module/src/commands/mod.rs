//! The commands: one file each, or one for a pair that belongs together.
//!
//! A file reads its words, calls its rule in the core and writes the reply. Reading a room and
//! changing it are done here, the same for all: open, decide, and if anything is to be done, apply,
//! replicate, publish and file.

mod apply;
mod beat;
mod delete;
mod edit;
mod follow;
mod history;
mod join;
mod members;
mod moderate;
mod online;
mod presence;
mod react;
mod read;
mod room;
mod rooms;
mod sanctions;
mod send;
mod signal;
mod sync;
mod who;

use std::ffi::CStr;

use chat_protocol::names::RoomName;
use chat_room::decide::{Context, Decision, Events};
use chat_room::limits::Limits;
use chat_room::{CommandError, Now, Outcome, Replication, Room};

use crate::error_reply::ErrorReply;
use crate::info::{self, COUNTERS};
use crate::redis::{Arg, Call, CommandSpec, Name, ReplicationTarget};
use crate::room_type::{RoomKey, StoredRoom};
use crate::state::{about_now, now};
use crate::{config, server_events, state};

/// The command by which changes are replicated.
const APPLY: &CStr = c"CHAT.APPLY";

/// An entry for Redis that runs a handler.
macro_rules! entry {
    ($handler:ident) => {{
        extern "C" fn entry(
            ctx: *mut redis_module::raw::RedisModuleCtx,
            argv: *mut *mut redis_module::raw::RedisModuleString,
            argc: std::ffi::c_int,
        ) -> std::ffi::c_int {
            crate::redis::enter(
                ctx,
                argv,
                argc,
                |call| crate::commands::serve(call, $handler),
                |call| crate::commands::reply_error(call, &crate::error_reply::ErrorReply::Defect),
            )
        }
        entry
    }};
}
use entry;

/// Runs a command; an error becomes the reply.
fn serve(call: &Call<'_>, handler: fn(&Call<'_>) -> Result<(), ErrorReply>) {
    if let Err(error) = handler(call) {
        reply_error(call, &error);
    }
}

fn reply_error(call: &Call<'_>, error: &ErrorReply) {
    info::count_refusal(error);
    call.reply_error(&error.message());
}

/// The arguments of commands that answer pages of a room, as a user may see it.
const PAGED: &[Arg] = &[
    Arg::Key("room"),
    Arg::OptionalText("CURSOR", "cursor"),
    Arg::OptionalNumber("COUNT", "count"),
    Arg::OptionalText("AS", "user"),
];

/// All commands.
pub(crate) fn all() -> [&'static CommandSpec; 25] {
    [
        &send::SPEC,
        &edit::SPEC,
        &delete::SPEC,
        &react::SPEC,
        &history::SPEC,
        &sync::SPEC,
        &join::JOIN,
        &join::LEAVE,
        &members::SPEC,
        &presence::SPEC,
        &beat::SPEC,
        &who::SPEC,
        &online::SPEC,
        &signal::SPEC,
        &read::READ,
        &read::UNREAD,
        &follow::FOLLOW,
        &follow::UNFOLLOW,
        &follow::FOLLOWS,
        &rooms::SPEC,
        &room::ROOM,
        &room::ROOM_RO,
        &moderate::SPEC,
        &sanctions::SPEC,
        &apply::SPEC,
    ]
}

/// Reads the room named by word 1. A missing one is blank.
fn read<'c, T>(
    call: &Call<'c>,
    answer: impl FnOnce(Context<'_, 'c>) -> Result<T, ErrorReply>,
) -> Result<T, ErrorReply> {
    let name = room_name(call)?;
    let key = RoomKey::open(call, 1)?;
    let limits = config::limits();
    let blank;
    let room = match key.value() {
        Some(stored) => &stored.room,
        None => {
            blank = Room::default();
            &blank
        }
    };
    answer(Context { room, name, now: now(), limits: &limits })
}

/// What a reply is made from.
struct After<'r> {
    /// The room as it is after the change.
    room: &'r Room,
    /// What is published of the change.
    events: &'r Events,
}

/// Changes the room named by word 1 as decided, and replies from the room as it is then.
fn change<'c, R, E: Into<ErrorReply>>(
    call: &Call<'c>,
    decide: impl FnOnce(Context<'_, 'c>, &mut Decision<'c>) -> Result<R, E>,
    reply: impl FnOnce(R, After<'_>),
) -> Result<(), ErrorReply> {
    change_at(call, about_now(), decide, reply)
}

/// The same, decided at a time by both clocks.
fn change_at<'c, R, E: Into<ErrorReply>>(
    call: &Call<'c>,
    mut now: Now,
    decide: impl FnOnce(Context<'_, 'c>, &mut Decision<'c>) -> Result<R, E>,
    reply: impl FnOnce(R, After<'_>),
) -> Result<(), ErrorReply> {
    let name = room_name(call)?;
    let mut key = RoomKey::open(call, 1)?;
    let limits = config::limits();
    let is_new = key.value().is_none();
    let mut fresh: Option<StoredRoom> = None;
    let stored = match key.value_mut() {
        Some(stored) => stored,
        None => fresh.insert(StoredRoom::blank()),
    };
    if stored.is_as_loaded() {
        now.id_ms = now.unused_ms;
    }
    // Filled where it is: moving it costs more than many a decision.
    let mut decision = Decision::on(&stored.room);
    let context = Context { room: &stored.room, name, now, limits: &limits };
    let answer = decide(context, &mut decision).map_err(Into::into)?;
    if decision.steps.is_empty() {
        reply(answer, After { room: &stored.room, events: &Events::default() });
        return Ok(());
    }
    decision.check_numbers(&stored.room)?;
    if let (Some(user), Some(rate)) = (decision.creator, config::create_limit()) {
        state::count_creation(user, rate, now)?;
    }

    info::count_steps(&decision.steps);
    let mut outcome = state::take_outcome();
    stored.room.execute(name.as_str(), now, &decision.steps, &mut outcome);
    reply(answer, After { room: &stored.room, events: &outcome.events });
    if outcome.changes() {
        let database = call.database();
        if !is_new {
            refile(database, stored, &limits, now);
            if decision.unfinished {
                go_on_soon(database, stored, now);
            }
        } else if let Some(mut fresh) = fresh {
            server_events::tell(call, name.as_str().as_bytes(), None);
            fresh.file(database, name.as_str().as_bytes());
            key.fill(call, 1, fresh);
        }
        if outcome.visible {
            call.signal_modified(&call.name(1));
        }
        if outcome.replication() == Replication::Off {
            // Nobody gets it, but Redis counts the change for its save points.
            call.replicate_verbatim();
        }
    }
    send_out(call, &call.name(1), &outcome);
    state::keep_outcome(outcome);
    Ok(())
}

/// Files a room anew after a change.
fn refile(database: i32, stored: &mut StoredRoom, limits: &Limits, now: Now) {
    let facts = stored.facts(stored.room.next_deadline(limits, now));
    let last = stored.room.last();
    state::with(|state| {
        state.clock.used(last.ms, now.ms);
        if let Some(filed) = stored.filed.as_mut() {
            state.index.touch(database, filed, facts);
        }
    });
    stored.note_pending_free();
}

/// Files a room of which a decision could not remove all that is beyond its bounds: the timer goes on.
fn go_on_soon(database: i32, stored: &mut StoredRoom, now: Now) {
    let facts = stored.facts(Some(now.monotonic_ms));
    state::with(|state| {
        if let Some(filed) = stored.filed.as_mut() {
            state.index.touch(database, filed, facts);
        }
    });
}

/// Replicates and publishes what a decision has left to do.
pub(crate) fn send_out(call: &Call<'_>, name: &Name<'_>, outcome: &Outcome) {
    if !outcome.durable.is_empty() {
        call.replicate(ReplicationTarget::ReplicasAndFile, APPLY, name, &outcome.durable);
    }
    if !outcome.presence.is_empty() {
        call.replicate(ReplicationTarget::ReplicasOnly, APPLY, name, &outcome.presence);
    }
    info::count(&COUNTERS.events, outcome.events.len() as u64);
    outcome.events.iter().for_each(|event| publish(call, name, event));
}

/// Publishes an event of a room.
pub(crate) fn publish(call: &Call<'_>, name: &Name<'_>, event: &[u8]) {
    info::count(&COUNTERS.publishes, 1);
    call.publish(name, event);
}

/// Files the room that a key now holds under a new name, after `prepare`.
pub(crate) fn file_named(call: &Call<'_>, name: &[u8], prepare: fn(&mut StoredRoom)) {
    let database = call.database();
    let Ok(mut key) = RoomKey::open_named(call, name) else { return };
    let Some(stored) = key.value_mut() else { return };
    let known = |number| {
        let found = state::with(|state| state.index.find(database, number));
        found.is_some_and(|found| *found.name == *name)
    };
    if !stored.filed.as_ref().is_some_and(|filed| known(filed.number)) {
        server_events::tell(call, name, None);
        prepare(stored);
        stored.file(database, name);
        stored.note_pending_free();
    }
}

#[inline]
fn room_name<'c>(call: &Call<'c>) -> Result<RoomName<'c>, CommandError> {
    Ok(RoomName::parse(call.word(1).unwrap_or_default())?)
}

/// Replies with events: an array of bulk strings.
fn reply_events(call: &Call<'_>, events: &Events) {
    call.reply_array(events.len());
    events.iter().for_each(|event| call.reply_bytes(event));
}

/// Replies with an id.
fn reply_id(call: &Call<'_>, id: chat_protocol::id::Id) {
    call.reply_bytes(chat_room::IdText::of(id).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_command_costs_nearly_the_same_for_any_size_of_the_room() {
        for spec in all() {
            let (name, complexity) = (spec.name, spec.complexity);
            let formula = complexity.split(" with ").next().unwrap_or_default();
            let per_word = complexity.contains(" named") && !formula.contains('+');
            let small = ["O(1)", "O(log(N))"].contains(&formula) || per_word;
            let is_fast = spec.flags.split(' ').any(|flag| flag == "fast");
            assert!(small || !is_fast, "{name} is not fast: {complexity}");
        }
    }
}
