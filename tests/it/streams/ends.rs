//! Why a stream ends: with a last block that says so, after the last positions.

use std::time::Duration;

use chat_tests::clients::event_stream::{EventStream, Wanted};
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::session_server::{Session, SessionServer};
use chat_tests::servers::tokens::{Issuer, now_s};
use chat_tests::wait::{LATER, SOON, eventually};
use serde_json::{Value, json};

use super::open;

/// Waits for the last block, and checks that the response is complete after it.
#[track_caller]
fn closed(stream: &EventStream, code: u16, reason: &str) -> Value {
    let close = stream.wait_named("close").json;
    assert_eq!((&close["code"], &close["reason"]), (&json!(code), &json!(reason)));
    assert_eq!(stream.wait_ended(SOON), "end");
    let inbox = stream.inbox();
    assert_eq!(inbox.blocks.last().map(|block| &*block.event), Some("close"));
    let retry_ms = close["retry_ms"].as_u64().unwrap_or(60_000);
    assert_eq!(inbox.retry_ms, Some(retry_ms));
    close
}

#[test]
fn a_drained_stream_gets_its_last_positions_and_comes_back() {
    let redis = Redis::start();
    let mut relay = Relay::with("r1", &redis.url(), &["--drain-time", "2s"]);
    relay.wait_ready();
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "before");
    let streams: Vec<_> = (0..10).map(|n| open(&relay, &format!("user{n}"), "lobby")).collect();
    for stream in &streams {
        stream.wait_named("reload");
    }
    let last = cmd!(redis, "CHAT.SEND", "lobby", "bob", "last").text().to_owned();
    for stream in &streams {
        stream.wait_text("last");
    }
    relay.process().terminate();
    for stream in &streams {
        assert!(closed(stream, 4001, "drain")["retry_ms"].is_u64());
        let positions = stream.inbox().last_id.clone().unwrap_or_default();
        assert!(positions.contains(&format!("lobby={last}")), "{positions}");
    }
    assert_eq!(relay.process().wait(LATER).code(), Some(0));
}

#[test]
fn a_stream_ends_when_its_token_does_and_presence_with_it() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &["--grace", "60s"]);
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "hi");
    let token = issuer.token(json!({"sub": "alice", "iat": now_s(), "exp": now_s() - 26}));
    let wanted = Wanted::get("/v1/events?rooms=lobby");
    let wanted = wanted.with("authorization", &format!("Bearer {token}"));
    let stream = wanted.open(relay.address()).expect("a stream");
    assert_eq!(stream.wait_named("hello").json["expires_in"], 0);
    stream.wait_named("reload");
    assert_eq!(closed(&stream, 4507, "expired")["what"], "expired");
    let online = || cmd!(redis, "CHAT.ONLINE", "lobby").list()[0].int();
    eventually("no presence", Duration::from_secs(20), || match online() {
        0 => Ok(()),
        count => Err(format!("{count}")),
    });
}

#[test]
fn the_session_of_a_stream_is_renewed_until_it_ends() {
    let redis = Redis::start();
    let application = SessionServer::start();
    application.log_in("alice", 1);
    let relay = application.relay("r1", &redis, &[]);
    for room in ["lobby", "other"] {
        cmd!(redis, "CHAT.SEND", room, "bob", "hi");
    }
    let wanted = || {
        let wanted = Wanted::get("/v1/events?rooms=lobby,other");
        wanted.with("authorization", "Bearer alice").open(relay.address())
    };
    let stream = wanted().expect("a stream");
    for room in ["lobby", "other"] {
        stream.wait(room, |block| block.event == "reload" && block.json["room"] == room);
    }
    application.wait_for_more(application.questions().len());
    let narrow = json!({"user": "alice", "expires_in": 1, "chat": {"rooms": ["lobby"]}});
    application.set("alice", Session::Of(narrow));
    let gone = stream.wait_named("gone").json;
    assert_eq!((&gone["room"], &gone["code"]), (&json!("other"), &json!("DENIED")));
    application.log_out("alice");
    assert_eq!(closed(&stream, 4507, "expired")["what"], "expired");
    let refused = wanted().err().expect("it is refused");
    assert_eq!((refused.status, &refused.problem["what"]), (401, &json!("token")));
}

#[test]
fn the_backend_ends_the_streams_of_a_user() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let (alice, bob) = (open(&relay, "alice", ""), open(&relay, "bob", ""));
    for (stream, position) in [(&alice, "@alice=0-0"), (&bob, "@bob=0-0")] {
        stream.wait_position(position);
    }
    cmd!(redis, "CHAT.MOD", "@alice", "*", "KICK", "alice", "REASON", "enough").ok();
    let close = closed(&alice, 4506, "kicked");
    assert_eq!((&close["message"], close.get("retry_ms")), (&json!("enough"), None));
    assert!(bob.inbox().ended.is_none());
}

#[test]
fn a_revocation_or_suspension_ends_streams_at_once() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &[]);
    let open = |user: &str| {
        let token = issuer.token_of(user, json!({"iat": now_s() - 10}));
        let wanted = Wanted::get("/v1/events").with("authorization", &format!("Bearer {token}"));
        let stream = wanted.open(relay.address()).expect("a stream");
        stream.wait_position(&format!("@{user}=0-0"));
        stream
    };
    let (alice, bob, carol) = (open("alice"), open("bob"), open("carol"));
    cmd!(redis, "CHAT.ROOM", "@alice", "SET", "tokens_after", "now").ok();
    cmd!(redis, "CHAT.MOD", "@bob", "*", "BAN", "bob", "FOR", "3600000").ok();
    assert_eq!(closed(&alice, 4507, "expired")["what"], "revoked");
    assert!(closed(&bob, 4508, "suspended")["until_ms"].is_u64());
    assert!(carol.inbox().ended.is_none());
}

#[test]
fn a_stream_of_the_backend_ends_with_its_own_token_and_not_with_that_of_its_user() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &["--jwt-backend", "--max-refusals", "20/10s"]);
    let token = issuer.token_of("service", json!({"iat": now_s() - 10, "scope": "chat:backend"}));
    let wanted = Wanted::get("/v1/events?as=alice");
    let wanted = wanted.with("authorization", &format!("Bearer {token}"));
    let stream = wanted.clone().open(relay.address()).expect("a stream");
    stream.wait_position("@alice=0-0");
    cmd!(redis, "CHAT.ROOM", "@alice", "SET", "tokens_after", "now").ok();
    cmd!(redis, "CHAT.SEND", "@alice", "*", "still here");
    stream.wait_text("still here");
    cmd!(redis, "CHAT.ROOM", "@service", "SET", "tokens_after", "now").ok();
    assert_eq!(closed(&stream, 4507, "expired")["what"], "revoked");
    eventually("the token to be refused", SOON, || match wanted.clone().open(relay.address()) {
        Err(refused) if refused.status == 401 => Ok(()),
        other => Err(format!("{:?}", other.map(|_| "a stream"))),
    });
    let refused = |_| wanted.clone().open(relay.address()).err().map_or(200, |error| error.status);
    let statuses: Vec<u16> = (0..25).map(refused).collect();
    assert!(statuses.contains(&429), "a revoked token counts as a wrong one: {statuses:?}");
}

#[test]
fn a_reader_that_is_too_slow_is_closed_and_comes_back_without_a_loss() {
    let redis = Redis::start();
    let options = ["--outbox", "64kb", "--operations-per-second", "100000", "--grace", "1s"];
    let relay = Relay::with("r1", &redis.url(), &options);
    relay.wait_ready();
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.SEND", "lobby", "bob", "first");
    let (slow, quick) = (open(&relay, "slow", "lobby"), open(&relay, "quick", "lobby"));
    for (stream, user) in [(&slow, "slow"), (&quick, "quick")] {
        stream.wait_named("reload");
        stream.wait_position(&format!("@{user}=0-0"));
    }
    slow.read(false);
    let text = "x".repeat(4000);
    let mut sent = 0;
    let closes = || relay.metric("chat_relay_closes_total").unwrap_or_default();
    // As much as the kernel's buffers hold, and then the outbox.
    while closes() < 1.0 {
        assert!(sent < 20_000, "nobody is closed");
        for _ in 0..20 {
            sent += 1;
            cmd!(wire, "CHAT.SEND", "lobby", "bob", format!("{sent} {text}"));
        }
        // However busy the machine is, the quick one keeps up.
        let last = format!("{sent} {text}");
        quick.wait("the last of them", |block| block.json["text"] == *last);
    }
    cmd!(wire, "CHAT.SEND", "lobby", "bob", "end");
    quick.wait("the last message", |block| block.json["text"] == "end");
    assert!(quick.inbox().ended.is_none(), "only the slow one");
    let online = || cmd!(redis, "CHAT.ONLINE", "lobby").list()[0].int();
    eventually("the presence of the quick one alone", LATER, || match online() {
        1 => Ok(()),
        count => Err(format!("{count}")),
    });
    slow.read(true);
    slow.wait_ended(SOON);
    let mut seen = numbers(&slow);
    let mut positions = slow.inbox().last_id.clone().expect("positions");
    let mut first_again = None;
    while seen.last() != Some(&sent) {
        let wanted = Wanted::get("/v1/events?user=slow&rooms=lobby");
        let back = wanted.with("last-event-id", &positions).open(relay.address());
        let back = back.expect("a stream");
        back.wait("the last message", |block| block.json["text"] == "end");
        let again = numbers(&back);
        first_again = first_again.or(again.first().copied());
        let from = *again.first().expect("messages");
        seen.retain(|number| *number < from);
        seen.extend(again);
        positions = back.inbox().last_id.clone().unwrap_or(positions);
    }
    assert!(seen.iter().copied().eq(1..=sent), "lost or in disorder: {seen:?}");
}

/// The numbers at the beginnings of messages.
fn numbers(stream: &EventStream) -> Vec<u32> {
    let blocks = stream.blocks_from(0);
    let messages = blocks.iter().filter(|block| block.event == "message");
    let texts = messages.filter_map(|block| block.json["text"].as_str());
    texts.filter_map(|text| text.split_once(' ')?.0.parse().ok()).collect()
}

#[test]
fn presence_ends_when_the_connection_does() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--grace", "1s", "--presence-ttl", "60s"]);
    relay.wait_ready();
    let bob = relay.connect("bob");
    bob.ok(json!({"op": "join", "room": "lobby"}));
    let stream = open(&relay, "alice", "lobby");
    let is = |kind: &'static str| {
        move |event: &Value| {
            event["type"] == "presence" && event["user"] == "alice" && event["kind"] == kind
        }
    };
    bob.next_where("lobby", "alice to come", is("join"));
    drop(stream);
    // By the grace, long before the TTL.
    eventually("alice to go", Duration::from_secs(20), || {
        let events = bob.events("lobby");
        let left =
            events.iter().any(|event| is("timeout")(&event.json) || is("leave")(&event.json));
        if left { Ok(()) } else { Err(bob.arrived()) }
    });
    eventually("no connection", SOON, || match relay.metric("chat_relay_connections") {
        Some(1.0) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}
