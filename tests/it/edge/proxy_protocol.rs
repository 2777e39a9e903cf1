//! `--proxy-protocol`: each connection names its client first, within bounds of time and size, and
//! only proxies may do so.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, TcpStream};
use std::time::{Duration, Instant};

use chat_protocol::close_code;
use chat_tests::clients::raw_socket::RawSocket;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, SOON, eventually};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("a length").to_be_bytes();
    [SIGNATURE, &[command, family], &length, rest].concat()
}

/// A header that names this client, and extensions as clouds append them.
fn v4(client: [u8; 4]) -> Vec<u8> {
    let to = Ipv4Addr::LOCALHOST.octets();
    header(0x21, 0x11, &[&client, &to[..], &[0x9C, 0x40, 0, 80], &[4, 0, 1, 0]].concat())
}

fn v6(client: &str) -> Vec<u8> {
    let client: Ipv6Addr = client.parse().expect("an address");
    let to = Ipv6Addr::LOCALHOST.octets();
    header(0x21, 0x21, &[&client.octets(), &to[..], &[0x9C, 0x40, 0, 80]].concat())
}

/// A relay that is ready and takes connections from proxies on this machine only.
fn relay(redis: &Redis, proxies: &str, options: &[&str]) -> Relay {
    let own = ["--proxy-protocol", "--trusted-proxies", proxies, "--listen-ops", "127.0.0.1:0"];
    let relay = Relay::with("r1", &redis.url(), &[&own, options].concat());
    relay.wait_ready();
    relay
}

/// A connection that has sent these bytes.
fn sent(relay: &Relay, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(relay.address()).expect("it listens");
    stream.set_read_timeout(Some(SOON)).expect("a socket option");
    stream.set_nodelay(true).expect("a socket option");
    stream.write_all(bytes).expect("it reads");
    stream
}

/// The status of a request after these bytes; 0: the connection was closed without an answer.
fn status(relay: &Relay, header: &[u8], path: &str, more: &str) -> u16 {
    let mut stream = sent(relay, header);
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}Connection: close\r\n\r\n");
    // An error: it has closed already.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    answer.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
}

fn refused(relay: &Relay, reason: &str) -> f64 {
    let (_, metrics) = relay.get_ops("/metrics");
    let line = format!("chat_relay_proxy_headers_refused_total{{reason=\"{reason}\"}} ");
    let count = metrics.lines().find_map(|found| found.strip_prefix(&line)?.parse().ok());
    count.unwrap_or(0.0)
}

#[test]
fn a_connection_counts_by_the_address_in_its_header() {
    let redis = Redis::start();
    let relay = relay(&redis, "127.0.0.0/8", &["--max-connections-per-address", "1"]);
    let full = Some(close_code::ADDRESS.number);
    let health_check = header(0x20, 0x00, &[]);
    let unix = header(0x21, 0x31, &[0; 216]);
    let rows = [
        (v4([203, 0, 113, 1]), None, "the first of an address"),
        (v4([203, 0, 113, 1]), full, "the second"),
        (v4([203, 0, 113, 2]), None, "another address"),
        (v6("2001:db8:0:1::1"), None, "IPv6"),
        (v6("2001:db8:0:1:2::2"), full, "the same /64"),
        (v6("2001:db8:0:2::1"), None, "another /64"),
        (v6("::ffff:203.0.113.2"), full, "an IPv4 address in IPv6"),
        (health_check, None, "the proxy for itself"),
        (unix, full, "a client without an address counts as the proxy"),
    ];
    let mut inside = Vec::new();
    for (header, expected, why) in &rows {
        let mut socket = RawSocket::upgrade(sent(&relay, header), "alice");
        match expected {
            Some(_) => assert_eq!(socket.close_code(), *expected, "{why}"),
            None => {
                let hello = socket.receive().expect("hello").payload;
                assert!(String::from_utf8_lossy(&hello).contains("hello"), "{why}");
                inside.push(socket);
            }
        }
    }
    // X-Forwarded-For does not count: the second of its address is refused whatever it says.
    let forwarded = "X-Forwarded-For: 198.51.100.9\r\n";
    assert_eq!(status(&relay, &v4([203, 0, 113, 1]), "/healthz", forwarded), 200);
    let mut stream = sent(&relay, &v4([203, 0, 113, 1]));
    write!(
        stream,
        "GET /ws?user=alice HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 198.51.100.9\r\n"
    )
    .expect("it reads");
    let mut socket = RawSocket::upgrade_after_head(stream);
    assert_eq!(socket.close_code(), full);
}

#[test]
fn a_header_may_come_byte_by_byte_but_within_the_handshake_timeout() {
    let redis = Redis::start();
    let relay = relay(&redis, "127.0.0.1", &["--handshake-timeout", "1s"]);
    let header = v4([203, 0, 113, 1]);
    let mut stream = sent(&relay, &[]);
    for byte in &header {
        stream.write_all(&[*byte]).expect("it reads");
    }
    RawSocket::upgrade(stream, "alice");
    for length in [0, 1, 15, header.len() - 1] {
        let begun = Instant::now();
        let mut stream = sent(&relay, &header[..length]);
        assert_eq!(stream.read(&mut [0]).expect("the end"), 0, "after {length} bytes");
        assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    }
    assert_eq!(refused(&relay, "late"), 4.0);
    for length in [1, 15, header.len() - 1] {
        let stream = sent(&relay, &header[..length]);
        stream.shutdown(Shutdown::Write).expect("open");
    }
    eventually("the cut ones", SOON, || match refused(&relay, "cut") {
        3.0 => Ok(()),
        other => Err(format!("{other}")),
    });
}

#[test]
fn what_is_no_header_of_version_2_is_closed_counted_and_logged() {
    let redis = Redis::start();
    let mut relay = relay(&redis, "127.0.0.1", &[]);
    assert_eq!(status(&relay, &v4([203, 0, 113, 1]), "/healthz", ""), 200);
    let mut huge = v4([203, 0, 113, 1]);
    huge[14..16].copy_from_slice(&[0xFF, 0xFF]);
    let good = v4([203, 0, 113, 1]);
    let twice = [&good[..], &good].concat();
    let rows: [(&[u8], &str); 8] = [
        (b"", "signature"),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n", "version1"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\0\0\0\0\0\0", "signature"),
        (&huge, "too_long"),
        (&header(0x31, 0x11, &[0; 12]), "version"),
        (&header(0x2F, 0x11, &[0; 12]), "command"),
        (&header(0x21, 0x55, &[0; 12]), "family"),
        (&header(0x21, 0x21, &[0; 12]), "length"),
    ];
    for (header, reason) in rows {
        let before = refused(&relay, reason);
        assert_eq!(status(&relay, header, "/healthz", ""), 0, "{reason}: no answer");
        assert_eq!(refused(&relay, reason), before + 1.0, "{reason}");
    }
    assert_eq!(status(&relay, &twice, "/healthz", ""), 400, "a second header is no request");
    let log = relay.process().errors();
    assert!(log.contains("signature of the PROXY protocol"), "{log}");
    assert!(log.matches("no PROXY header").count() < 8, "once a second: {log}");
    assert_eq!(relay.get_ops("/healthz").0, 200, "operators need no header");
    assert_eq!(relay.get("/healthz").0, 0);
}

#[test]
fn only_trusted_proxies_may_name_a_client() {
    let redis = Redis::start();
    let mut relay = relay(&redis, "10.0.0.0/8", &[]);
    assert_eq!(status(&relay, &v4([203, 0, 113, 1]), "/healthz", ""), 0);
    assert_eq!(refused(&relay, "untrusted"), 1.0);
    let log = relay.process().errors();
    assert!(log.contains("it is not a trusted proxy"), "{log}");
}

#[test]
fn silent_proxies_are_bounded_like_other_connections() {
    let redis = Redis::start();
    let options = ["--max-http-connections", "4", "--handshake-timeout", "60s"];
    let relay = relay(&redis, "127.0.0.1", &options);
    let mut silent: Vec<TcpStream> = (0..20).map(|_| sent(&relay, &SIGNATURE[..8])).collect();
    assert_eq!(status(&relay, &v4([203, 0, 113, 1]), "/healthz", ""), 200);
    eventually("the oldest to be closed", LATER, || {
        let mut open = 0;
        for stream in &mut silent {
            stream.set_read_timeout(Some(Duration::from_millis(1))).expect("a socket option");
            open += usize::from(!matches!(stream.read(&mut [0]), Ok(0)));
        }
        match open {
            0..=4 => Ok(()),
            open => Err(format!("{open} of 20 are open")),
        }
    });
}
