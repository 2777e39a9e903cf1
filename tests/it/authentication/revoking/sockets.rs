//! Open sockets, and tokens that are replaced.

use std::time::{Duration, Instant};

use chat_tests::clients::client::Client;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::now_s;
use chat_tests::wait::{LATER, SOON, eventually, until};
use serde_json::{Value, json};

use super::stage::{ACTS, Act, RELAYS, Stage, wait_closed};

#[test]
fn open_sockets_end_at_once_on_every_relay_and_logins_are_refused() {
    let stage = Stage::new();
    for act in ACTS {
        let user = format!("bob-{act:?}");
        let sockets = [0, 1, 1].map(|relay| stage.enter(relay, &user));
        let fresh =
            Client::connect_with_token(stage.relays[0].address(), &user, &stage.fresh_token(&user));
        act.on(&mut stage.redis.wire(), &user);
        for socket in &sockets {
            act.assert_is_told(&socket.wait_closed(SOON), "an open socket");
        }
        let texts = stage.texts_of(&user);
        if act == Act::Revoke {
            // A token that was issued later is not concerned, in a new socket either.
            fresh.ok(json!({"op": "join", "room": "lobby"}));
            fresh.ok(json!({"op": "auth", "token": stage.fresh_token(&user)}));
            drop(fresh);
        } else {
            act.assert_is_told(&fresh.wait_closed(SOON), "whatever the token");
        }
        for relay in 0..RELAYS {
            let frames = stage.open(relay, &user, "too late");
            act.assert_is_told(&wait_closed(&frames), "a login");
            assert!(frames.inbox().frames.is_empty(), "not even hello");
        }
        assert_eq!(stage.texts_of(&user), texts);
        let outcome = if act == Act::Revoke { "revoked" } else { "suspended" };
        for relay in &stage.relays {
            let (_, metrics) = relay.get_ops("/metrics");
            let line = format!("chat_relay_logins_total{{way=\"header\",outcome=\"{outcome}\"}} 1");
            assert!(metrics.contains(&line), "{metrics}");
        }
    }
    assert!(stage.witnesses.iter().all(|witness| witness.closed().is_none()));
    // Taken back, both let the user in again.
    let mut wire = stage.redis.wire();
    cmd!(wire, "CHAT.ROOM", "@bob-Revoke", "SET", "tokens_after", "0").ok();
    cmd!(wire, "CHAT.MOD", "@bob-Suspend", "*", "UNBAN", "bob-Suspend").ok();
    for act in ACTS {
        stage.enter(1, &format!("bob-{act:?}")).ok(json!({"op": "ping"}));
    }
}

#[test]
fn a_token_without_its_time_is_older_than_any() {
    let stage = Stage::new();
    let token = stage.issuer.token(json!({"sub": "bob", "exp": now_s() + 600}));
    let connect = || Client::connect_with_token(stage.relays[0].address(), "bob", &token);
    let bob = connect();
    cmd!(stage.redis, "CHAT.ROOM", "@bob", "SET", "tokens_after", "1000000000000").ok();
    Act::Revoke.assert_is_told(&bob.wait_closed(SOON), "the smallest time there is");
    cmd!(stage.redis, "CHAT.ROOM", "@bob", "SET", "tokens_after", "0").ok();
    connect().ok(json!({"op": "ping"}));
}

#[test]
fn a_suspension_holds_without_tokens_and_ends_by_itself() {
    let redis = Redis::start();
    let relays = Relay::pair(&redis);
    let sockets = [relays[0].connect("bob"), relays[1].connect("bob")];
    cmd!(redis, "CHAT.ROOM", "@bob", "SET", "tokens_after", "now").ok();
    sockets[0].ok(json!({"op": "ping"}));
    let before = redis.clock_ms();
    cmd!(redis, "CHAT.MOD", "@bob", "*", "BAN", "bob", "FOR", "1500").ok();
    for socket in &sockets {
        let close = socket.wait_closed(SOON);
        let reason: Value = serde_json::from_str(&close.reason).expect("JSON");
        let until_ms = reason["until_ms"].as_u64().expect("a time");
        assert!((before + 1500..before + 1500 + 60_000).contains(&until_ms), "{close:?}");
    }
    eventually("the end of the suspension", LATER, || {
        Client::try_connect(relays[0].address(), "bob").map(drop).map_err(|code| format!("{code}"))
    });
}

/// A socket with a good token gets an older one while the older one becomes void.
#[test]
fn a_refresh_that_races_with_it_never_leaves_a_void_token() {
    const ROUNDS: usize = 200;
    let stage = Stage::new();
    let mut wire = stage.redis.wire();
    let mut users = Vec::new();
    for round in 0..ROUNDS {
        let user = format!("bob{round}");
        let address = stage.relays[round % RELAYS].address();
        let client = Client::connect_with_token(address, &user, &stage.fresh_token(&user));
        client.ok(json!({"op": "join", "room": "lobby"}));
        let act = ACTS[round / RELAYS % 2];
        client.ask(json!({"op": "auth", "token": stage.old_token(&user)}));
        until(Instant::now() + Duration::from_micros(rand::random_range(0..1500)));
        act.on(&mut wire, &user);
        act.assert_is_told(&client.wait_closed(SOON), &format!("round {round}"));
        users.push((user, 0));
    }
    stage.assert_over(&users);
}
