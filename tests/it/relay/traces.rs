//! Trace ids: the field `trace` of an operation is in the log lines of that operation.

use std::net::TcpStream;

use chat_tests::clients::http::Http;
use chat_tests::clients::raw_socket::RawSocket;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::Issuer;
use chat_tests::wait::{LATER, eventually};
use serde_json::{Value, json};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const OTHER: &str = "0af7651916cd43dd8448eb211c80319c";

fn traceparent(trace: &str) -> String {
    format!("00-{trace}-00f067aa0ba902b7-01")
}

/// The lines of the log, each of which must be an object.
fn lines(relay: &mut Relay) -> Vec<Value> {
    let errors = relay.process().errors();
    let whole = errors.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// The first line about an operation with this name and trace.
#[track_caller]
fn line_about(relay: &mut Relay, op: &str, trace: &str) -> Value {
    eventually(&format!("a line about {op} in {trace}"), LATER, || {
        let lines = lines(relay);
        let about = |line: &&Value| line["fields"]["op"] == op && line["trace_id"] == trace;
        lines.iter().find(about).cloned().ok_or_else(|| format!("{lines:#?}"))
    })
}

#[test]
fn an_operation_is_found_in_the_log_by_its_trace() {
    let redis = Redis::start();
    let options = ["--log-format", "json", "--log", "chat_relay=debug"];
    let mut relay = Relay::with("r1", &redis.url(), &options);
    relay.wait_ready();
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "join", "room": "lobby", "trace": traceparent(TRACE)}));
    let line = line_about(&mut relay, "join", TRACE);
    assert_eq!((&line["level"], &line["fields"]["code"]), (&json!("DEBUG"), &json!("ok")));
    assert!(line["fields"]["ms"].is_u64() && line["fields"]["connection"].is_string(), "{line}");
    // Each operation has its own trace, or none.
    let empty = json!({"op": "send", "room": "lobby", "text": "", "trace": traceparent(OTHER)});
    assert_eq!(alice.refused(empty), "INVALID");
    assert_eq!(line_about(&mut relay, "send", OTHER)["fields"]["code"], "INVALID");
    alice.ok(json!({"op": "ping", "trace": null}));
    alice.ok(json!({"op": "who", "room": "lobby"}));
    assert_eq!(alice.refused(json!({"op": "dance", "trace": traceparent(TRACE)})), "INVALID");
    assert_eq!(line_about(&mut relay, "unknown", TRACE)["fields"]["code"], "INVALID");
    let untraced = lines(&mut relay);
    let untraced = untraced.iter().filter(|line| line["trace_id"].is_null());
    let untraced: Vec<&str> = untraced.filter_map(|line| line["fields"]["op"].as_str()).collect();
    assert_eq!(untraced, ["ping", "who"]);
}

#[test]
fn a_login_by_the_first_frame_is_found_by_its_trace_good_or_bad() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let options = ["--log-format", "json", "--log", "chat_relay=debug"];
    let mut relay = issuer.relay("r1", &redis, &options);
    let good = issuer.token_of("alice", json!({}));
    let rows = [
        (json!({"token": good, "trace": traceparent(TRACE)}), Some((TRACE, "logged in"))),
        (json!({"token": "x", "trace": traceparent(OTHER)}), Some((OTHER, "refused"))),
        (json!({"token": good, "trace": "x"}), None),
    ];
    for (mut frame, line) in rows {
        frame["op"] = "auth".into();
        let stream = TcpStream::connect(relay.address()).expect("it listens");
        let mut socket = RawSocket::upgrade(stream, "");
        socket.send_text(&frame.to_string());
        let first = socket.receive().expect("an answer");
        let Some((trace, message)) = line else {
            assert!(String::from_utf8_lossy(&first.payload).contains("\"ok\""));
            continue;
        };
        eventually(message, LATER, || {
            let lines = lines(&mut relay);
            let about =
                |line: &&Value| line["fields"]["message"] == message && line["trace_id"] == trace;
            lines.iter().any(|line| about(&line)).then_some(()).ok_or_else(|| format!("{lines:#?}"))
        });
    }
    assert!(!relay.process().errors().contains(&good), "no token in the log");
}

#[test]
fn a_malformed_trace_is_refused_and_not_logged() {
    let redis = Redis::start();
    let options = ["--log-format", "json", "--log", "chat_relay=trace"];
    let mut relay = Relay::with("r1", &redis.url(), &options);
    relay.wait_ready();
    let alice = relay.connect("alice");
    let upper = traceparent(&TRACE.to_uppercase());
    let rows: &[(Value, &str)] = &[
        (json!(""), "empty"),
        (json!(7), "a number"),
        (json!([traceparent(TRACE)]), "a list"),
        (json!({"traceparent": traceparent(TRACE)}), "an object"),
        (json!(traceparent(&"0".repeat(32))), "no trace"),
        (json!(upper), "capital letters"),
        (json!(format!("{}\n", traceparent(TRACE))), "a line break"),
        (json!(traceparent("x\nINJECTED{\"level\":\"ERROR\"}\u{0}\r\n")), "a line of its own"),
        (json!(format!("cc{}", &traceparent(TRACE)[2..]) + "-" + &"INJECTED".repeat(1000)), "huge"),
    ];
    for (trace, why) in rows {
        let error = alice.call(json!({"op": "ping", "trace": trace})).expect_err(why);
        assert_eq!((&error["code"], &error["what"]), (&json!("INVALID"), &json!("trace")), "{why}");
    }
    // Of a later version, what this one knows.
    let later = format!("cc{}-more", &traceparent(OTHER)[2..]);
    alice.ok(json!({"op": "ping", "trace": later}));
    line_about(&mut relay, "ping", OTHER);
    let log = relay.process().errors();
    assert!(!log.contains("INJECTED") && !log.contains(TRACE), "{log}");
    assert!(!log.contains(&TRACE.to_uppercase()) && !log.contains("-more"), "{log}");
}

#[test]
fn the_header_of_a_request_is_the_trace_of_its_operations() {
    let redis = Redis::start();
    let options = ["--log-format", "json", "--log", "chat_relay=debug"];
    let mut relay = Relay::with("r1", &redis.url(), &options);
    relay.wait_ready();
    let http = Http::new(relay.address()).query("user=alice");
    let traced = http.clone().with("traceparent", &traceparent(TRACE));
    assert_eq!(traced.get("/v1/rooms").status, 200);
    line_about(&mut relay, "rooms", TRACE);
    // A frame may have its own.
    let frames = json!([{"op": "online", "rooms": ["a"]}, {"op": "unread", "rooms": [], "trace": traceparent(OTHER)}]);
    assert_eq!(traced.call("POST", "/v1", Some(&frames)).status, 200);
    line_about(&mut relay, "online", TRACE);
    line_about(&mut relay, "unread", OTHER);
    // A malformed header counts as none.
    for wrong in ["", "00-x", &traceparent(&TRACE.to_uppercase()), &"INJECTED".repeat(1000)] {
        let wrong = http.clone().with("traceparent", wrong);
        assert_eq!(wrong.get("/v1/inbox").status, 200);
    }
    let twice = traced.with("traceparent", &traceparent(OTHER));
    assert_eq!(twice.get("/v1/inbox").status, 200);
    let lines = lines(&mut relay);
    let inbox = lines.iter().filter(|line| line["fields"]["op"] == "inbox");
    let traces: Vec<&Value> = inbox.map(|line| &line["trace_id"]).collect();
    assert_eq!(traces, [&Value::Null; 5]);
    assert!(!relay.process().errors().contains("INJECTED"));
    let routes = [("/v1/rooms", 1.0), ("/v1", 1.0), ("/v1/inbox", 5.0)];
    for (route, count) in routes {
        let series = format!("chat_relay_http_requests_total{{route=\"{route}\",status=\"2xx\"}}");
        assert_eq!(relay.metric(&series), Some(count), "{route}");
    }
}

#[test]
fn a_slow_operation_is_logged_with_its_trace_also_one_that_waits() {
    let redis = Redis::start();
    // At the default level.
    let mut relay = Relay::with("r1", &redis.url(), &["--log-format", "json", "--probe", "2s"]);
    relay.wait_ready();
    let (alice, bob) = (relay.connect("alice"), relay.connect("bob"));
    alice.ok(json!({"op": "join", "room": "lobby", "trace": traceparent(TRACE)}));
    bob.ok(json!({"op": "join", "room": "lobby"}));
    redis.process().freeze();
    alice.ask(json!({"op": "history", "room": "lobby", "trace": traceparent(TRACE)}));
    let send = json!({"op": "send", "room": "lobby", "text": "x", "trace": traceparent(OTHER)});
    let send = bob.ask(send);
    let line = line_about(&mut relay, "history", TRACE);
    let fields = &line["fields"];
    assert_eq!((&line["level"], &fields["code"]), (&json!("INFO"), &json!("UNAVAILABLE")));
    assert!(fields["ms"].as_u64() >= Some(1000), "{line}");
    eventually("the send to wait", LATER, || match relay.metric("chat_relay_sends_waiting") {
        Some(1.0) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    redis.process().thaw();
    eventually("an answer", LATER, || bob.reply(send).ok_or_else(|| bob.arrived())).expect("ok");
    let line = line_about(&mut relay, "send", OTHER);
    assert_eq!((&line["level"], &line["fields"]["code"]), (&json!("INFO"), &json!("ok")));
    // What is fast is not logged at this level.
    let lines = lines(&mut relay);
    let about: Vec<_> = lines.iter().filter_map(|line| line["fields"]["op"].as_str()).collect();
    assert_eq!(about, ["history", "send"]);
    let seconds = relay.metric("chat_relay_operation_seconds_count");
    assert_eq!(seconds, relay.metric("chat_relay_operations_total"), "each is measured once");
}
