//! Which requests open no stream, and by which status.

use std::io::{Read, Write};
use std::net::TcpStream;

use chat_tests::clients::event_stream::Wanted;
use chat_tests::cmd;
use chat_tests::port;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::{Issuer, now_s, signed_with};
use chat_tests::wait::SOON;
use serde_json::{Value, json};

/// The status and the member `what` of the problem; 200 if there is a stream.
fn answer(relay: &Relay, wanted: Wanted) -> (u16, String) {
    match wanted.open(relay.address()) {
        Ok(_) => (200, String::new()),
        Err(refused) => {
            assert_eq!(refused.headers["content-type"], "application/problem+json");
            assert_eq!(refused.problem["status"], refused.status);
            assert!(refused.problem["code"].is_string(), "{refused:?}");
            (refused.status, refused.problem["what"].as_str().unwrap_or_default().to_owned())
        }
    }
}

fn what(status: u16, what: &str) -> (u16, String) {
    (status, what.to_owned())
}

#[test]
fn a_wrong_request_is_refused_before_anything_is_streamed() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--max-rooms", "20"]);
    relay.wait_ready();
    let get = |query: &str| answer(&relay, Wanted::get(&format!("/v1/events?user=alice&{query}")));
    assert_eq!(get(&format!("rooms={}", "x".repeat(10_000))), what(400, "rooms"));
    assert_eq!(get(&format!("x={}", "x".repeat(10_000))), what(400, "rooms"));
    assert_eq!(get("rooms=@"), what(400, "room"));
    assert_eq!(get("rooms=a,,b"), what(400, "room"));
    assert_eq!(get("rooms=a%00"), what(400, "room"));
    assert_eq!(get("rooms=%ff"), what(400, "rooms"));
    assert_eq!(get("rooms=a&rooms=b"), what(400, "rooms"));
    assert_eq!(get("rooms=a,a"), what(400, "rooms"));
    let many: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    assert_eq!(get(&format!("rooms={}", many.join(","))).0, 403, "one's own is the 21st");
    let target = "/v1/events?user=alice";
    let post = |body: Value| answer(&relay, Wanted::post(target, &body));
    assert_eq!(post(json!({"rooms": {"a": "1-1", "b": null}})).0, 200);
    assert_eq!(post(json!({"rooms": ["a"]})), what(400, "rooms"));
    assert_eq!(post(json!({"rooms": {"a": 1}})), what(400, "rooms"));
    assert_eq!(post(json!({"rooms": {"a": "x"}})), what(400, "rooms"));
    assert_eq!(post(json!({"rooms": {"": null}})), what(400, "room"));
    assert_eq!(post(json!([])), what(400, "json"));
    assert_eq!(post(json!({"rooms": {}, "x": "x".repeat(70_000)})).0, 413);
    let text =
        Wanted::post(target, &json!({})).without("content-type").with("content-type", "text/plain");
    assert_eq!(answer(&relay, text), what(415, "content-type"));
    assert_eq!(answer(&relay, Wanted::get(target).by("POST")), what(400, "json"));
    assert_eq!(answer(&relay, Wanted::get(target).by("PUT")), what(405, "method"));
    assert_eq!(answer(&relay, Wanted::get("/v1/events")), what(401, "user"));
    assert_eq!(answer(&relay, Wanted::get("/v1/events?user=*")), what(401, "user"));
    let evil = Wanted::get(target).with("origin", "http://evil.example");
    assert_eq!(answer(&relay, evil), what(403, "origin"));
    let rebound = Wanted::get(target).with("host", "evil.example");
    assert_eq!(rebound.open(relay.address()).err().map(|refused| refused.status), Some(403));
    assert_eq!(relay.metric("chat_relay_connections"), Some(0.0));
}

#[test]
fn a_body_that_does_not_end_is_refused_in_time() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--handshake-timeout", "1s"]);
    relay.wait_ready();
    let mut socket = TcpStream::connect(relay.address()).expect("it listens");
    socket.set_read_timeout(Some(SOON)).expect("a socket option");
    let head = format!(
        "POST /v1/events?user=alice HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\n\r\n{{",
        relay.address()
    );
    socket.write_all(head.as_bytes()).expect("it reads");
    let mut status = [0; 12];
    socket.read_exact(&mut status).expect("an answer");
    assert_eq!(&status, b"HTTP/1.1 408");
}

#[test]
fn a_token_opens_a_stream_by_the_ways_of_a_request() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let options = ["--jwt-cookie", "chat", "--jwt-query", "--allowed-origin", "https://a.example"];
    let relay = issuer.relay("r1", &redis, &options);
    let token = issuer.token_of("alice", json!({}));
    let (bearer, cookie) = (format!("Bearer {token}"), format!("chat={token}"));
    let get = || Wanted::get("/v1/events");
    let by_query = |token: &str| Wanted::get(&format!("/v1/events?access_token={token}"));
    let origin = |wanted: Wanted| wanted.with("origin", "https://a.example");
    let expired = issuer.token(json!({"sub": "alice", "exp": now_s() - 31}));
    let forged = signed_with("a secret of somebody else, as long", &json!({"sub": "alice"}));
    let sender = issuer.token_of("alice", json!({"scope": "chat:send"}));
    let with = |token: &str| get().with("authorization", &format!("Bearer {token}"));
    let rows = [
        (get().with("authorization", &bearer), 200, "", "the header"),
        (origin(get().with("cookie", &cookie)), 200, "", "a cookie from a page that is allowed"),
        (by_query(&token), 200, "", "the query"),
        (get().with("cookie", &cookie), 403, "origin", "a cookie from nowhere"),
        (
            get().with("cookie", &cookie).with("origin", "https://b"),
            403,
            "origin",
            "from elsewhere",
        ),
        (get(), 401, "missing", "nothing"),
        (Wanted::get("/v1/events?user=alice"), 401, "missing", "a name"),
        (with(&forged), 401, "token", "forged"),
        (with(&expired), 401, "expired", "expired"),
        (with(&sender), 403, "scope", "no right to read"),
        (with("x").with("cookie", &cookie), 401, "token", "a bad one is not replaced"),
    ];
    for (wanted, status, word, why) in rows {
        assert_eq!(answer(&relay, wanted), what(status, word), "{why}");
    }
    let refused = get().open(relay.address()).err().expect("it is refused");
    assert_eq!(refused.headers["www-authenticate"], "Bearer");
    for outcome in ["missing", "expired", "signature"] {
        let (_, metrics) = relay.get_ops("/metrics");
        let counted = metrics.lines().any(|line| {
            line.starts_with("chat_relay_logins_total") && line.contains(&format!("\"{outcome}\""))
        });
        assert!(counted, "{outcome}: {metrics}");
    }
}

#[test]
fn pages_of_allowed_origins_read_streams() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--allowed-origin", "https://a.example"]);
    relay.wait_ready();
    let target = "/v1/events?user=alice";
    let page = || Wanted::get(target).with("origin", "https://a.example");
    let stream = page().open(relay.address()).expect("a stream");
    assert_eq!(stream.headers["access-control-allow-origin"], "https://a.example");
    assert_eq!(stream.headers["vary"], "Origin");
    let preflight = page().by("OPTIONS").with("access-control-request-method", "POST");
    let preflight = preflight.with("access-control-request-headers", "last-event-id");
    let answer = preflight.open(relay.address()).err().expect("no stream");
    assert_eq!(answer.status, 204);
    assert_eq!(answer.headers["access-control-allow-origin"], "https://a.example");
    let methods = answer.headers["access-control-allow-methods"].to_str().expect("ASCII");
    assert!(methods.contains("POST"), "{methods}");
    let headers = answer.headers["access-control-allow-headers"].to_str().expect("ASCII");
    assert!(headers.contains("Last-Event-ID"), "{headers}");
    let evil = Wanted::get(target).with("origin", "https://b.example").open(relay.address());
    let evil = evil.err().expect("it is refused");
    assert_eq!((evil.status, evil.headers.get("access-control-allow-origin")), (403, None));
}

#[test]
fn the_backend_reads_as_a_user_that_it_names() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("keys");
    let key = "0123456789abcdef0123456789abcdef";
    std::fs::write(&file, format!("shop:{key}\n")).expect("a file");
    let relay = issuer.relay("r1", &redis, &["--api-key-file", file.to_str().expect("UTF-8")]);
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "hi");
    let with = |target: &str, secret: &str| {
        Wanted::get(target).with("authorization", &format!("Bearer {secret}"))
    };
    let stream = with("/v1/events?as=alice&rooms=lobby", key).open(relay.address());
    let stream = stream.expect("a stream");
    assert_eq!(stream.wait_named("hello").json["user"], "alice");
    assert_eq!(stream.wait_named("reload").json["room"], "lobby");
    assert_eq!(answer(&relay, with("/v1/events", key)), what(400, "as"));
    assert_eq!(answer(&relay, with("/v1/events?as=*", key)), what(400, "as"));
    let page =
        with("/v1/events?as=alice", key).with("origin", &format!("http://{}", relay.address()));
    assert_eq!(answer(&relay, page), what(403, "origin"));
    let token = issuer.token_of("bob", json!({}));
    assert_eq!(answer(&relay, with("/v1/events?as=alice", &token)), what(403, "backend"));
}

#[test]
fn a_token_bounds_the_rooms_of_a_stream() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &[]);
    for room in ["team-a", "other"] {
        cmd!(redis, "CHAT.SEND", room, "bob", "hi");
    }
    let token = issuer.token_of("alice", json!({"chat": {"rooms": ["team-*"]}}));
    let wanted = Wanted::get("/v1/events?rooms=team-a,other");
    let wanted = wanted.with("authorization", &format!("Bearer {token}"));
    let stream = wanted.open(relay.address()).expect("a stream");
    let gone = stream.wait_named("gone").json;
    let expected = (&json!("other"), &json!("DENIED"), &json!("scope"));
    assert_eq!((&gone["room"], &gone["code"], &gone["what"]), expected);
    assert_eq!(stream.wait_named("reload").json["room"], "team-a");
}

#[test]
fn while_redis_is_away_streams_are_refused_for_now() {
    let url = format!("redis://127.0.0.1:{}", port::free());
    let relay = Relay::with("r1", &url, &[]);
    let refused = Wanted::get("/v1/events?user=alice").open(relay.address());
    let refused = refused.err().expect("it is refused");
    assert_eq!((refused.status, &refused.problem["code"]), (503, &json!("UNAVAILABLE")));
    assert!(refused.headers.contains_key("retry-after"));
}

#[test]
fn a_user_without_standing_opens_no_stream() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &[]);
    cmd!(redis, "CHAT.ROOM", "@alice", "SET", "tokens_after", "now").ok();
    cmd!(redis, "CHAT.MOD", "@bob", "*", "BAN", "bob", "FOR", "3600000").ok();
    let refused = |user: &str| {
        let token = issuer.token_of(user, json!({"iat": now_s() - 10}));
        let wanted = Wanted::get("/v1/events").with("authorization", &format!("Bearer {token}"));
        wanted.open(relay.address()).err().expect("it is refused")
    };
    let alice = refused("alice");
    assert_eq!((alice.status, &alice.problem["what"]), (401, &json!("revoked")));
    let bob = refused("bob");
    assert_eq!((bob.status, &bob.problem["code"]), (403, &json!("BANNED")));
    assert!(bob.problem["until_ms"].is_u64(), "{bob:?}");
}
