//! Keys from an address: rotation, floods of unknown names, and servers that do everything wrong.

use chat_tests::clients::client::Client;
use chat_tests::clients::raw_socket::RawSocket;
use chat_tests::servers::key_server::{Answer, KeyPair, KeyServer};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};
use serde_json::{Value, json};

/// The code that closes a socket with this token.
#[track_caller]
fn close_of(relay: &Relay, token: &str) -> u16 {
    let mut socket = RawSocket::connect(relay.address(), &format!("&access_token={token}"));
    let (code, reason) = socket.close_reason().expect("a close frame");
    let reason: Value = serde_json::from_str(&reason).expect("JSON");
    assert_eq!(reason["retry_ms"].is_u64(), code == 4006, "{reason}");
    code
}

#[test]
fn keys_are_replaced_as_a_whole_while_tokens_come() {
    let redis = Redis::start();
    let server = KeyServer::start();
    let (old, new) = (KeyPair::new("old"), KeyPair::new("new"));
    server.answer(Answer::Keys(vec![old.jwk()]));
    let relay = server.relay("r1", &redis, &["--jwt-query"]);
    relay.wait_ready();
    let before = Client::connect_with_token(relay.address(), "alice", &old.token_of("alice"));
    assert_eq!(server.requests(), 1);
    assert_eq!(close_of(&relay, &new.token_of("bob")), 4504, "fetched, and still unknown");
    assert_eq!(server.requests(), 2);
    server.answer(Answer::Keys(vec![new.jwk()]));
    let bob = Client::connect_with_token(relay.address(), "bob", &new.token_of("bob"));
    assert_eq!(server.requests(), 3);
    bob.ok(json!({"op": "ping"}));
    // The old key is gone with the old set. Sockets that came with it stay until their tokens end.
    assert_eq!(close_of(&relay, &old.token_of("alice")), 4504);
    before.ok(json!({"op": "ping"}));
    before.ok(json!({"op": "auth", "token": new.token_of("alice")}));
    // Another key of the same name is another key.
    assert_eq!(close_of(&relay, &KeyPair::new("new").token_of("bob")), 4504);
}

#[test]
fn made_up_names_of_keys_cause_few_fetches_and_harm_nobody() {
    let redis = Redis::start();
    let server = KeyServer::start();
    let good = KeyPair::new("good");
    server.answer(Answer::Keys(vec![good.jwk()]));
    let relay = server.relay("r1", &redis, &["--jwt-query"]);
    relay.wait_ready();
    let strange = KeyPair::new("strange");
    let codes: Vec<u16> = std::thread::scope(|scope| {
        let sockets: Vec<_> = (0..40)
            .map(|n| {
                let token = strange.token_of(&format!("u{n}"));
                scope.spawn(|| {
                    let token = token;
                    close_of(&relay, &token)
                })
            })
            .collect();
        sockets.into_iter().map(|socket| socket.join().expect("no panic")).collect()
    });
    assert!(codes.iter().all(|code| [4504, 4006].contains(code)), "{codes:?}");
    while close_of(&relay, &strange.token_of("x")) != 4006 {}
    assert!(server.requests() <= 6, "{} fetches", server.requests());
    let alice = Client::connect_with_token(relay.address(), "alice", &good.token_of("alice"));
    // What cannot be verified now does not end what could be before.
    let error = alice.call(json!({"op": "auth", "token": strange.token_of("alice")}));
    assert_eq!(error.expect_err("not now")["code"], "UNAVAILABLE");
    alice.ok(json!({"op": "ping"}));
    assert!(server.requests() <= 6, "{} fetches", server.requests());
}

#[test]
fn without_a_good_set_the_relay_is_not_ready_and_with_an_old_one_it_is() {
    let redis = Redis::start();
    let pair = KeyPair::new("a");
    let weak = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"});
    let rows = [
        ("an error", Answer::Status(500)),
        ("a redirect", Answer::Status(302)),
        ("no JSON", Answer::Body(b"<html>".to_vec())),
        ("no keys", Answer::Keys(Vec::new())),
        ("weak keys", Answer::Keys(vec![weak])),
        ("too much", Answer::Body(vec![b' '; (1 << 20) + 1])),
        ("no end", Answer::Drip),
        ("nothing", Answer::Silence),
    ];
    let relays: Vec<_> = rows
        .into_iter()
        .map(|(what, answer)| {
            let server = KeyServer::start();
            server.answer(answer);
            let relay = server.relay("r1", &redis, &["--jwt-query"]);
            (what, server, relay)
        })
        .collect();
    for (what, server, relay) in &relays {
        eventually("a fetch", LATER, || match server.requests() {
            0 => Err("none".to_owned()),
            _ => Ok(()),
        });
        assert_eq!(close_of(relay, &pair.token_of("alice")), 4006, "{what}");
        assert_eq!(relay.get("/readyz").0, 503, "{what}");
        assert_eq!(relay.get("/healthz").0, 200, "{what}");
    }
    for (_, server, _) in &relays {
        server.answer(Answer::Keys(vec![pair.jwk()]));
    }
    for (what, server, relay) in &relays {
        relay.wait_ready();
        Client::connect_with_token(relay.address(), what, &pair.token_of("alice"));
        // A set that was good serves on when its server fails.
        server.answer(Answer::Status(500));
        assert_eq!(close_of(relay, &KeyPair::new("b").token_of("bob")), 4006, "{what}");
        Client::connect_with_token(relay.address(), what, &pair.token_of("alice"));
        assert_eq!(relay.get("/readyz").0, 200, "{what}");
    }
}

#[test]
fn keys_are_fetched_over_tls_from_the_server_that_is_meant() {
    let redis = Redis::start();
    let server = KeyServer::start_tls();
    let pair = KeyPair::new("a");
    server.answer(Answer::Keys(vec![pair.jwk()]));
    let relay = server.relay("r1", &redis, &["--jwt-query"]);
    relay.wait_ready();
    Client::connect_with_token(relay.address(), "alice", &pair.token_of("alice"));
    // A certificate that nobody vouches for.
    let mut stranger = server.relay_at("r2", &redis, "https://localhost", &["--jwt-query"], &[]);
    eventually("a warning", LATER, || {
        let logged = stranger.process().errors();
        if logged.contains("keys cannot be fetched") { Ok(()) } else { Err(logged) }
    });
    assert_eq!(close_of(&stranger, &pair.token_of("alice")), 4006);
}
