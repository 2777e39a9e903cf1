//! Changing a room.
//!
//! 1. Open the key, for reading only: a command that changes nothing must not disturb WATCH or
//!    client-side caches.
//! 2. Let the core decide. An error, or a decision without steps, ends the command here.
//! 3. Check the decision against the limits of numbers and of new rooms.
//! 4. Apply its steps; they become records and events.
//! 5. Reply from the room as it is now.
//! 6. Put a new room into its key, or update the index.
//! 7. Invalidate caches, mark the data as changed.
//! 8. Replicate the records, publish the events.
//!
//! Each phase is inlined: as a call it would cost 30 instructions, a hundredth of a send.

use chat_protocol::names::RoomName;
use chat_room::limits::Limits;
use chat_room::{
    CommandError, Context, CreationLimit, Decision, EventBuffer, Now, Outcome, Replication, Room,
};

use super::read::room_name;
use crate::error_reply::ErrorReply;
use crate::redis::{Call, MainThread};
use crate::stored_room::{RoomKey, StoredRoom};
use crate::{clock, config, indexing, info, outgoing};

/// The users who have created rooms lately; `None`: `chat.create-limit` has never counted one.
static CREATIONS: MainThread<Option<Box<CreationLimit>>> = MainThread::new(None);

/// What a reply is made from.
pub(crate) struct After<'r> {
    /// The room after the change.
    pub(crate) room: &'r Room,
    /// The events of the change.
    pub(crate) events: &'r EventBuffer,
}

/// Changes the room named by word 1 as decided, and replies. For decisions that set no deadline of
/// a connection, see [`clock::now_by_wall_clock`].
pub(crate) fn change<'c, R, E: Into<ErrorReply>>(
    call: &Call<'c>,
    decide: impl FnOnce(Context<'_, 'c>, &mut Decision<'c>) -> Result<R, E>,
    reply: impl FnOnce(R, After<'_>),
) -> Result<(), ErrorReply> {
    change_at(call, clock::now_by_wall_clock(), decide, reply)
}

/// Changes the room named by word 1 as decided at `now`, and replies.
pub(crate) fn change_at<'c, R, E: Into<ErrorReply>>(
    call: &Call<'c>,
    now: Now,
    decide: impl FnOnce(Context<'_, 'c>, &mut Decision<'c>) -> Result<R, E>,
    reply: impl FnOnce(R, After<'_>),
) -> Result<(), ErrorReply> {
    let name = room_name(call)?;
    let mut key = RoomKey::open(call, 1)?;
    let limits = config::limits();
    let is_new = key.value().is_none();
    let mut created = None;
    let stored = match key.value_mut() {
        Some(stored) => stored,
        None => created.insert(StoredRoom::blank()),
    };

    let now = stored.with_fresh_ids(now);
    // Filled in place: moving a decision costs more than many a decision takes.
    let mut decision = Decision::on(&stored.room);
    let context = Context { room: &stored.room, name, now, limits: &limits };
    let answer = decide(context, &mut decision).map_err(Into::into)?;
    if decision.steps.is_empty() {
        reply(answer, After { room: &stored.room, events: &EventBuffer::default() });
        return Ok(());
    }
    check_limits(&decision, &stored.room, now)?;

    let outcome = apply(&decision, stored, name, now);
    reply(answer, After { room: &stored.room, events: &outcome.events });

    if outcome.changes() {
        if !is_new {
            update_index(call, &decision, stored, &limits, now);
        } else if let Some(created) = created {
            indexing::put_into_key(call, &mut key, created, name.as_str().as_bytes());
        }
        mark_changed(call, &outcome);
    }
    outgoing::send(call, &call.name(1), &outcome);
    outgoing::keep_buffers(outcome);
    Ok(())
}

/// Checks what the core cannot: that no number of the room overflows, and that the user who creates
/// it may create another. Errors: `RATELIMIT` and those of the core.
#[inline(always)]
fn check_limits(decision: &Decision<'_>, room: &Room, now: Now) -> Result<(), CommandError> {
    decision.check_numbers(room)?;
    if let (Some(user), Some(rate)) = (decision.creator, config::create_limit()) {
        return CREATIONS.with(|creations| {
            let creations = creations.get_or_insert_default();
            creations.take(user, rate, now.monotonic_ms).map_err(CommandError::RateLimit)
        });
    }
    Ok(())
}

/// Applies the steps of a decision. Returns the records and events they became.
#[inline(always)]
fn apply(
    decision: &Decision<'_>,
    stored: &mut StoredRoom,
    name: RoomName<'_>,
    now: Now,
) -> Box<Outcome> {
    info::count_steps(&decision.steps);
    let mut outcome = outgoing::take_buffers();
    stored.room.execute(name.as_str(), now, &decision.steps, &mut outcome);
    outcome
}

/// Updates the index; what the decision could not remove in bounded time is left to the timer.
#[inline(always)]
fn update_index(
    call: &Call<'_>,
    decision: &Decision<'_>,
    stored: &mut StoredRoom,
    limits: &Limits,
    now: Now,
) {
    let database = call.database();
    indexing::update(database, stored, limits, now);
    if decision.unfinished {
        indexing::make_due(database, stored, now);
    }
}

/// Invalidates the key for WATCH and client-side caches if a reader can see the change, and counts
/// the change for the save points of Redis.
#[inline(always)]
fn mark_changed(call: &Call<'_>, outcome: &Outcome) {
    if outcome.visible {
        call.signal_modified(&call.name(1));
    }
    if outcome.replication() == Replication::Off {
        // No replica or append-only file receives it; it only increments `dirty`. Otherwise
        // replicating the records does.
        call.replicate_verbatim();
    }
}
