//! Readers that wait until a room changes.
//!
//! The index rings at the first change after it was told to. Then, at most every 5 ms, those who have
//! something to read are woken: so a flood of changes wakes few. A reader whose filter takes none of
//! the changed rooms goes on waiting behind them. The same alarm wakes those whose time is up.

use super::page::{Request, reply};
use crate::index::{self, Cursor, Since};
use crate::redis::{
    self, BlockedClient, BlockingHandlers, Call, MainThread, block, monotonic_ms, monotonic_us,
    wake,
};
use crate::{config, info};

/// The least time between two rings, in microseconds.
const INTERVAL_US: u64 = 5_000;

static WAITERS: MainThread<Waiters> = MainThread::new(Waiters { list: Vec::new(), rang_at: 0 });

/// What happens to those who wait, and when something changes.
pub(crate) const HANDLERS: BlockingHandlers =
    BlockingHandlers { reply: answer, gone, alarm: wake_some };

struct Waiters {
    list: Vec<Waiter>,
    /// When those with changes were last woken, in microseconds of the monotonic clock.
    rang_at: u64,
}

struct Waiter {
    client: BlockedClient,
    request: Request,
    cursor: Cursor,
    /// When its time is up, in milliseconds of the monotonic clock. `None`: never.
    until: Option<u64>,
    is_woken: bool,
}

/// Whether one more reader may wait.
pub(crate) fn has_place() -> bool {
    WAITERS.with(|waiters| waiters.list.len() < config::waiters_max())
}

/// Has the reader of this call wait for changes after this cursor, at most this many milliseconds;
/// 0: without limit.
pub(crate) fn wait(call: &Call<'_>, milliseconds: u64, request: Request, cursor: Cursor) {
    let limit = (milliseconds > 0).then_some(milliseconds);
    let until = limit.map(|milliseconds| monotonic_ms().saturating_add(milliseconds));
    let client = block(call);
    let waiter = Waiter { client, request, cursor, until, is_woken: false };
    WAITERS.with(|waiters| waiters.list.push(waiter));
    info::set_waiters(WAITERS.with(|waiters| waiters.list.len()));
    index::with(|index| index.set_alarm(on_change));
    limit.into_iter().for_each(redis::set_alarm);
}

/// Something has changed: has those who wait woken soon.
fn on_change() {
    let since = monotonic_us().saturating_sub(WAITERS.with(|waiters| waiters.rang_at));
    redis::set_alarm(INTERVAL_US.saturating_sub(since).div_ceil(1_000));
}

/// Wakes those who have something to read, and those whose time is up.
fn wake_some() {
    let now = monotonic_ms();
    let (all_woken, next) = WAITERS.with(|waiters| {
        waiters.rang_at = monotonic_us();
        for waiter in waiters.list.iter_mut().filter(|waiter| !waiter.is_woken) {
            waiter.wake_if_changed();
            waiter.wake_if_late(now);
        }
        let mut waiting = waiters.list.iter().filter(|waiter| !waiter.is_woken).peekable();
        (waiting.peek().is_none(), waiting.filter_map(|waiter| waiter.until).min())
    });
    if !all_woken {
        index::with(|index| index.set_alarm(on_change));
    }
    next.into_iter().for_each(|until| redis::set_alarm(until.saturating_sub(now)));
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

    fn wake_if_late(&mut self, now: u64) {
        if !self.is_woken && self.until.is_some_and(|until| until <= now) {
            self.is_woken = true;
            wake(self.client);
        }
    }
}

/// Replies to a reader who was woken, or whose waiting another client has ended.
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
