//! TLS to Redis: certificates are verified, and what is wrong with one is told once, by its cause.

use std::time::{Duration, Instant};

use chat_tests::port;
use chat_tests::servers::authority::{Authority, Issued, server_has_tls};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};
use serde_json::json;

/// A server with a plain port and one with TLS.
struct Encrypted {
    redis: Redis,
    port: u16,
}

impl Encrypted {
    fn start(authority: &Authority, issued: &Issued, settings: &[&str]) -> Encrypted {
        let port = port::free();
        let lines = authority.lines(port, issued);
        let lines = lines.iter().map(String::as_str).chain(settings.iter().copied());
        Encrypted { redis: Redis::with(&lines.collect::<Vec<_>>()), port }
    }

    fn url(&self, host: &str) -> String {
        format!("rediss://{host}:{}", self.port)
    }
}

/// Whether the server under test cannot do this at all, which is said.
fn is_skipped() -> bool {
    let is_skipped = !server_has_tls();
    if is_skipped {
        println!("skipped: the server under test was built without TLS");
    }
    is_skipped
}

/// Alice hears what she sends: both connections of the link work.
#[track_caller]
fn assert_works(relay: &Relay) {
    relay.wait_ready();
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    alice.ok(json!({"op": "send", "room": "lobby", "text": "x"}));
    alice.next_of("lobby", "message");
}

#[test]
fn a_relay_trusts_the_authority_that_it_is_given_and_that_of_the_system() {
    if is_skipped() {
        return;
    }
    let authority = Authority::new();
    let issued = authority.issue(&["localhost", "127.0.0.1"]);
    let server = Encrypted::start(&authority, &issued, &[]);
    let given = ["--redis-ca", &authority.path()];
    for host in ["127.0.0.1", "localhost"] {
        assert_works(&Relay::with("r1", &server.url(host), &given));
    }
    let variables = [("SSL_CERT_FILE".into(), authority.file().into())];
    assert_works(&Relay::with_variables("r2", &server.url("localhost"), &[], &variables));
}

#[test]
fn a_relay_sends_and_verifies_the_name_that_it_is_given() {
    if is_skipped() {
        return;
    }
    let authority = Authority::new();
    let issued = authority.issue(&["redis.example"]);
    let server = Encrypted::start(&authority, &issued, &[]);
    let ca = authority.path();
    let named = ["--redis-ca", &ca, "--redis-server-name", "redis.example"];
    assert_works(&Relay::with("r1", &server.url("127.0.0.1"), &named));
}

#[test]
fn a_relay_proves_itself_to_a_server_that_asks_for_it() {
    if is_skipped() {
        return;
    }
    let authority = Authority::new();
    let issued = authority.issue(&["127.0.0.1"]);
    let server = Encrypted::start(&authority, &issued, &["tls-auth-clients yes"]);
    let (ca, own) = (authority.path(), authority.issue(&["relay"]));
    let (cert, key) = (own.certificate_path(), own.key_path());
    let proved = ["--redis-ca", &ca, "--redis-cert", &cert, "--redis-key", &key];
    assert_works(&Relay::with("r1", &server.url("127.0.0.1"), &proved));
}

/// Starts a relay that cannot connect. It says why once, counts it by this kind, and does not try
/// again and again.
#[track_caller]
fn assert_told(url: &str, options: &[&str], words: &str, kind: &str) {
    let begun = Instant::now();
    let mut relay = Relay::with("r1", url, options);
    eventually("tries", LATER, || {
        let failures = relay.metric("chat_relay_upstream_failures_total").unwrap_or(0.0);
        if failures >= 4.0 { Ok(()) } else { Err(format!("{failures} failures")) }
    });
    // The pause is between one and two seconds.
    assert!(begun.elapsed() > Duration::from_secs(3), "{:?} for 4 tries", begun.elapsed());
    let (status, body) = relay.get("/readyz");
    assert!(status == 503 && body.contains(words), "{status} {body}");
    let log = relay.process().errors();
    let lines = log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR"));
    let lines: Vec<&str> = lines.filter(|line| !line.contains("--auth none")).collect();
    assert!(matches!(lines[..], [line] if line.contains(words)), "{words}: {log}");
    let metric = format!("chat_relay_upstream_troubles_total{{reason=\"{kind}\"}}");
    assert_eq!(relay.metric(&metric), Some(1.0), "{kind}: {}", relay.get("/metrics").1);
}

#[test]
fn what_is_wrong_with_a_certificate_is_told_once() {
    if is_skipped() {
        return;
    }
    let authority = Authority::new();
    let (other, namesake) = (Authority::named("another authority"), Authority::new());
    let good = authority.issue(&["127.0.0.1"]);
    let server = Encrypted::start(&authority, &good, &[]);
    let named = Encrypted::start(&authority, &authority.issue(&["redis.example"]), &[]);
    let expired = Encrypted::start(&authority, &authority.issue_expired(&["127.0.0.1"]), &[]);
    let asking = Encrypted::start(&authority, &good, &["tls-auth-clients yes"]);
    let ca = ["--redis-ca", &authority.path()];
    let [stranger, double] = [&other, &namesake].map(|authority| authority.issue(&["relay"]));
    let (cert, key) = (stranger.certificate_path(), stranger.key_path());
    let stranger = ["--redis-ca", ca[1], "--redis-cert", &cert, "--redis-key", &key];
    let (cert, key) = (double.certificate_path(), double.key_path());
    let double = ["--redis-ca", ca[1], "--redis-cert", &cert, "--redis-key", &key];
    let host = "127.0.0.1";
    let plain = server.redis.url().replace("redis://", "rediss://");
    let rows: &[(String, &[&str], &str, &str)] = &[
        (
            server.url(host),
            &["--redis-ca", &other.path()],
            "comes from no authority that is trusted",
            "certificate_issuer",
        ),
        (
            server.url(host),
            &["--redis-ca", &namesake.path()],
            "comes from no authority that is trusted",
            "certificate_issuer",
        ),
        (named.url(host), &ca, "is for redis.example, not for 127.0.0.1", "certificate_name"),
        (
            server.url(host),
            &[ca[0], ca[1], "--redis-server-name", "redis.example"],
            "is for 127.0.0.1, not for redis.example",
            "certificate_name",
        ),
        (expired.url(host), &ca, "has expired", "certificate_time"),
        (plain, &ca, "this port is without TLS", "no_tls"),
        (asking.url(host), &ca, "refuses the certificate of this relay", "client_certificate"),
        (asking.url(host), &stranger, "refuses the certificate", "client_certificate"),
        (asking.url(host), &double, "refuses the certificate", "client_certificate"),
    ];
    std::thread::scope(|scope| {
        for (url, options, words, kind) in rows {
            scope.spawn(move || assert_told(url, options, words, kind));
        }
    });
}
