//! Races of newer tokens on an open connection: with one another, with requests, with the end of the
//! older one, and with keys that change.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chat_tests::clients::client::Client;
use chat_tests::cmd;
use chat_tests::servers::key_server::{Answer, KeyPair, KeyServer};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::tokens::{Issuer, now_s};
use chat_tests::wait::{LATER, SOON, eventually};
use serde_json::{Value, json};

use super::tokens::{first, open};

#[track_caller]
fn answer(client: &Client, reference: u64) -> Result<Value, Value> {
    eventually("an answer", SOON, || client.reply(reference).ok_or_else(|| client.arrived()))
}

#[test]
fn requests_are_bounded_by_the_token_before_them() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &[]);
    let wide = issuer.token_of("alice", json!({}));
    let narrow = issuer.token_of("alice", json!({"scope": "chat:read"}));
    let alice = Client::connect_with_token(relay.address(), "alice", &wide);
    alice.ok(json!({"op": "join", "room": "lobby"}));
    // All of them at once: nothing waits for a reply.
    let asked: Vec<(u64, bool)> = (0..20)
        .map(|n| {
            let is_wide = n % 2 == 1;
            let token = if is_wide { &wide } else { &narrow };
            alice.ask(json!({"op": "auth", "token": token}));
            let send = json!({"op": "send", "room": "lobby", "text": format!("{is_wide} {n}")});
            (alice.ask(send), is_wide)
        })
        .collect();
    for (reference, is_wide) in asked {
        assert_eq!(answer(&alice, reference).is_ok(), is_wide, "{}", alice.arrived());
    }
    let page = cmd!(redis, "CHAT.HISTORY", "lobby", "COUNT", 100);
    assert!(!format!("{page:?}").contains("false "), "{page:?}");
}

#[test]
fn a_newer_token_in_the_last_moment_is_in_time_and_after_it_none_is() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &[]);
    let fresh = issuer.token_of("alice", json!({}));
    // Each ends within the next second, some while the newer token is being verified.
    for wait_ms in [0, 300, 600, 800, 900, 950, 1000, 1050, 1100, 1300] {
        let short = issuer.token(json!({"sub": "alice", "exp": now_s() - 29}));
        let alice = Client::connect_with_token(relay.address(), "alice", &short);
        let (start, wait) = (Instant::now(), Duration::from_millis(wait_ms));
        eventually("the moment", SOON, || match start.elapsed() {
            elapsed if elapsed >= wait => Ok(()),
            elapsed => Err(format!("{elapsed:?}")),
        });
        let asked = alice.ask(json!({"op": "auth", "token": fresh}));
        // Either the answer or the end, and after an answer no end.
        let renewed = eventually("an answer or the end", LATER, || {
            match (alice.reply(asked), alice.closed()) {
                (Some(reply), _) => Ok(Some(reply)),
                (None, Some(close)) => {
                    assert_eq!(close.code, 4507, "{close:?}");
                    Ok(None)
                }
                (None, None) => Err("neither".to_owned()),
            }
        });
        if let Some(reply) = renewed {
            assert!(reply.expect("renewed")["expires_in"].as_u64() > Some(500));
            let witness = Client::connect_with_token(
                relay.address(),
                "bob",
                &issuer.token(json!({"sub": "bob", "exp": now_s() - 29})),
            );
            witness.wait_closed(LATER);
            alice.ok(json!({"op": "ping"}));
        }
    }
}

#[test]
fn keys_change_under_load_and_no_good_token_is_refused() {
    let redis = Redis::start();
    let server = KeyServer::start();
    let pairs = ["k0", "k1", "k2", "k3"].map(KeyPair::new);
    server.answer(Answer::Keys(vec![pairs[0].jwk()]));
    let relay = server.relay("r1", &redis, &[]);
    relay.wait_ready();
    let login = |token: &str| {
        let frames = open(relay.address(), "", &[("authorization", &format!("Bearer {token}"))]);
        first(&frames).map(|_| ()).map_err(|close| close.code)
    };
    for (old, new) in [(&pairs[0], &pairs[1]), (&pairs[1], &pairs[2]), (&pairs[2], &pairs[3])] {
        // Both are good from now on; relays learn of it by the first token that names the new one.
        server.answer(Answer::Keys(vec![old.jwk(), new.jwk()]));
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..4)
                .map(|n| {
                    let (login, is_over) = (&login, &is_over);
                    let tokens = [old, new].map(|pair| pair.token_of(&format!("u{n}")));
                    scope.spawn(move || {
                        let mut logins = 0;
                        while !is_over.load(Ordering::Relaxed) || logins < 10 {
                            assert_eq!(login(&tokens[logins % 2]), Ok(()), "login {logins}");
                            logins += 1;
                        }
                    })
                })
                .collect();
            let alice =
                Client::connect_with_token(relay.address(), "alice", &old.token_of("alice"));
            for _ in 0..10 {
                alice.ok(json!({"op": "auth", "token": new.token_of("alice")}));
                alice.ok(json!({"op": "auth", "token": old.token_of("alice")}));
            }
            is_over.store(true, Ordering::Relaxed);
            for client in clients {
                client.join().expect("all were let in");
            }
        });
    }
    assert!(server.requests() <= 4, "{} fetches", server.requests());
}
