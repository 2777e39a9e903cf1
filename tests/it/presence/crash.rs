//! A relay dies with its connections: the store itself publishes one leave per user, in time.
//! Deadlines are read from the commands that the server received, times from its events.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chat_tests::checking::monitor::{Monitor, deadlines};
use chat_tests::checking::people::{events_of, leaves, ts, who};
use chat_tests::checking::subscriber::Subscriber;
use chat_tests::clients::client::Client;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually, never, until};
use serde_json::json;

const USERS: usize = 1_000;
const ROOMS: usize = 50;
const OPTIONS: &[&str] =
    &["--presence-ttl", "5s", "--grace", "2s", "--operations-per-second", "10000"];
/// By how many milliseconds MONITOR may stamp a command late.
const STAMPED_LATE: u64 = 500;
/// How late a leave may be, as promised, in milliseconds.
const PROMISED: u64 = 1_000;

fn relay(name: &str, redis: &Redis) -> Relay {
    let relay = Relay::with(name, &redis.url(), OPTIONS);
    relay.wait_ready();
    relay
}

fn user(n: usize) -> String {
    format!("u{n:04}")
}

fn room(n: usize) -> String {
    format!("room{:02}", n % ROOMS)
}

/// Connects these users and joins each to a room, all before waiting for the first reply.
fn arrive(relay: &Relay, numbers: impl Iterator<Item = usize>) -> Vec<Client> {
    let clients: Vec<(usize, Client)> = numbers.map(|n| (n, relay.connect(&user(n)))).collect();
    let asked: Vec<u64> = clients
        .iter()
        .map(|(n, client)| client.ask(json!({"op": "join", "room": room(*n)})))
        .collect();
    for ((_, client), reference) in clients.iter().zip(asked) {
        let reply =
            eventually("a join", LATER, || client.reply(reference).ok_or_else(|| client.arrived()));
        reply.unwrap_or_else(|error| panic!("{}: {error}", client.user));
    }
    clients.into_iter().map(|(_, client)| client).collect()
}

#[test]
fn users_of_a_killed_relay_leave_once_in_time_unless_they_reconnect() {
    // A server that stood still on a busy machine would give every connection a grace.
    let redis = Redis::with(&["chat.presence-grace 0"]);
    let (mut r1, r2) = (relay("r1", &redis), relay("r2", &redis));
    let monitor = Monitor::of(&redis);
    let here = arrive(&r1, 0..USERS);
    // Every hundredth user has another connection on the other relay all the time.
    let mut elsewhere = arrive(&r2, (0..USERS).step_by(100));
    let rooms: Vec<String> = (0..ROOMS).map(room).collect();
    let personal: Vec<String> = (0..USERS).map(|n| format!("@{}", user(n))).collect();
    let channels: Vec<&str> = rooms.iter().chain(&personal).map(String::as_str).collect();
    let channel = Subscriber::new(&redis, &channels);
    let mut wire = redis.wire();
    for room in &rooms {
        assert_eq!(who(&mut wire, room).len(), USERS / ROOMS, "{room}");
    }

    r1.process().kill();
    // Every tenth reconnects at once.
    elsewhere.extend(arrive(&r2, (1..USERS).step_by(10)));
    let kept: BTreeSet<String> = elsewhere.iter().map(|client| client.user.clone()).collect();
    let gone: Vec<usize> = (0..USERS).filter(|n| !kept.contains(&user(*n))).collect();
    eventually("all other users to leave", LATER, || {
        let all = channel.all();
        let count = all.iter().filter(|(_, text)| text.contains("\"kind\":\"leave\"")).count();
        if count >= 2 * gone.len() {
            Ok(())
        } else {
            Err(format!("{count} leaves of {}", 2 * gone.len()))
        }
    });
    // An unexpected leave would arrive within a further TTL.
    never("a further leave", Duration::from_millis(6_500), || {
        let all = channel.all();
        let count = all.iter().filter(|(_, text)| text.contains("\"kind\":\"leave\"")).count();
        if count == 2 * gone.len() { Ok(()) } else { Err(format!("{count} leaves")) }
    });
    drop(here);

    // The deadline of each connection, by room and user: only those of the dead relay end.
    let commands = monitor.all();
    let mut owners = BTreeMap::new();
    for command in &commands {
        if let [name, _, user, connection, ..] = &command.words[..]
            && name.eq_ignore_ascii_case("CHAT.PRESENCE")
        {
            owners.insert(connection.clone(), user.clone());
        }
    }
    let mut due: BTreeMap<(String, String), u64> = BTreeMap::new();
    for ((room, connection), deadline) in deadlines(&commands) {
        if let (Some(deadline), Some(user)) = (deadline, owners.get(&connection)) {
            let latest = due.entry((room, user.clone())).or_default();
            *latest = deadline.max(*latest);
        }
    }
    let mut worst = 0;
    for n in &gone {
        for room in [room(*n), format!("@{}", user(*n))] {
            let leaves = leaves(&channel, &room);
            let own: Vec<_> = leaves.iter().filter(|event| event["user"] == user(*n)).collect();
            assert_eq!(own.len(), 1, "{room} {}: {own:?}", user(*n));
            assert_eq!(own[0]["reason"], "timeout");
            let due = due[&(room.clone(), user(*n))];
            let (at, latest) = (ts(own[0]), due + PROMISED);
            // MONITOR stamps a command with the wall clock, a little after the command has read the
            // monotonic clock: on a busy machine the server may be interrupted in between.
            let early = at + STAMPED_LATE < due;
            assert!(!early && at <= latest, "{room} {}: due {due}, published {at}", user(*n));
            worst = worst.max(at.saturating_sub(due));
        }
    }
    println!("{} leaves, the latest {worst} ms after its deadline", 2 * gone.len());
    for user in &kept {
        for channel_of in [room(user[1..].parse().expect("a number")), format!("@{user}")] {
            let events = events_of(&channel, &channel_of, "presence");
            let own: Vec<_> = events.iter().filter(|event| event["user"] == **user).collect();
            assert!(own.is_empty(), "{user} was never away: {own:?}");
        }
    }
    let expected = |room: &str| -> BTreeSet<String> {
        let number = |user: &&String| user[1..].parse().unwrap_or(0_usize) % ROOMS;
        kept.iter().filter(|user| format!("room{:02}", number(user)) == room).cloned().collect()
    };
    for room in &rooms {
        assert_eq!(who(&mut wire, room), expected(room), "{room}");
    }
}

#[test]
fn a_lost_socket_stays_for_the_grace_and_a_leave_or_kick_ends_at_once() {
    let redis = Redis::with(&["chat.presence-grace 0"]);
    let relay = relay("r1", &redis);
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.SEND", "lobby", "owner", "hi").ok();
    let channel = Subscriber::new(&redis, &["lobby"]);
    let clients: Vec<Client> = ["lost", "left", "unsubscribed", "kicked", "stays"]
        .map(|user| {
            let client = relay.connect(user);
            client.ok(json!({"op": "join", "room": "lobby"}));
            client
        })
        .into();
    let leave_of = |user: &str| {
        eventually(&format!("the leave of {user}"), LATER, || {
            let leaves = leaves(&channel, "lobby");
            let found = leaves.iter().find(|event| event["user"] == user);
            found.cloned().ok_or_else(|| format!("{leaves:?}"))
        })
    };
    let [lost, left, unsubscribed, kicked, stays]: [Client; 5] =
        clients.try_into().unwrap_or_else(|_| panic!("five"));
    let before = redis.clock_ms();
    left.ok(json!({"op": "leave", "room": "lobby"}));
    unsubscribed.ok(json!({"op": "unsubscribe", "room": "lobby"}));
    cmd!(wire, "CHAT.MOD", "lobby", "*", "KICK", "kicked").ok();
    for (user, reason) in [("left", "left"), ("unsubscribed", "left"), ("kicked", "kicked")] {
        let leave = leave_of(user);
        assert_eq!(leave["reason"], reason, "{leave}");
        assert!(ts(&leave) - before < 1_500, "not at once: {leave}, asked at {before}");
    }
    let before = redis.clock_ms();
    drop(lost);
    let leave = leave_of("lost");
    assert_eq!(leave["reason"], "timeout");
    let after = ts(&leave) - before;
    // The grace begins when the relay notices, which a loaded machine may delay.
    assert!((2_000..=4_500).contains(&after), "{after} ms after the socket was lost");
    assert!(kicked.closed().is_none() && stays.closed().is_none());
    assert_eq!(who(&mut wire, "lobby"), BTreeSet::from(["stays".to_owned()]));
}

#[test]
fn a_client_that_moves_from_a_drained_relay_within_the_grace_never_leaves() {
    let redis = Redis::start();
    let options = ["--presence-ttl", "30s", "--grace", "2s", "--drain-time", "1s"];
    let start = |name: &str| {
        let relay = Relay::with(name, &redis.url(), &options);
        relay.wait_ready();
        relay
    };
    let (mut r1, r2) = (start("r1"), start("r2"));
    let (alice, bob) = (r1.connect("alice"), r1.connect("bob"));
    for client in [&alice, &bob] {
        client.ok(json!({"op": "join", "room": "lobby"}));
    }
    let channel = Subscriber::new(&redis, &["lobby"]);
    r1.process().terminate();
    for client in [&alice, &bob] {
        client.wait_closed(LATER);
    }
    let alice = r2.connect("alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    let moved = Instant::now();
    let leave = eventually("bob's leave", LATER, || {
        leaves(&channel, "lobby").first().cloned().ok_or_else(|| format!("{:?}", channel.all()))
    });
    assert_eq!((&leave["user"], &leave["reason"]), (&json!("bob"), &json!("timeout")));
    until(moved + Duration::from_millis(3_500));
    let events = events_of(&channel, "lobby", "presence");
    assert!(events.iter().all(|event| event["user"] == "bob"), "{events:?}");
}
