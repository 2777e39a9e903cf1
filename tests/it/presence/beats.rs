//! What renewing presence costs Redis: one command per room and third of the time to live, spread
//! over time, and all at once only after an outage.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chat_tests::checking::monitor::{Monitor, Seen};
use chat_tests::checking::people::{leaves, online};
use chat_tests::checking::subscriber::Subscriber;
use chat_tests::clients::client::Client;
use chat_tests::clients::raw_socket::RawSocket;
use chat_tests::cmd;
use chat_tests::servers::proxy::{Network, Proxy};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually, until};
use serde_json::json;

const ROOMS: usize = 60;
const EACH: usize = 4;
/// A third of the time to live.
const INTERVAL: u64 = 1_500;

fn room(n: usize) -> String {
    format!("room{n}")
}

/// `EACH` users, each in all the rooms.
fn crowd(relay: &Relay) -> Vec<Client> {
    (0..EACH)
        .map(|n| {
            let client = relay.connect(&format!("u{n}"));
            for n in 0..ROOMS {
                client.ok(json!({"op": "join", "room": room(n)}));
            }
            client
        })
        .collect()
}

fn relay(url: &str) -> Relay {
    let options = [
        "--presence-ttl",
        "4500ms",
        "--grace",
        "2s",
        "--probe",
        "500ms",
        "--operations-per-second",
        "10000",
    ];
    let relay = Relay::with("r1", url, &options);
    relay.wait_ready();
    relay
}

fn beats(commands: &[Seen]) -> impl Iterator<Item = &Seen> {
    commands.iter().filter(|command| command.words[0].eq_ignore_ascii_case("CHAT.BEAT"))
}

#[test]
fn one_beat_per_room_and_interval_keeps_all_its_connections_and_beats_are_spread() {
    let redis = Redis::start();
    let relay = relay(&redis.url());
    let _crowd = crowd(&relay);
    // The first beats begin at a random point of the interval.
    until(Instant::now() + Duration::from_millis(2 * INTERVAL));
    let monitor = Monitor::of(&redis);
    let spans = 3;
    until(Instant::now() + Duration::from_millis(spans * INTERVAL));
    let commands = monitor.all();
    let mut by_room: BTreeMap<&str, Vec<&Seen>> = BTreeMap::new();
    for beat in beats(&commands) {
        by_room.entry(&beat.words[1]).or_default().push(beat);
    }
    for n in 0..ROOMS {
        let beats = by_room.get(&*room(n)).map(Vec::as_slice).unwrap_or_default();
        let allowed = spans as usize - 1..=spans as usize + 1;
        assert!(allowed.contains(&beats.len()), "{} beats of {}: {beats:?}", beats.len(), room(n));
        for beat in beats {
            let named: BTreeSet<&String> = beat.words[3..].iter().collect();
            assert_eq!(named.len(), EACH, "all connections at once: {beat:?}");
            assert_eq!(beat.words[2], "4500");
        }
    }
    let presence = commands.iter().any(|seen| seen.words[0].eq_ignore_ascii_case("CHAT.PRESENCE"));
    assert!(!presence, "nothing is set that is known");
    // No tenth of the interval holds more than half of them.
    let mut tenths = [0_usize; 10];
    for beat in beats(&commands) {
        tenths[(beat.at_ms % INTERVAL / (INTERVAL / 10)) as usize] += 1;
    }
    let all: usize = tenths.iter().sum();
    assert!(tenths.iter().all(|count| *count * 2 < all), "{tenths:?}");
}

#[test]
fn after_an_outage_every_connection_is_renewed_at_once_and_no_leave_is_published() {
    let redis = Redis::with(&["chat.presence-grace 0"]);
    let path = Proxy::to(redis.address());
    let relay = relay(&format!("redis://{}", path.address()));
    let _crowd = crowd(&relay);
    let rooms: Vec<String> = (0..ROOMS).map(room).collect();
    let names: Vec<&str> = rooms.iter().map(String::as_str).collect();
    let channel = Subscriber::new(&redis, &names);
    path.set(Network::Drop);
    relay.wait_unready();
    // Some rooms have lost them.
    let mut wire = redis.wire();
    for n in 0..10 {
        for user in 0..EACH {
            let kicked = cmd!(wire, "CHAT.MOD", room(n), "*", "KICK", format!("u{user}"));
            assert_eq!(kicked.int(), 1);
            cmd!(wire, "CHAT.JOIN", room(n), format!("u{user}")).ok();
        }
    }
    for n in 10..20 {
        cmd!(wire, "DEL", room(n)).ok();
        cmd!(wire, "CHAT.SEND", room(n), "owner", "again").ok();
    }
    let monitor = Monitor::of(&redis);
    path.set(Network::Open);
    relay.wait_ready();
    eventually("all users online where they were not removed", LATER, || {
        let counts: Vec<i64> = (10..ROOMS).map(|n| online(&mut wire, &room(n))).collect();
        let all = counts.iter().all(|count| *count == EACH as i64);
        if all { Ok(()) } else { Err(format!("{counts:?}")) }
    });
    let commands = monitor.all();
    let first = beats(&commands).map(|beat| beat.at_ms).min().expect("beats");
    let early = beats(&commands).filter(|beat| beat.at_ms < first + INTERVAL / 2);
    let early: BTreeSet<&String> = early.map(|beat| &beat.words[1]).collect();
    let missing: Vec<&String> = rooms.iter().filter(|room| !early.contains(room)).collect();
    assert!(missing.is_empty(), "not beaten at once: {missing:?}");
    for n in 20..ROOMS {
        let left = leaves(&channel, &room(n));
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn a_room_with_more_connections_than_one_beat_may_name_gets_several() {
    const HERE: usize = 1_010;
    let redis = Redis::start();
    let relay = relay(&redis.url());
    cmd!(redis, "CHAT.SEND", "big", "owner", "hi").ok();
    let _sockets: Vec<RawSocket> = (0..HERE)
        .map(|n| {
            let mut socket = RawSocket::connect(relay.address(), &format!("u{n}"));
            socket.send_text(r#"{"ref":1,"op":"join","room":"big"}"#);
            socket
        })
        .collect();
    let mut wire = redis.wire();
    eventually("all users to be online", LATER, || match online(&mut wire, "big") {
        here if here == HERE as i64 => Ok(()),
        here => Err(here.to_string()),
    });
    let monitor = Monitor::of(&redis);
    eventually("beats of all connections", LATER, || {
        let commands = monitor.all();
        let beats: Vec<&Seen> = beats(&commands).filter(|beat| beat.words[1] == "big").collect();
        assert!(beats.iter().all(|beat| beat.words.len() <= 3 + 1_000), "too many names");
        let named: BTreeSet<&String> = beats.iter().flat_map(|beat| &beat.words[3..]).collect();
        if named.len() == HERE { Ok(()) } else { Err(format!("{} named", named.len())) }
    });
    assert_eq!(online(&mut wire, "big"), HERE as i64);
}
