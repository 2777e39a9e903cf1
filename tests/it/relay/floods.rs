//! One socket that sends without end delays no other, and is closed if it continues after
//! `RATELIMIT`. How little it does in one turn is counted in `relay/src/server/session/tests.rs`.

use std::sync::atomic::{AtomicU64, Ordering};

use chat_protocol::close_code;
use chat_tests::clients::raw_socket::{RawSocket, frame, opcode};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{SOON, eventually};
use serde_json::json;

/// Bytes that a client sends without end, and the bytes that begin them.
fn floods() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let text = |text: &str| frame(opcode::TEXT, true, text.as_bytes());
    let huge = format!("{{\"op\":\"ping\",\"x\":\"{}\"}}", "x".repeat(60_000));
    vec![
        ("pings", vec![], frame(opcode::PING, true, b"there?")),
        ("pongs", vec![], frame(opcode::PONG, true, b"")),
        (
            "empty parts of a message",
            frame(opcode::TEXT, false, b""),
            frame(opcode::CONTINUATION, false, b""),
        ),
        ("tiny messages", vec![], text("{}")),
        ("unknown operations", vec![], text(r#"{"op":"dance"}"#)),
        ("refused operations", vec![], text(r#"{"op":"leave","room":"@bob"}"#)),
        ("operations that ask Redis", vec![], text(r#"{"op":"rooms"}"#)),
        ("huge messages", vec![], text(&huge)),
    ]
}

#[test]
fn others_are_served_by_one_thread_while_one_socket_sends_without_end() {
    let redis = Redis::start();
    let without_end =
        ["--threads", "1", "--operations-per-second", "1000000", "--bytes-per-second", "100000mb"];
    let relay = Relay::with("r1", &redis.url(), &without_end);
    relay.wait_ready();
    let other = relay.connect("other");
    for (what, beginning, again) in floods() {
        let loud = RawSocket::connect(relay.address(), "loud");
        let (mut mouth, mut ear) = (loud.share(), loud.share());
        // As much as one write holds.
        let many = again.repeat((64 << 10) / again.len() + 1);
        let sent = AtomicU64::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                mouth.send_bytes(&beginning).expect("the relay reads");
                while mouth.send_bytes(&many).is_ok() {
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            });
            scope.spawn(|| ear.forget_all());
            eventually("the flood", SOON, || match sent.load(Ordering::Relaxed) {
                0..8 => Err("it only begins".into()),
                _ => Ok(()),
            });
            for _ in 0..20 {
                other.ok(json!({"op": "send", "room": "lobby", "text": what}));
                other.ok(json!({"op": "ping"}));
            }
            loud.end();
        });
    }
    assert!(other.closed().is_none());
}

#[test]
fn a_client_that_ignores_ratelimit_is_closed_and_refused() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let other = relay.connect("other");
    for (n, (what, beginning, again)) in floods().into_iter().enumerate() {
        let user = format!("loud{n}");
        let mut loud = RawSocket::connect(relay.address(), &user);
        let mut mouth = loud.share();
        let errors = std::thread::scope(|scope| {
            scope.spawn(|| {
                mouth.send_bytes(&beginning).expect("the relay reads");
                while mouth.send_bytes(&again).is_ok() {}
            });
            let mut errors = Vec::new();
            while let Some(frame) = loud.receive() {
                let text = String::from_utf8_lossy(&frame.payload).into_owned();
                match frame.close_code() {
                    Some(code) => errors.push(code.to_string()),
                    None if text.contains("RATELIMIT") => errors.push("RATELIMIT".into()),
                    None => continue,
                }
                if frame.opcode == opcode::CLOSE {
                    loud.end();
                }
            }
            errors
        });
        assert_eq!(errors.first().map(String::as_str), Some("RATELIMIT"), "{what}");
        assert_eq!(
            errors.last().map(String::as_str),
            Some(&*close_code::FLOOD.number.to_string()),
            "{what}"
        );
        let mut back = RawSocket::connect(relay.address(), &user);
        assert_eq!(
            back.close_code(),
            Some(close_code::FLOOD.number),
            "{what}: reconnecting refills nothing"
        );
        other.ok(json!({"op": "send", "room": "lobby", "text": what}));
    }
    assert_eq!(relay.metric("chat_relay_connections"), Some(1.0));
    let frames = relay.metric("chat_relay_frames_total").unwrap_or_default();
    assert!(frames > 8.0 * 100.0, "{frames}");
}
