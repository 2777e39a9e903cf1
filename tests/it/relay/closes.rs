//! Every reason for which the relay closes a socket that sent nothing wrong: the exact code, and a
//! reason that says what to do. Broken frames are in `hostile.rs`, SIGTERM in `drain.rs`.

use std::time::Duration;

use chat_protocol::close_code::{self, CloseCode};
use chat_tests::clients::raw_socket::{RawSocket, opcode};
use chat_tests::clients::reply::Reply;
use chat_tests::cmd;
use chat_tests::servers::key_server::{Answer, KeyPair, KeyServer};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::{Issuer, now_s};
use chat_tests::wait::{LATER, SOON, eventually, never};
use serde_json::json;

/// A close code, and a scenario that ends with it.
type Row = (CloseCode, fn(&Redis) -> RawClose);

/// The content of a close frame.
pub(crate) type RawClose = (u16, String);

/// Every code that is not a response to a broken frame or a signal.
pub(crate) const TABLE: &[Row] = &[
    (close_code::SLOW, reads_nothing_while_much_is_said),
    (close_code::PING, answers_no_ping),
    (close_code::FULL, is_one_too_many),
    (close_code::EOF, ends_its_side_only),
    (close_code::KEYS, comes_before_the_keys),
    (close_code::FLOOD, goes_on_after_it_was_told_to_wait),
    (close_code::UNAUTHORISED, has_no_name),
    (close_code::ADDRESS, is_one_too_many_from_its_address),
    (close_code::KICKED, is_sent_away_by_the_backend),
    (close_code::EXPIRED, comes_with_an_old_token),
    (close_code::SUSPENDED, is_suspended),
    (close_code::REPLACED, is_the_oldest_of_too_many),
];

#[test]
fn every_close_has_its_code_and_hints_whether_to_reconnect() {
    let redis = Redis::start();
    for (code, happens) in TABLE {
        let (found, reason) = happens(&redis);
        assert_eq!(found, code.number, "{}: {reason}", code.name);
        let reason: serde_json::Value = serde_json::from_str(&reason).expect("JSON");
        assert_eq!(reason["reason"], code.name);
        assert_eq!(reason["retry_ms"].is_u64(), code.may_reconnect(), "{reason}");
    }
}

#[test]
fn a_client_that_reads_is_never_slow_however_large_the_batch() {
    let redis = Redis::start();
    let relay = relay(&redis, &["--outbox", "16kb"]);
    let reader = relay.connect("reader");
    reader.ok(json!({"op": "join", "room": "much"}));
    let mut wire = redis.wire();
    for (count, length) in [(64, 1000), (8, 4000), (2, 4096)] {
        let text = "x".repeat(length);
        cmd!(wire, "MULTI").ok();
        for _ in 0..count {
            assert_eq!(cmd!(wire, "CHAT.SEND", "much", "reader", text).text(), "QUEUED");
        }
        cmd!(wire, "CHAT.SEND", "much", "reader", format!("after {length}")).text();
        assert_eq!(cmd!(wire, "EXEC").list().len(), count + 1);
        let is_last = |event: &serde_json::Value| event["text"] == format!("after {length}");
        reader.next_where("much", "the last of what came at once", is_last);
    }
    assert!(reader.closed().is_none());
    let events = reader.events("much");
    let messages = events.iter().filter(|event| event.json["type"] == "message");
    assert_eq!(messages.count(), 64 + 8 + 2 + 3, "everything arrived");
}

fn relay(redis: &Redis, options: &[&str]) -> Relay {
    let relay = Relay::with("r1", &redis.url(), options);
    relay.wait_ready();
    relay
}

#[track_caller]
fn close_of(mut socket: RawSocket) -> RawClose {
    socket.close_reason().expect("a close frame before the end")
}

fn reads_nothing_while_much_is_said(redis: &Redis) -> RawClose {
    let options = ["--outbox", "256kb", "--operations-per-second", "100000"];
    let relay = relay(redis, &options);
    let mut slow = RawSocket::connect(relay.address(), "slow");
    slow.send_text(&json!({"op": "join", "room": "much", "ref": 1}).to_string());
    assert!(slow.answer(1).is_some_and(|answer| answer.contains("\"ok\"")));
    let loud = relay.connect("loud");
    loud.ok(json!({"op": "join", "room": "much"}));
    let text = "x".repeat(4000);
    eventually("the slow one to be closed", LATER, || {
        // As fast as the loud client itself reads: only the slow one falls behind.
        for _ in 0..20 {
            loud.ask(json!({"op": "send", "room": "much", "text": text}));
        }
        loud.ok(json!({"op": "send", "room": "much", "text": "all of them?"}));
        let closed = relay.metric("chat_relay_closes_total").unwrap_or_default();
        if closed >= 1.0 { Ok(()) } else { Err(format!("{closed} closed")) }
    });
    assert!(loud.closed().is_none(), "a slow one costs only itself");
    close_of(slow)
}

fn answers_no_ping(redis: &Redis) -> RawClose {
    close_of(RawSocket::connect(relay(redis, &["--ping", "200ms"]).address(), "silent"))
}

fn is_one_too_many(redis: &Redis) -> RawClose {
    let relay = relay(redis, &["--max-connections", "2"]);
    let inside = [relay.connect("one"), relay.connect("two")];
    let close = close_of(RawSocket::connect(relay.address(), "three"));
    never("open sockets to be disturbed", Duration::from_millis(50), || {
        let closed = inside.iter().find_map(|client| client.closed());
        closed.map_or(Ok(()), |close| Err(format!("{close:?}")))
    });
    drop(inside);
    // A freed place is available to the next client.
    eventually("a free place", LATER, || {
        let next = chat_tests::clients::client::Client::try_connect(relay.address(), "four");
        next.map(drop).map_err(|status| format!("HTTP {status}"))
    });
    close
}

fn ends_its_side_only(redis: &Redis) -> RawClose {
    let relay = relay(redis, &[]);
    let socket = RawSocket::connect(relay.address(), "half");
    socket.half_close();
    close_of(socket)
}

fn is_suspended(redis: &Redis) -> RawClose {
    let relay = relay(redis, &[]);
    assert_eq!(cmd!(redis, "CHAT.MOD", "@gone", "*", "BAN", "gone").int(), 1);
    let (code, reason) = close_of(RawSocket::connect(relay.address(), "gone"));
    assert!(reason.contains("\"until_ms\":0"), "{reason}");
    (code, reason)
}

fn goes_on_after_it_was_told_to_wait(redis: &Redis) -> RawClose {
    let relay = relay(redis, &["--operations-per-second", "1"]);
    let mut socket = RawSocket::connect(relay.address(), "loud");
    // The relay may have closed before the last of them.
    while socket.send(opcode::PING, true, b"").is_ok() {}
    let close = close_of(RawSocket::connect(relay.address(), "loud"));
    let reason: serde_json::Value = serde_json::from_str(&close.1).expect("JSON");
    let retry_ms = reason["retry_ms"].as_u64();
    assert!(retry_ms.is_some_and(|ms| (30_000..=60_000).contains(&ms)), "{reason}");
    close
}

fn has_no_name(redis: &Redis) -> RawClose {
    let relay = relay(redis, &[]);
    for user in ["a,b", "*", "%40alice", "a%20b", "%ff"] {
        assert_eq!(
            close_of(RawSocket::connect(relay.address(), user)).0,
            close_code::UNAUTHORISED.number,
            "{user}"
        );
    }
    close_of(RawSocket::connect(relay.address(), ""))
}

fn is_one_too_many_from_its_address(redis: &Redis) -> RawClose {
    let relay = relay(redis, &["--max-connections-per-address", "2"]);
    let _inside = [relay.connect("one"), relay.connect("two")];
    close_of(RawSocket::connect(relay.address(), "three"))
}

fn is_the_oldest_of_too_many(redis: &Redis) -> RawClose {
    let relay = relay(redis, &["--max-connections-per-user", "2"]);
    let oldest = RawSocket::connect(relay.address(), "alice");
    let other = relay.connect("bob");
    let mut newer: Vec<_> = (0..2).map(|_| relay.connect("alice")).collect();
    let close = close_of(oldest);
    for client in newer.iter().chain([&other]) {
        client.ok(json!({"op": "ping"}));
    }
    // One that has left counts no more.
    drop(newer.pop());
    eventually("the relay to notice", SOON, || match relay.metric("chat_relay_connections") {
        Some(2.0) => Ok(()),
        count => Err(format!("{count:?}")),
    });
    let newest = relay.connect("alice");
    newest.ok(json!({"op": "ping"}));
    newer[0].ok(json!({"op": "ping"}));
    close
}

fn is_sent_away_by_the_backend(redis: &Redis) -> RawClose {
    let relay = relay(redis, &[]);
    let (kicked, other) = (relay.connect("mallory"), relay.connect("alice"));
    eventually("the store to know of the socket", SOON, || {
        match cmd!(redis, "CHAT.ONLINE", "@mallory") {
            online if online == Reply::List(vec![Reply::Int(1)]) => Ok(()),
            online => Err(format!("{online:?}")),
        }
    });
    assert_eq!(cmd!(redis, "CHAT.MOD", "@mallory", "*", "KICK", "mallory").int(), 1);
    let close = kicked.wait_closed(LATER);
    other.ok(json!({"op": "ping"}));
    (close.code, close.reason)
}

fn comes_before_the_keys(redis: &Redis) -> RawClose {
    let server = KeyServer::start();
    server.answer(Answer::Status(500));
    let relay = server.relay("r1", redis, &["--jwt-query"]);
    let query = format!("&access_token={}", KeyPair::new("a").token_of("alice"));
    close_of(RawSocket::connect(relay.address(), &query))
}

fn comes_with_an_old_token(redis: &Redis) -> RawClose {
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", redis, &["--jwt-query"]);
    let token = issuer.token(json!({"sub": "alice", "exp": now_s() - 31}));
    let query = format!("&access_token={token}");
    close_of(RawSocket::connect(relay.address(), &query))
}

#[test]
fn a_user_kicked_while_connecting_is_closed_too() {
    let redis = Redis::start();
    let relay = relay(&redis, &["--operations-per-second", "1000"]);
    let mut wire = redis.wire();
    for n in 0..200 {
        let user = format!("mallory{n}");
        let kicked = relay.connect(&user);
        let room = format!("@{user}");
        // As soon as the store knows the socket.
        while cmd!(wire, "CHAT.ONLINE", &room) != Reply::List(vec![Reply::Int(1)]) {}
        assert_eq!(cmd!(wire, "CHAT.MOD", &room, "*", "KICK", &user).int(), 1);
        assert_eq!(kicked.wait_closed(SOON).code, close_code::KICKED.number, "{user}");
    }
}
