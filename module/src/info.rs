//! `INFO chat`: what this node has done and holds.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use chat_protocol::error_code::ErrorCode;
use chat_room::Record;
use chat_room::Step;

use crate::error_reply::ErrorReply;
use crate::index;
use crate::redis::{InfoThread, InfoWriter, MainThread, log_warning, monotonic_us};

/// Counters since the module was loaded.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) messages: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) publishes: AtomicU64,
    pub(crate) nonce_hits: AtomicU64,
    pub(crate) syncs_recovered: AtomicU64,
    pub(crate) syncs_refused: AtomicU64,
    presence_timeouts: AtomicU64,
    last_sweep: AtomicU64,
    sweep_slices: AtomicU64,
    sweep_longest: AtomicU64,
    sweep_most: AtomicU64,
    refusals: [AtomicU64; ErrorCode::OF_MODULE.len()],
    wrong_type: AtomicU64,
    out_of_memory: AtomicU64,
    defects: AtomicU64,
    records_refused: AtomicU64,
}

pub(crate) static COUNTERS: Counters = Counters {
    messages: AtomicU64::new(0),
    events: AtomicU64::new(0),
    publishes: AtomicU64::new(0),
    nonce_hits: AtomicU64::new(0),
    syncs_recovered: AtomicU64::new(0),
    syncs_refused: AtomicU64::new(0),
    presence_timeouts: AtomicU64::new(0),
    last_sweep: AtomicU64::new(0),
    sweep_slices: AtomicU64::new(0),
    sweep_longest: AtomicU64::new(0),
    sweep_most: AtomicU64::new(0),
    refusals: [const { AtomicU64::new(0) }; ErrorCode::OF_MODULE.len()],
    wrong_type: AtomicU64::new(0),
    out_of_memory: AtomicU64::new(0),
    defects: AtomicU64::new(0),
    records_refused: AtomicU64::new(0),
};

/// Adds to a counter. Only the main thread writes, so there is nothing to lose.
pub(crate) fn count(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
}

/// Counts an error reply.
pub(crate) fn count_error(error: &ErrorReply) {
    let counter = match error {
        ErrorReply::Refused(error) => COUNTERS.refusals.get(error.code() as usize),
        ErrorReply::WrongType => Some(&COUNTERS.wrong_type),
        ErrorReply::OutOfMemory => Some(&COUNTERS.out_of_memory),
        ErrorReply::Defect => Some(&COUNTERS.defects),
    };
    if let Some(counter) = counter {
        count(counter, 1);
    }
}

/// Counts what a decision does.
pub(crate) fn count_steps(steps: &[Step<'_>]) {
    for step in steps {
        if let Step::Record(Record::Message(_)) = step {
            count(&COUNTERS.messages, 1);
        }
    }
}

/// Counts the users a timer has found gone.
pub(crate) fn count_timeouts(users: usize) {
    count(&COUNTERS.presence_timeouts, users as u64);
}

/// A slice of sweeping has ended at `now`, milliseconds since the epoch, after so many microseconds
/// and so much work, see `time_slice.rs`.
pub(crate) fn count_sweep(now: u64, microseconds: u64, work: usize) {
    COUNTERS.last_sweep.store(now, Relaxed);
    count(&COUNTERS.sweep_slices, 1);
    COUNTERS.sweep_longest.fetch_max(microseconds, Relaxed);
    COUNTERS.sweep_most.fetch_max(work as u64, Relaxed);
}

/// When refused records were last logged, in microseconds of the monotonic clock (0: never), and how
/// many there were by then.
static LOGGED: MainThread<(u64, u64)> = MainThread::new((0, 0));

/// Counts records from a primary or an append-only file that cannot be applied. Logs them at most
/// once a second.
pub(crate) fn refuse_records(how_many: u64, why: &str) {
    const INTERVAL_US: u64 = 1_000_000;
    count(&COUNTERS.records_refused, how_many);
    let (at, before) = LOGGED.with(|logged| *logged);
    let now = monotonic_us().max(1);
    if at == 0 || now >= at.saturating_add(INTERVAL_US) {
        let all = COUNTERS.records_refused.load(Relaxed);
        LOGGED.replace((now, all));
        let since = all.wrapping_sub(before);
        log_warning(&format!(
            "records of rooms were refused, {since} since this was last said: {why}"
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
    let c = &COUNTERS;
    let fields = [
        ("messages", c.messages.load(Relaxed)),
        ("events", c.events.load(Relaxed)),
        ("publishes", c.publishes.load(Relaxed)),
        ("nonce_hits", c.nonce_hits.load(Relaxed)),
        ("syncs_recovered", c.syncs_recovered.load(Relaxed)),
        ("syncs_refused", c.syncs_refused.load(Relaxed)),
        ("presence_timeouts", c.presence_timeouts.load(Relaxed)),
        ("last_sweep_ms", c.last_sweep.load(Relaxed)),
        ("sweep_slices", c.sweep_slices.load(Relaxed)),
        ("sweep_longest_us", c.sweep_longest.load(Relaxed)),
        ("sweep_most", c.sweep_most.load(Relaxed)),
        ("refused_wrongtype", c.wrong_type.load(Relaxed)),
        ("refused_oom", c.out_of_memory.load(Relaxed)),
        ("defects", c.defects.load(Relaxed)),
        ("records_refused", c.records_refused.load(Relaxed)),
        ("elements_visited", chat_room::work::visited()),
    ];
    for (name, value) in fields {
        out.field(name, value);
    }
    for (code, counter) in ErrorCode::OF_MODULE.iter().zip(&c.refusals) {
        out.field(&format!("refused_{}", code.word().to_ascii_lowercase()), counter.load(Relaxed));
    }
}
