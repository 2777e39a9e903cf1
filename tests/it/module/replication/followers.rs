//! A primary without followers writes no replication records. It must write them again before a
//! follower can miss one: a new replica, an append-only file that is turned on, a snapshot, a
//! promotion. All this happens under load; in the end all copies are equal and hold every
//! acknowledged message.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chat_tests::checking::view::{all_rooms, assert_alike, history};
use chat_tests::clients::wire::Wire;
use chat_tests::seed::{rounds, seeded};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::server::Server;
use chat_tests::traffic::commands::{Ages, Traffic};
use chat_tests::wait::{LATER, SOON, eventually, until};
use chat_tests::{args, cmd};

/// Small bounds, so that everything is trimmed all the time; the backlog is dropped soon.
const SETTINGS: &[&str] = &[
    "chat.history-max 100",
    "chat.journal-max 150",
    "chat.nonce-window 1000",
    // After a promotion nonces are kept until the clock reaches their ids, so there may be many.
    "chat.nonce-max 10000000",
    "repl-backlog-ttl 1",
    "replica-read-only no",
];

/// Not part of the random traffic: this room keeps everything.
const KEPT: &str = "kept";

/// The number of commands between two steps.
const MANY: usize = 1500;

/// The time without followers: the server checks about once a second.
pub(crate) const ALONE: Duration = Duration::from_millis(2500);

/// The state shared by the thread and the scenario.
struct Shared {
    target: Mutex<SocketAddr>,
    kept: Mutex<Vec<String>>,
    done: AtomicUsize,
    hold: AtomicBool,
    held: AtomicBool,
    end: AtomicBool,
}

/// Constant random traffic against one server, which can be paused.
struct Busy {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Busy {
    fn start(redis: &Redis, scenario: &str, ages: Ages) -> Busy {
        cmd!(redis, "CHAT.ROOM", KEPT, "SET", "history_max", 10_000_000).ok();
        let shared = Arc::new(Shared {
            target: Mutex::new(redis.address()),
            kept: Mutex::default(),
            done: AtomicUsize::new(0),
            hold: AtomicBool::new(false),
            held: AtomicBool::new(false),
            end: AtomicBool::new(false),
        });
        let traffic = Traffic::with(seeded(scenario), ages);
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || work(&shared, traffic)
        });
        Busy { shared, thread: Some(thread) }
    }

    /// Waits until this many more commands are done.
    #[track_caller]
    fn more(&self, count: usize) {
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
    fn alone(&self) {
        until(Instant::now() + ALONE);
        self.more(MANY);
    }

    /// Pauses the traffic: every command sent has been answered.
    #[track_caller]
    fn hold(&self) {
        self.shared.hold.store(true, Ordering::SeqCst);
        eventually("the traffic to be held", LATER, || {
            if self.shared.held.load(Ordering::SeqCst) { Ok(()) } else { Err("busy".into()) }
        });
    }

    /// Continues, perhaps against another server.
    fn go_on(&self, redis: &Redis) {
        *self.shared.target.lock().unwrap_or_else(PoisonError::into_inner) = redis.address();
        self.shared.held.store(false, Ordering::SeqCst);
        self.shared.hold.store(false, Ordering::SeqCst);
    }

    /// Checks that every message acknowledged so far is stored, once, in order.
    #[track_caller]
    fn assert_kept(&self, redis: &Redis, what: &str) {
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

impl Drop for Busy {
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
        if shared.hold.load(Ordering::SeqCst) {
            wire = None;
            shared.held.store(true, Ordering::SeqCst);
            until(Instant::now() + Duration::from_millis(5));
            continue;
        }
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

/// Checks that two servers hold the same, presence included. The traffic is paused; old messages
/// still expire, hence the second comparison.
#[track_caller]
fn assert_same(what: &str, primary: &Redis, replica: &Redis) {
    eventually(&format!("the same data: {what}"), SOON, || {
        replica.catch_up(primary);
        let digests = [primary.digest(), replica.digest(), primary.digest()];
        if digests.iter().all(|digest| *digest == digests[0]) {
            Ok(())
        } else {
            Err(format!("{digests:?}, {}", differing(primary, replica)))
        }
    });
    for room in cmd!(primary, "KEYS", "*").texts() {
        let who = |redis: &Redis| cmd!(redis, "CHAT.WHO", &room, "COUNT", 1000);
        assert_eq!(who(replica), who(primary), "{what}: who is in {room}");
    }
}

/// The rooms whose digests differ.
fn differing(primary: &Redis, replica: &Redis) -> String {
    let digests = |redis: &Redis, rooms: &[String]| -> Vec<_> {
        rooms.iter().map(|room| cmd!(redis, "DEBUG", "DIGEST-VALUE", room)).collect()
    };
    let rooms = cmd!(primary, "KEYS", "*").texts();
    let (here, there) = (digests(primary, &rooms), digests(replica, &rooms));
    let differ = rooms.iter().zip(here.iter().zip(&there)).filter(|(_, (a, b))| a != b);
    format!("different rooms: {:?}", differ.map(|(room, _)| room).collect::<Vec<_>>())
}

fn follow(replica: &Redis, primary: &Redis) {
    let address = primary.address();
    cmd!(replica, "REPLICAOF", address.ip().to_string(), address.port()).ok();
}

/// Waits until there are no followers and the server has had time to notice.
#[track_caller]
fn wait_alone(redis: &Redis, busy: &Busy) {
    eventually("the backlog to be given up", LATER, || {
        match redis.info("replication", "repl_backlog_active").as_str() {
            "0" => Ok(()),
            other => Err(format!("active {other}")),
        }
    });
    busy.alone();
}

/// How a replica receives a snapshot: `repl-diskless-sync`, `repl-diskless-load`, and whether on a
/// separate connection, where the server can do that.
const WAYS: &[(&str, &str, &str)] = &[
    ("yes", "disabled", "no"),
    ("no", "disabled", "no"),
    ("yes", "swapdb", "yes"),
    ("yes", "swapdb", "no"),
    ("yes", "disabled", "yes"),
];

#[test]
fn a_replica_that_comes_and_goes_while_its_primary_is_busy_is_always_equal() {
    let primary = Redis::with(SETTINGS);
    let busy = Busy::start(&primary, "comes and goes", Ages::Short);
    busy.alone();
    let replica = Redis::with(SETTINGS);
    let two_channels = Server::of(&primary).two_channels();
    for round in 0..rounds(WAYS.len()) {
        let way @ (diskless, load, channels) = WAYS[round % WAYS.len()];
        cmd!(primary, "CONFIG", "SET", "repl-diskless-sync", diskless).ok();
        cmd!(replica, "CONFIG", "SET", "repl-diskless-load", load).ok();
        if let Some(setting) = two_channels {
            for redis in [&primary, &replica] {
                cmd!(redis, "CONFIG", "SET", setting, channels).ok();
            }
        }
        // Its fork takes a while, so that many commands run in between.
        cmd!(primary, "CONFIG", "SET", "rdb-key-save-delay", 20_000).ok();
        follow(&replica, &primary);
        replica.catch_up(&primary);
        busy.more(500);
        busy.hold();
        assert_same(&format!("round {round}, {way:?}"), &primary, &replica);
        busy.go_on(&primary);
        cmd!(replica, "REPLICAOF", "NO", "ONE").ok();
        if round % 2 == 0 {
            wait_alone(&primary, &busy);
        } else {
            // Back before the backlog is dropped.
            busy.more(100);
        }
    }
    busy.hold();
    busy.assert_kept(&primary, "the primary");
}

#[test]
fn a_second_replica_that_joins_during_the_snapshot_of_the_first_is_equal() {
    let primary = Redis::with(SETTINGS);
    cmd!(primary, "CONFIG", "SET", "repl-diskless-sync", "no").ok();
    cmd!(primary, "CONFIG", "SET", "rdb-key-save-delay", 30_000).ok();
    let busy = Busy::start(&primary, "two at once", Ages::Short);
    busy.alone();
    let replicas = [Redis::with(SETTINGS), Redis::with(SETTINGS), Redis::with(SETTINGS)];
    // A snapshot that no replica wants is already running when they connect.
    primary.begin_save();
    for replica in &replicas {
        follow(replica, &primary);
        busy.more(40);
    }
    for replica in &replicas {
        replica.catch_up(&primary);
    }
    busy.more(300);
    busy.hold();
    for replica in &replicas {
        assert_same("one of three", &primary, replica);
    }
}

#[test]
fn a_replica_with_other_settings_is_equal_all_the_same() {
    let primary = Redis::with(SETTINGS);
    let busy = Busy::start(&primary, "other settings", Ages::Short);
    let other = [
        "chat.history-max 7",
        "chat.journal-max 9",
        "chat.history-ttl 1000",
        "chat.nonce-window 1000",
        "chat.nonce-max 3",
        "chat.members-max 2",
        "chat.follows-max 1",
        "chat.max-text 5",
        "chat.rate-limit 1/1h",
        "chat.edit-window 1",
        "chat.create backend",
        "chat.presence-ttl 1000",
        "chat.presence-grace 0",
    ];
    let replica = Redis::replica(&primary, &other);
    busy.more(3000);
    // Two seconds and more, so that messages exceed the age limit of one of the servers.
    busy.alone();
    busy.hold();
    assert_same("the replica with other settings", &primary, &replica);
    busy.assert_kept(&primary, "the primary");
}

#[test]
fn an_append_only_file_turned_on_while_busy_has_everything() {
    let mut primary = Redis::with(&[SETTINGS, &["appendfsync always"]].concat());
    let busy = Busy::start(&primary, "append-only file turned on", Ages::Ignored);
    for round in 0..rounds(4) {
        busy.alone();
        let preamble = if round % 2 == 0 { "yes" } else { "no" };
        let what = format!("round {round}, preamble {preamble}");
        cmd!(primary, "CONFIG", "SET", "aof-use-rdb-preamble", preamble).ok();
        cmd!(primary, "CONFIG", "SET", "rdb-key-save-delay", 10_000).ok();
        if round >= 2 {
            // The rewrite has to wait for the end of a snapshot.
            primary.begin_save();
        }
        cmd!(primary, "CONFIG", "SET", "appendonly", "yes").ok();
        primary.wait_rewritten();
        assert_eq!(primary.info("persistence", "aof_enabled"), "1");
        busy.more(500);
        busy.hold();
        let (digest, rooms) = (primary.digest(), all_rooms(&mut primary.wire()));
        primary.kill();
        primary.set("appendonly yes");
        primary.restart();
        assert_alike(&what, &all_rooms(&mut primary.wire()), &rooms);
        assert_eq!(primary.digest(), digest, "{what}");
        busy.assert_kept(&primary, &what);
        // From here on there are no followers.
        cmd!(primary, "CONFIG", "SET", "appendonly", "no").ok();
        busy.go_on(&primary);
    }
}

#[test]
fn a_snapshot_of_a_server_without_followers_has_everything() {
    let mut redis = Redis::with(SETTINGS);
    let busy = Busy::start(&redis, "snapshot", Ages::Ignored);
    for round in 0..rounds(3) {
        busy.alone();
        redis.begin_save();
        busy.more(100);
        eventually("the end of the snapshot", LATER, || {
            match redis.info("persistence", "rdb_bgsave_in_progress").as_str() {
                "0" => Ok(()),
                other => Err(other.to_owned()),
            }
        });
        busy.hold();
        let (digest, rooms) = (redis.digest(), all_rooms(&mut redis.wire()));
        redis.save();
        redis.kill();
        redis.restart();
        assert_alike(&format!("round {round}"), &all_rooms(&mut redis.wire()), &rooms);
        assert_eq!(redis.digest(), digest, "round {round}");
        busy.assert_kept(&redis, "after the restart");
        busy.go_on(&redis);
    }
}

#[test]
fn every_change_counts_for_save_points_without_followers_too() {
    let mut redis = Redis::with(&["save 1 5"]);
    let mut wire = redis.wire();
    cmd!(wire, "CONFIG", "SET", "save", "").ok();
    let id = cmd!(wire, "CHAT.SEND", "lobby", "alice", "first").text().to_owned();
    cmd!(wire, "CHAT.JOIN", "lobby", "bob").ok();
    let second = cmd!(wire, "CHAT.SEND", "lobby", "alice", "second").text().to_owned();
    // Long enough for the server to notice that it is alone.
    until(Instant::now() + ALONE);
    let commands = [
        args!["CHAT.SEND", "lobby", "alice", "third"],
        args!["CHAT.SEND", "new", "alice", "first"],
        args!["CHAT.EDIT", "lobby", "alice", &id, "edited"],
        args!["CHAT.REACT", "lobby", "bob", &id, "👍"],
        args!["CHAT.READ", "lobby", "bob", &second],
        args!["CHAT.DELETE", "lobby", "alice", &id],
        args!["CHAT.JOIN", "lobby", "carol"],
        args!["CHAT.LEAVE", "lobby", "carol"],
        args!["CHAT.MOD", "lobby", "*", "MUTE", "bob"],
        args!["CHAT.ROOM", "lobby", "SET", "topic", "tea"],
        args!["CHAT.FOLLOW", "@alice", "lobby"],
        args!["CHAT.UNFOLLOW", "@alice", "lobby"],
    ];
    let changes = |redis: &Redis| -> u64 {
        redis.info("persistence", "rdb_changes_since_last_save").parse().expect("a number")
    };
    for command in &commands {
        let before = changes(&redis);
        wire.call(command).ok();
        assert!(changes(&redis) > before, "{:?}", String::from_utf8_lossy(&command[0]));
    }
    cmd!(wire, "CONFIG", "SET", "save", "1 5").ok();
    eventually("a snapshot that nobody asked for", LATER, || match changes(&redis) {
        0 => Ok(()),
        some => Err(format!("{some} changes")),
    });
    let digest = redis.digest();
    redis.kill();
    redis.restart();
    assert_eq!(redis.digest(), digest);
}

#[test]
fn a_chain_of_promotions_keeps_all_servers_equal() {
    let mut servers = [Redis::with(SETTINGS), Redis::with(SETTINGS), Redis::with(SETTINGS)];
    let busy = Busy::start(&servers[0], "chain of promotions", Ages::Short);
    busy.more(MANY);
    for round in 0..rounds(3) {
        let [first, second, third] = [0, 1, 2].map(|n| (n + round) % 3);
        // The third follows the second, which follows the first.
        follow(&servers[second], &servers[first]);
        servers[second].catch_up(&servers[first]);
        follow(&servers[third], &servers[second]);
        busy.more(300);
        busy.hold();
        let what = format!("round {round}");
        assert_same(&what, &servers[first], &servers[second]);
        assert_same(&what, &servers[second], &servers[third]);
        servers[first].kill();
        cmd!(servers[second], "REPLICAOF", "NO", "ONE").ok();
        busy.go_on(&servers[second]);
        busy.more(300);
        busy.hold();
        busy.assert_kept(&servers[second], &what);
        assert_same(&format!("{what}, promoted"), &servers[second], &servers[third]);
        // The promoted server is alone for a long time; then the failed one returns, empty.
        cmd!(servers[third], "REPLICAOF", "NO", "ONE").ok();
        servers[first].restart();
        busy.go_on(&servers[second]);
        wait_alone(&servers[second], &busy);
        follow(&servers[first], &servers[second]);
        busy.more(300);
        busy.hold();
        assert_same(&format!("{what}, back again"), &servers[second], &servers[first]);
        cmd!(servers[first], "REPLICAOF", "NO", "ONE").ok();
        busy.go_on(&servers[second]);
    }
    busy.hold();
    busy.assert_kept(&servers[rounds(3) % 3], "at the end");
}
