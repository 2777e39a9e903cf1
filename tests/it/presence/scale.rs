//! Very many rooms and connections at once: leaves are published in time, however many others there
//! are.

use std::time::Duration;

use chat_tests::checking::people::ts;
use chat_tests::checking::subscriber::Subscriber;
use chat_tests::clients::wire::{Command, Wire};
use chat_tests::seed::rounds;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually, never};
use chat_tests::{args, cmd};

/// Rooms, and connections in each.
const ROOMS: usize = 100_000;
const EACH: usize = 10;
/// The number of connections that end: one in each of this many rooms.
const ENDING: usize = 10_000;
/// Their time to live, and the promised delay beyond it, in milliseconds.
const TTL: u64 = 8_000;
const PROMISED: u64 = 1_000;
/// What a busy machine may add. No promise covers it.
const SLACK: u64 = 1_000;
/// A server that stood still on a busy machine would give every connection a grace.
const SETTING: &str = "chat.presence-grace 0";
const PIPELINE: usize = 2_000;
/// The work of one slice of the timer: 256 steps and timeouts, and what its last step adds.
const SLICE_MOST: u64 = 256 + 128;

fn room(n: usize) -> String {
    format!("room{n}")
}

fn send_all(wire: &mut Wire, mut commands: impl Iterator<Item = Command>) {
    loop {
        let batch: Vec<Command> = commands.by_ref().take(PIPELINE).collect();
        if batch.is_empty() {
            return;
        }
        wire.pipeline(&batch).into_iter().for_each(|reply| drop(reply.ok()));
    }
}

fn field(redis: &Redis, name: &str) -> u64 {
    redis.info("chat", &format!("chat_{name}")).parse().expect("a number")
}

#[test]
fn ten_thousand_timeouts_among_very_many_connections_are_published_in_time() {
    let redis = Redis::with(&[SETTING]);
    let mut wire = redis.wire();
    let long = 3_600_000;
    send_all(&mut wire, (0..ROOMS).map(|n| args!["CHAT.JOIN", room(n), "u0"]));
    let connections = (0..ROOMS).flat_map(|n| (0..EACH).map(move |k| (n, k)));
    send_all(
        &mut wire,
        connections.map(|(n, k)| {
            let (user, connection) = (format!("u{k}"), format!("c{n}-{k}"));
            args!["CHAT.PRESENCE", room(n), user, connection, "TTL", long]
        }),
    );
    assert_eq!(field(&redis, "connections_online") as usize, ROOMS * EACH);

    let watched: Vec<String> = (0..ENDING).map(|n| room(n * ROOMS / ENDING)).collect();
    let names: Vec<&str> = watched.iter().map(String::as_str).collect();
    let channel = Subscriber::new(&redis, &names);
    let mut due = std::collections::BTreeMap::new();
    for part in watched.chunks(PIPELINE) {
        let earliest = redis.clock_ms() + TTL;
        let beats = part.iter().map(|room| {
            let number = room.trim_start_matches("room");
            args!["CHAT.BEAT", room, TTL, format!("c{number}-3")]
        });
        send_all(&mut wire, beats);
        let latest = redis.clock_ms() + TTL;
        due.extend(part.iter().map(|room| (room.clone(), (earliest, latest))));
    }
    let events = eventually("all leaves", LATER, || {
        let events = channel.all();
        if events.len() >= ENDING { Ok(events) } else { Err(format!("{} leaves", events.len())) }
    });
    let mut worst = 0;
    for (room, text) in &events {
        let event: serde_json::Value = serde_json::from_str(text).expect("JSON");
        assert!(event["kind"] == "leave" && event["user"] == "u3", "{text}");
        assert_eq!(event["users"], EACH - 1, "{text}");
        let (earliest, latest) = due.remove(room).expect("each room once");
        let at = ts(&event);
        assert!(at >= earliest, "{at}, due at {earliest} or later: {text}");
        assert!(at <= latest + PROMISED + SLACK, "{at}, due at {latest} or sooner: {text}");
        worst = worst.max(at.saturating_sub(earliest));
    }
    never("a leave before its deadline", Duration::from_millis(300), || {
        match channel.all().len() - ENDING {
            0 => Ok(()),
            more => Err(format!("{more} more")),
        }
    });
    assert_eq!(field(&redis, "connections_online") as usize, ROOMS * EACH - ENDING);
    assert_eq!(field(&redis, "presence_timeouts") as usize, ENDING);
    println!(
        "{} connections in {ROOMS} rooms, {ENDING} ended: at most {worst} ms late, {} slices, the \
         longest {} us",
        ROOMS * EACH,
        field(&redis, "sweep_slices"),
        field(&redis, "sweep_longest_us")
    );
    assert!(field(&redis, "sweep_slices") > 0 && field(&redis, "sweep_longest_us") > 0);
    assert!((2..=SLICE_MOST).contains(&field(&redis, "sweep_most")));
}

#[test]
fn a_crowd_that_ends_at_once_in_one_room_delays_no_other_room() {
    let redis = Redis::with(&[SETTING]);
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.SEND", "lobby", "owner", "hi").ok();
    let crowd = 20_000 * rounds(1).min(10);
    let channel = Subscriber::new(&redis, &["lobby"]);
    send_all(
        &mut wire,
        (0..crowd).map(|n| {
            args!["CHAT.PRESENCE", "lobby", format!("u{n}"), format!("c{n}"), "TTL", 4_000]
        }),
    );
    let before = redis.clock_ms();
    assert!(cmd!(wire, "CHAT.ONLINE", "lobby").list()[0].int() > 0);
    // Meanwhile other commands are served.
    let mut slowest = Duration::ZERO;
    eventually("all users to leave", LATER, || {
        let asked = std::time::Instant::now();
        let here = cmd!(wire, "CHAT.ONLINE", "lobby").list()[0].int();
        slowest = slowest.max(asked.elapsed());
        if here == 0 { Ok(()) } else { Err(format!("{here} online")) }
    });
    let last = eventually("the last count", LATER, || {
        let all = channel.all();
        let (_, text) = all.last().ok_or("nothing")?;
        let event: serde_json::Value = serde_json::from_str(text).expect("JSON");
        if event["users"] == 0 { Ok(event) } else { Err(text.clone()) }
    });
    let late = ts(&last).saturating_sub(before + 4_000);
    assert!(late <= PROMISED + SLACK, "{late} ms after the last deadline");
    println!(
        "{crowd} ended in one room, the last {late} ms late; an answer took at most {slowest:?}; \
         the longest slice {} us",
        field(&redis, "sweep_longest_us")
    );
    assert!((33..=SLICE_MOST).contains(&field(&redis, "sweep_most")));
}
