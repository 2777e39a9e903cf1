//! The relay towards the internet: which requests open a socket, from which pages and hosts, what is
//! served at which port, and how long after SIGTERM.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use chat_protocol::close_code;
use chat_tests::clients::frames::{Frames, Peer};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::Issuer;
use chat_tests::wait::{LATER, SOON, eventually};
use serde_json::json;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// Sends a request and returns the head of the response, in lower case.
fn head(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(SOON)).expect("a socket option");
    stream.write_all(request.as_bytes()).expect("it reads");
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("it answers");
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).to_lowercase()
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect(head)
}

const GOOD: &str = "GET /ws?user=alice HTTP/1.1|Host: 127.0.0.1|Connection: Upgrade|\
    Upgrade: websocket|Sec-WebSocket-Version: 13|Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==||";

/// The status of a good handshake in which some text is replaced.
fn with(relay: &Relay, old: &str, new: &str) -> u16 {
    assert!(GOOD.contains(old), "{old}");
    let request = GOOD.replacen(old, new, 1).replace('|', "\r\n");
    status(&head(relay.address(), &request))
}

/// The status of a handshake with this host, and with this origin unless it is empty.
fn from(relay: &Relay, host: &str, origin: &str) -> u16 {
    let origin = if origin.is_empty() { String::new() } else { format!("|Origin: {origin}") };
    with(relay, "|Host: 127.0.0.1", &format!("|Host: {host}{origin}"))
}

#[test]
fn a_handshake_is_exact_or_refused() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let rows = [
        ("|Upgrade", "|Upgrade", 101),
        ("Connection: Upgrade", "Connection: keep-alive, upgrade", 101),
        ("GET", "HEAD", 400),
        ("GET", "POST", 400),
        ("HTTP/1.1", "HTTP/1.0", 400),
        ("|Host: 127.0.0.1", "", 400),
        ("|Host: 127.0.0.1", "|Host: 127.0.0.1|Host: 127.0.0.1", 400),
        ("|Connection: Upgrade", "", 400),
        ("|Upgrade: websocket", "", 400),
        ("websocket", "h2c", 400),
        ("Version: 13", "Version: 8", 426),
        ("Version: 13", "Version: 13|Sec-WebSocket-Version: 8", 426),
        ("|Sec-WebSocket-Version: 13", "", 426),
        ("|Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", 400),
        ("ZQ==", "ZQ==|Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", 400),
        ("ZQ==", "ZR==", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZUUU", 400),
        ("dGhl", "", 400),
    ];
    for (old, new, expected) in rows {
        assert_eq!(with(&relay, old, new), expected, "{new:?} for {old:?}");
    }
    let old = GOOD.replace('|', "\r\n").replace("Version: 13", "Version: 12");
    let head = head(relay.address(), &old);
    assert!(head.contains("sec-websocket-version: 13") && head.contains("upgrade: websocket"));
}

#[test]
fn a_listed_origin_matches_however_it_is_spelled() {
    let redis = Redis::start();
    let list = "HTTPS://Chat.Example:443/, https://bücher.example,,http://a.example:8080";
    let relay = Relay::with("r1", &redis.url(), &["--allowed-origin", list]);
    relay.wait_ready();
    let rows = [
        ("", 101),
        ("https://chat.example", 101),
        ("https://xn--bcher-kva.example", 101),
        ("http://a.example:8080", 101),
        ("http://chat.example", 403),
        ("http://a.example", 403),
        ("https://chat.example.evil.example", 403),
        ("null", 403),
        ("https://chat.example|Origin: https://chat.example", 403),
        ("http://127.0.0.1", 403),
    ];
    for (origin, expected) in rows {
        assert_eq!(from(&relay, "proxied.example", origin), expected, "{origin}");
    }
}

#[test]
fn a_name_that_resolves_to_loopback_is_no_way_in() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let rebound = "evil.example:8080";
    assert_eq!(from(&relay, rebound, "http://evil.example:8080"), 403);
    assert_eq!(from(&relay, rebound, ""), 403);
    assert_eq!(from(&relay, "localhost:80", "http://localhost"), 101);
    assert_eq!(from(&relay, "[::1]:1", "http://127.0.0.1:2"), 101);
    assert_eq!(from(&relay, "localhost", "http://evil.example"), 403);
    for path in ["/", "/metrics", "/config.json", "/readyz"] {
        let get = format!("GET {path} HTTP/1.1\r\nHost: {rebound}\r\n\r\n");
        assert_eq!(status(&head(relay.address(), &get)), 403, "{path}");
        let get = format!("GET {path} HTTP/1.0\r\n\r\n");
        assert_eq!(status(&head(relay.address(), &get)), 200, "{path} of a probe");
    }
    for options in [&["--allowed-origin", "http://evil.example:8080"][..], &["--insecure"]] {
        let relay = Relay::with("r2", &redis.url(), options);
        relay.wait_ready();
        let answered = from(&relay, rebound, "http://evil.example:8080");
        assert_eq!(answered, 101, "{options:?} lets it in");
    }
}

#[test]
fn metrics_are_only_where_operators_ask_for_them() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--listen-ops", "127.0.0.1:0"]);
    relay.wait_ready();
    let statuses = |get: &dyn Fn(&str) -> (u16, String)| {
        ["/metrics", "/healthz", "/readyz", "/", "/config.json", "/ws"].map(|path| get(path).0)
    };
    assert_eq!(statuses(&|path| relay.get(path)), [404, 200, 200, 200, 200, 400]);
    assert_eq!(statuses(&|path| relay.get_ops(path)), [200, 200, 200, 403, 404, 404]);
    let relay = Issuer::new().relay("r2", &redis, &["--listen-ops", ""]);
    assert_eq!(relay.get("/metrics").0, 404, "with tokens others may reach the port");
}

#[test]
fn a_relay_without_the_page_serves_sockets_only() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--page", "off"]);
    relay.wait_ready();
    for path in ["/", "/index.html", "/sdk.js", "/icon.svg", "/config.json"] {
        assert_eq!(relay.get(path).0, 404, "{path}");
    }
    relay.connect("alice").ok(json!({"op": "ping"}));
}

#[test]
fn after_sigterm_balancers_have_time_to_notice() {
    let delay = Duration::from_secs(5);
    let redis = Redis::start();
    let options = ["--drain-delay", "5s", "--listen-ops", "127.0.0.1:0"];
    let mut relay = Relay::with("r1", &redis.url(), &options);
    relay.wait_ready();
    let alice = relay.connect("alice");
    let begun = Instant::now();
    relay.process().terminate();
    relay.wait_unready();
    assert_eq!((relay.get("/readyz").0, relay.get_ops("/readyz").0), (503, 503));
    let bob = relay.connect("bob");
    bob.ok(json!({"op": "send", "room": "lobby", "text": "in time"}));
    assert!(alice.closed().is_none() && relay.get("/healthz").0 == 200);
    assert!(begun.elapsed() < delay, "too slow to tell: {:?}", begun.elapsed());
    for client in [&alice, &bob] {
        assert_eq!(client.wait_closed(LATER).code, close_code::DRAIN.number);
    }
    assert!(begun.elapsed() >= delay, "{:?}", begun.elapsed());
    eventually("the listener to close", LATER, || match TcpStream::connect(relay.address()) {
        Ok(_) => Err("it takes connections".into()),
        Err(_) => Ok(()),
    });
    assert_eq!(relay.process().wait(LATER).code(), Some(0));
}

/// A socket of a user that says to come from these addresses, or the code with which it is closed.
#[track_caller]
fn enter(relay: &Relay, user: &str, forwarded: &[&str]) -> Result<Frames, u16> {
    let url = format!("ws://{}/ws?user={user}", relay.address());
    let mut request = url.into_client_request().expect("an address");
    for line in forwarded {
        request.headers_mut().append("x-forwarded-for", line.parse().expect("a value"));
    }
    let frames = Frames::open(relay.address(), request, Peer::Relay).expect("an upgrade");
    let entered = eventually("hello or the end", SOON, || {
        let inbox = frames.inbox();
        match (inbox.frames.first(), &inbox.closed) {
            (Some(_), _) => Ok(Ok(())),
            (None, Some(close)) => Ok(Err(close.code)),
            (None, None) => Err("nothing".to_owned()),
        }
    });
    entered.map(|()| frames)
}

#[test]
fn behind_proxies_each_client_counts_by_its_own_address() {
    let redis = Redis::start();
    let limit = ["--max-connections-per-address", "1"];
    let trusting = [&limit[..], &["--trusted-proxies", "127.0.0.0/8,10.0.0.0/8"]].concat();
    let relay = Relay::with("r1", &redis.url(), &trusting);
    relay.wait_ready();
    let refused = Some(close_code::ADDRESS.number);
    let rows: &[(&[&str], Option<u16>)] = &[
        (&["1.1.1.1"], None),
        (&["1.1.1.1"], refused),
        (&["6.6.6.6, 1.1.1.1"], refused),
        (&["6.6.6.6", "1.1.1.1, 10.0.0.1"], refused),
        (&["1.1.1.1, 6.6.6.6"], None),
        (&["fd00:0:0:1::1"], None),
        (&["fd00:0:0:1:2::2"], refused),
        (&["fd00:0:0:2::1"], None),
        (&["nonsense"], None),
        (&[], refused),
    ];
    let mut inside = Vec::new();
    for (forwarded, expected) in rows {
        let entered = enter(&relay, "alice", forwarded);
        assert_eq!(entered.as_ref().err(), expected.as_ref(), "{forwarded:?}");
        inside.extend(entered);
    }
    let relay = Relay::with("r2", &redis.url(), &limit);
    relay.wait_ready();
    let _inside = enter(&relay, "alice", &["1.1.1.1"]).expect("the first of this machine");
    assert_eq!(enter(&relay, "alice", &["2.2.2.2"]).err(), refused, "anybody can say this");
}

#[test]
fn a_second_signal_ends_a_relay_at_once() {
    let redis = Redis::start();
    let options = ["--drain-delay", "10m", "--drain-time", "10m"];
    let mut relay = Relay::with("r1", &redis.url(), &options);
    relay.wait_ready();
    let alice = relay.connect("alice");
    relay.process().terminate();
    relay.wait_unready();
    alice.ok(json!({"op": "ping"}));
    relay.process().terminate();
    assert_eq!(relay.process().wait(SOON).code(), Some(0));
}

#[test]
fn connections_of_a_user_are_counted_by_each_relay() {
    let redis = Redis::start();
    let options = ["--max-connections-per-user", "1"];
    let relays = ["r1", "r2"].map(|name| Relay::with(name, &redis.url(), &options));
    relays.iter().for_each(Relay::wait_ready);
    let [first, elsewhere] = relays.each_ref().map(|relay| relay.connect("alice"));
    let bob = relays[0].connect("bob");
    let second = relays[0].connect("alice");
    assert_eq!(first.wait_closed(SOON).code, close_code::REPLACED.number);
    drop(second);
    eventually("the end of the second", SOON, || {
        match relays[0].metric("chat_relay_connections") {
            Some(1.0) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    let third = relays[0].connect("alice");
    for client in [&elsewhere, &bob, &third] {
        client.ok(json!({"op": "ping"}));
    }
}
