//! Readers that wait until a room changes.
//!
//! The index rings at the first change after it was told to. Then, at most every 5 ms, those who have
//! something to read are woken: so a flood of changes wakes few. A reader whose filter takes none of
//! the changed rooms goes on waiting behind them.

use super::page::{Request, reply};
use crate::index::{self, Cursor, Since};
use crate::redis::{
    self, BlockedClient, BlockingHandlers, Call, MainThread, block, monotonic_us, wake,
};
use crate::{config, info};

/// The least time between two rings, in microseconds.
const INTERVAL_US: u64 = 5_000;

static WAITERS: MainThread<Waiters> = MainThread::new(Waiters { list: Vec::new(), rang_at: 0 });

/// What happens to those who wait, and when something changes.
pub(crate) const HANDLERS: BlockingHandlers =
    BlockingHandlers { reply: answer, gone, alarm: wake_those_with_changes };

struct Waiters {
    list: Vec<Waiter>,
    /// When those with changes were last woken, in microseconds of the monotonic clock.
    rang_at: u64,
}

struct Waiter {
    client: BlockedClient,
    request: Request,
    cursor: Cursor,
    is_woken: bool,
}

/// Whether one more reader may wait.
pub(crate) fn has_place() -> bool {
    WAITERS.with(|waiters| waiters.list.len() < config::waiters_max())
}

/// Has the reader of this call wait for changes after this cursor, at most this many milliseconds;
/// 0: without limit.
pub(crate) fn wait(call: &Call<'_>, milliseconds: u64, request: Request, cursor: Cursor) {
    let client = block(call, milliseconds);
    let waiter = Waiter { client, request, cursor, is_woken: false };
    WAITERS.with(|waiters| waiters.list.push(waiter));
    info::set_waiters(WAITERS.with(|waiters| waiters.list.len()));
    index::with(|index| index.set_alarm(on_change));
}

/// Something has changed: has those who wait woken soon.
fn on_change() {
    let since = monotonic_us().saturating_sub(WAITERS.with(|waiters| waiters.rang_at));
    redis::set_alarm(INTERVAL_US.saturating_sub(since).div_ceil(1_000));
}

/// Wakes those who have something to read.
fn wake_those_with_changes() {
    let all_woken = WAITERS.with(|waiters| {
        waiters.rang_at = monotonic_us();
        let waiting = waiters.list.iter_mut().filter(|waiter| !waiter.is_woken);
        waiting.for_each(Waiter::wake_if_changed);
        waiters.list.iter().all(|waiter| waiter.is_woken)
    });
    if !all_woken {
        index::with(|index| index.set_alarm(on_change));
    }
}

impl Waiter {
    fn wake_if_changed(&mut self) {
        let page = self.request.page(Since::Cursor(self.cursor));
        if page.anew || page.more || !page.rooms.is_empty() {
            self.is_woken = true;
            info::count_wake();
            wake(self.client);
        } else {
            self.cursor = page.next;
        }
    }
}

/// Replies to a reader who was woken or whose time is up.
fn answer(call: &Call<'_>, client: BlockedClient) {
    if let Some(waiter) = take(client) {
        reply(call, &waiter.request.page(Since::Cursor(waiter.cursor)));
    }
}

/// A reader is gone.
fn gone(client: BlockedClient) {
    take(client);
}

fn take(client: BlockedClient) -> Option<Waiter> {
    let taken = WAITERS.with(|waiters| {
        let at = waiters.list.iter().position(|waiter| waiter.client == client)?;
        Some(waiters.list.swap_remove(at))
    });
    info::set_waiters(WAITERS.with(|waiters| waiters.list.len()));
    taken
}
