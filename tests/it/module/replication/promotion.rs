//! A promoted replica that lacks the last writes, room by room: which clients must reload,
//! also where the next event reuses the number of a lost one.

use std::time::Duration;

use chat_tests::checking::view::{history, sync};
use chat_tests::cmd;
use chat_tests::servers::clock::Clock;
use chat_tests::servers::proxy::{Network, Proxy};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, SOON, eventually, never};
use serde_json::{Value, json};

const HOUR_MS: i64 = 3_600_000;

/// A primary, its replica with a clock that is an hour behind, and proxies to both.
struct Pair {
    primary: Redis,
    replica: Redis,
    link: Proxy,
    path: Proxy,
    _clock: Clock,
}

impl Pair {
    fn start() -> Pair {
        let primary = Redis::start();
        let (link, path) = (Proxy::to(primary.address()), Proxy::to(primary.address()));
        let clock = Clock::ahead_ms(-HOUR_MS);
        let replica = Redis::replica_through(&primary, link.address(), &[], Some(&clock));
        assert!(replica.clock_ms() + 3_000_000 < primary.clock_ms(), "clock.c has no effect");
        Pair { primary, replica, link, path, _clock: clock }
    }

    /// A relay behind the proxy that will lead to the promoted replica.
    fn relay(&self, name: &str, probe: &str) -> Relay {
        let url = format!("redis://{}", self.path.address());
        let relay = Relay::with(name, &url, &["--probe", probe]);
        relay.wait_ready();
        relay
    }

    fn cut_the_link(&self) {
        self.replica.catch_up(&self.primary);
        self.link.set(Network::Drop);
    }

    fn promote(&mut self) {
        cmd!(self.replica, "REPLICAOF", "NO", "ONE").ok();
        self.path.lead_to(self.replica.address());
        self.primary.kill();
    }
}

fn say(redis: &Redis, room: &str, text: &str) -> String {
    cmd!(redis, "CHAT.SEND", room, "bob", text).text().to_owned()
}

#[test]
fn every_lost_cursor_is_refused_and_every_other_recovered() {
    let mut pair = Pair::start();
    let relay = pair.relay("r1", "500ms");
    // In room k the last k events are lost; after the promotion one or more new events follow.
    let rooms: Vec<(String, usize, usize)> = (0..4)
        .flat_map(|lost| (0..4).map(move |new| (format!("lost{lost}new{new}"), lost, new)))
        .collect();
    let alice = relay.connect("alice");
    let mut kept = Vec::new();
    for (room, ..) in &rooms {
        let ids: Vec<String> =
            (0..3).map(|n| say(&pair.primary, room, &format!("kept {n}"))).collect();
        kept.push(ids[2].clone());
        alice.ok(json!({"op": "join", "room": room}));
    }
    pair.cut_the_link();
    let mut cursors = Vec::new();
    for (room, lost, _) in &rooms {
        let ids: Vec<String> =
            (0..*lost).map(|n| say(&pair.primary, room, &format!("lost {n}"))).collect();
        if let Some(last) = ids.last() {
            alice.next_where(room, "the last of the lost", |event| event["id"] == **last);
        }
        cursors.push(ids);
    }
    pair.promote();
    let mut wire = pair.replica.wire();
    for (room, _, new) in &rooms {
        for n in 0..*new {
            say(&pair.replica, room, &format!("new {n}"));
        }
    }
    relay.wait_ready();
    // Clients that stayed: they reload where something is lost, and only there.
    for (room, lost, new) in &rooms {
        let truth = history(&mut wire, room, &[]);
        assert_eq!(truth.events.len(), 3 + new, "{room}");
        eventually(&format!("alice to be level in {room}"), SOON, || {
            let mut seen: Vec<Value> = Vec::new();
            let mut reloads = 0;
            for frame in alice.events(room) {
                if frame.json["type"] == "reload" {
                    reloads += 1;
                    seen = frame.json["events"].as_array().expect("a page").clone();
                } else if frame.json["type"] == "message" {
                    seen.push(frame.json);
                }
            }
            let texts: Vec<_> = seen.iter().filter_map(|event| event["text"].as_str()).collect();
            let skip = if *lost == 0 { 3 } else { 0 };
            let level = reloads == usize::from(*lost > 0) && texts == truth.texts()[skip..];
            if level { Ok(()) } else { Err(format!("{reloads} reloads, {texts:?}")) }
        });
    }
    // Clients that return with a cursor.
    let carol = relay.connect("carol");
    for ((room, _, new), (kept, lost)) in rooms.iter().zip(kept.iter().zip(&cursors)) {
        assert!(sync(&mut wire, room, kept, &[]).recovered, "{room}");
        let answer = carol.ok(json!({"op": "subscribe", "room": room, "since": kept}));
        assert_eq!(answer["recovered"], true, "{room}");
        assert_eq!(answer["events"].as_array().map(Vec::len), Some(*new), "{room}");
        for cursor in lost {
            assert!(!sync(&mut wire, room, cursor, &[]).recovered, "{room} {cursor}");
            let answer = carol.ok(json!({"op": "subscribe", "room": room, "since": cursor}));
            assert_eq!(answer["recovered"], false, "{room} {cursor}");
            assert_eq!(answer["events"].as_array().map(Vec::len), Some(3 + new), "{room}");
            let answer = carol.ok(json!({"op": "resume", "rooms": {room: cursor}}));
            assert_eq!(answer["rooms"][room]["recovered"], false, "{room} {cursor}");
        }
    }
}

#[test]
fn no_id_of_a_lost_event_is_reused() {
    let mut pair = Pair::start();
    let first = say(&pair.primary, "lobby", "kept");
    pair.cut_the_link();
    let lost: Vec<String> = (0..20).map(|n| say(&pair.primary, "lobby", &n.to_string())).collect();
    let gone: Vec<String> = (0..20).map(|n| say(&pair.primary, &format!("n{n}"), "x")).collect();
    pair.promote();
    let new: Vec<String> = (0..20).map(|n| say(&pair.replica, "lobby", &n.to_string())).collect();
    assert!(new.iter().all(|id| !lost.contains(id)), "{lost:?} {new:?}");
    let again: Vec<String> = (0..20).map(|n| say(&pair.replica, &format!("n{n}"), "x")).collect();
    assert!(again.iter().zip(&gone).all(|(new, old)| new != old), "{gone:?} {again:?}");
    assert_eq!(sync(&mut pair.replica.wire(), "lobby", &first, &[]).ids(), new);
}

#[test]
fn a_client_ahead_of_the_relay_is_notified_of_the_loss() {
    let mut pair = Pair::start();
    // The relay still trusts its subscription, on which nothing arrives any more.
    let relay = pair.relay("r1", "60s");
    let (slow, ahead) = (relay.connect("slow"), relay.connect("ahead"));
    let kept = say(&pair.primary, "lobby", "kept");
    slow.ok(json!({"op": "join", "room": "lobby"}));
    pair.cut_the_link();
    pair.path.set_subscriptions(Some(Network::Stall));
    let lost: Vec<String> =
        (0..3).map(|n| say(&pair.primary, "lobby", &format!("lost {n}"))).collect();
    // The relay has not received these events, but fetches them for a client that asks.
    let page = ahead.ok(json!({"op": "join", "room": "lobby", "since": kept}));
    assert_eq!((&page["recovered"], &page["last"]), (&json!(true), &json!(lost[2])), "{page}");
    assert!(slow.events("lobby").iter().all(|event| event.json["user"] != "bob"), "{page}");
    pair.path.set_subscriptions(None);
    pair.promote();
    let new: Vec<String> =
        (0..6).map(|n| say(&pair.replica, "lobby", &format!("new {n}"))).collect();
    relay.wait_ready();
    eventually("all new events for the client behind", LATER, || {
        let events = slow.events("lobby");
        let seen: Vec<_> = events.iter().filter_map(|event| event.json["id"].as_str()).collect();
        if seen == new { Ok(()) } else { Err(slow.arrived()) }
    });
    // It reloads, or it reconnects and then reloads.
    let notice = ahead.next_where("lobby", "the report of the loss", |event| {
        event["type"] == "reload" || event["type"] == "gone"
    });
    let mut reloads_due = 1;
    if notice.json["type"] == "gone" {
        assert_eq!(notice.json["code"], "UNAVAILABLE");
        let again = json!({"op": "subscribe", "room": "lobby", "since": lost[2]});
        assert_eq!(ahead.ok(again)["recovered"], false);
        reloads_due = 0;
    }
    let last = say(&pair.replica, "lobby", "last");
    ahead.next_where("lobby", "what comes after", |event| event["id"] == *last);
    never("a reload too many", Duration::from_millis(300), || {
        let events = ahead.events("lobby");
        let reloads = events.iter().filter(|event| event.json["type"] == "reload").count();
        if reloads == reloads_due { Ok(()) } else { Err(format!("{reloads}: {}", ahead.arrived())) }
    });
}
