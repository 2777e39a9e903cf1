//! A room with very many users publishes their number instead of each join and leave.

use chat_tests::checking::people::{events_of, leaves, online, ts, who};
use chat_tests::checking::subscriber::Subscriber;
use chat_tests::clients::wire::{Command, Wire};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};
use chat_tests::{args, cmd};
use serde_json::{Value, json};

/// `chat.presence-announce` here.
const ANNOUNCED: i64 = 40;
const SETTING: &str = "chat.presence-announce 40";

fn come(from: usize, to: usize) -> Vec<Command> {
    let one = |n: usize| args!["CHAT.PRESENCE", "lobby", format!("u{n:03}"), format!("c{n}")];
    (from..to).map(one).collect()
}

fn go(from: usize, to: usize) -> Vec<Command> {
    let one =
        |n: usize| args!["CHAT.PRESENCE", "lobby", format!("u{n:03}"), format!("c{n}"), "OFF"];
    (from..to).map(one).collect()
}

fn all(wire: &mut Wire, commands: &[Command]) {
    wire.pipeline(commands).into_iter().for_each(|reply| drop(reply.ok()));
}

/// Waits until the last published number is this.
#[track_caller]
fn wait_told(channel: &Subscriber, users: usize) {
    eventually("the true number", LATER, || {
        let counts = events_of(channel, "lobby", "occupancy");
        match counts.last() {
            Some(event) if event["users"] == users => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}

#[track_caller]
fn assert_seconds_apart(events: &[Value]) {
    for pair in events.windows(2) {
        let apart = ts(&pair[1]) - ts(&pair[0]);
        // A second of the monotonic clock, measured by the wall clock: whole milliseconds of both.
        assert!(apart >= 998, "{apart} ms between {} and {}", pair[0], pair[1]);
    }
}

#[test]
fn a_crowd_is_counted_and_published_at_most_once_a_second_with_a_correct_last_count() {
    let redis = Redis::with(&[SETTING]);
    let mut wire = redis.wire();
    let id = cmd!(wire, "CHAT.SEND", "lobby", "owner", "hi").text().to_owned();
    let channel = Subscriber::new(&redis, &["lobby"]);
    all(&mut wire, &come(0, ANNOUNCED as usize));
    eventually("each join to be published", LATER, || {
        match events_of(&channel, "lobby", "presence").len() as i64 {
            ANNOUNCED => Ok(()),
            other => Err(other.to_string()),
        }
    });
    assert!(events_of(&channel, "lobby", "occupancy").is_empty());
    // The next user makes it a crowd.
    for size in [41, 42, 100, 300, 299, 150] {
        let before = online(&mut wire, "lobby") as usize;
        let commands = if size > before { come(before, size) } else { go(size, before) };
        all(&mut wire, &commands);
        wait_told(&channel, size);
    }
    // No event about a single user, no status either.
    cmd!(wire, "CHAT.PRESENCE", "lobby", "u001", "c1", "STATUS", "away").ok();
    cmd!(wire, "CHAT.MOD", "lobby", "*", "KICK", "u149").ok();
    wait_told(&channel, 149);
    let presence = events_of(&channel, "lobby", "presence");
    assert_eq!(presence.len() as i64, ANNOUNCED, "{:?}", presence.last());
    let occupancy = events_of(&channel, "lobby", "occupancy");
    assert_seconds_apart(&occupancy);
    let first = &occupancy[0];
    assert_eq!((&first["room"], &first["last"]), (&json!("lobby"), &json!(id)));
    assert_eq!(first.as_object().map(|fields| fields.len()), Some(5), "{first}");

    // WHO is exact and paged, whatever is published.
    let here = who(&mut wire, "lobby");
    assert_eq!(here.len(), 149);
    let head = cmd!(wire, "CHAT.WHO", "lobby", "COUNT", 1);
    assert_eq!((head.list()[1].int(), head.list()[2].int()), (149, 149));

    // At the bound single users are announced again, based on a list that WHO returns.
    all(&mut wire, &go(ANNOUNCED as usize, 149));
    let picture = who(&mut wire, "lobby");
    let seen = eventually("single ones", LATER, || {
        let presence = events_of(&channel, "lobby", "presence");
        let announced = presence.len() > ANNOUNCED as usize;
        if announced { Ok(presence.len()) } else { Err(format!("{:?}", channel.all().last())) }
    });
    assert_eq!(picture.len() as i64, ANNOUNCED);
    assert_eq!(seen as i64, ANNOUNCED + 1, "the leave that ends the crowd is published");
    all(&mut wire, &go(0, 10));
    eventually("each leave", LATER, || {
        let leaves = leaves(&channel, "lobby");
        if leaves.len() >= 11 { Ok(()) } else { Err(format!("{leaves:?}")) }
    });
    assert_eq!(who(&mut wire, "lobby").len() as i64, ANNOUNCED - 10);
    let after = &events_of(&channel, "lobby", "presence")[seen..];
    assert_eq!(after.len(), 10);
    assert_eq!(after[9]["users"], ANNOUNCED - 10);
}

#[test]
fn a_crowd_that_times_out_is_published_as_a_count_and_the_rest_by_name() {
    let redis = Redis::with(&[SETTING]);
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.SEND", "lobby", "owner", "hi").ok();
    let channel = Subscriber::new(&redis, &["lobby"]);
    all(&mut wire, &come(0, 200));
    let soon: Vec<String> = (30..200).map(|n| format!("c{n}")).collect();
    let mut beat = args!["CHAT.BEAT", "lobby", 3_000];
    beat.extend(soon.iter().map(|name| name.clone().into_bytes()));
    wire.call(&beat).ok();
    eventually("thirty to be left", LATER, || match online(&mut wire, "lobby") {
        30 => Ok(()),
        other => Err(other.to_string()),
    });
    // The users whose leaving ends the crowd are named.
    let left = eventually("the last leave", LATER, || {
        let leaves = leaves(&channel, "lobby");
        match leaves.last() {
            Some(last) if last["users"] == 30 => Ok(leaves),
            other => Err(format!("{other:?}")),
        }
    });
    assert_eq!(left.len() as i64, ANNOUNCED - 30 + 1, "{left:?}");
    assert_seconds_apart(&events_of(&channel, "lobby", "occupancy"));
}

#[test]
fn clients_of_a_relay_receive_counts_in_a_crowd_and_names_below_it() {
    let redis = Redis::with(&["chat.presence-announce 3"]);
    let relay = Relay::start("r1", &redis);
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    let others: Vec<_> = (0..5)
        .map(|n| {
            let other = relay.connect(&format!("u{n}"));
            let answer = other.ok(json!({"op": "join", "room": "lobby"}));
            assert_eq!(answer["online"], n + 2, "the reply counts exactly");
            other
        })
        .collect();
    alice.next_where("lobby", "six", |event| event["type"] == "occupancy" && event["users"] == 6);
    let answer = alice.ok(json!({"op": "who", "room": "lobby"}));
    assert_eq!(answer["list"].as_array().map(Vec::len), Some(6));
    for other in &others[1..] {
        other.ok(json!({"op": "leave", "room": "lobby"}));
    }
    let last = alice.next_where("lobby", "two", |event| {
        event["type"] == "presence" && event["kind"] == "leave" && event["users"] == 2
    });
    assert_eq!(last.json["user"], "u4");
}
