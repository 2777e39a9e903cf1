//! The tour's part of events that no operation of a client brings about, and of streams.

use chat_tests::clients::event_stream::Wanted;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::{Issuer, now_s};
use chat_tests::wait::{LATER, SOON};
use serde_json::json;

use super::operations::{lobby, relay};
use super::tour::Tour;

/// What a backend does, and what is on the personal room of a user.
pub(super) fn of_a_backend(tour: &mut Tour) {
    let redis = Redis::with(&["chat.presence-log yes"]);
    let relay = relay(&redis, &[]);
    for (m, text) in [(1, "one"), (2, "two")] {
        cmd!(redis, "CHAT.IMPORT", "archive", "bob", 1_000, text, "AT", m).text();
    }
    let page = cmd!(redis, "CHAT.HISTORY", "archive");
    let first = page.list()[1].texts()[0].split('"').nth(3).expect("an id").to_owned();
    cmd!(redis, "CHAT.DELETE", "archive", "*", &first).text();
    cmd!(redis, "CHAT.PRESENCE", "@erin", "erin", "c1").list();
    cmd!(redis, "CHAT.PRESENCE", "@erin", "erin", "c1", "OFF", "REASON", "left").list();
    let (alice, erin) = (relay.connect("alice"), relay.connect("erin"));
    tour.ok(&alice, json!({"op": "history", "room": "archive"}));
    let own = tour.ok(&erin, json!({"op": "subscribe", "room": "@erin", "since": "0-0"}));
    assert!(own["events"][1]["since"].is_u64(), "{own}");

    tour.ok(&alice, lobby("join", json!({})));
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "hello").text();
    cmd!(redis, "CHAT.SEND", "lobby", "carol", "hello").text();
    cmd!(redis, "CHAT.ERASE", "lobby", "bob").list();
    alice.next_of("lobby", "erase");
    cmd!(redis, "CHAT.SIGNAL", "@alice", "*", "notice", r#"{"kind":"reminder"}"#).int();
    alice.next_of("@alice", "notice");
    cmd!(redis, "CONFIG", "SET", "chat.presence-announce", 0).ok();
    tour.ok(&erin, lobby("join", json!({})));
    alice.next_of("lobby", "occupancy");
    tour.note_all(&[&alice, &erin]);
}

/// A room is set back, is gone, and the link to Redis is cut.
pub(super) fn of_rooms_that_change(tour: &mut Tour) {
    let redis = Redis::start();
    let mut relay = relay(&redis, &["--auto-join", "hall", "--drain-time", "2s"]);
    let alice = relay.connect("alice");
    tour.ok(&alice, lobby("join", json!({})));
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "one").text();
    let old = cmd!(redis, "DUMP", "lobby").bytes().to_vec();
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "two").text();
    alice.next_where("lobby", "two", |event| event["text"] == "two");
    cmd!(redis, "RESTORE", "lobby", 0, old, "REPLACE").ok();
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "three").text();
    alice.next_of("lobby", "reload");
    cmd!(redis, "CLIENT", "KILL", "TYPE", "pubsub").int();
    alice.next_of("lobby", "reset");
    relay.wait_ready();
    cmd!(redis, "DEL", "lobby").int();
    alice.next_of("lobby", "drop");
    relay.process().terminate();
    tour.note_close(&alice.wait_closed(LATER));
    tour.note_all(&[&alice]);
}

/// Streams from their first block to their last, which says why.
pub(super) fn of_streams(tour: &mut Tour) {
    let redis = Redis::start();
    let mut relay = Relay::with("r1", &redis.url(), &["--drain-time", "2s"]);
    relay.wait_ready();
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "hello").text();
    let open = |user: &str| {
        let body = json!({"rooms": {"lobby": "1-1", "@bob": null}});
        let wanted = Wanted::post(&format!("/v1/events?user={user}"), &body);
        let stream = wanted.open(relay.address()).expect("a stream");
        for room in ["lobby", "@bob"] {
            stream.wait(room, |block| block.event == "reload" && block.json["room"] == room);
        }
        stream
    };
    let streams = ["alice", "carol", "dave"].map(open);
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "again").text();
    streams[0].wait_text("again");
    cmd!(redis, "CHAT.MOD", "@carol", "*", "KICK", "carol", "REASON", "bye").int();
    cmd!(redis, "CHAT.MOD", "@dave", "*", "BAN", "dave").int();
    for stream in &streams[1..] {
        stream.wait_ended(SOON);
    }
    relay.process().terminate();
    streams[0].wait_ended(LATER);

    let issuer = Issuer::new();
    let relay = issuer.relay("r2", &redis, &[]);
    let token = issuer.token_of("erin", json!({"iat": now_s() - 60}));
    let wanted = Wanted::get("/v1/events?rooms=lobby");
    let wanted = wanted.with("authorization", &format!("Bearer {token}"));
    let stream = wanted.open(relay.address()).expect("a stream");
    stream.wait_named("reload");
    cmd!(redis, "CHAT.ROOM", "@erin", "SET", "tokens_after", "now").ok();
    stream.wait_ended(SOON);
    for stream in streams.iter().chain([&stream]) {
        tour.note_stream(stream);
    }
}
