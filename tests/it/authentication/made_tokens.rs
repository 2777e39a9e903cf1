//! `chat-relay token`: what it prints lets its user in; what it refuses, it explains.

use std::process::{Command, Output};

use chat_tests::clients::client::Client;
use chat_tests::servers::artefacts;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::tokens::Issuer;
use serde_json::json;

/// What the program prints for these flags.
fn token(issuer: &Issuer, flags: &[&str]) -> Output {
    let mut program = Command::new(artefacts::relay());
    program.args(["token", "--secret-file", &issuer.secret_file()]).args(flags);
    // Variables of the relay are none of its flags.
    program.env("CHAT_RELAY_PING", "nonsense").output().expect("it runs")
}

#[test]
fn a_made_token_lets_its_user_in_within_its_bounds() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &["--jwt-issuer", "app", "--jwt-audience", "chat"]);
    let parties = ["--issuer", "app", "--audience", "chat", "--ttl", "10m"];
    let connect = |flags: &[&str]| {
        let made = token(&issuer, &[&["--user", "alice"], flags, &parties].concat());
        assert!(made.status.success() && made.stderr.is_empty(), "{made:?}");
        let made = String::from_utf8(made.stdout).expect("ASCII");
        Client::connect_with_token(relay.address(), "alice", made.trim_end())
    };
    let all = connect(&[]);
    all.ok(json!({"op": "send", "room": "lobby", "text": "hi"}));
    let bounded = connect(&["--scope", "chat:read", "--rooms", "lob*,team-*"]);
    bounded.ok(json!({"op": "subscribe", "room": "lobby"}));
    for request in [
        json!({"op": "send", "room": "lobby", "text": "hi"}),
        json!({"op": "subscribe", "room": "other"}),
    ] {
        assert_eq!(bounded.refused(request.clone()), "DENIED", "{request}");
    }
}

#[test]
fn mistakes_are_explained_and_end_with_code_2() {
    let issuer = Issuer::new();
    let wrong = token(&issuer, &["--user", "a b", "--scope", "chat:all", "--ttl", "1w"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(wrong.stdout.is_empty(), "no token: {wrong:?}");
    let said = String::from_utf8(wrong.stderr).expect("UTF-8");
    for flag in ["--user: ", "--scope: ", "--ttl: "] {
        assert!(said.contains(flag), "{flag}: {said}");
    }
}
