//! Redis dies, is promoted or fails over while deadlines are pending: no leave of a connected user
//! is published, and disconnected users leave within one grace.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chat_tests::checking::people::{events_of, leaves, online, ts, who};
use chat_tests::checking::subscriber::Subscriber;
use chat_tests::clients::client::Client;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::proxy::{Network, Proxy};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually, never, until};
use serde_json::json;

/// `chat.presence-grace` of these servers, and the promised delay beyond it, in milliseconds.
const GRACE: u64 = 3_000;
const PROMISED: u64 = 1_000;
const SETTING: &str = "chat.presence-grace 3000";
/// A server that does nothing for longer may take it for a standstill (it does from 1,100 ms of its
/// own measurement on).
const STANDSTILL: u64 = 700;
/// Time to live of the dead relay's connections.
const TTL: u64 = 2_000;

fn relay(url: &str) -> Relay {
    let options = ["--presence-ttl", "2s", "--grace", "2s", "--probe", "500ms"];
    let relay = Relay::with("r1", url, &options);
    relay.wait_ready();
    relay
}

/// Alice on a relay that keeps beating, and twenty users whose relay has just died.
fn people(redis: &Redis, relay: &Relay) -> Client {
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    let mut wire = redis.wire();
    for n in 0..20 {
        let (user, connection) = (format!("gone{n}"), format!("dead-{n}"));
        cmd!(wire, "CHAT.PRESENCE", "lobby", user, connection, "TTL", TTL).ok();
    }
    alice
}

fn alone() -> BTreeSet<String> {
    BTreeSet::from(["alice".to_owned()])
}

/// Checks that the twenty and no others leave, each once, between these times. Whenever the server
/// stands still meanwhile, as on a busy machine, it gives another grace.
#[track_caller]
fn assert_gone(redis: &Redis, channel: &Subscriber, earliest: u64, mut latest: u64) {
    let mut wire = redis.wire();
    let mut before = clock_of(&mut wire);
    let all = eventually("twenty leaves", LATER, || {
        let now = clock_of(&mut wire);
        if now > before + STANDSTILL {
            println!("the server stood still for {} ms", now - before);
            latest = latest.max(now + GRACE + PROMISED);
        }
        before = now;
        let leaves = leaves(channel, "lobby");
        if leaves.len() >= 20 { Ok(leaves) } else { Err(format!("{leaves:?}")) }
    });
    let users: BTreeSet<String> = all.iter().map(|event| event["user"].to_string()).collect();
    assert_eq!((all.len(), users.len()), (20, 20), "{all:?}");
    for event in &all {
        assert!(event["user"].to_string().contains("gone"), "{event}");
        assert_eq!(event["reason"], "timeout");
        let at = ts(event);
        assert!((earliest..=latest).contains(&at), "{earliest} <= {at} <= {latest}: {event}");
    }
    never("a leave of a connected user", Duration::from_millis(2_500), || {
        let leaves = leaves(channel, "lobby");
        if leaves.len() == 20 { Ok(()) } else { Err(format!("{leaves:?}")) }
    });
    assert!(
        events_of(channel, "lobby", "presence").iter().all(|event| event["user"] != "alice"),
        "{:?}",
        channel.all()
    );
}

#[test]
fn after_a_crash_and_a_snapshot_every_connection_gets_one_grace() {
    let mut redis = Redis::with(&[SETTING]);
    let relay = relay(&redis.url());
    let alice = people(&redis, &relay);
    redis.save();
    redis.kill();
    // All deadlines pass while no server checks them.
    until(Instant::now() + Duration::from_millis(TTL + 500));
    let before = now_ms();
    redis.restart();
    let after = redis.clock_ms();
    let channel = Subscriber::new(&redis, &["lobby"]);
    assert_gone(&redis, &channel, before + GRACE, after + GRACE + PROMISED);
    assert_eq!(who(&mut redis.wire(), "lobby"), alone());
    assert!(alice.closed().is_none());
}

#[test]
fn after_a_crash_and_an_append_only_file_connected_users_are_online_again() {
    let mut redis = Redis::with(&[SETTING, "appendonly yes", "appendfsync always"]);
    let relay = relay(&redis.url());
    let alice = people(&redis, &relay);
    redis.kill();
    until(Instant::now() + Duration::from_millis(TTL + 500));
    redis.restart();
    let channel = Subscriber::new(&redis, &["lobby"]);
    // Presence is not in that file: the client is notified that it may have missed some, and asks.
    alice.next_of("lobby", "reset");
    let mut wire = redis.wire();
    eventually("alice to be there again", LATER, || {
        let here = who(&mut wire, "lobby");
        if here == alone() { Ok(()) } else { Err(format!("{here:?}")) }
    });
    let answer = alice.ok(json!({"op": "who", "room": "lobby"}));
    assert_eq!((&answer["users"], &answer["list"][0]["user"]), (&json!(1), &json!("alice")));
    never("a leave", Duration::from_millis(GRACE + 1_500), || match leaves(&channel, "lobby") {
        none if none.is_empty() => Ok(()),
        some => Err(format!("{some:?}")),
    });
    assert_eq!(who(&mut wire, "lobby"), alone());
}

#[test]
fn a_promoted_replica_gives_one_grace_and_then_ends_stale_connections() {
    let mut primary = Redis::with(&[SETTING]);
    let path = Proxy::to(primary.address());
    let replica = Redis::replica(&primary, &[SETTING]);
    let relay = relay(&format!("redis://{}", path.address()));
    let alice = people(&primary, &relay);
    replica.catch_up(&primary);
    let channel = Subscriber::new(&replica, &["lobby"]);
    primary.kill();
    until(Instant::now() + Duration::from_millis(TTL + 500));
    let waiting = who(&mut replica.wire(), "lobby");
    assert_eq!(waiting.len(), 21, "a replica ends no presence by itself: {waiting:?}");
    let before = replica.clock_ms();
    cmd!(replica, "REPLICAOF", "NO", "ONE").ok();
    let after = replica.clock_ms();
    path.lead_to(replica.address());
    // After a promotion the server's ids run ahead of the clock; presence events have the clock's
    // time.
    assert_gone(&replica, &channel, before + GRACE, after + GRACE + PROMISED);
    assert_eq!(who(&mut replica.wire(), "lobby"), alone());
    assert!(alice.closed().is_none());
}

#[test]
fn a_planned_failover_publishes_no_leave_of_a_connected_user() {
    let primary = Redis::with(&[SETTING]);
    let path = Proxy::to(primary.address());
    let replica = Redis::replica(&primary, &[SETTING]);
    let relay = relay(&format!("redis://{}", path.address()));
    let alice = people(&primary, &relay);
    let channel = Subscriber::new(&replica, &["lobby"]);
    replica.catch_up(&primary);
    let before = replica.clock_ms();
    cmd!(primary, "FAILOVER").ok();
    eventually("the failover", LATER, || {
        let role = replica.info("replication", "role");
        if role == "master" { Ok(()) } else { Err(role) }
    });
    let after = replica.clock_ms();
    path.lead_to(replica.address());
    let old = Subscriber::new(&primary, &["lobby"]);
    assert_gone(&replica, &channel, before + GRACE, after + GRACE + PROMISED);
    let (mut new, mut copy) = (replica.wire(), primary.wire());
    assert_eq!(who(&mut new, "lobby"), alone());
    primary.catch_up(&replica);
    assert_eq!(who(&mut copy, "lobby"), alone(), "on the replica");
    assert_eq!(primary.digest(), replica.digest());
    let published = leaves(&old, "lobby");
    assert!(published.is_empty(), "a replica publishes nothing of its own: {published:?}");
    assert!(alice.closed().is_none());
}

#[test]
fn a_replica_that_is_cut_off_ends_no_presence_and_publishes_nothing() {
    let primary = Redis::with(&["chat.presence-grace 0"]);
    let link = Proxy::to(primary.address());
    let replica =
        Redis::replica_through(&primary, link.address(), &["chat.presence-grace 0"], None);
    let mut wire = primary.wire();
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "hi").ok();
    for n in 0..20 {
        cmd!(wire, "CHAT.PRESENCE", "lobby", format!("u{n}"), format!("c{n}"), "TTL", TTL).ok();
    }
    replica.catch_up(&primary);
    let channel = Subscriber::new(&replica, &["lobby"]);
    link.set(Network::Drop);
    eventually("the primary to end all presence", LATER, || match online(&mut wire, "lobby") {
        0 => Ok(()),
        some => Err(format!("{some} online")),
    });
    let mut copy = replica.wire();
    never("the replica to act by itself", Duration::from_millis(1_500), || {
        let (here, published) = (online(&mut copy, "lobby"), channel.all());
        if here == 20 && published.is_empty() {
            Ok(())
        } else {
            Err(format!("{here}, {published:?}"))
        }
    });
    link.set(Network::Open);
    replica.catch_up(&primary);
    assert_eq!(online(&mut copy, "lobby"), 0);
    assert_eq!(primary.digest(), replica.digest());
    assert!(channel.all().is_empty(), "{:?}", channel.all());
}

/// The server's clock (TIME) in milliseconds.
fn clock_of(wire: &mut Wire) -> u64 {
    let time = cmd!(wire, "TIME").texts();
    let part = |n: usize| time[n].parse::<u64>().expect("a number");
    part(0) * 1000 + part(1) / 1000
}

/// The machine's clock, which servers without one of their own use.
fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(now.expect("after 1970").as_millis()).expect("before the year 500000000")
}
