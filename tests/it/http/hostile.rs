//! Requests that are wrong, hostile or too many: each is refused by its own status, and the relay
//! goes on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use chat_tests::clients::http::Http;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::Issuer;
use chat_tests::wait::SOON;
use serde_json::{Value, json};

fn refused(status: u16, code: &str, what: &str) -> (u16, String, String) {
    (status, code.to_owned(), what.to_owned())
}

#[test]
fn paths_and_queries_are_read_exactly() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let alice = Http::new(relay.address()).query("user=alice");
    let long = format!("/v1/rooms/{}", "a".repeat(201));
    let rows: &[(&str, &str, u16, &str)] = &[
        ("GET", "/v1/", 404, "path"),
        ("GET", "/v1/nothing", 404, "path"),
        ("GET", "/v1/rooms/", 404, "path"),
        ("GET", "/v1/rooms//messages", 404, "path"),
        ("GET", "/v1/rooms/lobby/messages/", 404, "path"),
        ("GET", "/v1/rooms/../inbox", 404, "path"),
        ("GET", "/v1/./inbox", 404, "path"),
        ("GET", "/v1/INBOX", 404, "path"),
        ("GET", "/v1/in%62ox", 404, "path"),
        ("GET", "/v1/rooms/.", 400, "room"),
        ("GET", "/v1/rooms/..", 400, "room"),
        ("GET", "/v1/rooms/%2e%2e/messages", 400, "room"),
        ("GET", "/v1/rooms/%00", 400, "room"),
        ("GET", "/v1/rooms/a%0d%0ab", 400, "room"),
        ("GET", "/v1/rooms/%ff", 400, "room"),
        ("GET", "/v1/rooms/%c3", 400, "room"),
        ("GET", "/v1/rooms/%", 400, "room"),
        ("GET", "/v1/rooms/%zz", 400, "room"),
        ("GET", "/v1/rooms/a%20b", 400, "room"),
        ("GET", "/v1/rooms/@", 400, "room"),
        ("GET", "/v1/rooms/dm:b,a", 400, "room"),
        ("GET", &long, 400, "room"),
        ("GET", "/v1/users/*", 400, "users"),
        ("GET", "/v1/users/a,b", 400, "users"),
        ("GET", "/v1/rooms/lobby/messages?count=0", 400, "count"),
        ("GET", "/v1/rooms/lobby/messages?count=-1", 400, "count"),
        ("GET", "/v1/rooms/lobby/messages?count=1e3", 400, "count"),
        ("GET", "/v1/rooms/lobby/messages?count=99999999999999999999", 400, "count"),
        ("GET", "/v1/rooms/lobby/messages?count=1&count=2", 400, "count"),
        ("GET", "/v1/rooms/lobby/messages?before=1-1&before=1-1", 400, "before"),
        ("GET", "/v1/rooms/lobby/messages?before=1-1&after=1-1", 400, "before"),
        ("GET", "/v1/rooms/lobby/messages?before=%ff", 400, "before"),
        ("GET", "/v1/rooms?match=%00&match=%00", 400, "match"),
        ("GET", "/v1/inbox?cursor=nothing", 400, "cursor"),
        ("GET", "/v1/inbox?as=bob&as=bob", 400, "as"),
        ("PUT", "/v1/rooms/lobby/messages/x/reactions/y", 400, "id"),
        ("DELETE", "/v1/rooms/lobby/messages/1-1-1", 400, "id"),
    ];
    for (method, target, status, what) in rows {
        let answer = alice.request(method, target, None);
        assert_eq!(answer.problem(), refused(*status, "INVALID", what), "{method} {target}");
    }
    // A slash in a name is encoded, and then a name like any other.
    let sent = alice.call("POST", "/v1/rooms/a%2Fb%3Fc/messages", Some(&json!({"text": "x"})));
    sent.ok();
    assert_eq!(alice.get("/v1/rooms/a%2Fb%3Fc").ok()["settings"]["room"], "a/b?c");
    assert_eq!(alice.get("/v1/rooms/a/b?c").status, 404);
    // Rooms that no path can name.
    let frame = json!({"op": "send", "room": "..", "text": "x"});
    assert!(alice.call("POST", "/v1", Some(&frame)).ok()["ok"]["id"].is_string());
    let huge = alice.get(&format!("/v1/rooms/{}", "a".repeat(60_000)));
    assert!([414, 431].contains(&huge.status), "{huge:?}");
}

#[test]
fn a_path_has_its_methods_and_reading_changes_nothing() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let alice = Http::new(relay.address()).query("user=alice");
    alice.call("POST", "/v1/rooms/lobby/messages", Some(&json!({"text": "x"}))).ok();
    let rows = [
        ("/v1", "POST, OPTIONS"),
        ("/v1/rooms", "GET, HEAD, OPTIONS"),
        ("/v1/rooms/lobby", "GET, HEAD, PATCH, OPTIONS"),
        ("/v1/rooms/lobby/messages", "GET, HEAD, POST, OPTIONS"),
        ("/v1/rooms/lobby/members/bob", "PUT, DELETE, OPTIONS"),
        ("/v1/unread", "POST, OPTIONS"),
        ("/v1/openapi.json", "GET, HEAD, OPTIONS"),
        ("/v1/asyncapi.yaml", "GET, HEAD, OPTIONS"),
    ];
    let before = redis.digest();
    for (path, allow) in rows {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"] {
            if allow.split(", ").any(|own| own == method) {
                continue;
            }
            let answer = alice.request(method, path, None);
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
        }
        let answer = alice.request("OPTIONS", path, None);
        assert_eq!((answer.status, answer.header("allow")), (204, Some(allow)), "{path}");
        for method in ["GET", "HEAD"] {
            let body = json!({"topic": "changed", "op": "mod", "text": "x"}).to_string();
            alice.request(method, path, Some(&body));
        }
    }
    let head = alice.request("HEAD", "/v1/rooms/lobby", None);
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(redis.digest(), before);
}

#[test]
fn bodies_are_json_of_bounded_size() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--max-frame", "4kb"]);
    relay.wait_ready();
    let alice = Http::new(relay.address()).query("user=alice");
    let send = |body: &str| alice.request("POST", "/v1/rooms/lobby/messages", Some(body));
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
        for target in ["/v1", "/v1/rooms/lobby/messages"] {
            let http = alice.clone().with("content-type", kind);
            let answer = http.request("POST", target, Some(r#"{"text":"x"}"#));
            assert_eq!(answer.problem(), refused(415, "INVALID", "content-type"), "{kind}");
        }
    }
    let fine = alice.clone().with("content-type", "application/json; charset=utf-8");
    fine.request("POST", "/v1/rooms/lobby/messages", Some(r#"{"text":"x"}"#)).ok();
    let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(4096));
    let too_big = send(&long);
    assert_eq!(too_big.problem(), refused(413, "TOOBIG", ""));
    assert_eq!(too_big.json()["max_bytes"], 4096);
    let spaces = format!("{}{}", r#"{"text":"x"}"#, " ".repeat(4096));
    assert_eq!(send(&spaces).status, 413);
    let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
    let rows: &[(&str, &str)] = &[
        ("", "text"),
        ("{}", "text"),
        ("null", "json"),
        ("5", "json"),
        ("[]", "json"),
        (r#""text""#, "json"),
        (r#"{"text":"x"}{"text":"y"}"#, "json"),
        (r#"{"text":"x","#, "json"),
        (&deep, "json"),
        (r#"{"text":5}"#, "text"),
        (r#"{"text":"x","mentions":"bob"}"#, "mentions"),
        (r#"{"text":"x","meta":[]}"#, "meta"),
        (r#"{"text":"x","room":"other"}"#, "room"),
        (r#"{"text":"x","op":"mod"}"#, "op"),
        (r#"{"text":"x","as":"bob"}"#, "as"),
        (r#"{"text":"x","ref":1}"#, "ref"),
    ];
    for (body, what) in rows {
        assert_eq!(send(body).problem(), refused(400, "INVALID", what), "{body:.60}");
    }
    let nested = format!(r#"{{"text":"x","meta":{}1{}}}"#, r#"{"a":"#.repeat(600), "}".repeat(600));
    assert_eq!(send(&nested).problem(), refused(400, "INVALID", "meta"));
    let history = alice.get("/v1/rooms/lobby/messages").ok();
    assert_eq!(history["events"].as_array().map(Vec::len), Some(1), "{history}");
}

#[test]
fn frames_come_alone_or_by_up_to_32() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--operations-per-second", "1000"]);
    relay.wait_ready();
    let alice = Http::new(relay.address()).query("user=alice");
    let frames = |count: usize| json!(vec![json!({"op": "ping", "ts": 1}); count]);
    let post = |body: &str| alice.request("POST", "/v1", Some(body));
    let full = alice.call("POST", "/v1", Some(&frames(32))).ok();
    assert_eq!(full.as_array().map(Vec::len), Some(32));
    let over = alice.call("POST", "/v1", Some(&frames(33)));
    assert_eq!(over.problem(), refused(400, "INVALID", "frames"));
    assert_eq!(post("[]").body, "[]");
    let not_json =
        r#"{"ref":null,"error":{"code":"INVALID","message":"not a JSON object","what":"json"}}"#;
    for one in ["", "x", "5", "null", r#"{"op":"ping""#, "{}{}"] {
        assert_eq!((post(one).status, post(one).body.as_str()), (200, not_json), "{one}");
    }
    // Arrays do not nest: an entry is a frame.
    let nested = post(r#"[[{"op":"ping"}],5,{"op":"ping","ts":1}]"#);
    assert_eq!(nested.body, format!(r#"[{not_json},{not_json},{{"ref":null,"ok":{{"ts":1}}}}]"#));
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    assert_eq!(post(&deep).body, format!("[{not_json}]"));
    let broken = post(r#"[{"op":"ping"},"#).ok();
    assert_eq!(broken["error"]["what"], "json");
    // References come back as they are written.
    let reference = post(r#"{"op":"ping","ref":1.50,"ts":1}"#);
    assert_eq!(reference.body, r#"{"ref":1.50,"ok":{"ts":1}}"#);
    // A failed frame does not stop the next one.
    let mixed = json!([
        {"op": "send", "room": "lobby", "text": ""},
        {"op": "send", "room": "lobby", "text": "x"},
    ]);
    let replies = alice.call("POST", "/v1", Some(&mixed)).ok();
    assert!(replies[0]["error"].is_object() && replies[1]["ok"].is_object(), "{replies}");
}

#[test]
fn wrong_credentials_are_named_and_two_are_refused() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &["--max-refusals", "1000/10s"]);
    let http = Http::new(relay.address());
    let good = issuer.token_of("alice", json!({}));
    let expired = issuer.token(json!({"sub": "alice", "exp": 1}));
    let rows: &[(Http, &str)] = &[
        (http.clone(), "missing"),
        (http.clone().query("user=alice"), "missing"),
        (http.clone().with("authorization", "Basic YTpi"), "missing"),
        (http.clone().bearer(""), "token"),
        (http.clone().bearer("x.y.z"), "token"),
        (http.clone().bearer(&"x".repeat(9000)), "token"),
        (http.clone().bearer(&expired), "expired"),
        (http.clone().bearer(&issuer.token_of("@alice", json!({}))), "user"),
        (http.clone().bearer(&good).bearer(&good), "token"),
    ];
    for (http, what) in rows {
        let answer = http.get("/v1/rooms");
        assert_eq!(answer.problem(), refused(401, "UNAUTHORISED", what));
        assert!(answer.header("www-authenticate").is_some_and(|way| way.starts_with("Bearer")));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(!answer.body.contains(&good), "no part of a token is shown");
    }
    http.bearer(&good).get("/v1/rooms").ok();
}

#[test]
fn what_a_token_does_not_allow_is_refused() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &[]);
    let http = Http::new(relay.address());
    let token = issuer.token_of("alice", json!({"scope": "chat:read", "chat": {"rooms": ["a"]}}));
    let reader = http.clone().bearer(&token);
    let denied = refused(403, "DENIED", "scope");
    let text = json!({"text": "x"});
    assert_eq!(reader.call("POST", "/v1/rooms/a/messages", Some(&text)).problem(), denied);
    assert_eq!(reader.get("/v1/rooms/b").problem(), denied);
    assert_eq!(reader.get("/v1/rooms/a").problem(), refused(404, "NOROOM", ""));
    assert_eq!(reader.get("/v1/rooms/a/sanctions").problem(), denied);
    let token = issuer.token_of("bob", json!({"scope": "chat:send"}));
    let sender = http.bearer(&token);
    assert_eq!(sender.call("POST", "/v1/rooms/a/messages", Some(&text)).problem().1, "NOROOM");
    assert_eq!(sender.call("PUT", "/v1/rooms/a/members/bob", None).problem().1, "NOROOM");
}

#[test]
fn a_user_has_one_limit_over_sockets_and_requests() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--operations-per-second", "5"]);
    relay.wait_ready();
    let alice = Http::new(relay.address()).query("user=alice");
    let frames = json!(vec![json!({"op": "ping"}); 10]);
    let replies = alice.call("POST", "/v1", Some(&frames)).ok();
    let limited = replies[9]["error"]["code"] == "RATELIMIT" && replies[0]["ok"].is_object();
    assert!(limited, "{replies}");
    let refused = alice.get("/v1/rooms");
    assert_eq!(refused.problem().0, 429);
    let retry_ms = refused.json()["retry_ms"].as_u64().expect("a time");
    let seconds: u64 = refused.header("retry-after").expect("a time").parse().expect("a number");
    assert_eq!(seconds, retry_ms.div_ceil(1000));
    let socket = relay.connect("alice");
    assert_eq!(socket.refused(json!({"op": "inbox"})), "RATELIMIT");
    // Who goes on is kept out for a while, from sockets too.
    let mut last = alice.get("/v1/rooms");
    for _ in 0..300 {
        last = alice.get("/v1/rooms");
        if last.json()["retry_ms"].as_u64() > Some(20_000) {
            break;
        }
    }
    assert_eq!((last.status, last.json()["retry_ms"].as_u64() > Some(20_000)), (429, true));
    Http::new(relay.address()).query("user=bob").get("/v1/rooms").ok();
}

#[test]
fn an_array_is_bounded_by_what_it_is_answered_and_an_empty_one_counts() {
    let redis = Redis::start();
    let options = ["--outbox", "64kb", "--operations-per-second", "1000"];
    let relay =
        Relay::with("r1", &redis.url(), &[&options[..], &["--frames-per-second", "20"]].concat());
    relay.wait_ready();
    let alice = Http::new(relay.address()).query("user=alice");
    let text = "x".repeat(3000);
    for _ in 0..10 {
        let message = json!({"text": text});
        alice.call("POST", "/v1/rooms/lobby/messages", Some(&message)).ok();
    }
    let mut frames = vec![json!({"op": "history", "room": "lobby"}); 31];
    frames.push(json!({"ref": 32, "op": "send", "room": "lobby", "text": "last"}));
    let answer = alice.call("POST", "/v1", Some(&json!(frames)));
    assert!(answer.body.len() < 128 << 10, "{} bytes", answer.body.len());
    let replies = answer.ok();
    assert_eq!(replies.as_array().map(Vec::len), Some(32));
    assert!(replies[0]["ok"].is_object(), "{replies}");
    let error = &replies[31]["error"];
    assert_eq!((&error["code"], &error["max_bytes"]), (&json!("TOOBIG"), &json!(64 << 10)));
    assert_eq!(replies[31]["ref"], 32);
    let newest = alice.get("/v1/rooms/lobby/messages?count=1").ok();
    assert_eq!(newest["events"][0]["text"], text, "nothing is done for such a frame");

    let bob = Http::new(relay.address()).query("user=bob");
    let statuses: Vec<u16> =
        (0..300).map(|_| bob.request("POST", "/v1", Some("[]")).status).collect();
    assert_eq!((statuses[0], statuses[299]), (200, 429));
}

/// Sends these bytes and returns what comes until the relay closes or is silent.
fn raw(relay: &Relay, bytes: &[u8], silence: Duration) -> String {
    let mut stream = TcpStream::connect(relay.address()).expect("it listens");
    stream.set_read_timeout(Some(silence)).expect("a socket option");
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut part) {
        answer.extend_from_slice(&part[..length]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_body_that_never_ends_is_given_up_and_pipelined_requests_are_answered_in_order() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--handshake-timeout", "1s"]);
    relay.wait_ready();
    let head = |more: &str| {
        format!(
            "POST /v1?user=alice HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n{more}\r\n",
            relay.address()
        )
    };
    let slow = raw(&relay, format!("{}{{", head("Content-Length: 100\r\n")).as_bytes(), SOON);
    assert!(slow.starts_with("HTTP/1.1 408 "), "{slow}");
    let chunked = format!("{}2\r\n{{}}\r\n", head("Transfer-Encoding: chunked\r\n"));
    assert!(raw(&relay, chunked.as_bytes(), SOON).starts_with("HTTP/1.1 408 "));
    let endless = "ffff\r\n".to_owned() + &"x".repeat(0xffff) + "\r\n";
    let endless = head("Transfer-Encoding: chunked\r\n") + &endless.repeat(20);
    let endless = raw(&relay, endless.as_bytes(), SOON);
    assert!(endless.is_empty() || endless.starts_with("HTTP/1.1 413 "), "{endless}");
    let both = head("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n";
    let both = raw(&relay, both.as_bytes(), Duration::from_secs(3));
    assert!(both.matches("HTTP/1.1").count() <= 1, "one request: {both}");

    let ping = |n: usize| {
        let body = json!({"op": "ping", "ts": n}).to_string();
        head(&format!("Content-Length: {}\r\n", body.len())) + &body
    };
    let all: String = (0..40).map(ping).collect();
    let answers = raw(&relay, all.as_bytes(), Duration::from_secs(2));
    let order: Vec<usize> = answers
        .split("\"ts\":")
        .skip(1)
        .filter_map(|part| part.split('}').next()?.parse().ok())
        .collect();
    assert_eq!(order, (0..40).collect::<Vec<_>>(), "{answers}");
    let frame: Value = Http::new(relay.address())
        .query("user=bob")
        .call("POST", "/v1", Some(&json!({"op": "ping", "ts": 1})))
        .ok();
    assert_eq!(frame["ok"]["ts"], 1);
}
