//! Sends that wait while Redis is away: bounded, stored once, and shown meanwhile if the relay is
//! configured to.

use chat_tests::checking::view::history;
use chat_tests::clients::client::Client;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};
use serde_json::{Value, json};

/// How many sends of one connection may wait: the relay's bound.
const QUEUE: usize = 64;

fn answer(client: &Client, reference: u64) -> Result<Value, Value> {
    eventually("the answer to a send", LATER, || {
        client.reply(reference).ok_or_else(|| client.arrived())
    })
}

fn id(answer: Result<Value, Value>) -> String {
    answer.expect("accepted")["id"].as_str().expect("an id").to_owned()
}

fn send(room: &str, text: &str, nonce: &str) -> Value {
    json!({"op": "send", "room": room, "text": text, "nonce": nonce})
}

#[test]
fn sends_wait_within_bounds_and_are_stored_once_in_order() {
    let mut redis = Redis::durable();
    let relay = Relay::start("r1", &redis);
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    redis.kill();
    relay.wait_unready();
    let asked: Vec<u64> = (0..QUEUE + 6)
        .map(|n| alice.ask(send("lobby", &format!("m{n}"), &n.to_string())))
        .collect();
    // Sends over the bound are refused at once; waiting ones are not acknowledged.
    for reference in &asked[QUEUE..] {
        assert_eq!(answer(&alice, *reference).expect_err("too many")["code"], "UNAVAILABLE");
    }
    alice.ok(json!({"op": "ping"}));
    assert!(asked[..QUEUE].iter().all(|reference| alice.reply(*reference).is_none()));
    assert_eq!(relay.metric("chat_relay_sends_waiting"), Some(64.0));
    redis.restart();
    let ids: Vec<String> =
        asked[..QUEUE].iter().map(|reference| id(answer(&alice, *reference))).collect();
    let page = history(&mut redis.wire(), "lobby", &["COUNT", "1000"]);
    assert_eq!(page.ids(), ids);
    assert_eq!(page.texts(), (0..QUEUE).map(|n| format!("m{n}")).collect::<Vec<_>>());
    assert_eq!(relay.metric("chat_relay_sends_waiting"), Some(0.0));
    // There is room again.
    alice.ok(send("lobby", "after", "after"));
}

#[test]
fn a_send_that_waits_on_two_relays_is_stored_once() {
    let mut redis = Redis::durable();
    let relays = Relay::pair(&redis);
    let bob = relays[0].connect("bob");
    bob.ok(json!({"op": "join", "room": "lobby"}));
    let on_one = relays[0].connect("alice");
    on_one.ok(json!({"op": "join", "room": "lobby"}));
    // A nonce known before the outage, too: stored, but the client never received the reply.
    let known = id(on_one.call(send("lobby", "before", "n0")));
    redis.kill();
    relays.iter().for_each(Relay::wait_unready);
    let first = on_one.ask(send("lobby", "once", "n1"));
    on_one.ok(json!({"op": "ping"}));
    assert!(on_one.reply(first).is_none());
    // The client drops this connection; the relay does not drop the message.
    drop(on_one);
    let on_two = relays[1].connect("alice");
    let again: Vec<u64> = [("before", "n0"), ("once", "n1"), ("once", "n1")]
        .map(|(text, nonce)| on_two.ask(send("lobby", text, nonce)))
        .to_vec();
    on_two.ok(json!({"op": "ping"}));
    assert!(again.iter().all(|reference| on_two.reply(*reference).is_none()));
    redis.restart();
    let ids: Vec<String> = again.iter().map(|reference| id(answer(&on_two, *reference))).collect();
    assert_eq!(ids[0], known);
    assert_eq!(ids[1], ids[2]);
    eventually("the first relay to have no connections left", LATER, || {
        match relays[0].metric("chat_relay_sends_waiting") {
            Some(0.0) => Ok(()),
            other => Err(format!("{other:?} waiting")),
        }
    });
    let page = history(&mut redis.wire(), "lobby", &[]);
    assert_eq!(page.texts(), ["before", "once"]);
    assert_eq!(page.ids(), [known, ids[1].clone()]);
    bob.next_where("lobby", "the message", |event| event["id"] == *ids[1]);
}

#[test]
fn waiting_messages_are_shown_as_local_then_replaced_or_withdrawn() {
    let mut redis = Redis::durable();
    let local = Relay::with("r1", &redis.url(), &["--offline", "local"]);
    let other = Relay::with("r2", &redis.url(), &[]);
    [&local, &other].into_iter().for_each(Relay::wait_ready);
    let (alice, bob) = (local.connect("alice"), local.connect("bob"));
    let (carol, stranger) = (other.connect("carol"), local.connect("stranger"));
    for client in [&alice, &bob, &carol] {
        client.ok(json!({"op": "join", "room": "lobby"}));
    }
    // No message is local while Redis is there.
    alice.ok(send("lobby", "before", "n0"));
    assert_eq!(bob.next_of("lobby", "message").json["local"], Value::Null);
    redis.kill();
    [&local, &other].into_iter().for_each(Relay::wait_unready);
    let good = alice.ask(send("lobby", "waiting", "n1"));
    let bad = alice.ask(send("lobby", &"x".repeat(5000), "n2"));
    // Nobody passes for the backend until the store refuses it.
    let mut false_one = send("lobby", "from the server", "n4");
    false_one["kind"] = json!("system");
    let false_one = alice.ask(false_one);
    // A stranger cannot show anything to a room that it does not receive.
    let strange = stranger.ask(send("lobby", "from outside", "n3"));
    for client in [&alice, &bob] {
        for (text, nonce) in [("waiting", "n1"), (&"x".repeat(5000), "n2")] {
            let shown = client.next_where("lobby", "a local message", |e| e["local"] == true).json;
            let members = [&shown["type"], &shown["user"], &shown["text"], &shown["nonce"]];
            assert_eq!(members, ["message", "alice", text, nonce]);
            assert!(shown["id"].is_null() && shown["prev"].is_null(), "{shown}");
        }
    }
    assert!(alice.reply(good).is_none(), "{}", alice.arrived());
    redis.restart();
    let stored = id(answer(&alice, good));
    assert_eq!(answer(&alice, bad).expect_err("too long")["code"], "TOOBIG");
    assert_eq!(answer(&alice, false_one).expect_err("reserved")["code"], "DENIED");
    for client in [&alice, &bob] {
        let gone = client.next_of("lobby", "withdraw").json;
        assert_eq!(gone, json!({"type":"withdraw","room":"lobby","user":"alice","nonce":"n2"}));
    }
    id(answer(&stranger, strange));
    for client in [&alice, &bob, &carol] {
        eventually(&format!("the stored messages for {}", client.user), LATER, || {
            let events = client.events("lobby");
            let of = |nonce: &str| -> Vec<Value> {
                let stored = |event: &&Value| event["id"].is_string() && event["nonce"] == nonce;
                events.iter().map(|event| &event.json).filter(stored).cloned().collect()
            };
            let (once, strange) = (of("n1"), of("n3"));
            if once.len() == 1 && strange.len() == 1 {
                assert_eq!((&once[0]["id"], &once[0]["text"]), (&json!(stored), &json!("waiting")));
                return Ok(());
            }
            Err(client.arrived())
        });
        let events = client.events("lobby");
        let shown = events.iter().filter(|event| event.json["local"] == true);
        let shown: Vec<_> = shown.map(|event| event.json["nonce"].clone()).collect();
        let expected: &[&str] = if client.user == "carol" { &[] } else { &["n1", "n2"] };
        assert_eq!(shown, expected, "{}: another relay and a stranger show nothing", client.user);
    }
}
