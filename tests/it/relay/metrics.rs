//! What metrics say is what happened.

use std::time::{SystemTime, UNIX_EPOCH};

use chat_tests::clients::client::Client;
use chat_tests::clients::raw_socket::{RawSocket, frame, opcode};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};
use serde_json::json;

#[track_caller]
fn wait_for(relay: &Relay, series: &str, is_so: impl Fn(f64) -> bool) {
    eventually(series, LATER, || match relay.metric(series) {
        Some(value) if is_so(value) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

/// Bytes of a frame of the relay.
fn length(payload: usize) -> usize {
    let head = match payload {
        0..126 => 2,
        126..65_536 => 4,
        _ => 10,
    };
    head + payload
}

#[test]
fn bytes_operations_and_errors_are_counted() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let mut socket = RawSocket::connect(relay.address(), "alice");
    let (mut sent, mut received) = (0, 0);
    let texts = [
        json!({"op": "ping", "ts": 1, "ref": 1}).to_string(),
        json!({"op": "ping", "ts": 2, "ref": 2}).to_string(),
        json!({"op": "history", "room": "nowhere", "ref": 3}).to_string(),
        json!({"op": "who", "room": 7, "ref": 4}).to_string(),
        json!({"op": "x\"} 1\n", "ref": 5}).to_string(),
        "no JSON".to_owned(),
    ];
    for text in &texts {
        sent += frame(opcode::TEXT, true, text.as_bytes()).len();
        socket.send_text(text);
    }
    // Their replies and `hello`.
    for _ in 0..=texts.len() {
        received += length(socket.receive().expect("open").payload.len());
    }
    // Events of the user's own room may have come too.
    eventually("as many bytes as arrived", LATER, || {
        let sent = relay.metric("chat_relay_sent_bytes_total").unwrap_or_default() as usize;
        if sent > received {
            received += length(socket.receive().expect("open").payload.len());
        }
        if sent == received { Ok(()) } else { Err(format!("{sent} sent, {received} received")) }
    });
    wait_for(&relay, "chat_relay_received_bytes_total", |bytes| bytes == sent as f64);
    let rows = [
        ("chat_relay_operations_total{op=\"ping\"}", Some(2.0)),
        ("chat_relay_operations_total{op=\"history\"}", Some(1.0)),
        ("chat_relay_operations_total{op=\"unknown\"}", Some(2.0)),
        ("chat_relay_operations_total{op=\"send\"}", Some(0.0)),
        ("chat_relay_operations_total", Some(6.0)),
        ("chat_relay_operation_errors_total{op=\"history\",code=\"NOROOM\"}", Some(1.0)),
        ("chat_relay_operation_errors_total{op=\"who\",code=\"INVALID\"}", Some(1.0)),
        ("chat_relay_operation_errors_total{op=\"unknown\",code=\"INVALID\"}", Some(2.0)),
        ("chat_relay_operation_errors_total{op=\"ping\",code=\"INVALID\"}", None),
        ("chat_relay_operation_seconds_count{op=\"ping\"}", Some(2.0)),
        ("chat_relay_operation_seconds_count", Some(6.0)),
        ("chat_relay_logins_total{way=\"name\",outcome=\"ok\"}", Some(1.0)),
    ];
    for (series, expected) in rows {
        assert_eq!(relay.metric(series), expected, "{series}");
    }
    // What a closed connection was sent still counts.
    drop(socket);
    wait_for(&relay, "chat_relay_connections", |open| open == 0.0);
    wait_for(&relay, "chat_relay_sent_bytes_total", |bytes| bytes >= received as f64);
}

#[test]
fn what_a_slow_reader_has_yet_to_read_is_shown_until_it_has() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--operations-per-second", "100000"]);
    relay.wait_ready();
    let mut slow = RawSocket::connect(relay.address(), "slow");
    slow.send_text(&json!({"op": "join", "room": "much", "ref": 1}).to_string());
    assert!(slow.answer(1).is_some());
    assert_eq!(relay.metric("chat_relay_outbox_bytes"), Some(0.0));
    let loud = relay.connect("loud");
    loud.ok(json!({"op": "join", "room": "much"}));
    let text = "x".repeat(4000);
    let mut last = String::new();
    eventually("much to wait", LATER, || {
        for _ in 0..20 {
            last = loud.ok(json!({"op": "send", "room": "much", "text": text}))["id"].to_string();
        }
        let waiting = relay.metric("chat_relay_outbox_bytes");
        if waiting > Some(64_000.0) { Ok(()) } else { Err(format!("{waiting:?}")) }
    });
    assert_eq!(relay.metric("chat_relay_closes_total{reason=\"slow\"}"), Some(0.0));
    while !String::from_utf8_lossy(&slow.receive().expect("open").payload).contains(&last) {}
    wait_for(&relay, "chat_relay_outbox_bytes", |bytes| bytes == 0.0);
}

#[test]
fn a_relay_that_stops_says_that_it_drains() {
    let redis = Redis::start();
    let options = ["--drain-delay", "60s", "--listen-ops", "127.0.0.1:0"];
    let mut relay = Relay::with("r1", &redis.url(), &options);
    relay.wait_ready();
    assert_eq!(relay.metric("chat_relay_draining"), Some(0.0));
    relay.process().terminate();
    wait_for(&relay, "chat_relay_draining", |draining| draining == 1.0);
}

#[test]
fn the_process_and_its_http_requests_are_shown_whatever_paths_are_asked_for() {
    let redis = Redis::start();
    let mut relay = Relay::start("r1", &redis);
    let before = relay.metric("process_open_fds").expect("files");
    let clients: Vec<Client> = (0..20).map(|n| relay.connect(&format!("user{n}"))).collect();
    let open = relay.metric("process_open_fds").expect("files");
    assert!(open >= before + 20.0, "{before}, then {open}");
    assert!(relay.metric("process_max_fds").expect("a limit") > open);
    let resident = relay.process().resident_bytes() as f64;
    let shown = relay.metric("process_resident_memory_bytes").expect("memory");
    assert!((0.5..2.0).contains(&(shown / resident)), "{shown} for {resident}");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
    let started = relay.metric("process_start_time_seconds").expect("a time");
    assert!((now - 600.0..now + 2.0).contains(&started), "{started} at {now}");
    let cpu = relay.metric("process_cpu_seconds_total").expect("a time");
    wait_for(&relay, "process_cpu_seconds_total", |now| now > cpu);
    let build = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    let (_, text) = relay.get("/metrics");
    let line = text.lines().find(|line| line.starts_with("chat_relay_build_info{"));
    assert!(line.is_some_and(|line| line.contains(&build) && line.ends_with(" 1")), "{line:?}");
    (0..50).for_each(|n| drop(relay.get(&format!("/no/such/path/{n}"))));
    (0..3).for_each(|_| drop(relay.get("/healthz")));
    assert_eq!(
        relay.metric("chat_relay_http_requests_total{route=\"/healthz\",status=\"2xx\"}"),
        Some(3.0)
    );
    assert_eq!(
        relay.metric("chat_relay_http_requests_total{route=\"other\",status=\"4xx\"}"),
        Some(50.0)
    );
    assert_eq!(
        relay.metric("chat_relay_http_requests_total{route=\"/ws\",status=\"1xx\"}"),
        Some(20.0)
    );
    drop(clients);
}
