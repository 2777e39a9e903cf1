//! Random traffic that runs in a thread of its own while replicas come and go: it can be paused,
//! led to another server, and asked whether every acknowledged message is still there.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chat_tests::checking::view::history;
use chat_tests::clients::wire::Wire;
use chat_tests::seed::seeded;
use chat_tests::servers::redis::Redis;
use chat_tests::traffic::commands::{Ages, Traffic};
use chat_tests::wait::{LATER, eventually, until};
use chat_tests::{args, cmd};

/// Small bounds, so that everything is trimmed all the time; the backlog is dropped soon.
pub(crate) const SETTINGS: &[&str] = &[
    "chat.history-max 100",
    "chat.journal-max 150",
    "chat.nonce-window 1000",
    // After a promotion nonces are kept until the clock reaches their ids, so there may be many.
    "chat.nonce-max 10000000",
    "repl-backlog-ttl 1",
    "replica-read-only no",
];

/// The `chat.nonce-window` of [`SETTINGS`], in milliseconds.
pub(crate) const NONCE_WINDOW: u64 = 1000;

/// Not part of the random traffic: this room keeps everything.
const KEPT: &str = "kept";

/// The number of commands between two steps.
pub(crate) const MANY: usize = 1500;

/// The time without followers: the server checks about once a second.
pub(crate) const ALONE: Duration = Duration::from_millis(2500);

/// The state shared by the thread and the scenario.
struct Shared {
    target: Mutex<SocketAddr>,
    kept: Mutex<Vec<String>>,
    done: AtomicUsize,
    pausing: AtomicBool,
    paused: AtomicBool,
    end: AtomicBool,
}

/// Constant random traffic against one server, which can be paused.
pub(crate) struct ConstantTraffic {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl ConstantTraffic {
    /// Starts random traffic on `redis`, seeded by the scenario.
    pub(crate) fn start(redis: &Redis, scenario: &str, ages: Ages) -> ConstantTraffic {
        cmd!(redis, "CHAT.ROOM", KEPT, "SET", "history_max", 10_000_000).ok();
        let shared = Arc::new(Shared {
            target: Mutex::new(redis.address()),
            kept: Mutex::default(),
            done: AtomicUsize::new(0),
            pausing: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            end: AtomicBool::new(false),
        });
        let traffic = Traffic::with(seeded(scenario), ages);
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || work(&shared, traffic)
        });
        ConstantTraffic { shared, thread: Some(thread) }
    }

    /// Waits until this many more commands are done.
    #[track_caller]
    pub(crate) fn more(&self, count: usize) {
        let goal = self.shared.done.load(Ordering::SeqCst) + count;
        eventually("more traffic", LATER, || {
            assert!(
                !self.thread.as_ref().is_some_and(JoinHandle::is_finished),
                "the traffic ended"
            );
            let done = self.shared.done.load(Ordering::SeqCst);
            if done >= goal { Ok(()) } else { Err(format!("{done} of {goal}")) }
        });
    }

    /// Continues until the server must have noticed that it has no followers.
    #[track_caller]
    pub(crate) fn alone(&self) {
        until(Instant::now() + ALONE);
        self.more(MANY);
    }

    /// Pauses the traffic: every command sent has been answered.
    #[track_caller]
    pub(crate) fn pause(&self) {
        self.shared.pausing.store(true, Ordering::SeqCst);
        eventually("the traffic to be paused", LATER, || {
            if self.shared.paused.load(Ordering::SeqCst) { Ok(()) } else { Err("busy".into()) }
        });
    }

    /// Continues, perhaps against another server.
    #[track_caller]
    pub(crate) fn resume(&self, redis: &Redis) {
        *self.shared.target.lock().unwrap_or_else(PoisonError::into_inner) = redis.address();
        self.shared.pausing.store(false, Ordering::SeqCst);
        // Only the thread clears `paused`. Otherwise the next `pause` could see this pause's value.
        eventually("the traffic to continue", LATER, || {
            if self.shared.paused.load(Ordering::SeqCst) { Err("paused".into()) } else { Ok(()) }
        });
    }

    /// Checks that every message acknowledged so far is stored, once, in order.
    #[track_caller]
    pub(crate) fn assert_kept(&self, redis: &Redis, what: &str) {
        let kept = self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(kept.len() > 10, "{what}: only {} messages", kept.len());
        let mut wire = redis.wire();
        let mut found: Vec<String> = Vec::new();
        loop {
            let after = found.last().cloned().unwrap_or_else(|| "0-0".to_owned());
            let page = history(&mut wire, KEPT, &["AFTER", &after, "COUNT", "1000"]);
            found.extend(page.ids().into_iter().map(str::to_owned));
            if !page.more {
                break;
            }
        }
        let known: HashSet<&String> = found.iter().collect();
        let lost: Vec<_> = kept.iter().filter(|id| !known.contains(id)).collect();
        assert!(lost.is_empty(), "{what}: of {} messages these are lost: {lost:?}", kept.len());
        assert_eq!(found, *kept, "{what}");
    }
}

impl Drop for ConstantTraffic {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(shared: &Shared, mut traffic: Traffic) {
    const BATCH: usize = 30;
    let mut wire: Option<Wire> = None;
    let mut count = 0;
    while !shared.end.load(Ordering::SeqCst) {
        if shared.pausing.load(Ordering::SeqCst) {
            wire = None;
            shared.paused.store(true, Ordering::SeqCst);
            until(Instant::now() + Duration::from_millis(5));
            continue;
        }
        shared.paused.store(false, Ordering::SeqCst);
        let target = *shared.target.lock().unwrap_or_else(PoisonError::into_inner);
        let wire = wire.get_or_insert_with(|| Wire::connect(target).expect("a server"));
        count += 1;
        let id = cmd!(wire, "CHAT.SEND", KEPT, "alice", count, "NONCE", count).ok();
        shared.kept.lock().unwrap_or_else(PoisonError::into_inner).push(id.text().to_owned());
        traffic.run(wire, BATCH);
        // The same commands inside of scripts and transactions, and rooms under other names.
        let script = "return redis.call('CHAT.SEND', KEYS[1], 'alice', ARGV[1])";
        let more = [
            args!["MULTI"],
            args!["CHAT.SEND", "tx", "alice", count],
            args!["CHAT.JOIN", "tx", format!("user{}", count % 7)],
            args!["CHAT.MOD", "tx", "*", "KICK", format!("user{}", (count + 3) % 7)],
            args!["EXEC"],
            args!["EVAL", script, 1, "script", count],
            args!["COPY", "lobby", "copy", "REPLACE"],
            args!["RENAME", "copy", "moved"],
        ];
        wire.pipeline(&more);
        shared.done.fetch_add(BATCH + more.len(), Ordering::SeqCst);
    }
}
