//! Trimming: removing what is beyond the bounds of a room in number, bytes or age.
//!
//! A command removes more than it adds, but not with every call, as removing many at once is
//! cheaper. After a bound was lowered there may be a million messages to remove. Then every
//! decision removes a bounded part and reports that it has not finished, and the timer continues.
//!
//! The oldest are removed first. The journal can be trimmed without messages, but a trimmed message
//! takes all events up to its own with it.

use chat_protocol::limits::PRESENCE_ENTRIES_MAX;

use crate::codec::record::Record;
use crate::decide::context::Context;
use crate::decide::decision::Decision;
use crate::state::limits::Limits;
use crate::state::room::Room;
use crate::state::settings::table::Settings;

/// The most messages, events and nonces that one command removes, each.
pub(super) const TRIM_MAX: usize = 256;

/// How far below the bound in bytes one removal goes, at most.
const BYTES_SLACK_MAX: u64 = 16 * 1024;

/// What the decision adds to the room.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Added {
    pub(super) messages: u64,
    /// All durable events, including messages. Counted by [`trim`].
    events: u64,
    /// Bytes of texts.
    pub(super) bytes: u64,
    /// Events of presence. Counted by [`trim`].
    presence: usize,
}

impl Added {
    /// Messages with together `bytes` of text.
    pub(super) fn messages(messages: u64, bytes: usize) -> Added {
        Added { messages, bytes: bytes as u64, ..Added::default() }
    }
}

/// How many items beyond a bound of `most` may stay, as removing many at once is cheaper.
fn slack(most: u64) -> u64 {
    (most / 16).min(64)
}

/// What is beyond the bounds of a room.
#[derive(Clone, Copy, Debug, Default)]
struct Surplus {
    messages: u64,
    events: u64,
    /// Bytes beyond `room_bytes`.
    bytes: u64,
    /// Bytes of journal entries beyond a quarter of `room_bytes`.
    event_bytes: u64,
    /// Events of presence.
    presence: usize,
}

impl Surplus {
    fn of(room: &Room, settings: &Settings, limits: &Limits, added: Added) -> Surplus {
        let (stored, logged) = (room.messages.len() as u64, room.journal_len());
        let most = settings.room_bytes(limits);
        let messages = (stored + added.messages).saturating_sub(settings.history_max(limits));
        let events = (logged + added.events).saturating_sub(settings.journal_max(limits));
        Surplus {
            messages: messages.min(stored),
            events: events.min(logged),
            bytes: (room.bytes() + added.bytes).saturating_sub(most),
            event_bytes: room.journal.bytes().saturating_sub(most / 4),
            presence: (room.journal.presence_entries() + added.presence)
                .saturating_sub(PRESENCE_ENTRIES_MAX),
        }
    }

    /// Whether so much is beyond the bounds that removing it is worth the cost. Every send checks
    /// this, so it only compares sums that are kept up to date.
    #[inline]
    fn is_worth_removing(room: &Room, settings: &Settings, limits: &Limits, added: Added) -> bool {
        let over = |count: u64, most: u64| count > most + slack(most);
        let most = settings.room_bytes(limits);
        over(room.messages.len() as u64 + added.messages, settings.history_max(limits))
            || over(room.journal_len() + added.events, settings.journal_max(limits))
            || room.bytes() + added.bytes > most
            || room.journal.bytes() > most / 4
            || room.journal.presence_entries() + added.presence > PRESENCE_ENTRIES_MAX
    }
}

impl Room {
    /// Whether more is beyond the bounds of this room than may stay. Expired messages do not count:
    /// [`Room::next_deadline`] covers them.
    pub fn is_beyond_bounds(&self, limits: &Limits) -> bool {
        Surplus::is_worth_removing(self, self.settings(), limits, Added::default())
    }
}

/// Adds the record that removes what will be beyond the bounds of `settings`, if it is worth the
/// cost.
pub(super) fn trim(
    context: Context<'_, '_>,
    settings: &Settings,
    added: Added,
    decision: &mut Decision<'_>,
) {
    let Context { room, limits, .. } = context;
    let added = added_by(context, added, decision);
    let nonces = expired_nonces(context);
    let worth_it = Surplus::is_worth_removing(room, settings, limits, added)
        || nonces as u64 > slack(limits.nonce_max)
        || settings.history_ttl(limits) > 0;
    if worth_it {
        let surplus = Surplus::of(room, settings, limits, added);
        remove(context, settings, surplus, nonces, TRIM_MAX, decision);
    }
}

/// `added` with the events of the decision.
#[inline]
fn added_by(context: Context<'_, '_>, added: Added, decision: &Decision<'_>) -> Added {
    let events = decision.last.n - context.room.last.n;
    Added { events, presence: decision.presence_entries, ..added }
}

/// [`trim`] for a decision about presence, which costs nothing if it stores no event.
#[inline(always)]
pub(super) fn trim_logged_presence(context: Context<'_, '_>, decision: &mut Decision<'_>) {
    #[inline(never)]
    fn trim_now(context: Context<'_, '_>, decision: &mut Decision<'_>) {
        trim(context, context.room.settings(), Added::default(), decision);
    }
    if decision.presence_entries > 0 {
        trim_now(context, decision);
    }
}

/// [`trim`] for the timer. It removes every expired nonce; at most `most` messages, events and
/// nonces at once.
pub(super) fn trim_in_slices(context: Context<'_, '_>, most: usize, decision: &mut Decision<'_>) {
    let Context { room, limits, .. } = context;
    let (settings, added) = (room.settings(), added_by(context, Added::default(), decision));
    let surplus = match Surplus::is_worth_removing(room, settings, limits, added) {
        true => Surplus::of(room, settings, limits, added),
        false => Surplus::default(),
    };
    remove(context, settings, surplus, expired_nonces(context), most, decision);
}

#[inline(never)]
fn remove(
    context: Context<'_, '_>,
    settings: &Settings,
    surplus: Surplus,
    expired_nonces: usize,
    most: usize,
    decision: &mut Decision<'_>,
) {
    let Context { room, limits, now, .. } = context;
    let (first, base) = (room.messages.first(), room.journal.base().n);
    let room_bytes = settings.room_bytes(limits);
    let spare = |bytes: u64| (bytes / 16).min(BYTES_SLACK_MAX);
    // Both count at most `most + 1`, so there may be more to remove.
    let for_bytes = match surplus.bytes {
        0 => 0,
        bytes => messages_holding(context, bytes + spare(room_bytes), most + 1),
    };
    let events_for_bytes = match surplus.event_bytes {
        0 => 0,
        bytes => events_holding(context, bytes + spare(room_bytes / 4), most + 1),
    };
    let events_of_presence = match surplus.presence {
        0 => 0,
        count => events_with_presence(context, count, most + 1),
    };
    let expired = match settings.history_ttl(limits) {
        0 => first,
        ttl => room
            .messages
            .partition_messages(|message| room.message_time(message).saturating_add(ttl) <= now.ms),
    };
    let wanted_messages = expired.max(first + surplus.messages.max(for_bytes));
    let for_events = events_for_bytes.max(events_of_presence);
    let wanted_events = for_events.max(base + 1 + surplus.events);

    // One removal takes at most `most` entries of the journal: those before this event.
    let events_to = room.journal.entry_number(most).unwrap_or(u64::MAX);
    let mut messages_from = wanted_messages.min(first + most as u64);
    let mut journal_from = wanted_events.min(events_to);
    if events_to < u64::MAX {
        let before = room.messages.partition(|id| id.n < events_to);
        if before < messages_from {
            (messages_from, journal_from) = (before, events_to);
        }
    }
    let nonces = expired_nonces.min(most);
    let last = nonces.checked_sub(1).and_then(|at| room.nonces.get(at));
    let nonces_from = last.map_or(0, |nonce| nonce.id.n + 1);
    if messages_from > first || journal_from > base + 1 || nonces_from > 0 {
        decision.record(Record::Trim { messages_from, journal_from, nonces_from });
    }
    decision.unfinished |=
        messages_from < wanted_messages || journal_from < wanted_events || nonces < expired_nonces;
}

/// How many of the oldest messages hold `bytes`; counts up to `most`, and never the newest message.
fn messages_holding(context: Context<'_, '_>, bytes: u64, most: usize) -> u64 {
    let room = context.room;
    let (first, last) = (room.messages.first(), room.messages.last());
    let mut freed = 0;
    let mut count = 0;
    for (m, message) in (first..last).zip(room.messages.range(first, last)).take(most) {
        if freed >= bytes {
            break;
        }
        freed += message.bytes() as u64 + room.annotations.bytes_of(m);
        count += 1;
    }
    count
}

/// The number of the first event to keep when the oldest journal entries that hold `bytes` are
/// removed; visits at most `most` of them.
fn events_holding(context: Context<'_, '_>, bytes: u64, most: usize) -> u64 {
    let mut freed = 0;
    let mut from = 0;
    for entry in context.room.journal.entries_from(0).take(most) {
        if freed >= bytes {
            break;
        }
        freed += entry.bytes() as u64;
        from = entry.id.n + 1;
    }
    from
}

/// The number of the first event to keep when the oldest `count` events of presence are removed,
/// with all entries before them; visits at most `most` entries.
fn events_with_presence(context: Context<'_, '_>, count: usize, most: usize) -> u64 {
    let mut left = count;
    let mut from = 0;
    for entry in context.room.journal.entries_from(0).take(most) {
        if left == 0 {
            break;
        }
        left -= usize::from(entry.is_presence());
        from = entry.id.n + 1;
    }
    from
}

/// How many of the oldest nonces are expired.
#[inline(always)]
pub(super) fn expired_nonces(context: Context<'_, '_>) -> usize {
    let Context { room, limits, now, .. } = context;
    let expired = |ms: u64| ms.saturating_add(limits.nonce_window) <= now.ms;
    match room.nonces.oldest() {
        // `partition` is not inlined, as most sends find no expired nonce.
        Some(oldest) if expired(oldest.id.ms) => room.nonces.partition(expired),
        _ => 0,
    }
}
