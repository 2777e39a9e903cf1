//! Logins that race with it, at every step, and while Redis is away.

use std::time::{Duration, Instant};

use chat_tests::clients::client::Client;
use chat_tests::clients::frames::Frames;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::proxy::Network;
use chat_tests::wait::{LATER, SOON, eventually, never, until};
use serde_json::json;

use super::stage::{ACTS, Act, RELAYS, Stage, wait_closed};

/// 200 logins that race with each act. Every socket ends, whatever came first.
#[test]
fn a_login_that_races_with_it_is_refused_or_ends() {
    const ROUNDS: usize = 200;
    for act in ACTS {
        let stage = Stage::new();
        let mut wire = stage.redis.wire();
        let mut users = Vec::new();
        for round in 0..ROUNDS {
            let user = format!("bob{round}");
            let frames = stage.open(round % RELAYS, &user, "hi");
            until(Instant::now() + Duration::from_micros(rand::random_range(0..1000)));
            act.on(&mut wire, &user);
            act.assert_is_told(&wait_closed(&frames), &format!("round {round}"));
            let texts = stage.texts_of(&user);
            users.push((user, texts));
        }
        stage.assert_over(&users);
        let let_in = users.iter().filter(|(_, texts)| *texts > 0).count();
        println!("{act:?}: {let_in} of {ROUNDS} had said something before");
    }
}

/// The steps of a login, one after the other, while a proxy holds the next one back.
#[test]
fn at_every_step_of_a_login_it_is_refused() {
    let stage = Stage::new();
    let (path, mut wire) = (&stage.path, stage.redis.wire());
    let release = || {
        path.set_subscriptions(None);
        path.set(Network::Open);
    };
    let mut users = Vec::new();
    for round in 0..8 {
        for act in ACTS {
            for step in 0..5 {
                let user = format!("bob-{act:?}-{step}-{round}");
                let room = format!("@{user}");
                let subscribers =
                    |wire: &mut Wire| cmd!(wire, "PUBSUB", "SHARDNUMSUB", &room).list()[1].int();
                let is_present = |wire: &mut Wire| {
                    format!("{:?}", cmd!(wire, "CHAT.WHO", &room)).contains(&user)
                };
                // What is held, and how far the login has come when it is revoked.
                match step {
                    0 => path.set_subscriptions(Some(Network::Hold)),
                    1 => path.set_subscriptions(Some(Network::HoldReplies)),
                    2 | 3 => {
                        path.set_subscriptions(Some(Network::Open));
                        path.set(if step == 2 { Network::Hold } else { Network::HoldReplies });
                    }
                    _ => path.set(Network::HoldReplies),
                }
                let frames = stage.open(1, &user, "hi");
                match step {
                    0 => never("a subscription that is held", Duration::from_millis(20), || {
                        match subscribers(&mut wire) {
                            0 => Ok(()),
                            n => Err(format!("{n}")),
                        }
                    }),
                    1 | 2 | 4 => {
                        eventually("a subscription", SOON, || match subscribers(&mut wire) {
                            1 => Ok(()),
                            n => Err(format!("{n}")),
                        })
                    }
                    _ => eventually("the pipeline to have run", SOON, || {
                        match is_present(&mut wire) {
                            true => Ok(()),
                            false => Err("not present".to_owned()),
                        }
                    }),
                }
                act.on(&mut wire, &user);
                if step != 3 {
                    release();
                }
                let close = wait_closed(&frames);
                act.assert_is_told(&close, &format!("step {step}"));
                release();
                // At the last step the reply and the event are on their way together.
                let is_silent = frames.inbox().frames.is_empty();
                assert!(is_silent || step == 4, "step {step}: not even hello");
                let texts = stage.texts_of(&user);
                users.push((user, texts));
            }
        }
    }
    stage.assert_over(&users);
}

/// Logins and refreshes while Redis is away: the sockets are open, and what was done meanwhile counts
/// as soon as it can be asked.
#[test]
fn a_login_that_waits_is_decided_before_anything_is_done() {
    const USERS: usize = 40;
    let stage = Stage::new();
    let mut wire = stage.redis.wire();
    let good = |user: &str| {
        let address = stage.relays[1].address();
        Client::connect_with_token(address, user, &stage.fresh_token(user))
    };
    let refreshed: Vec<(String, Client)> = (0..USERS)
        .map(|n| format!("refreshed{n}"))
        .map(|user| (user.clone(), good(&user)))
        .collect();
    stage.path.set(Network::Drop);
    stage.relays[1].wait_unready();
    for (user, client) in &refreshed {
        client.ok(json!({"op": "auth", "token": stage.old_token(user)}));
        client.ask(json!({"op": "send", "room": "lobby", "text": "it waited"}));
    }
    let waiting: Vec<(String, Act, Frames)> = (0..USERS)
        .map(|n| (format!("waiting{n}"), ACTS[n % 2]))
        .map(|(user, act)| (user.clone(), act, stage.open(1, &user, "it waited")))
        .collect();
    for (user, _, frames) in &waiting {
        let what = format!("hello, {user}, and the refusal of what needs Redis");
        eventually(&what, SOON, || {
            let inbox = frames.inbox();
            let is_refused = |frame: &chat_tests::clients::frames::Frame| {
                frame.json["ref"] == 1 && frame.json["error"]["code"] == "UNAVAILABLE"
            };
            let has_hello = inbox.frames.first().is_some_and(|frame| frame.json["type"] == "hello");
            let told = has_hello && inbox.frames.iter().any(is_refused);
            if told { Ok(()) } else { Err(format!("{} frames", inbox.frames.len())) }
        });
    }
    for (user, _) in &refreshed {
        Act::Revoke.on(&mut wire, user);
    }
    for (user, act, _) in &waiting {
        act.on(&mut wire, user);
    }
    stage.path.set(Network::Open);
    let mut users = Vec::new();
    for (user, client) in refreshed {
        Act::Revoke.assert_is_told(&client.wait_closed(LATER), &user);
        users.push((user, 0));
    }
    for (user, act, frames) in waiting {
        act.assert_is_told(&wait_closed(&frames), &user);
        users.push((user, 0));
    }
    stage.witnesses[1].ok(json!({"op": "ping"}));
    stage.relays[1].wait_ready();
    stage.assert_over(&users);
}

/// While writes are refused nothing can be published, yet logins are decided.
#[test]
fn a_login_needs_no_write() {
    let stage = Stage::new();
    let mut wire = stage.redis.wire();
    for act in ACTS {
        act.on(&mut wire, &format!("bob-{act:?}"));
    }
    cmd!(wire, "CONFIG", "SET", "min-replicas-to-write", "1").ok();
    for relay in 0..RELAYS {
        for act in ACTS {
            let frames = stage.open(relay, &format!("bob-{act:?}"), "hi");
            act.assert_is_told(&wait_closed(&frames), "while writes are refused");
        }
        let address = stage.relays[relay].address();
        let carol = Client::connect_with_token(address, "carol", &stage.old_token("carol"));
        carol.ok(json!({"op": "room", "room": "lobby"}));
        let waits = carol.ask(json!({"op": "send", "room": "lobby", "text": "later"}));
        assert!(carol.reply(waits).is_none());
    }
}
