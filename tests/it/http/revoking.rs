//! Revoking without sockets: one second after the backend's command was acknowledged, no request of the
//! user does anything, on a relay that has no socket of the user and so gets no event.

use std::time::{Duration, Instant};

use chat_tests::clients::http::Http;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::proxy::{Network, Proxy};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::{Issuer, now_s};
use chat_tests::wait::{SOON, eventually, until};
use serde_json::json;

/// The promise.
const PROMISE: Duration = Duration::from_secs(1);
const OPTIONS: [&str; 2] = ["--operations-per-second", "10000"];

fn revoke(wire: &mut Wire, user: &str, suspends: bool) {
    let room = format!("@{user}");
    match suspends {
        true => cmd!(wire, "CHAT.MOD", room, "*", "BAN", user).ok(),
        false => cmd!(wire, "CHAT.ROOM", room, "SET", "tokens_after", "now").ok(),
    };
}

fn user(issuer: &Issuer, relay: &Relay, user: &str) -> Http {
    Http::new(relay.address()).bearer(&issuer.token_of(user, json!({"iat": now_s() - 5})))
}

/// The status of sending a message.
fn say(http: &Http, text: &str) -> u16 {
    http.call("POST", "/v1/rooms/lobby/messages", Some(&json!({"text": text}))).status
}

/// The milliseconds of the newest message of this user, and how many there are.
fn newest(wire: &mut Wire, user: &str) -> (u64, usize) {
    let page = chat_tests::checking::view::history(wire, "lobby", &["COUNT", "1000"]);
    let own = page.events.iter().filter(|event| event.json["user"] == user);
    let ms = own.clone().filter_map(|event| event.id().split_once('-')?.0.parse().ok()).max();
    (ms.unwrap_or(0), own.count())
}

#[test]
fn a_second_after_it_no_request_does_anything() {
    const USERS: usize = 20;
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relays = ["r1", "r2"].map(|name| issuer.relay(name, &redis, &OPTIONS));
    let mut wire = redis.wire();
    let names: Vec<String> = (0..USERS).map(|n| format!("bob{n}")).collect();
    let users: Vec<Http> =
        names.iter().enumerate().map(|(n, name)| user(&issuer, &relays[n % 2], name)).collect();
    for http in &users {
        assert!(say(http, "before") < 300, "all are let in");
    }
    let mut acknowledged = Vec::new();
    for (n, name) in names.iter().enumerate() {
        // At another moment of the time for which its answer is kept.
        say(&users[n], "just before");
        until(Instant::now() + Duration::from_millis(n as u64 * 3));
        revoke(&mut wire, name, n % 4 < 2);
        acknowledged.push((Instant::now(), redis.clock_ms()));
    }
    let end = Instant::now() + PROMISE + Duration::from_millis(500);
    let mut let_in_after = 0;
    while Instant::now() < end {
        for (n, http) in users.iter().enumerate() {
            let begun = Instant::now();
            let status = say(http, "after");
            let_in_after += usize::from(status < 300);
            if begun.duration_since(acknowledged[n].0) >= PROMISE {
                let expected = if n % 4 < 2 { 403 } else { 401 };
                assert_eq!(status, expected, "{}", names[n]);
            }
        }
    }
    for (name, (_, at_ms)) in names.iter().zip(acknowledged) {
        let (ms, _) = newest(&mut wire, name);
        assert!(ms > 0 && ms <= at_ms + 1000, "{name}: stored {ms}, revoked before {at_ms}");
    }
    println!("{let_in_after} requests were let in within the second");
}

/// The answer about the user is older than the act, and is held back until long after it.
#[test]
fn an_answer_that_comes_late_is_not_believed_and_without_one_it_is_503() {
    let redis = Redis::start();
    let path = Proxy::to(redis.address());
    let issuer = Issuer::new();
    let relay = issuer.relay_at("r1", &format!("redis://{}", path.address()), &OPTIONS);
    let mut wire = redis.wire();
    let asked = || {
        let stats = redis.info("commandstats", "cmdstat_chat.room_ro");
        let calls = stats.split_once("calls=").expect("a count").1.split(',').next();
        calls.expect("a count").parse::<u64>().expect("a number")
    };
    // A first question, so that there is a count.
    assert!(say(&user(&issuer, &relay, "carol"), "hi") < 300);
    for (n, suspends) in [false, true].into_iter().enumerate() {
        let name = format!("bob{n}");
        let http = user(&issuer, &relay, &name);
        path.set(Network::HoldReplies);
        let before = asked();
        let sent = std::thread::spawn(move || say(&http, "held"));
        eventually("the question to have been answered", SOON, || match asked() {
            now if now > before => Ok(()),
            now => Err(format!("{now}")),
        });
        revoke(&mut wire, &name, suspends);
        until(Instant::now() + PROMISE);
        path.set(Network::Open);
        let status = sent.join().expect("an answer");
        assert_eq!(status, if suspends { 403 } else { 401 }, "{name}");
        assert_eq!(newest(&mut wire, &name).1, 0, "{name}");
    }
    path.set(Network::Drop);
    relay.wait_unready();
    let carol = user(&issuer, &relay, "carol");
    assert_eq!(carol.get("/v1/rooms/lobby").problem().0, 503);
    path.set(Network::Open);
    relay.wait_ready();
    assert!(say(&carol, "back") < 300);
}
