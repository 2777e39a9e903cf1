//! Connections that never become WebSockets are bounded in number and in time, whatever they do.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, SOON, eventually};
use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::net::{AddressFamily, SocketType, connect, socket};
use serde_json::json;

/// A connection with a small receive buffer that nobody reads.
fn deaf(relay: SocketAddr) -> TcpStream {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    set_socket_recv_buffer_size(&socket, 4096).expect("a socket option");
    connect(&socket, &relay).expect("the relay listens");
    let stream = TcpStream::from(socket);
    stream.set_write_timeout(Some(Duration::from_millis(100))).expect("a socket option");
    stream
}

fn is_open(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(1))).expect("a socket option");
    !matches!(stream.read(&mut [0; 1]), Ok(0)) && stream.write_all(b"X").is_ok()
}

#[test]
fn a_client_that_reads_no_response_is_closed() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--handshake-timeout", "1s"]);
    relay.wait_ready();
    let alice = relay.connect("alice");
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", relay.address());
    let requests = request.repeat(10_000);
    let mut deaf: Vec<TcpStream> = (0..30).map(|_| deaf(relay.address())).collect();
    for stream in &mut deaf {
        // More than fits, as are the responses: an error is expected.
        let _ = stream.write_all(requests.as_bytes());
    }
    eventually("all to be closed", LATER, || match relay.metric("chat_relay_http_connections") {
        // The connection that reads the metric.
        Some(1.0) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert!(!deaf.iter_mut().any(is_open));
    alice.ok(json!({"op": "ping"}));
}

#[test]
fn too_many_connections_close_the_oldest_and_disturb_no_socket() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--max-http-connections", "4"]);
    relay.wait_ready();
    let alice = relay.connect("alice");
    let mut silent: Vec<TcpStream> = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(relay.address()).expect("it listens"));
        assert_eq!(relay.get("/healthz").0, 200, "with {} silent ones", silent.len());
        relay.connect("bob").ok(json!({"op": "ping"}));
    }
    eventually("the oldest to be closed", SOON, || {
        let open = silent.iter_mut().map(is_open).filter(|open| *open).count();
        if open <= 4 { Ok(()) } else { Err(format!("{open} of 20 are open")) }
    });
    alice.ok(json!({"op": "ping"}));
    assert!(alice.closed().is_none());
}

#[test]
fn running_out_of_files_is_logged_once_a_second_and_passes() {
    let redis = Redis::start();
    let mut relay = Relay::start("r1", &redis);
    let alice = relay.connect("alice");
    let begun = Instant::now();
    relay.process().limit_files(3);
    let lines = |relay: &mut Relay| {
        let errors = relay.process().errors();
        errors.lines().filter(|line| line.contains("cannot accept connections")).count()
    };
    let others: Vec<TcpStream> =
        (0..50).map(|_| TcpStream::connect(relay.address()).expect("the kernel does")).collect();
    eventually("a second line", LATER, || match lines(&mut relay) {
        2.. => Ok(()),
        count => Err(format!("{count} lines")),
    });
    let seconds = begun.elapsed().as_secs() as usize;
    assert!(lines(&mut relay) <= seconds + 1, "{} lines in {seconds} s", lines(&mut relay));
    alice.ok(json!({"op": "send", "room": "lobby", "text": "still here"}));
    drop(others);
    relay.process().limit_files(256);
    eventually("the relay to accept users", LATER, || match relay.get("/healthz") {
        (200, _) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    relay.connect("bob").ok(json!({"op": "ping"}));
}
