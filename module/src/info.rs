//! `INFO chat`: what this node has done and holds.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use chat_protocol::error_code::ErrorCode;
use chat_room::{Record, Step, VERSION};

use crate::error_reply::ErrorReply;
use crate::index;
use crate::redis::{InfoThread, InfoWriter, MainThread, log_warning, monotonic_us};

/// Declares the counters, one row each: what it counts, field of [`Counters`], field of `INFO
/// chat`. docs/operations.md lists the same fields.
macro_rules! counters {
    ($(#[doc = $text:literal] $counter:ident = $field:literal;)*) => {
        /// Counters since the module was loaded, and what there is of something now.
        pub(crate) struct Counters {
            $(#[doc = $text] pub(crate) $counter: AtomicU64,)*
            /// Error replies by code, in the order of [`ErrorCode::OF_MODULE`].
            errors: [AtomicU64; ErrorCode::OF_MODULE.len()],
        }

        pub(crate) static COUNTERS: Counters = Counters {
            $($counter: AtomicU64::new(0),)*
            errors: [const { AtomicU64::new(0) }; ErrorCode::OF_MODULE.len()],
        };

        /// The fields of `INFO chat` that are counters of their own.
        const FIELDS: &[(&str, &AtomicU64)] = &[$(($field, &COUNTERS.$counter),)*];
    };
}

counters! {
    /// Messages stored.
    messages = "messages";
    /// Events made by changes, durable and ephemeral.
    events = "events";
    /// Events published.
    publishes = "publishes";
    /// Sends answered from their nonce.
    nonce_hits = "nonce_hits";
    /// Replies of CHAT.SYNC to a known cursor.
    syncs_recovered = "syncs_recovered";
    /// Replies of CHAT.SYNC that make the reader reload.
    syncs_refused = "syncs_refused";
    /// Users who went offline because their connections timed out.
    presence_timeouts = "presence_timeouts";
    /// The end of the last slice in which something ended, in milliseconds since the epoch.
    last_sweep_ms = "last_sweep_ms";
    /// Slices in which something ended.
    sweep_slices = "sweep_slices";
    /// Microseconds of the longest of them.
    sweep_longest_us = "sweep_longest_us";
    /// The most steps, and things ended, in one of them.
    sweep_most = "sweep_most";
    /// Error replies with `WRONGTYPE`.
    wrong_type = "refused_wrongtype";
    /// Error replies with `OOM`, by the module itself.
    out_of_memory = "refused_oom";
    /// Clients that wait in CHAT.CHANGES.
    waiters = "waiters";
    /// How often one of them was woken because a room has changed.
    waiters_woken = "waiters_woken";
    /// Panics caught in commands.
    defects = "defects";
    /// Records from a primary or an append-only file that could not be applied.
    records_refused = "records_refused";
}

/// Adds to a counter. Only the main thread writes, so no addition is lost.
pub(crate) fn count(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
}

/// Counts an error reply.
pub(crate) fn count_error(error: &ErrorReply) {
    let counter = match error {
        ErrorReply::Rule(error) => COUNTERS.errors.get(error.code() as usize),
        ErrorReply::WrongType => Some(&COUNTERS.wrong_type),
        ErrorReply::OutOfMemory => Some(&COUNTERS.out_of_memory),
        ErrorReply::Defect => Some(&COUNTERS.defects),
    };
    if let Some(counter) = counter {
        count(counter, 1);
    }
}

/// Counts the messages of a decision.
pub(crate) fn count_steps(steps: &[Step<'_>]) {
    for step in steps {
        if let Step::Record(Record::Message(_)) = step {
            count(&COUNTERS.messages, 1);
        }
    }
}

/// Notes how many clients wait for changes.
pub(crate) fn set_waiters(number: usize) {
    COUNTERS.waiters.store(number as u64, Relaxed);
}

/// Counts a client that is woken because a room has changed.
pub(crate) fn count_wake() {
    count(&COUNTERS.waiters_woken, 1);
}

/// Counts users whose last connection timed out.
pub(crate) fn count_timeouts(users: usize) {
    count(&COUNTERS.presence_timeouts, users as u64);
}

/// Counts a slice in which something ended: when it was over, in milliseconds since the epoch, how
/// long it took, and its work as `time_slice.rs` counts it.
pub(crate) fn count_sweep(now: u64, microseconds: u64, work: usize) {
    COUNTERS.last_sweep_ms.store(now, Relaxed);
    count(&COUNTERS.sweep_slices, 1);
    COUNTERS.sweep_longest_us.fetch_max(microseconds, Relaxed);
    COUNTERS.sweep_most.fetch_max(work as u64, Relaxed);
}

/// When refused records were last logged, in microseconds of the raw monotonic clock (0: never),
/// and their number until then.
static LOGGED: MainThread<(u64, u64)> = MainThread::new((0, 0));

/// Counts records from a primary or an append-only file that cannot be applied. Logs them at most
/// once a second.
pub(crate) fn count_refused_records(number: u64, why: &str) {
    const INTERVAL_US: u64 = 1_000_000;
    count(&COUNTERS.records_refused, number);
    let (at, before) = LOGGED.with(|logged| *logged);
    let now = monotonic_us().max(1);
    if at == 0 || now >= at.saturating_add(INTERVAL_US) {
        let all = COUNTERS.records_refused.load(Relaxed);
        LOGGED.replace((now, all));
        let since = all.wrapping_sub(before);
        log_warning(&format!(
            "records of rooms were refused, {since} since the last such line: {why}"
        ));
    }
}

/// Writes the fields of the section.
pub(crate) fn write(out: &mut InfoWriter, thread: InfoThread) {
    if thread == InfoThread::Main {
        let (rooms, connections) = index::with(|index| (index.len(), index.connections()));
        out.field("rooms", rooms as u64);
        out.field("connections_online", connections as u64);
    }
    out.field("stored_form", VERSION.into());
    for (field, counter) in FIELDS {
        out.field(field, counter.load(Relaxed));
    }
    out.field("elements_visited", chat_room::work::visited());
    for (code, counter) in ErrorCode::OF_MODULE.iter().zip(&COUNTERS.errors) {
        out.field(&format!("refused_{}", code.word().to_ascii_lowercase()), counter.load(Relaxed));
    }
}
