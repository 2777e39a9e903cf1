//! `repl-diskless-load swapdb`: a replica serves its old data while it loads a copy of its
//! primary's data beside it. All old rooms are visible until all new ones are; an aborted copy
//! leaves no trace.

use std::collections::BTreeSet;

use chat_tests::checking::people::who;
use chat_tests::checking::subscriber::Subscriber;
use chat_tests::checking::view::{all_pages, all_rooms, assert_alike, history};
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::seed::seeded;
use chat_tests::servers::proxy::{Network, Proxy};
use chat_tests::servers::redis::Redis;
use chat_tests::traffic::commands::Traffic;
use chat_tests::wait::{LATER, SOON, eventually};

/// The number of rooms to copy: enough for reading meanwhile.
const ROOMS: usize = 200;
/// Microseconds that the replica takes to load one room.
const DELAY: usize = 10_000;

/// A primary whose interrupted replicas need a full copy, and a replica of it.
struct Pair {
    primary: Redis,
    proxy: Proxy,
    replica: Redis,
}

impl Pair {
    fn start() -> Pair {
        let primary = Redis::with(&["repl-diskless-sync yes", "repl-backlog-size 16kb"]);
        let mut wire = primary.wire();
        Traffic::new(seeded("rooms of the primary")).run(&mut wire, 500);
        for n in 0..ROOMS {
            cmd!(wire, "CHAT.SEND", format!("room{n}"), "alice", "before").ok();
        }
        cmd!(wire, "CHAT.PRESENCE", "room0", "bob", "c1", "TTL", 600_000).ok();
        let proxy = Proxy::to(primary.address());
        let settings = [
            "repl-diskless-load swapdb",
            // So that it serves clients after every few bytes it loads.
            "loading-process-events-interval-bytes 1024",
            "chat.presence-grace 0",
        ];
        let replica = Redis::replica_through(&primary, proxy.address(), &settings, None);
        let output = replica.process().output();
        assert!(output.contains("Swapping active DB"), "the module forbids swapdb: {output}");
        Pair { primary, proxy, replica }
    }

    /// Makes the replica miss so much that it needs a full copy, and waits until it loads one.
    fn begin_copy(&self) {
        self.begin_copy_in(Network::Open);
    }

    fn begin_copy_in(&self, network: Network) {
        cmd!(self.replica, "CONFIG", "SET", "key-load-delay", DELAY).ok();
        self.proxy.set(Network::Drop);
        eventually("a replica that is cut off", SOON, || {
            match self.replica.info("replication", "master_link_status").as_str() {
                "down" => Ok(()),
                other => Err(other.to_owned()),
            }
        });
        let mut wire = self.primary.wire();
        cmd!(wire, "DEL", "room1").ok();
        for _ in 0..10 {
            cmd!(wire, "CHAT.SEND", "new-room", "alice", "x".repeat(4000)).ok();
        }
        for n in 2..ROOMS {
            cmd!(wire, "CHAT.SEND", format!("room{n}"), "alice", "after").ok();
        }
        cmd!(wire, "CHAT.PRESENCE", "room0", "bob", "c1", "OFF").ok();
        cmd!(wire, "CHAT.PRESENCE", "room0", "carol", "c2", "TTL", 600_000).ok();
        self.proxy.set(network);
        eventually("a copy that is being loaded", LATER, || {
            match self.replica.info("persistence", "async_loading").as_str() {
                "1" => Ok(()),
                other => Err(other.to_owned()),
            }
        });
    }

    fn is_loading(&self) -> bool {
        self.replica.info("persistence", "async_loading") == "1"
    }
}

/// All ordinary rooms, the last active first, in pages.
fn rooms(wire: &mut Wire) -> Vec<String> {
    let rows = all_pages(wire, &["CHAT.ROOMS"], 50);
    rows.iter().map(|row| row.list()[0].text().to_owned()).collect()
}

fn counts(redis: &Redis) -> (String, String) {
    (redis.info("chat", "chat_rooms"), redis.info("chat", "chat_connections_online"))
}

/// Rooms whose removal was published.
fn dropped(channel: &Subscriber) -> Vec<String> {
    let drops = channel.all().into_iter().filter(|(_, text)| text.contains("\"type\":\"drop\""));
    drops.map(|(room, _)| room).collect()
}

#[test]
fn the_old_rooms_are_served_until_the_copy_is_complete() {
    let pair = Pair::start();
    let mut wire = pair.replica.wire();
    let (listed, counted) = (rooms(&mut wire), counts(&pair.replica));
    assert!(listed.len() > ROOMS);
    pair.begin_copy();
    let mut looks = 0;
    loop {
        let seen = (rooms(&mut wire), counts(&pair.replica));
        let texts = history(&mut wire, "room9", &[]).texts().join(" ");
        let online = who(&mut wire, "room0");
        if !pair.is_loading() {
            break;
        }
        assert_eq!(seen, (listed.clone(), counted.clone()), "while the copy is loaded");
        assert_eq!(texts, "before");
        assert!(online.contains("bob"), "{online:?}");
        looks += 1;
    }
    assert!(looks > 0, "it was over before anybody could look");
    cmd!(wire, "CONFIG", "SET", "key-load-delay", 0).ok();
    pair.replica.catch_up(&pair.primary);
    let mut other = pair.primary.wire();
    // Rooms last active in the same millisecond are listed in any order.
    let sorted = |wire: &mut Wire| rooms(wire).into_iter().collect::<BTreeSet<_>>();
    assert_eq!(sorted(&mut wire), sorted(&mut other));
    assert_eq!(counts(&pair.replica), counts(&pair.primary));
    assert_alike("the copy", &all_rooms(&mut wire), &all_rooms(&mut other));
    assert_eq!(pair.replica.digest(), pair.primary.digest());
    // Writes after the copy arrive.
    cmd!(other, "CHAT.SEND", "room1", "alice", "again").ok();
    pair.replica.catch_up(&pair.primary);
    assert_eq!(rooms(&mut wire)[0], "room1");
    assert_eq!(pair.replica.digest(), pair.primary.digest());
}

#[test]
fn clients_cannot_apply_records_while_a_copy_is_loaded() {
    let pair = Pair::start();
    cmd!(pair.replica, "CONFIG", "SET", "replica-read-only", "no").ok();
    pair.begin_copy();
    let reply = cmd!(pair.replica, "CHAT.APPLY", "room9", "x");
    assert!(reply.error().contains("replication only"), "{reply:?}");
    assert!(pair.is_loading(), "it was over too early");
}

#[test]
fn an_aborted_copy_leaves_no_trace() {
    let mut pair = Pair::start();
    let mut wire = pair.replica.wire();
    let (listed, counted) = (rooms(&mut wire), counts(&pair.replica));
    let digest = pair.replica.digest();
    // More bytes than the handshake, less than the rooms.
    pair.begin_copy_in(Network::Truncate(8_000));
    assert_eq!(rooms(&mut wire), listed, "while the copy is loaded");
    pair.primary.kill();
    eventually("the end of the copy", LATER, || match pair.is_loading() {
        false => Ok(()),
        true => Err("it is being loaded".into()),
    });
    assert_eq!((rooms(&mut wire), counts(&pair.replica)), (listed, counted));
    assert_eq!(pair.replica.digest(), digest);
    assert_eq!(history(&mut wire, "room9", &[]).texts(), ["before"]);
    // Promoted it is a primary like any other: deadlines pass, no room is announced as removed.
    let mut channel = Subscriber::new(&pair.replica, &["room0", "room1", "room9"]);
    cmd!(wire, "REPLICAOF", "NO", "ONE").ok();
    cmd!(wire, "CHAT.PRESENCE", "room0", "bob", "c1", "TTL", 1000).ok();
    eventually("bob to leave", SOON, || match who(&mut wire, "room0") {
        online if online.contains("bob") => Err(format!("{online:?}")),
        _ => Ok(()),
    });
    cmd!(wire, "CHAT.SEND", "room9", "alice", "on").ok();
    assert_eq!(channel.next_of("message")["text"], "on");
    assert!(dropped(&channel).is_empty(), "{:?}", channel.all());
}

#[test]
fn a_replica_promoted_after_a_copy_announces_no_removal_of_an_existing_room() {
    let pair = Pair::start();
    pair.begin_copy();
    cmd!(pair.replica, "CONFIG", "SET", "key-load-delay", 0).ok();
    let mut channel = Subscriber::new(&pair.replica, &["room0", "room1", "room9"]);
    pair.replica.catch_up(&pair.primary);
    let mut wire = pair.replica.wire();
    cmd!(wire, "REPLICAOF", "NO", "ONE").ok();
    cmd!(wire, "CHAT.SEND", "room9", "alice", "on").ok();
    assert_eq!(channel.next_of("message")["text"], "on");
    assert!(dropped(&channel).is_empty(), "{:?}", channel.all());
    assert_eq!(who(&mut wire, "room0").len(), 1);
}
