//! A user who is banned again and again joins as fast as a program can: while banned, nothing
//! reaches them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chat_tests::clients::client::Client;
use chat_tests::cmd;
use chat_tests::seed::{patience, seeded};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{SOON, eventually};
use rand::Rng;
use serde_json::json;

const OPTIONS: &[&str] = &["--probe", "500ms", "--operations-per-second", "1000000"];

/// Joins, resumes, reads and leaves until stopped, whatever the replies.
fn insist(client: &Client, stop: &AtomicBool) {
    let mut cursor: Option<String> = None;
    let mut turn = 0_u32;
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        let op = match turn % 5 {
            0 => json!({"op": "unsubscribe", "room": "lobby"}),
            1 => json!({"op": "join", "room": "lobby"}),
            2 => json!({"op": "history", "room": "lobby"}),
            3 => json!({"op": "resume", "rooms": {"lobby": cursor}}),
            _ => json!({"op": "subscribe", "room": "lobby"}),
        };
        if let Ok(answer) = client.call(op)
            && let Some(last) = answer["last"].as_str()
        {
            cursor = Some(last.to_owned());
        }
    }
}

#[test]
fn a_banned_user_who_keeps_joining_receives_no_message_sent_meanwhile() {
    let redis = Redis::start();
    let relays = ["r1", "r2"].map(|name| {
        let relay = Relay::with(name, &redis.url(), OPTIONS);
        relay.wait_ready();
        relay
    });
    let mut random = seeded("insisting");
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.SEND", "lobby", "owner", "first").ok();
    let mallory: Vec<Client> =
        [&relays[0], &relays[1], &relays[0]].map(|relay| relay.connect("mallory")).into();
    let witnesses: Vec<Client> = relays.iter().map(|relay| relay.connect("witness")).collect();
    for witness in &witnesses {
        witness.ok(json!({"op": "join", "room": "lobby"}));
    }
    let stop = AtomicBool::new(false);
    let (mut rounds, mut received) = (0, Vec::new());
    std::thread::scope(|threads| {
        for client in &mallory {
            threads.spawn(|| insist(client, &stop));
        }
        let end = Instant::now() + patience(Duration::from_secs(4));
        while Instant::now() < end && received.is_empty() {
            rounds += 1;
            if random.random_ratio(1, 4) {
                cmd!(wire, "CLIENT", "KILL", "TYPE", "pubsub").ok();
            }
            let places = |client: &Client| client.frames_from(0).len();
            let from: Vec<usize> = mallory.iter().map(places).collect();
            cmd!(wire, "CHAT.MOD", "lobby", "*", "BAN", "mallory").ok();
            let sealed = format!("sealed {rounds}");
            let id = cmd!(wire, "CHAT.SEND", "lobby", "owner", &sealed).text().to_owned();
            for witness in &witnesses {
                witness.next_where("lobby", &sealed, |event| event["id"] == *id);
            }
            // A subscriber receives the room from its join on.
            let id = cmd!(wire, "CHAT.SEND", "lobby", "owner", &sealed).text().to_owned();
            for witness in &witnesses {
                witness.next_where("lobby", &sealed, |event| event["id"] == *id);
            }
            for (client, from) in mallory.iter().zip(&from) {
                let frames = client.frames_from(*from).into_iter();
                received.extend(frames.filter(|frame| frame.text.contains(&sealed)));
            }
            cmd!(wire, "CHAT.MOD", "lobby", "*", "UNBAN", "mallory").ok();
            // She has joined, on some relay, before she is banned again.
            let from: Vec<usize> = mallory.iter().map(places).collect();
            eventually("a message that she receives", SOON, || {
                let open = format!("open {rounds}");
                cmd!(wire, "CHAT.SEND", "lobby", "owner", &open).ok();
                let receives = mallory.iter().zip(&from).any(|(client, from)| {
                    client.frames_from(*from).iter().any(|frame| frame.text.contains(&open))
                });
                if receives { Ok(()) } else { Err(mallory[0].arrived()) }
            });
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(received.is_empty(), "after {rounds} bans: {}", received[0].text);
    assert!(mallory.iter().all(|client| client.closed().is_none()), "{}", mallory[0].arrived());
    assert!(rounds > 5, "{rounds} rounds");
    println!("{rounds} bans");
}
