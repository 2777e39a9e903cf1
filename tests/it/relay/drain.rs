//! SIGTERM: all clients are told to reconnect elsewhere, and the relay exits.

use std::time::Duration;

use chat_protocol::close_code;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};
use chat_tests::{clients::client::Client, cmd};
use serde_json::json;

#[test]
fn a_terminated_relay_drains_its_clients_and_exits_with_0() {
    let redis = Redis::start();
    let mut relay = Relay::with("r1", &redis.url(), &["--drain-time", "2s"]);
    relay.wait_ready();
    let clients: Vec<Client> = (0..20).map(|n| relay.connect(&format!("user{n}"))).collect();
    for client in &clients {
        client.ok(json!({"op": "join", "room": "lobby"}));
    }
    relay.process().terminate();
    eventually("the listener to close", LATER, || {
        match Client::try_connect(relay.address(), "late") {
            Err(_) => Ok(()),
            Ok(_) => Err("it takes connections".into()),
        }
    });
    for client in &clients {
        let close = client.wait_closed(LATER);
        assert_eq!(close.code, close_code::DRAIN.number, "{close:?}");
        let reason: serde_json::Value = serde_json::from_str(&close.reason).expect("JSON");
        assert!(reason["retry_ms"].is_u64(), "{reason}");
    }
    let status = relay.process().wait(LATER);
    assert_eq!(status.code(), Some(0), "{status:?}");
    let online = cmd!(redis, "CHAT.ONLINE", "lobby").list()[0].int();
    assert_eq!(online, 20, "presence stays within its grace: no flicker");
}

#[test]
fn a_relay_without_clients_ends_at_once() {
    let redis = Redis::start();
    let mut relay = Relay::start("r1", &redis);
    relay.process().terminate();
    assert_eq!(relay.process().wait(Duration::from_secs(5)).code(), Some(0));
}

#[test]
fn a_relay_with_wrong_settings_names_them_all_and_does_not_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let args = ["--listen", "nowhere", "--redis", "http://x", "--ping", "soon"].map(Into::into);
    let program = chat_tests::servers::artefacts::relay();
    let mut process = chat_tests::process::Process::spawn("wrong", program, &args, dir.path());
    assert!(!process.wait(LATER).success());
    for word in ["listen", "redis", "ping"] {
        assert!(process.errors().contains(word), "{}", process.errors());
    }
}
