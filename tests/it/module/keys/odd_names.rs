//! A key can be renamed to anything. A room under a name that no room can be created with is
//! maintained, copied and stored like any other, but no command reads it and nothing is published
//! about it.

use chat_tests::checking::subscriber::Subscriber;
use chat_tests::clients::reply::Reply;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually};

/// Names that `RENAME` accepts and `CHAT.SEND` refuses.
const NAMES: &[&[u8]] =
    &[b"a room", b"", b"@", b"@two words", b"dm:b,a", b"line\nbreak", b"\xff\xfe", &[b'x'; 300]];

fn listed(redis: &Redis) -> usize {
    cmd!(redis, "CHAT.ROOMS").list()[1].list().len()
}

#[test]
fn a_room_under_an_odd_name_ages_on_all_copies_and_comes_back() {
    let primary = Redis::start();
    let mut wire = primary.wire();
    let replica = Redis::replica(&primary, &[]);
    for (ttl, name) in (1..).zip(NAMES) {
        let id = cmd!(wire, "CHAT.SEND", "lobby", "alice", "hi", "NONCE", "n").text().to_owned();
        cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", "c1").ok();
        assert_eq!(wire.call(&[&b"RENAME"[..], b"lobby", name]).text(), "OK");
        assert!(wire.call(&[&b"CHAT.SEND"[..], name, b"alice", b"hi"]).error().contains("INVALID"));
        // Read twice: the first read does not lose it.
        assert_eq!((listed(&primary), listed(&primary)), (0, 0), "{name:?}");
        assert_eq!(primary.info("chat", "chat_rooms"), "1", "{name:?}");
        assert_eq!(primary.info("chat", "chat_connections_online"), "0", "{name:?}");
        let value =
            |redis: &Redis| -> Reply { redis.call(&[&b"DEBUG"[..], b"DIGEST-VALUE", name]) };
        let before = value(&primary);
        let channels = Subscriber::new(&primary, &["", "lobby"]);
        // A different one each time, so that every change is visible.
        cmd!(wire, "CONFIG", "SET", "chat.history-ttl", ttl).ok();
        eventually("the message to be too old", LATER, || match value(&primary) {
            same if same == before => Err(format!("it is not: {name:?}")),
            other => Ok(other),
        });
        cmd!(wire, "CONFIG", "SET", "chat.history-ttl", 0).ok();
        replica.catch_up(&primary);
        assert_eq!(replica.digest(), primary.digest(), "{name:?}");
        assert!(channels.all().is_empty(), "{:?}", channels.all());
        assert_eq!(wire.call(&[&b"RENAME"[..], name, b"lobby"]).text(), "OK");
        assert_eq!(listed(&primary), 1);
        assert_eq!(cmd!(wire, "CHAT.HISTORY", "lobby").list()[1].list().len(), 0);
        assert_eq!(cmd!(wire, "CHAT.ROOM", "lobby").get("last").map(Reply::text), Some(&*id));
        cmd!(wire, "DEL", "lobby").ok();
        assert_eq!(primary.info("chat", "chat_rooms"), "0", "{name:?}");
    }
}

#[test]
fn a_room_under_an_odd_name_is_there_after_every_restart() {
    for preamble in ["yes", "no"] {
        let preamble = format!("aof-use-rdb-preamble {preamble}");
        let mut redis = Redis::with(&["appendonly yes", &preamble]);
        let mut wire = redis.wire();
        for (at, name) in NAMES.iter().enumerate() {
            cmd!(wire, "CHAT.SEND", "lobby", "alice", at).ok();
            assert_eq!(wire.call(&[&b"RENAME"[..], b"lobby", name]).text(), "OK");
        }
        for rewrite in [false, true] {
            if rewrite {
                cmd!(redis, "BGREWRITEAOF").ok();
                redis.wait_rewritten();
            }
            let digest = redis.digest();
            redis.stop();
            redis.restart();
            assert_eq!(redis.digest(), digest, "{preamble}, rewritten {rewrite}");
            assert_eq!(redis.info("chat", "chat_rooms"), NAMES.len().to_string());
        }
    }
}
