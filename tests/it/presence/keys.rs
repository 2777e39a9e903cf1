//! Redis's key and database commands act on presence too, without publishing a leave of a connected
//! user.

use std::time::Duration;

use chat_tests::at_once::at_once;
use chat_tests::checking::people::{events_of, leaves, online, ts, who};
use chat_tests::checking::subscriber::Subscriber;
use chat_tests::clients::client::Client;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually, never};
use serde_json::json;

const GRACE: u64 = 1_500;
const SETTING: &str = "chat.presence-grace 1500";
/// Time to live of the relay's connections, and of those without beats.
const TTL: u64 = 2_000;
/// Longer than every deadline here.
const LONG_ENOUGH: Duration = Duration::from_millis(TTL + GRACE + 1_500);

/// Alice on a relay that renews her presence, in `lobby`; bob there without one.
struct Scene {
    redis: Redis,
    alice: Client,
    _relay: Relay,
    channel: Subscriber,
}

impl Scene {
    fn with(settings: &[&str]) -> Scene {
        let mut lines = vec![SETTING];
        lines.extend_from_slice(settings);
        let redis = Redis::with(&lines);
        let options = ["--presence-ttl", "2s", "--grace", "1s", "--probe", "500ms"];
        let relay = Relay::with("r1", &redis.url(), &options);
        relay.wait_ready();
        let alice = relay.connect("alice");
        alice.ok(json!({"op": "join", "room": "lobby"}));
        cmd!(redis, "CHAT.PRESENCE", "lobby", "bob", "silent", "TTL", TTL).ok();
        let channel = Subscriber::new(&redis, &["lobby", "@alice", "other"]);
        Scene { redis, alice, _relay: relay, channel }
    }

    fn wire(&self) -> Wire {
        self.redis.wire()
    }

    /// Checks for long enough that only connections without beats leave, and that alice is online
    /// all that time.
    #[track_caller]
    fn assert_alice_never_left(&self) {
        let mut wire = self.wire();
        eventually("alice to be online", LATER, || match online(&mut wire, "@alice") {
            1 => Ok(()),
            none => Err(format!("{none}")),
        });
        never("alice to leave", LONG_ENOUGH, || {
            let published = ["lobby", "@alice", "other"].map(|room| leaves(&self.channel, room));
            let of_alice =
                published.iter().flatten().filter(|event| event["user"] == "alice").count();
            match (of_alice, online(&mut wire, "@alice")) {
                (0, 1) => Ok(()),
                _ => Err(format!("{published:?}")),
            }
        });
        assert!(self.alice.closed().is_none());
    }

    fn leaves_of_bob(&self, room: &str) -> usize {
        leaves(&self.channel, room).iter().filter(|event| event["user"] == "bob").count()
    }
}

#[test]
fn a_removed_room_publishes_no_leaves() {
    let ends = [&["DEL", "lobby"][..], &["UNLINK", "lobby"], &["SET", "lobby", "x"], &["FLUSHALL"]];
    at_once(&ends, |end| {
        let scene = Scene::with(&[]);
        let mut wire = scene.wire();
        wire.call(end).ok();
        eventually("the drop", LATER, || match events_of(&scene.channel, "lobby", "drop").len() {
            1 => Ok(()),
            other => Err(format!("{end:?}: {other}")),
        });
        scene.assert_alice_never_left();
        assert_eq!(scene.leaves_of_bob("lobby"), 0, "{end:?}: nobody leaves what is not there");
        if end[0] != "SET" {
            // A recreated room is empty until users join again.
            cmd!(wire, "CHAT.SEND", "lobby", "carol", "anew").ok();
            assert!(!who(&mut wire, "lobby").contains("bob"), "{end:?}");
            eventually("alice, whose relay beats", LATER, || match online(&mut wire, "lobby") {
                1 => Ok(()),
                other => Err(format!("{end:?}: {other} online")),
            });
        }
    });
}

#[test]
fn an_evicted_room_publishes_no_leaves() {
    let scene = Scene::with(&["maxmemory-policy volatile-ttl"]);
    let mut wire = scene.wire();
    // Only the room may be evicted.
    cmd!(wire, "EXPIRE", "lobby", 1_000).ok();
    cmd!(wire, "CONFIG", "SET", "maxmemory", 1).ok();
    eventually("the drop", LATER, || {
        cmd!(wire, "CHAT.ONLINE", "nowhere");
        match events_of(&scene.channel, "lobby", "drop").first() {
            Some(drop) if drop["reason"] == "evicted" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    cmd!(wire, "CONFIG", "SET", "maxmemory", 0).ok();
    scene.assert_alice_never_left();
    assert_eq!(scene.leaves_of_bob("lobby"), 0);
}

#[test]
fn a_renamed_or_copied_room_has_no_presence() {
    let scene = Scene::with(&[]);
    let mut wire = scene.wire();
    let event = cmd!(wire, "CHAT.SEND", "lobby", "carol", "hi").text().to_owned();
    assert_eq!(cmd!(wire, "COPY", "lobby", "other").int(), 1);
    assert_eq!((online(&mut wire, "lobby"), online(&mut wire, "other")), (2, 0));
    assert_eq!(cmd!(wire, "CHAT.ROOM", "other").get("connections").map(|n| n.int()), Some(0));
    cmd!(wire, "DEL", "other").ok();
    cmd!(wire, "RENAME", "lobby", "other").ok();
    assert_eq!(online(&mut wire, "other"), 0);
    assert_eq!(cmd!(wire, "CHAT.SYNC", "other", event).list()[0].int(), 1, "all else is there");
    scene.assert_alice_never_left();
    let everything: Vec<_> =
        ["lobby", "other"].iter().flat_map(|room| leaves(&scene.channel, room)).collect();
    assert!(everything.is_empty(), "{everything:?}");
    assert_eq!(online(&mut wire, "other"), 0);
}

#[test]
fn swapping_databases_ends_unused_presence_without_events() {
    let scene = Scene::with(&[]);
    let mut wire = scene.wire();
    cmd!(wire, "SWAPDB", 0, 1).ok();
    scene.assert_alice_never_left();
    let everything = leaves(&scene.channel, "lobby");
    assert!(
        everything.is_empty(),
        "bob's leave is not published under another room's name: {everything:?}"
    );
    cmd!(wire, "SELECT", 1).ok();
    eventually("no presence in the swapped database", LATER, || match online(&mut wire, "lobby") {
        0 => Ok(()),
        some => Err(format!("{some} online")),
    });
    assert!(leaves(&scene.channel, "lobby").is_empty());
    // And back: a renewed user is online again, and is announced as usual.
    cmd!(wire, "SWAPDB", 0, 1).ok();
    cmd!(wire, "SELECT", 0).ok();
    eventually("alice in the room again", LATER, || match online(&mut wire, "lobby") {
        1 => Ok(()),
        other => Err(format!("{other} online")),
    });
    cmd!(wire, "CHAT.PRESENCE", "lobby", "carol", "c3", "TTL", TTL).ok();
    eventually("carol's leave", LATER, || {
        let leaves = leaves(&scene.channel, "lobby");
        let found = leaves.iter().any(|event| event["user"] == "carol");
        if found { Ok(()) } else { Err(format!("{leaves:?}")) }
    });
}

#[test]
fn a_reload_keeps_presence_for_one_grace() {
    let scene = Scene::with(&[]);
    let mut wire = scene.wire();
    let before = scene.redis.clock_ms();
    cmd!(wire, "DEBUG", "RELOAD").ok();
    assert_eq!(online(&mut wire, "lobby"), 2, "presence is in the snapshot");
    scene.assert_alice_never_left();
    let leaves = leaves(&scene.channel, "lobby");
    assert_eq!(leaves.len(), 1, "{leaves:?}");
    assert_eq!((&leaves[0]["user"], &leaves[0]["reason"]), (&json!("bob"), &json!("timeout")));
    assert!(ts(&leaves[0]) >= before + GRACE, "{}, reloaded at {before}", leaves[0]);
}

#[test]
fn a_room_moved_to_another_server_keeps_presence_for_one_grace() {
    let (here, there) = (Redis::with(&[SETTING]), Redis::with(&[SETTING]));
    let (mut from, mut to) = (here.wire(), there.wire());
    cmd!(from, "CHAT.SEND", "lobby", "alice", "hi").ok();
    for (user, connection) in [("alice", "beats"), ("bob", "silent")] {
        cmd!(from, "CHAT.PRESENCE", "lobby", user, connection, "TTL", TTL).ok();
    }
    let (old, new) = (Subscriber::new(&here, &["lobby"]), Subscriber::new(&there, &["lobby"]));
    let before = there.clock_ms();
    let port = there.address().port();
    assert_eq!(cmd!(from, "MIGRATE", "127.0.0.1", port, "lobby", 0, 5_000).text(), "OK");
    let after = there.clock_ms();
    assert_eq!(who(&mut to, "lobby").len(), 2);
    let leave = eventually("bob's leave", LATER, || {
        // Alice's relay has found the new server.
        let unknown = cmd!(to, "CHAT.BEAT", "lobby", TTL, "beats").list()[1].list().len();
        assert_eq!(unknown, 0);
        leaves(&new, "lobby").first().cloned().ok_or_else(String::new)
    });
    assert_eq!((&leave["user"], &leave["users"]), (&json!("bob"), &json!(1)));
    // The time to live continues; the grace begins at the arrival, and again if the server stands
    // still meanwhile, as on a busy machine.
    let earliest = before + GRACE;
    let latest = after + TTL.max(GRACE) + GRACE + 1_000;
    assert!((earliest..=latest).contains(&ts(&leave)), "{leave}, between {earliest} and {latest}");
    assert!(leaves(&old, "lobby").is_empty(), "{:?}", old.all());
    assert_eq!(events_of(&old, "lobby", "drop").len(), 1);
}
