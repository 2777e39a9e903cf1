//! What one user may do on this relay, over all of the user's sockets.
//!
//! There are three buckets that refill evenly: operations, frames and bytes. An operation beyond
//! the limit is refused, with the time to wait. Every frame and every byte counts, pings, parts of
//! messages and refused requests included. When half of a user's frames or bytes are used, all
//! requests of the user are refused. When nothing is left, this is a flood: the connection is
//! closed, and the user may not connect for a while. A user's allowance outlives the sockets, so
//! that reconnecting does not refill it. The number of remembered users is bounded.
//!
//! The caller passes the time. This file closes nothing and answers nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::bucket::{Bucket, Rate};
use crate::config::Config;

/// The size of the buckets of frames and bytes, in seconds of their rate.
const BURST_SECONDS: f64 = 10.0;
/// The frames that opening a socket counts as: the default number for one operation, as it costs
/// the relay and Redis about as much.
const FRAMES_TO_ENTER: usize = 4;
/// How long a flood may not connect. The retry hint of its close code is longer.
const KEPT_OUT: Duration = Duration::from_secs(30);
/// After this time without a socket an allowance is full again, and no user is kept out.
const REMEMBERED: Duration = KEPT_OUT;
/// The most allowances of users without a socket.
const REMEMBERED_MAX: usize = 50_000;

/// The verdict on what a user sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Accept.
    Fine,
    /// Refuse: too much. The user may continue after this many milliseconds.
    Slower(u64),
    /// Close the socket.
    Flood,
}

/// The rates that hold for each user.
#[derive(Debug)]
struct Rates {
    operations: Rate,
    frames: Rate,
    bytes: Rate,
}

impl Rates {
    fn new(config: &Config) -> Rates {
        let operations = f64::from(config.operations_per_second);
        let frames = f64::from(config.frames_per_second);
        let bytes = config.bytes_per_second as f64;
        // A few messages of the largest size are accepted at any rate.
        let most_bytes = (bytes * BURST_SECONDS).max(4.0 * config.max_frame as f64);
        Rates {
            operations: Rate { per_second: operations, most: operations },
            frames: Rate { per_second: frames, most: frames * BURST_SECONDS },
            bytes: Rate { per_second: bytes, most: most_bytes },
        }
    }
}

/// What one user has left.
#[derive(Debug)]
struct Buckets {
    operations: Bucket,
    frames: Bucket,
    bytes: Bucket,
    kept_out_until: Option<Instant>,
    /// All frames so far.
    frames_seen: u64,
    /// The user's sockets.
    sockets: usize,
    /// When the last of them was closed.
    left_at: Option<Instant>,
    /// Whether the user is in `Known::gone`.
    is_queued: bool,
}

impl Buckets {
    fn full(rates: &Rates, now: Instant) -> Buckets {
        Buckets {
            operations: Bucket::full(rates.operations, now),
            frames: Bucket::full(rates.frames, now),
            bytes: Bucket::full(rates.bytes, now),
            kept_out_until: None,
            frames_seen: 0,
            sockets: 0,
            left_at: None,
            is_queued: false,
        }
    }

    fn count(&mut self, rates: &Rates, frames: usize, bytes: usize, now: Instant) -> Verdict {
        self.frames_seen += frames as u64;
        let frames = self.frames.spend(rates.frames, frames as f64, now);
        let bytes = self.bytes.spend(rates.bytes, bytes as f64, now);
        if frames < 0.0 || bytes < 0.0 {
            self.kept_out_until = Some(now + KEPT_OUT);
            return Verdict::Flood;
        }
        if frames >= rates.frames.most / 2.0 && bytes >= rates.bytes.most / 2.0 {
            return Verdict::Fine;
        }
        Verdict::Slower(self.half_full_in(rates, now))
    }

    /// Milliseconds until frames and bytes are half full.
    fn half_full_in(&self, rates: &Rates, now: Instant) -> u64 {
        let wait_ms = |bucket: &Bucket, rate: Rate| bucket.wait_ms(rate, rate.most / 2.0, now);
        wait_ms(&self.frames, rates.frames).max(wait_ms(&self.bytes, rates.bytes))
    }

    fn take(&mut self, rates: &Rates, operations: usize, now: Instant) -> Result<(), u64> {
        match self.half_full_in(rates, now) {
            0 => self.operations.take(rates.operations, operations as f64, now),
            wait_ms => Err(wait_ms),
        }
    }

    /// Counts another socket, or a request with so many frames and bytes. Error: the user has sent
    /// too much, and is refused for this many milliseconds.
    fn enter(
        &mut self,
        rates: &Rates,
        frames: usize,
        bytes: usize,
        now: Instant,
    ) -> Result<(), u64> {
        let is_kept_out = self.kept_out_until.is_some_and(|until| now < until);
        if is_kept_out || self.count(rates, frames, bytes, now) == Verdict::Flood {
            let until = self.kept_out_until.unwrap_or(now);
            let wait = until.saturating_duration_since(now);
            return Err(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        }
        self.sockets += 1;
        self.left_at = None;
        Ok(())
    }
}

/// The allowances of all users who have a socket on this relay, or had one recently.
#[derive(Debug)]
pub(crate) struct Allowances {
    rates: Rates,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    users: HashMap<Arc<str>, Arc<Mutex<Buckets>>>,
    /// Users whose last socket was closed or request answered, the earliest first, each once. Some
    /// have come again since.
    gone: VecDeque<(Instant, Arc<str>)>,
}

/// One socket's share of its user's allowance.
#[derive(Debug)]
pub(crate) struct Allowance {
    user: Arc<str>,
    buckets: Arc<Mutex<Buckets>>,
    all: Arc<Allowances>,
}

impl Allowances {
    /// All allowances are full.
    pub(crate) fn new(config: &Config) -> Arc<Allowances> {
        Arc::new(Allowances { rates: Rates::new(config), known: Mutex::default() })
    }

    /// The allowances of API keys, each of so many operations per second. Frames and bytes are in
    /// proportion.
    pub(crate) fn of_keys(config: &Config, operations_per_second: u32) -> Arc<Allowances> {
        let mut rates = Rates::new(config);
        let operations = f64::from(operations_per_second);
        let factor = (operations / rates.operations.per_second).max(1.0);
        rates.operations = Rate { per_second: operations, most: operations };
        for rate in [&mut rates.frames, &mut rates.bytes] {
            *rate = Rate { per_second: rate.per_second * factor, most: rate.most * factor };
        }
        Arc::new(Allowances { rates, known: Mutex::default() })
    }

    /// Counts a new socket of this user. None: the user has sent too much, so the socket is
    /// refused.
    pub(crate) fn enter(self: &Arc<Self>, user: &Arc<str>, now: Instant) -> Option<Allowance> {
        self.request(user, FRAMES_TO_ENTER, 0, now).ok()
    }

    /// Counts a request of this user over HTTP, which holds so many frames and bytes. Error: the
    /// user has sent too much, and is refused for this many milliseconds.
    pub(crate) fn request(
        self: &Arc<Self>,
        user: &Arc<str>,
        frames: usize,
        bytes: usize,
        now: Instant,
    ) -> Result<Allowance, u64> {
        let mut known = self.known.lock();
        let buckets = known.users.entry(user.clone());
        let buckets =
            buckets.or_insert_with(|| Arc::new(Mutex::new(Buckets::full(&self.rates, now))));
        let (buckets, entered) =
            (buckets.clone(), buckets.lock().enter(&self.rates, frames, bytes, now));
        if let Err(wait_ms) = entered {
            known.queue(user, &buckets, now);
            return Err(wait_ms);
        }
        Ok(Allowance { user: user.clone(), buckets, all: self.clone() })
    }

    /// Forgets users who have had no socket for long.
    pub(crate) fn tidy(&self, now: Instant) {
        let mut known = self.known.lock();
        let is_old = |at: &Instant| now.saturating_duration_since(*at) >= REMEMBERED;
        while known.gone.front().is_some_and(|(at, _)| is_old(at)) {
            known.forget_one(|left_at| is_old(&left_at));
        }
        if known.gone.is_empty() {
            known.gone = VecDeque::new();
        }
        if known.users.is_empty() {
            known.users = HashMap::new();
        }
    }

    fn leave(&self, user: &Arc<str>, buckets: &Mutex<Buckets>, now: Instant) {
        let mut known = self.known.lock();
        buckets.lock().sockets -= 1;
        known.queue(user, buckets, now);
    }
}

impl Known {
    /// Notes when a user was last here, unless there is another socket.
    fn queue(&mut self, user: &Arc<str>, buckets: &Mutex<Buckets>, now: Instant) {
        {
            let mut buckets = buckets.lock();
            if buckets.sockets > 0 {
                return;
            }
            buckets.left_at = Some(now);
            // A user of HTTP comes and goes with each request.
            if std::mem::replace(&mut buckets.is_queued, true) {
                return;
            }
        }
        if self.gone.len() >= REMEMBERED_MAX {
            self.forget_one(|_| true);
        }
        self.gone.push_back((now, user.clone()));
    }

    /// Forgets the user who is first in the queue, unless connected again. One who has been there
    /// since, and has left too late for `is_old`, stays in the queue.
    fn forget_one(&mut self, is_old: impl Fn(Instant) -> bool) {
        let Some((_, user)) = self.gone.pop_front() else { return };
        let Some(buckets) = self.users.get(&user) else { return };
        let left_at = {
            let mut buckets = buckets.lock();
            buckets.is_queued = false;
            buckets.left_at
        };
        match left_at {
            Some(left_at) if is_old(left_at) => {
                self.users.remove(&user);
            }
            Some(left_at) => {
                buckets.lock().is_queued = true;
                self.gone.push_back((left_at, user));
            }
            None => {}
        }
    }
}

impl Allowance {
    /// Counts complete frames and received bytes.
    pub(crate) fn count(&self, frames: usize, bytes: usize, now: Instant) -> Verdict {
        self.buckets.lock().count(&self.all.rates, frames, bytes, now)
    }

    /// Takes `cost` operations. Error: the milliseconds until that is possible. A cost of more than
    /// a second's worth needs a full allowance and is paid off afterwards.
    pub(crate) fn take(&self, cost: usize, now: Instant) -> Result<(), u64> {
        self.buckets.lock().take(&self.all.rates, cost, now)
    }

    /// Counts operations that run in any case; later ones wait until they are paid off.
    pub(crate) fn owe(&self, cost: usize, now: Instant) {
        self.buckets.lock().operations.spend(self.all.rates.operations, cost as f64, now);
    }

    /// All frames of this user so far.
    #[cfg(test)]
    pub(crate) fn frames_seen(&self) -> u64 {
        self.buckets.lock().frames_seen
    }
}

impl Drop for Allowance {
    fn drop(&mut self) {
        self.all.leave(&self.user, &self.buckets, Instant::now());
    }
}

#[cfg(test)]
mod tests;
