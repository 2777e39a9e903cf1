//! `--auth jwt`: what carries a token, what is refused, when it ends, how it is replaced.

use std::net::SocketAddr;
use std::time::Duration;

use chat_tests::checking::view::history;
use chat_tests::clients::client::Client;
use chat_tests::clients::frames::{Close, Frames, Peer};
use chat_tests::clients::raw_socket::{RawSocket, opcode};
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::{Issuer, now_s, signed_with};
use chat_tests::wait::{LATER, SOON, eventually};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// A socket whose handshake has these headers and this query.
pub(super) fn open(relay: SocketAddr, query: &str, headers: &[(&str, &str)]) -> Frames {
    let mut request = format!("ws://{relay}/ws{query}").into_client_request().expect("an address");
    for (name, value) in headers {
        let name = name.parse::<tokio_tungstenite::tungstenite::http::HeaderName>();
        request.headers_mut().append(name.expect("a name"), value.parse().expect("a value"));
    }
    Frames::open(relay, request, Peer::Relay).expect("an upgrade, whatever the token")
}

/// What comes first: a frame or the end.
#[track_caller]
pub(super) fn first(frames: &Frames) -> Result<Value, Close> {
    eventually("a frame or the end", SOON, || {
        let inbox = frames.inbox();
        match (inbox.frames.first(), &inbox.closed) {
            (Some(frame), _) => Ok(Ok(frame.json.clone())),
            (None, Some(close)) => Ok(Err(close.clone())),
            (None, None) => Err("nothing".to_owned()),
        }
    })
}

/// The code and the `what` of a close.
pub(super) fn code_and_what(close: &Close) -> (u16, String) {
    let reason: Value = serde_json::from_str(&close.reason).expect("JSON");
    (close.code, reason["what"].as_str().unwrap_or_default().to_owned())
}

#[track_caller]
pub(super) fn refused(frames: &Frames) -> (u16, String) {
    match first(frames) {
        Err(close) => code_and_what(&close),
        Ok(frame) => panic!("let in: {frame}"),
    }
}

#[track_caller]
pub(super) fn wait_closed(frames: &Frames) -> (u16, String) {
    let close =
        eventually("the end", LATER, || frames.inbox().closed.clone().ok_or("open".to_owned()));
    code_and_what(&close)
}

const PROTOCOL: &str = "sec-websocket-protocol";

#[test]
fn every_way_of_the_handshake_gets_hello_at_once() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let origin = "https://app.example";
    let all = ["--jwt-query", "--jwt-cookie", "session", "--allowed-origin", origin];
    let relay = issuer.relay("r1", &redis, &all);
    let token = issuer.token_of("alice", json!({}));
    let (bearer, protocol) = (format!("Bearer {token}"), format!("redis-chat.v1, bearer.{token}"));
    let (cookie, query) = (format!("a=b; session={token}"), format!("?access_token={token}"));
    let rows: &[(&str, &str, &[(&str, &str)])] = &[
        ("header", "", &[("authorization", &bearer)]),
        ("protocol", "", &[(PROTOCOL, &protocol)]),
        ("cookie", "", &[("cookie", &cookie), ("origin", origin)]),
        ("query", &query, &[]),
    ];
    for (way, query, headers) in rows {
        let hello = first(&open(relay.address(), query, headers)).expect(way);
        assert_eq!((&hello["type"], &hello["user"]), (&json!("hello"), &json!("alice")), "{way}");
        let expires_in = hello["expires_in"].as_u64().expect(way);
        assert!((590..=600).contains(&expires_in), "{way}: {expires_in}");
    }
    assert_eq!(relay.metric("chat_relay_logins_total"), Some(4.0));
    // Pages of other origins are refused before their cookie counts.
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Origin: https://evil.example\r\nCookie: {cookie}\r\n\r\n"
    );
    assert!(answer(relay.address(), &request).starts_with("HTTP/1.1 403"));
    let nobodys = request.replace("Origin: https://evil.example\r\n", "");
    assert!(answer(relay.address(), &nobodys).starts_with("HTTP/1.1 403"), "no Origin at all");
    let known = request.replace("https://evil.example", origin);
    assert!(answer(relay.address(), &known).starts_with("HTTP/1.1 101"));
}

/// The head of the answer to a request.
fn answer(relay: SocketAddr, request: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(relay).expect("the relay listens");
    stream.set_read_timeout(Some(SOON)).expect("an option");
    stream.write_all(request.as_bytes()).expect("it reads");
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("an answer");
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

#[test]
fn the_subprotocol_is_echoed_in_every_mode_and_the_token_never() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let token = issuer.token_of("alice", json!({}));
    for relay in [issuer.relay("r1", &redis, &[]), Relay::start("r2", &redis)] {
        for (offered, echoed) in [
            (format!("redis-chat.v1, bearer.{token}"), true),
            (format!("bearer.{token} ,redis-chat.v1"), true),
            ("redis-chat.v1".to_owned(), true),
            (format!("bearer.{token}"), false),
            ("redis-chat.v2".to_owned(), false),
        ] {
            let head = answer(
                relay.address(),
                &format!(
                    "GET /ws?user=alice HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
                     Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Protocol: {offered}\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                ),
            );
            let head = head.to_ascii_lowercase();
            assert!(head.starts_with("http/1.1 101"), "{head}");
            assert_eq!(
                head.contains("sec-websocket-protocol: redis-chat.v1\r\n"),
                echoed,
                "{head}"
            );
            assert!(!head.contains("bearer"), "{head}");
        }
    }
}

#[test]
fn wrong_tokens_are_upgraded_and_closed_with_a_code_and_never_logged() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let mut relay = issuer.relay("r1", &redis, &["--jwt-query", "--log", "trace"]);
    let good = issuer.token_of("alice", json!({}));
    let forged = signed_with("another secret of at least 32 bytes", &json!({"sub": "alice"}));
    let expired = issuer.token(json!({"sub": "alice", "exp": now_s() - 31}));
    let early = issuer.token_of("alice", json!({"nbf": now_s() + 60}));
    let star = issuer.token_of("*", json!({}));
    let endless = issuer.token(json!({"sub": "alice"}));
    let (head, _) = good.rsplit_once('.').expect("a signature");
    let unsigned = format!("{head}.");
    let long = "x".repeat(8 << 10) + "x";
    let rows: &[(&str, (u16, &str), &str)] = &[
        (&forged, (4504, "token"), "signed by somebody else"),
        (&unsigned, (4504, "token"), "not signed"),
        (&early, (4504, "token"), "not yet valid"),
        (&endless, (4504, "token"), "without an end"),
        (&long, (4504, "token"), "too long"),
        ("x", (4504, "token"), "no token"),
        (&star, (4504, "user"), "the backend"),
        (&expired, (4507, "expired"), "too old"),
    ];
    let expected = |&(code, what): &(u16, &str)| (code, what.to_owned());
    for (token, close, why) in rows {
        let bearer = format!("Bearer {token}");
        let frames = open(relay.address(), "", &[("authorization", &bearer)]);
        assert_eq!(refused(&frames), expected(close), "{why}");
        let frames = open(relay.address(), "", &[]);
        frames.send(Message::text(json!({"op": "auth", "token": token}).to_string()));
        assert_eq!(refused(&frames), expected(close), "{why}, in a frame");
        // A good credential of less precedence does not help.
        let query = format!("?access_token={good}");
        let frames = open(relay.address(), &query, &[("authorization", &bearer)]);
        assert_eq!(refused(&frames), expected(close), "{why}, with a good one beside it");
    }
    let client = Client::connect_with_token(relay.address(), "alice", &good);
    client.ok(json!({"op": "auth", "token": good}));
    drop(client);
    let logged = relay.process().errors();
    assert!(logged.contains("refused"), "{logged}");
    for secret in rows.iter().map(|(token, ..)| *token).chain([&*good]).filter(|t| t.len() > 1) {
        for part in secret.split('.').filter(|part| part.len() > 36) {
            assert!(!logged.contains(part), "a token is in the log: {part}");
        }
    }
    assert!(relay.metric("chat_relay_logins_total").is_some_and(|all| all >= 26.0));
}

#[test]
fn the_first_frame_may_carry_the_token_and_nothing_else_may_come_before() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &[]);
    let token = issuer.token_of("alice", json!({}));
    let frames = open(relay.address(), "?user=mallory", &[]);
    frames.send(Message::text(json!({"ref": 7, "op": "auth", "token": token}).to_string()));
    frames.send(Message::text(json!({"ref": 8, "op": "ping"}).to_string()));
    let seen = eventually("the reply, hello, the next reply", SOON, || {
        let seen: Vec<Value> =
            frames.inbox().frames.iter().map(|frame| frame.json.clone()).collect();
        let is_answered = seen.iter().any(|frame| frame["ref"] == 8);
        if is_answered { Ok(seen) } else { Err(format!("{seen:?}")) }
    });
    assert_eq!(seen[0]["ref"], 7);
    assert!(seen[0]["ok"]["expires_in"].as_u64().is_some_and(|left| left > 590), "{}", seen[0]);
    assert_eq!((&seen[1]["type"], &seen[1]["user"]), (&json!("hello"), &json!("alice")));

    let wrong = [
        json!({"op": "ping"}).to_string(),
        json!({"op": "send", "room": "lobby", "text": "hi"}).to_string(),
        json!({"op": "auth"}).to_string(),
        json!({"op": "auth", "token": 7}).to_string(),
        json!({"op": "join", "token": token}).to_string(),
        "not JSON".to_owned(),
        "[]".to_owned(),
    ];
    for text in wrong {
        let frames = open(relay.address(), "", &[]);
        frames.send(Message::text(text.clone()));
        assert_eq!(refused(&frames), (4504, "missing".to_owned()), "{text}");
    }
    let frames = open(relay.address(), "", &[]);
    frames.send(Message::Ping(Vec::new().into()));
    assert_eq!(refused(&frames), (4504, "missing".to_owned()), "a ping");
    let frames = open(relay.address(), "", &[]);
    frames.send(Message::text(format!("{{\"op\":\"auth\",\"x\":\"{}\"}}", "x".repeat(16 << 10))));
    assert_eq!(refused(&frames).0, 4502, "over 16 KiB");
    let mut socket = RawSocket::connect(relay.address(), "");
    for _ in 0..100 {
        if socket.send(opcode::TEXT, false, b"").is_err() {
            break;
        }
    }
    assert!(socket.close_reason().is_some(), "parts without end");
}

#[test]
fn a_socket_that_says_nothing_is_counted_and_closed_in_time() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let options = ["--handshake-timeout", "1s", "--max-connections", "1"];
    let relay = issuer.relay("r1", &redis, &options);
    let silent = open(relay.address(), "", &[]);
    let bearer = format!("Bearer {}", issuer.token_of("alice", json!({})));
    let other = open(relay.address(), "", &[("authorization", &bearer)]);
    assert_eq!(refused(&other).0, 4004, "the silent one has the only place");
    assert_eq!(wait_closed(&silent), (4504, "missing".to_owned()));
    eventually("the place to be free", SOON, || {
        first(&open(relay.address(), "", &[("authorization", &bearer)]))
            .map_err(|close| close.reason)
    });
}

#[test]
fn a_socket_ends_with_its_token_and_presence_with_it() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &["--grace", "15s"]);
    // Within the leeway: two more seconds.
    let token = issuer.token(json!({"sub": "alice", "exp": now_s() - 28}));
    let alice = Client::connect_with_token(relay.address(), "alice", &token);
    assert_eq!(alice.hello["expires_in"], 0);
    alice.ok(json!({"op": "join", "room": "lobby"}));
    assert_eq!(cmd!(redis, "CHAT.ONLINE", "lobby").list()[0].int(), 1);
    let close = alice.wait_closed(LATER);
    assert_eq!(code_and_what(&close), (4507, "expired".to_owned()));
    // Long before the grace of a lost socket.
    eventually("presence to end", Duration::from_secs(5), || {
        match cmd!(redis, "CHAT.ONLINE", "lobby").list()[0].int() {
            0 => Ok(()),
            online => Err(format!("{online} online")),
        }
    });
}

#[test]
fn a_new_token_prolongs_the_socket_and_must_be_the_same_users() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &[]);
    let short = issuer.token(json!({"sub": "alice", "exp": now_s() - 28}));
    let alice = Client::connect_with_token(relay.address(), "alice", &short);
    let left = alice.ok(json!({"op": "auth", "token": issuer.token_of("alice", json!({}))}));
    assert!(left["expires_in"].as_u64().is_some_and(|left| left > 590), "{left}");
    // A socket of the shorter token would have ended before this one.
    let witness = Client::connect_with_token(relay.address(), "alice", &short);
    witness.wait_closed(LATER);
    alice.ok(json!({"op": "ping"}));
    assert_eq!(alice.refused(json!({"op": "auth"})), "INVALID", "without a token");
    alice.ok(json!({"op": "ping"}));

    let forged = signed_with("another secret of at least 32 bytes", &json!({"sub": "alice"}));
    let expired = issuer.token(json!({"sub": "alice", "exp": now_s() - 31}));
    let rows = [
        (issuer.token_of("bob", json!({})), (4504, "user"), "another user"),
        (forged, (4504, "token"), "a forged one"),
        (expired, (4507, "expired"), "an old one"),
    ];
    for (token, (code, what), why) in rows {
        let good = issuer.token_of("alice", json!({}));
        let client = Client::connect_with_token(relay.address(), "alice", &good);
        client.ask(json!({"op": "auth", "token": token}));
        let close = client.wait_closed(SOON);
        assert_eq!(code_and_what(&close), (code, what.to_owned()), "{why}");
    }
    alice.ok(json!({"op": "ping"}));
}

#[test]
fn without_tokens_auth_is_refused_and_changes_nothing() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let alice = relay.connect("alice");
    assert!(alice.hello.get("expires_in").is_none());
    let error = alice.call(json!({"op": "auth", "token": "x"})).expect_err("no tokens here");
    assert_eq!((&error["code"], &error["what"]), (&json!("INVALID"), &json!("token")));
    alice.ok(json!({"op": "ping"}));
}

#[test]
fn what_waits_when_the_token_ends_is_never_submitted() {
    let mut redis = Redis::durable();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &[]);
    let short = issuer.token(json!({"sub": "alice", "exp": now_s() - 24}));
    let alice = Client::connect_with_token(relay.address(), "alice", &short);
    let bearer = issuer.token_of("bob", json!({}));
    let bob = Client::connect_with_token(relay.address(), "bob", &bearer);
    let carols = issuer.token(json!({"sub": "carol", "exp": now_s() - 24}));
    let carol = Client::connect_with_token(relay.address(), "carol", &carols);
    alice.ok(json!({"op": "join", "room": "lobby"}));
    redis.kill();
    relay.wait_unready();
    carol.ask(json!({"op": "send", "room": "lobby", "text": "from a lost socket"}));
    eventually("carol's message to wait", SOON, || {
        match relay.metric("chat_relay_sends_waiting") {
            Some(1.0) => Ok(()),
            waiting => Err(format!("{waiting:?}")),
        }
    });
    drop(carol);
    alice.ask(json!({"op": "send", "room": "lobby", "text": "too late"}));
    assert_eq!(code_and_what(&alice.wait_closed(LATER)).0, 4507);
    // It waits longer, and is stored later.
    let waits = bob.ask(json!({"op": "send", "room": "lobby", "text": "in time"}));
    redis.restart();
    eventually("the answer to bob", LATER, || bob.reply(waits).ok_or_else(|| bob.arrived()))
        .expect("stored");
    eventually("nothing that waits", LATER, || match relay.metric("chat_relay_sends_waiting") {
        Some(0.0) => Ok(()),
        waiting => Err(format!("{waiting:?}")),
    });
    let page = history(&mut redis.wire(), "lobby", &["COUNT", "10"]);
    assert_eq!(page.texts(), ["in time"]);
}
