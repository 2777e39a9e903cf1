//! How the forwarder is doing, for `/readyz` and `/metrics`.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

/// See the documentation of this file.
#[derive(Default)]
pub(super) struct Status {
    /// Whether this process has the lease.
    pub(super) is_active: AtomicBool,
    pub(super) entries: AtomicU64,
    pub(super) batches: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) restarts: AtomicU64,
    pub(super) length: AtomicU64,
    /// 1 while the stream is full.
    pub(super) is_full: AtomicBool,
    /// Milliseconds between an event and its being written, of the newest batch.
    pub(super) lag_ms: AtomicU64,
    /// Why nothing is forwarded.
    problem: Mutex<Option<String>>,
}

impl Status {
    /// Notes why nothing is forwarded, or that all is well. True: it is another reason than before.
    pub(super) fn set_problem(&self, problem: Option<String>) -> bool {
        let mut known = self.problem.lock();
        let is_new = *known != problem;
        *known = problem;
        is_new
    }

    /// Why nothing is forwarded. `None`: all is well, or another process forwards.
    pub(super) fn problem(&self) -> Option<String> {
        self.problem.lock().clone()
    }

    /// The metrics in the text format of Prometheus.
    pub(super) fn render(&self) -> String {
        let flag = |flag: &AtomicBool| u64::from(flag.load(Relaxed));
        let rows = [
            ("active", "gauge", "1 while this process forwards", flag(&self.is_active)),
            ("entries_total", "counter", "Entries written", self.entries.load(Relaxed)),
            (
                "batches_total",
                "counter",
                "Transactions that wrote entries",
                self.batches.load(Relaxed),
            ),
            (
                "lost_total",
                "counter",
                "Entries that say that events were lost",
                self.lost.load(Relaxed),
            ),
            (
                "restarts_total",
                "counter",
                "Times the state was read again",
                self.restarts.load(Relaxed),
            ),
            ("stream_length", "gauge", "Entries in the stream", self.length.load(Relaxed)),
            ("stream_full", "gauge", "1 while the stream is full", flag(&self.is_full)),
        ];
        let mut out = String::new();
        for (name, kind, help, value) in rows {
            let name = format!("chat_forward_{name}");
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
        }
        let name = "chat_forward_lag_seconds";
        let help = "Age of the oldest event of the newest batch when it was written";
        let lag = self.lag_ms.load(Relaxed);
        let _ = writeln!(
            out,
            "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {}.{:03}",
            lag / 1000,
            lag % 1000
        );
        out
    }
}
