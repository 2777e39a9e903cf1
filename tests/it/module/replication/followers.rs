//! A primary without followers writes no replication records. It must write them again before a
//! follower can miss one: a new replica, an append-only file that is turned on, a snapshot, a
//! promotion. All this happens under load; in the end all copies are equal and hold every
//! acknowledged message.

use std::time::Instant;

use chat_tests::checking::view::{all_rooms, assert_alike};
use chat_tests::seed::rounds;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::server::Server;
use chat_tests::traffic::commands::Ages;
use chat_tests::wait::{LATER, SOON, eventually, until};
use chat_tests::{args, cmd};

use crate::module::replication::constant_traffic::{
    ALONE, ConstantTraffic, MANY, NONCE_WINDOW, SETTINGS,
};

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
        assert_eq!(who(replica), who(primary), "{what}: presence in {room}");
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
    let stories = differ.map(|(room, _)| difference(room, primary, replica));
    format!("different rooms: {:#?}", stories.collect::<Vec<_>>())
}

/// Where the stored forms of a room begin to differ, with the bytes there. Presence comes last.
fn difference(room: &str, primary: &Redis, replica: &Redis) -> String {
    let [here, there] = [primary, replica].map(|redis| cmd!(redis, "DUMP", room).bytes().to_vec());
    let equal = here.iter().zip(&there).take_while(|(a, b)| a == b).count();
    let from = equal.saturating_sub(100);
    let part = |dump: &[u8]| dump[from..dump.len().min(equal + 100)].escape_ascii().to_string();
    let (here_len, there_len) = (here.len(), there.len());
    let (here, there) = (part(&here), part(&there));
    format!("{room}: {here_len} and {there_len} bytes, from {equal} on: {here} and {there}")
}

fn follow(replica: &Redis, primary: &Redis) {
    let address = primary.address();
    cmd!(replica, "REPLICAOF", address.ip().to_string(), address.port()).ok();
}

/// Waits until there are no followers and the server has had time to notice.
#[track_caller]
fn wait_alone(redis: &Redis, busy: &ConstantTraffic) {
    eventually("the backlog to be dropped", LATER, || {
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
    let busy = ConstantTraffic::start(&primary, "comes and goes", Ages::Short);
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
        busy.pause();
        assert_same(&format!("round {round}, {way:?}"), &primary, &replica);
        busy.resume(&primary);
        cmd!(replica, "REPLICAOF", "NO", "ONE").ok();
        if round % 2 == 0 {
            wait_alone(&primary, &busy);
        } else {
            // Back before the backlog is dropped.
            busy.more(100);
        }
    }
    busy.pause();
    busy.assert_kept(&primary, "the primary");
}

#[test]
fn a_second_replica_that_joins_during_the_snapshot_of_the_first_is_equal() {
    let primary = Redis::with(SETTINGS);
    cmd!(primary, "CONFIG", "SET", "repl-diskless-sync", "no").ok();
    cmd!(primary, "CONFIG", "SET", "rdb-key-save-delay", 30_000).ok();
    let busy = ConstantTraffic::start(&primary, "two at once", Ages::Short);
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
    busy.pause();
    for replica in &replicas {
        assert_same("one of three", &primary, replica);
    }
}

#[test]
fn a_replica_with_other_settings_is_equal_all_the_same() {
    let primary = Redis::with(SETTINGS);
    let busy = ConstantTraffic::start(&primary, "other settings", Ages::Short);
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
    busy.pause();
    assert_same("the replica with other settings", &primary, &replica);
    busy.assert_kept(&primary, "the primary");
}

/// From now on no nonce ends by itself, not even after a restart: the timer forgets a nonce ten
/// seconds after its window, which a slow disk can put between a digest and the end of the server.
fn keep_nonces(redis: &mut Redis) {
    cmd!(redis, "CONFIG", "SET", "chat.nonce-window", NONCES_KEPT).ok();
    redis.set(&format!("chat.nonce-window {NONCES_KEPT}"));
}

const NONCES_KEPT: u64 = 3_600_000;

/// Nonces end by themselves again.
fn forget_nonces(redis: &Redis) {
    cmd!(redis, "CONFIG", "SET", "chat.nonce-window", NONCE_WINDOW).ok();
}

#[test]
fn an_append_only_file_turned_on_while_busy_has_everything() {
    let mut primary = Redis::with(&[SETTINGS, &["appendfsync always"]].concat());
    let busy = ConstantTraffic::start(&primary, "append-only file turned on", Ages::Ignored);
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
        busy.pause();
        keep_nonces(&mut primary);
        let (digest, rooms) = (primary.digest(), all_rooms(&mut primary.wire()));
        primary.kill();
        primary.set("appendonly yes");
        primary.restart();
        assert_alike(&what, &all_rooms(&mut primary.wire()), &rooms);
        assert_eq!(primary.digest(), digest, "{what}");
        busy.assert_kept(&primary, &what);
        // From here on there are no followers.
        cmd!(primary, "CONFIG", "SET", "appendonly", "no").ok();
        forget_nonces(&primary);
        busy.resume(&primary);
    }
}

#[test]
fn a_snapshot_of_a_server_without_followers_has_everything() {
    let mut redis = Redis::with(SETTINGS);
    let busy = ConstantTraffic::start(&redis, "snapshot", Ages::Ignored);
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
        busy.pause();
        keep_nonces(&mut redis);
        let (digest, rooms) = (redis.digest(), all_rooms(&mut redis.wire()));
        redis.save();
        redis.kill();
        redis.restart();
        assert_alike(&format!("round {round}"), &all_rooms(&mut redis.wire()), &rooms);
        assert_eq!(redis.digest(), digest, "round {round}");
        busy.assert_kept(&redis, "after the restart");
        forget_nonces(&redis);
        busy.resume(&redis);
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
    eventually("an unrequested snapshot", LATER, || match changes(&redis) {
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
    let busy = ConstantTraffic::start(&servers[0], "chain of promotions", Ages::Short);
    busy.more(MANY);
    for round in 0..rounds(3) {
        let [first, second, third] = [0, 1, 2].map(|n| (n + round) % 3);
        // The third follows the second, which follows the first.
        follow(&servers[second], &servers[first]);
        servers[second].catch_up(&servers[first]);
        follow(&servers[third], &servers[second]);
        busy.more(300);
        busy.pause();
        let what = format!("round {round}");
        assert_same(&what, &servers[first], &servers[second]);
        assert_same(&what, &servers[second], &servers[third]);
        servers[first].kill();
        cmd!(servers[second], "REPLICAOF", "NO", "ONE").ok();
        busy.resume(&servers[second]);
        busy.more(300);
        busy.pause();
        busy.assert_kept(&servers[second], &what);
        assert_same(&format!("{what}, promoted"), &servers[second], &servers[third]);
        // The promoted server is alone for a long time; then the failed one returns, empty.
        cmd!(servers[third], "REPLICAOF", "NO", "ONE").ok();
        servers[first].restart();
        busy.resume(&servers[second]);
        wait_alone(&servers[second], &busy);
        follow(&servers[first], &servers[second]);
        busy.more(300);
        busy.pause();
        assert_same(&format!("{what}, back again"), &servers[second], &servers[first]);
        cmd!(servers[first], "REPLICAOF", "NO", "ONE").ok();
        busy.resume(&servers[second]);
    }
    busy.pause();
    busy.assert_kept(&servers[rounds(3) % 3], "at the end");
}
