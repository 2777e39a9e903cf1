//! `docs/security.md`: the table of credentials, row by row, on real relays.

use chat_tests::checking::view::history;
use chat_tests::clients::client::Client;
use chat_tests::cmd;
use chat_tests::documents::{code_words, read, rows, section};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::Issuer;
use serde_json::json;

/// A client with the credential of a row; `None`: the relay lets none in.
fn client(credential: &str, redis: &Redis, issuer: &Issuer, relays: &Relays) -> Option<Client> {
    let with = |token: &str| Client::connect_with_token(relays.tokens.address(), "alice", token);
    let words = code_words(credential);
    match words.as_slice() {
        ["--auth jwt"] => Client::try_connect(relays.tokens.address(), "alice").ok(),
        ["--auth http"] => {
            let flags = ["--auth", "http", "--auth-url", "http://127.0.0.1:1/", "--auth-forward"];
            let flags = [&flags[..], &["x-session", "--listen-ops", "127.0.0.1:0"]].concat();
            let relay = Relay::with("r3", &redis.url(), &flags);
            relay.wait_ready();
            Client::try_connect(relay.address(), "alice").ok()
        }
        ["?user=", "--auth none"] => Some(relays.names.connect("alice")),
        [] => Some(with(&issuer.token_of("alice", json!({"scope": "openid"})))),
        [scopes] => Some(with(&issuer.token_of("alice", json!({ "scope": scopes })))),
        _ => panic!("what is {credential}?"),
    }
}

struct Relays {
    names: Relay,
    tokens: Relay,
}

#[test]
fn every_credential_allows_what_its_row_says() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    // A socket without a token has so long for its first frame.
    let tokens = issuer.relay("r2", &redis, &["--handshake-timeout", "1s"]);
    let relays = Relays { names: Relay::start("r1", &redis), tokens };
    let text = read("docs/security.md");
    let rows = rows(section(&text, "## Who may do what with which credential"));
    assert!(rows.len() >= 10, "{rows:?}");
    for (number, row) in rows.iter().enumerate() {
        // Rooms of this row alone: the first to join owns the second one.
        let [open, own, new] = ["open", "own", "new"].map(|name| format!("{name}-{number}"));
        cmd!(redis, "CHAT.SEND", &open, "bob", "hi");
        cmd!(redis, "CHAT.JOIN", &own, "alice");
        cmd!(redis, "CHAT.JOIN", &own, "bob");
        let client = client(&row[0], &redis, &issuer, &relays);
        let requests = [
            json!({"op": "history", "room": open}),
            json!({"op": "send", "room": open, "text": "hello"}),
            json!({"op": "send", "room": new, "text": "hello"}),
            json!({"op": "mod", "room": own, "action": "mute", "user": "bob"}),
        ];
        let may = requests
            .map(|request| client.as_ref().is_some_and(|client| client.call(request).is_ok()));
        // Only a name that is believed can be another user's.
        let acts = row[0].contains("?user=") && {
            let carol = relays.names.connect("carol");
            carol.call(json!({"op": "send", "room": open, "text": "hello"})).is_ok()
        };
        let found: Vec<&str> =
            may.iter().chain([&acts]).map(|may| if *may { "yes" } else { "no" }).collect();
        assert_eq!(row[1..], found, "{}", row[0]);
        // No field of a request names another user.
        let Some(client) = client else { continue };
        let request = json!({"op": "send", "room": open, "text": "?", "user": "bob", "as": "bob"});
        let _ = client.call(request);
        let page = history(&mut redis.wire(), &open, &[]);
        let users = page.events.iter().skip(1).map(|event| event.json["user"].clone());
        assert!(users.clone().all(|user| user == "alice" || user == "carol"), "{}", row[0]);
    }
}
