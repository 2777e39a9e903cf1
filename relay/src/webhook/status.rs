//! What a forwarder counts, and whether it is ready.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

/// What this process counts.
#[derive(Debug, Default)]
pub(super) struct Status {
    /// It has the lease.
    pub(super) is_active: AtomicBool,
    /// Why it does nothing until somebody changes something.
    pub(super) problem: Mutex<Option<String>>,
    /// Events that wait in memory.
    pub(super) lag_events: AtomicU64,
    /// Rooms that have changed and are not read yet.
    pub(super) lag_rooms: AtomicU64,
    /// Milliseconds since the oldest of them came.
    pub(super) lag_ms: AtomicU64,
    /// Events that the receiver has taken.
    pub(super) events: AtomicU64,
    /// Requests that it has taken.
    pub(super) batches: AtomicU64,
    /// Requests that it has refused, or not answered.
    pub(super) retries: AtomicU64,
    /// Events that were given up.
    pub(super) dead: AtomicU64,
    /// Losses that it was told of.
    pub(super) lost: AtomicU64,
}

impl Status {
    /// Counts.
    pub(super) fn add(counter: &AtomicU64, n: usize) {
        counter.fetch_add(n as u64, Relaxed);
    }

    /// Whether it works, or stands by, and if not, why.
    pub(super) fn readiness(&self) -> Result<&'static str, String> {
        match &*self.problem.lock() {
            Some(why) => Err(why.clone()),
            None if self.is_active.load(Relaxed) => Ok("active"),
            None => Ok("standby"),
        }
    }

    /// In the text format of Prometheus.
    pub(super) fn render(&self) -> String {
        let seconds = self.lag_ms.load(Relaxed) as f64 / 1000.0;
        let active = u64::from(self.is_active.load(Relaxed));
        let gauges = [
            ("chat_forward_active", active as f64, "1: this process has the lease"),
            ("chat_forward_lag_events", self.lag_events.load(Relaxed) as f64, "Events in memory"),
            ("chat_forward_lag_rooms", self.lag_rooms.load(Relaxed) as f64, "Rooms to read"),
            ("chat_forward_lag_seconds", seconds, "Age of the oldest event that waits"),
        ];
        let counters = [
            ("chat_forward_events_total", &self.events, "Events that the receiver has taken"),
            ("chat_forward_batches_total", &self.batches, "Requests that it has taken"),
            ("chat_forward_retries_total", &self.retries, "Requests that it has not taken"),
            ("chat_forward_dead_total", &self.dead, "Events that were given up"),
            ("chat_forward_lost_total", &self.lost, "Losses that were told"),
        ];
        let mut text = String::new();
        let mut line = |name: &str, sort: &str, value: f64, help: &str| {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {sort}\n{name} {value}");
        };
        for (name, value, help) in gauges {
            line(name, "gauge", value, help);
        }
        for (name, value, help) in counters {
            line(name, "counter", value.load(Relaxed) as f64, help);
        }
        text
    }
}
