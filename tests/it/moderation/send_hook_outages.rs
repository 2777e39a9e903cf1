//! Servers and relays die while a service judges what users write: nothing is stored unjudged, or twice.

use std::net::SocketAddr;
use std::time::Duration;

use chat_tests::checking::view::history;
use chat_tests::clients::client::Client;
use chat_tests::cmd;
use chat_tests::seed::is_long_run;
use chat_tests::servers::hook_server::HookServer;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually};
use serde_json::{Value, json};

/// The rounds of the scenario below, and the sends of each user in a round.
const ROUNDS: usize = 4;
const SENDS: usize = 40;

#[test]
fn nothing_is_stored_unjudged_or_twice_while_redis_and_a_relay_die() {
    if !is_long_run() {
        println!("left out: set LONG=1 to run it");
        return;
    }
    let mut redis = Redis::durable();
    cmd!(redis, "CHAT.ROOM", "lobby", "SET", "hook", "yes").ok();
    let hook = HookServer::start();
    hook.mark("judged ");
    hook.reject("bad", "no");
    let stays = hook.relay("r1", &redis, &[]);
    for round in 0..ROUNDS {
        let dies = hook.relay(&format!("d{round}"), &redis, &[]);
        let (first, second) = (dies.address(), stays.address());
        std::thread::scope(|threads| {
            for user in ["alice", "bob", "carol"] {
                threads.spawn(move || send_all(&[first, second], user, round));
            }
            for relay in [Some(dies), None] {
                wait_for_more(&hook);
                redis.kill();
                redis.restart();
                wait_for_more(&hook);
                drop(relay);
            }
        });
    }
    let page = history(&mut redis.wire(), "lobby", &["COUNT", "1000"]);
    let texts: Vec<&str> = page.texts();
    for user in ["alice", "bob", "carol"] {
        let own: Vec<&str> = page
            .events
            .iter()
            .zip(&texts)
            .filter(|(event, _)| event.json["user"] == user)
            .map(|(_, text)| *text)
            .collect();
        let rounds = (0..ROUNDS).flat_map(|round| (0..SENDS).map(move |n| (round, n)));
        let expected: Vec<String> =
            rounds.map(|(round, n)| format!("judged {user} {round} {n}")).collect();
        assert_eq!(own, expected, "judged, each once, in order");
    }
    assert_eq!(texts.len(), 3 * ROUNDS * SENDS);
}

/// Waits until more has been judged.
fn wait_for_more(hook: &HookServer) {
    let before = hook.questions().len();
    eventually("more questions", LATER, || match hook.questions().len() {
        now if now >= before + 10 => Ok(()),
        now => Err(format!("{now} after {before}")),
    });
}

/// Sends one message after the other, each until a relay has answered its id, and some that are
/// rejected.
fn send_all(relays: &[SocketAddr], user: &str, round: usize) {
    let mut client: Option<Client> = None;
    for n in 0..SENDS {
        for text in [format!("{user} {round} {n}"), "bad".to_owned()] {
            let nonce =
                if text == "bad" { format!("bad-{round}-{n}") } else { format!("{round}-{n}") };
            let mut tries = 0;
            eventually(&text, Duration::from_secs(60), || {
                tries += 1;
                let relay = relays[tries % relays.len()];
                let connected = match client.take().filter(|client| client.closed().is_none()) {
                    Some(connected) => connected,
                    None => {
                        Client::try_connect(relay, user).map_err(|status| status.to_string())?
                    }
                };
                let reference = connected
                    .ask(json!({"op": "send", "room": "lobby", "text": text, "nonce": nonce}));
                let answer = wait_or_lose(&connected, reference);
                let outcome = match &answer {
                    Some(Ok(_)) => Some("stored".to_owned()),
                    Some(Err(error)) if error["what"] == "hook" => Some("rejected".to_owned()),
                    _ => None,
                };
                client = Some(connected);
                let outcome = outcome.ok_or_else(|| format!("{answer:?}"))?;
                assert_eq!(outcome == "rejected", text == "bad", "{text}: {outcome}");
                Ok(())
            });
        }
    }
}

/// The reply. `None`: the connection has ended before.
fn wait_or_lose(client: &Client, reference: u64) -> Option<Result<Value, Value>> {
    let mut found = None;
    eventually("a reply or the end", Duration::from_secs(60), || {
        found = client.reply(reference);
        match found.is_some() || client.closed().is_some() {
            true => Ok(()),
            false => Err(client.arrived()),
        }
    });
    found
}
