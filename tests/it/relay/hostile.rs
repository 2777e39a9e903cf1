//! Whatever arrives on a socket: an error reply or a close with the documented code; the relay
//! neither hangs nor dies.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use chat_protocol::close_code::{self, CloseCode};
use chat_tests::clients::raw_socket::{RawSocket, frame, opcode};
use chat_tests::seed::{rounds, seeded};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, SOON, eventually, until};
use rand::Rng;
use rand::seq::IndexedRandom;
use serde_json::json;

/// Bytes on a fresh socket and the close code that must follow.
pub(crate) fn closing() -> Vec<(&'static str, Vec<u8>, CloseCode)> {
    vec![
        ("a binary message", frame(opcode::BINARY, true, b"\x00\x01"), close_code::BINARY),
        ("text that is no UTF-8", frame(opcode::TEXT, true, b"\xff\xfe"), close_code::UTF8),
        (
            "a message over the limit",
            frame(opcode::TEXT, true, &vec![b'x'; 70_000]),
            close_code::TOOBIG,
        ),
        (
            "only the header of a huge frame",
            frame(opcode::TEXT, true, &vec![b'x'; 1 << 20])[..14].to_vec(),
            close_code::TOOBIG,
        ),
        (
            "a continuation of nothing",
            frame(opcode::CONTINUATION, true, b"x"),
            close_code::PROTOCOL,
        ),
        ("an unknown opcode", frame(3, true, b"x"), close_code::PROTOCOL),
        (
            "reserved bits",
            {
                let mut bytes = frame(opcode::TEXT, true, b"{}");
                bytes[0] |= 0x70;
                bytes
            },
            close_code::PROTOCOL,
        ),
        ("an unmasked frame", b"\x81\x02{}".to_vec(), close_code::PROTOCOL),
        ("a fragmented ping", frame(opcode::PING, false, b"x"), close_code::PROTOCOL),
        ("a close with a code that is never sent", close_frame(1005), close_code::PROTOCOL),
        ("a close with a code below all", close_frame(999), close_code::PROTOCOL),
        ("a close with a code above all", close_frame(5000), close_code::PROTOCOL),
        ("a close with half a code", frame(opcode::CLOSE, true, b"\x03"), close_code::PROTOCOL),
        ("a ping that is too long", frame(opcode::PING, true, &[b'x'; 126]), close_code::PROTOCOL),
        (
            "a new message within a message",
            [frame(opcode::TEXT, false, b"{"), frame(opcode::TEXT, true, b"}")].concat(),
            close_code::PROTOCOL,
        ),
        (
            "fragments over the limit",
            (0..20)
                .flat_map(|n| frame(if n == 0 { opcode::TEXT } else { 0 }, false, &[b' '; 5000]))
                .collect(),
            close_code::TOOBIG,
        ),
    ]
}

fn close_frame(code: u16) -> Vec<u8> {
    frame(opcode::CLOSE, true, &code.to_be_bytes())
}

#[test]
fn a_broken_frame_closes_the_socket_with_its_code() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    for (what, bytes, code) in closing() {
        let mut socket = RawSocket::connect(relay.address(), "alice");
        socket.send_bytes(&bytes).expect("the relay reads");
        assert_eq!(socket.close_code(), Some(code.number), "{what}");
    }
    relay.connect("alice").ok(json!({"op": "ping"}));
}

#[test]
fn a_wrong_text_is_answered_and_the_socket_stays() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let mut socket = RawSocket::connect(relay.address(), "alice");
    let deep = "[".repeat(30_000);
    let wrong = [
        "",
        "x",
        "{",
        "[]",
        "null",
        "17",
        "\"op\"",
        "{}",
        "{\"op\":null}",
        "{\"op\":\"\"}",
        "{\"op\":\"join\",\"room\":{}}",
        "{\"op\":\"send\",\"room\":\"\\ud800\",\"text\":\"x\"}",
        &deep,
    ];
    for text in wrong {
        socket.send(opcode::TEXT, true, text.as_bytes()).expect("open");
        let shown: String = text.chars().take(60).collect();
        loop {
            let answer = socket.receive().unwrap_or_else(|| panic!("closed after {shown}"));
            let answer = String::from_utf8_lossy(&answer.payload).into_owned();
            if answer.contains("\"error\"") {
                assert!(answer.contains("\"code\":\"INVALID\""), "{shown}: {answer}");
                break;
            }
        }
    }
    socket.send(opcode::TEXT, true, b"{\"op\":\"ping\",\"ref\":1}").expect("open");
    assert!(socket.answer(1).is_some_and(|answer| answer.contains("\"ok\"")));
}

#[test]
fn fragments_pings_and_half_frames_make_no_difference() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let mut socket = RawSocket::connect(relay.address(), "alice");
    let text = b"{\"op\":\"ping\",\"ref\":1,\"x\":\"\xc3\xa4\"}";
    // Cut within a character, with a ping between the parts.
    let (first, second) = text.split_at(text.len() - 3);
    socket.send(opcode::TEXT, false, first).expect("open");
    socket.send(opcode::PING, true, b"still there?").expect("open");
    socket.send(opcode::CONTINUATION, false, b"").expect("open");
    socket.send(opcode::CONTINUATION, true, second).expect("open");
    let mut pong = false;
    loop {
        let frame = socket.receive().expect("open");
        pong |= frame.opcode == opcode::PONG && frame.payload == b"still there?";
        if frame.payload.starts_with(b"{\"ref\":1,\"ok\"") {
            break;
        }
    }
    assert!(pong, "no pong");
    // One byte at a time.
    for byte in frame(opcode::TEXT, true, b"{\"op\":\"ping\",\"ref\":2}") {
        socket.send_bytes(&[byte]).expect("open");
    }
    assert!(socket.answer(2).is_some());
    // A close is answered with a close.
    socket.send(opcode::CLOSE, true, &1000_u16.to_be_bytes()).expect("open");
    assert_eq!(socket.close_code(), Some(1000));
}

#[test]
fn half_closed_silent_and_slow_clients_are_closed() {
    let redis = Redis::start();
    let options = [
        "--ping",
        "1s",
        "--handshake-timeout",
        "1s",
        "--outbox",
        "262144",
        "--operations-per-second",
        "100000",
    ];
    let relay = Relay::with("r1", &redis.url(), &options);
    relay.wait_ready();

    let mut half = RawSocket::connect(relay.address(), "half");
    half.half_close();
    assert!(
        [Some(close_code::EOF.number), None].contains(&half.close_code()),
        "closed as `eof`, if the frame still arrives"
    );

    // Reads, but never answers a ping.
    let mut silent = RawSocket::connect(relay.address(), "silent");
    assert_eq!(silent.close_code(), Some(close_code::PING.number));

    // Connects and never sends a request.
    let mut mute = TcpStream::connect(relay.address()).expect("it listens");
    mute.write_all(b"GET /ws?user=mute HTTP/1.1\r\n").expect("it reads");
    eventually("the end of an unfinished handshake", LATER, || match mute.write_all(b"X: y\r\n") {
        Err(_) => Ok(()),
        Ok(()) => Err("it waits".into()),
    });

    // Receives more than it reads.
    let slow = relay.connect("slow");
    slow.ok(json!({"op": "join", "room": "lobby"}));
    let loud = relay.connect("loud");
    loud.ok(json!({"op": "join", "room": "lobby"}));
    slow.read(false);
    let text = "x".repeat(4000);
    eventually("the slow client to be closed", LATER, || {
        for _ in 0..20 {
            loud.ask(json!({"op": "send", "room": "lobby", "text": text}));
        }
        loud.ok(json!({"op": "ping"}));
        let online = loud.ok(json!({"op": "who", "room": "lobby"}));
        match relay.metric("chat_relay_connections") {
            Some(open) if open <= 1.0 => Ok(()),
            other => Err(format!("{other:?} connections, {online}")),
        }
    });
    slow.read(true);
    // The kernel may hold more than fits before the close frame.
    let close = slow.wait_closed(LATER);
    assert!(
        [close_code::SLOW.number, close_code::PING.number, 1006].contains(&close.code),
        "{close:?}"
    );
    assert!(loud.closed().is_none(), "a slow one costs only itself");
}

#[test]
fn a_slow_message_is_not_silence_but_has_a_deadline() {
    let redis = Redis::start();
    let options = ["--ping", "200ms", "--message-time", "2s"];
    let relay = Relay::with("r1", &redis.url(), &options);
    relay.wait_ready();
    let mut socket = RawSocket::connect(relay.address(), "slow");
    let request = frame(opcode::TEXT, true, b"{\"op\":\"ping\",\"ref\":1}");
    // Well over the deadline of a pong, which never arrives.
    let begun = Instant::now();
    for (n, byte) in request.iter().enumerate() {
        until(begun + Duration::from_millis(50) * n as u32);
        socket.send_bytes(&[*byte]).expect("the relay reads");
    }
    assert!(begun.elapsed() > Duration::from_millis(1000));
    assert!(socket.answer(1).is_some());
    // Never ends its message, and is closed for that.
    let begun = Instant::now();
    let mut endless = RawSocket::connect(relay.address(), "endless");
    let part = frame(opcode::TEXT, true, &[b' '; 1000]);
    for (n, byte) in part.iter().enumerate() {
        until(begun + Duration::from_millis(50) * n as u32);
        if endless.send_bytes(&[*byte]).is_err() {
            break;
        }
    }
    assert!(begun.elapsed() > Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(endless.close_code(), Some(close_code::PING.number));
}

#[test]
fn clients_that_connect_together_are_not_pinged_together() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--ping", "3s"]);
    relay.wait_ready();
    let waits: Vec<_> = (0..16)
        .map(|n| {
            let mut socket = RawSocket::connect(relay.address(), &format!("u{n}"));
            let connected = Instant::now();
            std::thread::spawn(move || {
                while socket.receive().expect("open").opcode != opcode::PING {}
                connected.elapsed()
            })
        })
        .collect();
    let after: Vec<Duration> = waits.into_iter().map(|wait| wait.join().expect("a ping")).collect();
    let (first, last) = (after.iter().min().expect("some"), after.iter().max().expect("some"));
    assert!(*last - *first > Duration::from_millis(300), "all at once: {after:?}");
}

#[test]
fn a_client_without_a_user_is_refused() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    for user in ["", "a,b", "*", "@alice", "a%20b", "%ff"] {
        match chat_tests::clients::client::Client::try_connect(relay.address(), user) {
            Ok(_) => panic!("{user:?} was let in"),
            Err(status) => assert!([0, 400, 401, 403].contains(&status), "{user:?}: {status}"),
        }
    }
}

#[test]
fn random_bytes_and_random_operations_leave_the_relay_serving() {
    let redis = Redis::start();
    let mut relay = Relay::with("r1", &redis.url(), &["--operations-per-second", "100000"]);
    relay.wait_ready();
    let mut random = seeded("hostile socket");
    let words = [
        "op",
        "join",
        "send",
        "room",
        "lobby",
        "text",
        "resume",
        "rooms",
        "@alice",
        "0-0",
        "1-1",
        "since",
        "history",
        "who",
        "ref",
        "meta",
        "leave",
        "subscribe",
        "nonce",
        "",
        "\u{0}",
        "dm:a,b",
    ];
    for round in 0..rounds(300) {
        let mut socket = RawSocket::connect(relay.address(), "alice");
        for _ in 0..20 {
            let bytes: Vec<u8> = match random.random_range(0..3) {
                0 => (0..random.random_range(1..200)).map(|_| random.random()).collect(),
                1 => {
                    let payload: Vec<u8> =
                        (0..random.random_range(0..200)).map(|_| random.random()).collect();
                    frame(opcode::TEXT, random.random(), &payload)
                }
                _ => {
                    let mut word = || json!(words.choose(&mut random).expect("some"));
                    let op = json!({"ref": round, "op": word(), "room": word(), "text": word(), "since": word(),
                        "rooms": {"lobby": word()}, "nonce": word(), "name": word()});
                    frame(opcode::TEXT, true, op.to_string().as_bytes())
                }
            };
            if socket.send_bytes(&bytes).is_err() {
                break;
            }
        }
    }
    assert!(relay.process().ended().is_none(), "the relay is gone");
    relay.connect("alice").ok(json!({"op": "ping"}));
    assert!(!relay.process().errors().contains("panicked"), "{}", relay.process().errors());
    eventually("all those sockets to be closed", SOON + Duration::from_secs(20), || {
        match relay.metric("chat_relay_connections") {
            Some(open) if open <= 1.0 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}
