//! Acknowledged data is there after a restart, however it was stored.

use chat_tests::checking::view::{all_rooms, assert_alike, history};
use chat_tests::seed::seeded;
use chat_tests::servers::redis::Redis;
use chat_tests::traffic::commands::Traffic;
use chat_tests::{args, cmd};

/// Every way in which a server recovers its data: the name, the settings, whether its append-only
/// file is rewritten, whether it is killed.
const WAYS: &[(&str, &[&str], bool, bool)] = &[
    ("RDB", &["save 3600 1"], false, false),
    ("AOF of commands", &["appendonly yes"], false, false),
    ("AOF rewritten with preamble", &["appendonly yes", "aof-use-rdb-preamble yes"], true, false),
    ("AOF rewritten as commands", &["appendonly yes", "aof-use-rdb-preamble no"], true, false),
    ("AOF after kill -9", &["appendonly yes", "appendfsync always"], false, true),
];

#[test]
fn every_way_of_storing_brings_back_every_room() {
    for (name, settings, rewrite, kill) in WAYS {
        println!("{name}");
        let mut redis = Redis::with(settings);
        let mut wire = redis.wire();
        let mut traffic = Traffic::new(seeded(name));
        traffic.run(&mut wire, 1500);
        traffic.assert_complete();
        if *rewrite {
            cmd!(wire, "BGREWRITEAOF").ok();
            redis.wait_rewritten();
            // So that both the rewritten part and the part after it count.
            traffic.run(&mut wire, 300);
        }
        let (digest, rooms) = (redis.digest(), all_rooms(&mut wire));
        assert!(rooms.len() > 3, "{rooms:?}");
        if *kill {
            redis.kill()
        } else {
            redis.stop()
        }
        redis.restart();
        let mut wire = redis.wire();
        assert_alike(name, &all_rooms(&mut wire), &rooms);
        assert_eq!(redis.digest(), digest, "{name}");
        // The room accepts further messages.
        traffic.run(&mut wire, 100);
    }
}

#[test]
fn debug_reload_changes_nothing() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let mut traffic = Traffic::new(seeded("reload"));
    traffic.run(&mut wire, 1500);
    let (digest, rooms) = (redis.digest(), all_rooms(&mut wire));
    cmd!(wire, "DEBUG", "RELOAD").ok();
    assert_alike("DEBUG RELOAD", &all_rooms(&mut wire), &rooms);
    assert_eq!(redis.digest(), digest);
    let listed = cmd!(wire, "CHAT.ROOMS", "COUNT", 1000);
    let ordinary =
        rooms.iter().filter(|(name, _)| !name.starts_with('@') && !name.starts_with("dm:"));
    assert_eq!(listed.list()[1].list().len(), ordinary.count(), "the index is rebuilt");
}

#[test]
fn a_thousand_acknowledged_sends_survive_kill_9() {
    let mut redis = Redis::durable();
    let mut wire = redis.wire();
    let mut acknowledged = Vec::new();
    for batch in 0..10 {
        let sends: Vec<_> = (0..100)
            .map(|n| {
                args![
                    "CHAT.SEND",
                    "lobby",
                    "alice",
                    format!("{batch}:{n}"),
                    "NONCE",
                    format!("{batch}:{n}")
                ]
            })
            .collect();
        acknowledged.extend(wire.pipeline(&sends).iter().map(|reply| reply.text().to_owned()));
    }
    redis.kill();
    redis.restart();
    let mut wire = redis.wire();
    let page = history(&mut wire, "lobby", &["COUNT", "1000"]);
    assert_eq!(page.ids(), acknowledged);
    assert!(!page.more);
    // A sender that missed the reply repeats its message and gets the first id.
    let again = cmd!(wire, "CHAT.SEND", "lobby", "alice", "9:99", "NONCE", "9:99");
    assert_eq!(again.text(), acknowledged[999]);
    let next = cmd!(wire, "CHAT.SEND", "lobby", "alice", "after").text().to_owned();
    assert!(next.ends_with("-1001"), "{next}");
}

#[test]
fn presence_is_not_in_the_append_only_file() {
    let mut redis = Redis::with(&["appendonly yes"]);
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "hi").ok();
    cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", "connection-in-memory", "STATUS", "in-memory")
        .ok();
    cmd!(wire, "CHAT.BEAT", "lobby", 60_000, "connection-in-memory").ok();
    cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", "connection-in-memory", "OFF").ok();
    let digest = redis.digest();
    redis.stop();
    let files = std::fs::read_dir(redis.dir().join("appendonlydir")).expect("the AOF");
    for file in files {
        let bytes = std::fs::read(file.expect("a file").path()).expect("readable");
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("in-memory"), "{text}");
    }
    redis.restart();
    assert_eq!(redis.digest(), digest);
}
