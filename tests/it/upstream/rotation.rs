//! Passwords and certificates are changed while relays run: nobody notices.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use chat_tests::clients::client::Client;
use chat_tests::cmd;
use chat_tests::port;
use chat_tests::servers::authority::{Authority, server_has_tls};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};
use serde_json::json;

const CONNECTS: &str = "chat_relay_upstream_connects_total";

/// Replaces a file as programs do that renew passwords: in one step.
fn replace(file: &Path, contents: impl AsRef<[u8]>) {
    let new = file.with_extension("new");
    std::fs::write(&new, contents).expect("written");
    std::fs::rename(&new, file).expect("renamed");
}

/// Waits until the relay has connected so many times.
#[track_caller]
fn wait_connected(relay: &Relay, times: f64) {
    eventually("connections", LATER, || match relay.metric(CONNECTS) {
        Some(count) if count >= times => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

/// Has alice send while `change` happens. Bob must hear all of it, once and in order, and nobody
/// must be refused anything or be told that Redis is away.
fn without_interruption(alice: &Client, bob: &Client, change: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let mut sent = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let text = format!("m{}", sent.len());
                alice.ok(json!({"op": "send", "room": "lobby", "text": text}));
                alice.ok(json!({"op": "who", "room": "lobby"}));
                sent.push(text);
            }
            sent
        });
        change();
        is_over.store(true, Ordering::Relaxed);
        sending.join().expect("all sends are accepted")
    });
    let texts = || {
        let events = bob.events("lobby").into_iter().map(|event| event.json);
        let messages = events.filter(|event| event["type"] == "message");
        messages.filter_map(|event| Some(event["text"].as_str()?.to_owned())).collect::<Vec<_>>()
    };
    eventually("the last message", LATER, || {
        if texts().last() == sent.last() { Ok(()) } else { Err(bob.arrived()) }
    });
    assert_eq!(texts(), sent);
    for client in [alice, bob] {
        let frames = client.frames_from(0);
        let told = frames
            .iter()
            .find(|frame| ["upstream", "reload"].iter().any(|kind| frame.json["type"] == *kind));
        assert!(told.is_none(), "{}: {:?}", client.user, told.map(|frame| &frame.json));
    }
}

struct Stage {
    redis: Redis,
    relay: Relay,
    password: PathBuf,
    alice: Client,
    bob: Client,
    _dir: tempfile::TempDir,
}

impl Stage {
    /// A relay whose password is in a file, and users in a room.
    fn start() -> Stage {
        let redis = Redis::start();
        redis.relay_user();
        let dir = tempfile::tempdir().expect("a directory");
        let password = dir.path().join("password");
        std::fs::write(&password, "secret\n").expect("written");
        let file = password.to_str().expect("UTF-8");
        let login = ["--redis-user", "relay", "--redis-password-file", file];
        let flags =
            [&login[..], &["--probe", "500ms", "--operations-per-second", "100000"]].concat();
        let relay = Relay::with("r1", &redis.url(), &flags);
        relay.wait_ready();
        let [alice, bob] = ["alice", "bob"].map(|user| relay.connect(user));
        for client in [&alice, &bob] {
            client.ok(json!({"op": "join", "room": "lobby"}));
        }
        Stage { redis, relay, password, alice, bob, _dir: dir }
    }
}

#[test]
fn a_new_password_is_taken_up_without_an_interruption() {
    let mut stage = Stage::start();
    let (redis, relay) = (&stage.redis, &stage.relay);
    without_interruption(&stage.alice, &stage.bob, || {
        cmd!(redis, "ACL", "SETUSER", "relay", ">newer secret").ok();
        let old = connections(redis);
        replace(&stage.password, "newer secret\n");
        wait_connected(relay, 2.0);
        eventually("the end of the old connections", LATER, || {
            let left = connections(redis).into_iter().filter(|id| old.contains(id)).count();
            if left == 0 { Ok(()) } else { Err(format!("{left} are left")) }
        });
        cmd!(redis, "ACL", "SETUSER", "relay", "<secret").ok();
    });
    // And a relay that is cut off comes back with it.
    cmd!(redis, "CLIENT", "KILL", "USER", "relay").ok();
    wait_connected(relay, 3.0);
    relay.wait_ready();
    let log = stage.relay.process().errors();
    assert!(!log.contains("newer") && !log.contains("secret"), "{log}");
}

/// The ids of the relay's connections.
fn connections(redis: &Redis) -> Vec<String> {
    let list = cmd!(redis, "CLIENT", "LIST").text().to_owned();
    let lines = list.lines().filter(|line| line.contains(" user=relay "));
    lines.filter_map(|line| Some(line.split(' ').next()?.to_owned())).collect()
}

#[test]
fn a_password_that_redis_does_not_know_yet_waits_for_it() {
    let stage = Stage::start();
    let (redis, relay) = (&stage.redis, &stage.relay);
    without_interruption(&stage.alice, &stage.bob, || {
        replace(&stage.password, "newer secret\n");
        let refused = "chat_relay_upstream_troubles_total{reason=\"password\"}";
        eventually("a refused password", LATER, || match relay.metric(refused) {
            Some(1.0) => Ok(()),
            other => Err(format!("{other:?}")),
        });
        assert_eq!(relay.get("/readyz").0, 200);
        cmd!(redis, "ACL", "SETUSER", "relay", ">newer secret").ok();
        wait_connected(relay, 2.0);
    });
}

#[test]
fn a_relay_whose_password_is_wrong_reads_the_file_again() {
    let redis = Redis::start();
    redis.relay_user();
    let dir = tempfile::tempdir().expect("a directory");
    let password = dir.path().join("password");
    std::fs::write(&password, "wrong").expect("written");
    let file = password.to_str().expect("UTF-8");
    let url = redis.url().replace("redis://", "redis://relay@");
    let relay = Relay::with("r1", &url, &["--redis-password-file", file]);
    relay.wait_for_answer(503, "refuses the password");
    std::fs::remove_file(&password).expect("removed");
    relay.wait_for_answer(503, "the password of Redis cannot be read");
    replace(&password, "secret");
    relay.wait_ready();
}

#[test]
fn renewed_certificates_are_read_without_a_restart() {
    if !server_has_tls() {
        println!("skipped: the server under test was built without TLS");
        return;
    }
    let (old, new) = (Authority::named("an old one"), Authority::named("a new one"));
    let tls_port = port::free();
    let mut lines = old.lines(tls_port, &old.issue(&["127.0.0.1"]));
    lines.push("tls-auth-clients yes".to_owned());
    let redis = Redis::with(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str| dir.path().join(name);
    let renew = |authority: &Authority| {
        let own = authority.issue(&["relay"]);
        replace(&file("ca"), std::fs::read(authority.file()).expect("a file"));
        replace(&file("cert"), std::fs::read(own.certificate).expect("a file"));
        replace(&file("key"), std::fs::read(own.key).expect("a file"));
    };
    renew(&old);
    let path = |name: &str| file(name).to_str().expect("UTF-8").to_owned();
    let (ca, cert, key) = (path("ca"), path("cert"), path("key"));
    let flags = ["--redis-ca", &ca, "--redis-cert", &cert, "--redis-key", &key];
    let relay = Relay::with("r1", &format!("rediss://127.0.0.1:{tls_port}"), &flags);
    relay.wait_ready();
    let [alice, bob] = ["alice", "bob"].map(|user| relay.connect(user));
    for client in [&alice, &bob] {
        client.ok(json!({"op": "join", "room": "lobby"}));
    }
    without_interruption(&alice, &bob, || {
        let issued = new.issue(&["127.0.0.1"]);
        let (certificate, key) = (issued.certificate_path(), issued.key_path());
        cmd!(
            redis,
            "CONFIG",
            "SET",
            "tls-cert-file",
            certificate,
            "tls-key-file",
            key,
            "tls-ca-cert-file",
            new.path()
        )
        .ok();
        renew(&new);
    });
    cmd!(redis, "CLIENT", "KILL", "TYPE", "pubsub").ok();
    wait_connected(&relay, 2.0);
    relay.wait_ready();
    alice.ok(json!({"op": "send", "room": "lobby", "text": "after"}));
}
