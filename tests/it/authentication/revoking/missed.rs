//! What a relay learns late: holes, lost links, messages that wait, failover.

use chat_tests::clients::client::Client;
use chat_tests::cmd;
use chat_tests::servers::proxy::Network;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, SOON, eventually};
use serde_json::json;

use super::stage::{ACTS, Act, Stage, wait_closed};

/// So many users on the relay behind the proxy, and what will be done to each.
fn enter_all(stage: &Stage, name: &str, count: usize) -> Vec<(String, Act, Client)> {
    let enter = |n: usize| {
        let user = format!("{name}{n}");
        let client = stage.enter(1, &user);
        (user, ACTS[n % 2], client)
    };
    (0..count).map(enter).collect()
}

/// Many users at once: their relay misses the event, by a hole or by a link that is lost.
#[test]
fn what_a_relay_has_missed_ends_sockets_when_it_asks_again() {
    const USERS: usize = 50;
    let stage = Stage::new();
    let mut wire = stage.redis.wire();
    let mut users = Vec::new();
    for (case, way) in ["hole", "link", "drop", "kill"].into_iter().enumerate() {
        let clients = enter_all(&stage, &format!("bob-{way}-"), USERS);
        stage.path.set_subscriptions(Some(Network::Stall));
        for (user, act, _) in &clients {
            act.on(&mut wire, user);
        }
        for (_, _, client) in &clients {
            assert!(client.closed().is_none(), "{way}: it does not know yet");
        }
        stage.path.set_subscriptions(None);
        match case {
            // The next event of each room does not continue the last one.
            0 => clients.iter().for_each(|(user, ..)| {
                cmd!(wire, "CHAT.SEND", format!("@{user}"), "*", "a notice").ok();
            }),
            1 => stage.path.cut(),
            2 => {
                stage.path.set(Network::Drop);
                stage.relays[1].wait_unready();
                stage.path.set(Network::Open);
            }
            _ => {
                cmd!(wire, "CLIENT", "KILL", "TYPE", "pubsub").ok();
            }
        }
        for (user, act, client) in clients {
            act.assert_is_told(&client.wait_closed(LATER), way);
            let texts = stage.texts_of(&user);
            users.push((user, texts));
        }
    }
    stage.assert_over(&users);
}

/// Many users have a message that waits for Redis; half of them have gone meanwhile.
#[test]
fn what_waits_is_asked_for_before_it_is_submitted() {
    const USERS: usize = 100;
    let stage = Stage::new();
    let mut wire = stage.redis.wire();
    let clients = enter_all(&stage, "bob", USERS);
    let good = stage.enter(1, "carol");
    stage.path.set(Network::Drop);
    stage.relays[1].wait_unready();
    let asked: Vec<u64> = clients
        .iter()
        .map(|(_, _, client)| {
            client.ask(json!({"op": "send", "room": "lobby", "text": "it waited"}))
        })
        .collect();
    let waits = good.ask(json!({"op": "send", "room": "lobby", "text": "it waited too"}));
    eventually("all to wait", SOON, || match stage.relays[1].metric("chat_relay_sends_waiting") {
        Some(waiting) if waiting as usize == USERS + 1 => Ok(()),
        waiting => Err(format!("{waiting:?}")),
    });
    let (mut here, mut gone) = (Vec::new(), Vec::new());
    for (n, (user, act, client)) in clients.into_iter().enumerate() {
        act.on(&mut wire, &user);
        if n % 4 < 2 { here.push((user, act, client, asked[n])) } else { gone.push(user) }
    }
    stage.path.set(Network::Open);
    let mut closed = Vec::new();
    for (user, act, client, asked) in here {
        act.assert_is_told(&client.wait_closed(LATER), &user);
        let error = client.reply(asked).expect("answered before the close").expect_err("refused");
        assert_eq!(error["code"], "UNAVAILABLE");
        closed.push((user, 0));
    }
    eventually("the answer to carol", LATER, || good.reply(waits).ok_or_else(|| good.arrived()))
        .expect("stored");
    eventually("nothing to wait", LATER, || {
        match stage.relays[1].metric("chat_relay_sends_waiting") {
            Some(0.0) => Ok(()),
            waiting => Err(format!("{waiting:?}")),
        }
    });
    stage.assert_over(&closed);
    // Those whose sockets were lost before are present for their time, and have said nothing.
    for user in gone {
        assert_eq!(stage.texts_of(&user), 0, "of {user}");
    }
}

/// The primary fails after the act was acknowledged and has reached the replica, but no relay.
#[test]
fn it_holds_after_a_failover_and_after_a_restart() {
    const USERS: usize = 40;
    let primary = Redis::durable();
    let mut replica = Redis::replica(&primary, &["appendonly yes", "appendfsync always"]);
    let mut stage = Stage::of(primary);
    let mut wire = stage.redis.wire();
    let clients = enter_all(&stage, "bob", USERS);
    stage.path.set_subscriptions(Some(Network::Stall));
    for (user, act, _) in &clients {
        act.on(&mut wire, user);
    }
    assert_eq!(cmd!(wire, "WAIT", "1", "10000").int(), 1);
    stage.redis.kill();
    cmd!(replica, "REPLICAOF", "NO", "ONE").ok();
    stage.path.set_subscriptions(None);
    stage.path.lead_to(replica.address());
    let mut users = Vec::new();
    for (user, act, client) in clients {
        act.assert_is_told(&client.wait_closed(LATER), &user);
        users.push((user, act));
    }
    // From the append-only file.
    replica.wait_rewritten();
    replica.kill();
    replica.restart();
    cmd!(replica, "REPLICAOF", "NO", "ONE").ok();
    stage.relays[1].wait_ready();
    for (user, act) in users {
        let frames = stage.open(1, &user, "too late");
        act.assert_is_told(&wait_closed(&frames), &user);
    }
}
