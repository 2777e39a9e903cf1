//! Finds out at every tick what Redis sends no event about: jumps of the wall clock, changed
//! settings, whether anyone receives records, whether the cluster is well.

use chat_room::limits::Limits;
use chat_room::{Now, Replication};

use super::time_slice::INTERVAL;
use crate::redis::{Call, MainThread, has_no_copies, is_well};
use crate::{config, index, outgoing, presence_grace};

/// Milliseconds between checks whether anyone receives records.
const REPLICATION_INTERVAL: u64 = 1_000;
/// Milliseconds by which the wall clock must differ to count as set, and a tick be late to count as
/// a stall.
const JUMP: u64 = 1_000;

/// The wall clock and the monotonic clock at the last tick.
static CLOCKS: MainThread<Option<(u64, u64)>> = MainThread::new(None);
/// When that was last checked, by the monotonic clock.
static REPLICATION_CHECKED_AT: MainThread<u64> = MainThread::new(0);
/// When the cluster was last looked at, by the monotonic clock, and whether it was well.
static CLUSTER: MainThread<(u64, bool)> = MainThread::new((0, true));
/// The settings that bound what a room keeps, at the last tick.
static BOUNDS: MainThread<Option<[u64; 5]>> = MainThread::new(None);

/// Starts a grace of presence if the wall clock has jumped or the server has stood still: no beat
/// could be heard meanwhile. After a jump, the ages of all messages are computed again.
pub(super) fn watch_clock(now: Now) {
    let Some(before) = CLOCKS.replace(Some((now.ms, now.monotonic_ms))) else { return };
    let passed = now.monotonic_ms.saturating_sub(before.1);
    let jumped = now.ms.abs_diff(before.0 + passed) > JUMP;
    if jumped || passed > INTERVAL + JUMP {
        presence_grace::start(now);
    }
    if jumped {
        index::with(|index| index.start_rescan());
    }
}

/// Finds out, ten times a second, whether the cluster is well, as far as this node knows. Starts a
/// grace of presence when it is again: relays could not reach this node meanwhile. True without a
/// cluster.
pub(super) fn watch_cluster(call: &Call<'_>, now: Now) -> bool {
    let (at, was_well) = CLUSTER.with(|cluster| *cluster);
    if at + INTERVAL > now.monotonic_ms {
        return was_well;
    }
    let well = is_well(call);
    CLUSTER.replace((now.monotonic_ms, well));
    if well && !was_well {
        presence_grace::start(now);
    }
    well
}

/// Starts a pass over all rooms if a setting that bounds what they keep has changed. The first call
/// only notes the settings.
pub(super) fn watch_settings() {
    let limits = config::limits();
    let Limits { history_max, history_ttl, journal_max, nonce_window, room_bytes, .. } = limits;
    let bounds = [history_max, history_ttl, journal_max, nonce_window, room_bytes];
    if BOUNDS.replace(Some(bounds)).is_some_and(|before| before != bounds) {
        index::with(|index| index.start_rescan());
    }
}

/// Finds out, once a second, whether a replica or an append-only file may receive records.
///
/// Writing records and passing them to Redis costs as much as the rest of a send, so it is not done
/// if no replica and no file can receive them. Redis then gets the command itself, which it only counts for its
/// save points. No event says that a replica has connected, but no record is missing for it: a
/// replica starts from a copy of the data, made by a child or saved by the server. Both are events
/// that come before anything else is done, and from then on records are written. What the backlog
/// held before is not sent to it.
pub(super) fn watch_replication(call: &Call<'_>, now: Now) {
    if REPLICATION_CHECKED_AT.with(|at| *at) + REPLICATION_INTERVAL > now.monotonic_ms {
        return;
    }
    REPLICATION_CHECKED_AT.replace(now.monotonic_ms);
    outgoing::set_replication(if has_no_copies(call) { Replication::Off } else { Replication::On });
}
