//! Typing and other signals: rate limited, and never sent back to their sender.

use std::time::Duration;

use chat_tests::checking::people::{events_of, ts};
use chat_tests::checking::subscriber::Subscriber;
use chat_tests::clients::client::Client;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{SOON, eventually, never};
use serde_json::json;

fn signals(client: &Client, name: &str) -> usize {
    let events = client.events("lobby");
    let fits = |event: &serde_json::Value| event["type"] == "signal" && event["name"] == name;
    events.iter().filter(|frame| fits(&frame.json)).count()
}

fn typed_by(event: &serde_json::Value, user: &str) -> bool {
    event["type"] == "signal" && event["name"] == "typing" && event["user"] == user
}

#[test]
fn a_signal_reaches_others_once_in_two_seconds_and_never_the_users_own_sockets() {
    let redis = Redis::start();
    let [r1, r2] = ["r1", "r2"].map(|name| {
        let relay = Relay::with(name, &redis.url(), &["--operations-per-second", "10000"]);
        relay.wait_ready();
        relay
    });
    let (alice, second, third) = (r1.connect("alice"), r1.connect("alice"), r2.connect("alice"));
    let (near, far) = (r1.connect("bob"), r2.connect("carol"));
    for client in [&alice, &second, &third, &near, &far] {
        client.ok(json!({"op": "join", "room": "lobby"}));
    }
    let channel = Subscriber::new(&redis, &["lobby"]);
    let type_on = |client: &Client, name: &str| {
        client.ok(json!({"op": "signal", "room": "lobby", "name": name, "data": {"on": true}}));
    };
    // The user is the same, whichever socket sends it.
    for _ in 0..20 {
        type_on(&alice, "typing");
        type_on(&second, "typing");
    }
    for client in [&near, &far] {
        let signal = client.next_of("lobby", "signal").json;
        assert_eq!(
            (&signal["user"], &signal["name"], &signal["data"]),
            (&json!("alice"), &json!("typing"), &json!({"on": true}))
        );
    }
    // Another name or another user is not delayed.
    type_on(&alice, "wave");
    type_on(&near, "typing");
    eventually("the wave", SOON, || match signals(&far, "wave") {
        1 => Ok(()),
        other => Err(format!("{other}")),
    });
    eventually("bob's typing", SOON, || {
        let received = alice.events("lobby").iter().any(|frame| typed_by(&frame.json, "bob"));
        if received { Ok(()) } else { Err(alice.arrived()) }
    });
    // After two seconds one more is delivered.
    let before = signals(&near, "typing");
    eventually("another one", SOON, || {
        type_on(&alice, "typing");
        if signals(&near, "typing") > before { Ok(()) } else { Err(near.arrived()) }
    });
    never("one's own signal", Duration::from_millis(200), || {
        let own = [&alice, &second, &third].iter().any(|client| {
            let events = client.events("lobby");
            events.iter().any(|e| e.json["type"] == "signal" && e.json["user"] == "alice")
        });
        if own { Err(alice.arrived()) } else { Ok(()) }
    });
    // A dropped signal is not even published. The two clocks are read at different moments.
    let published = events_of(&channel, "lobby", "signal");
    let times: Vec<u64> = published.iter().filter(|e| typed_by(e, "alice")).map(ts).collect();
    assert!(times.len() >= 2, "{published:?}");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 1_900), "{times:?}");
}

#[test]
fn a_refused_signal_does_not_count_against_the_rate() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let (alice, bob) = (relay.connect("alice"), relay.connect("bob"));
    let typing = json!({"op": "signal", "room": "lobby", "name": "typing"});
    assert_eq!(alice.refused(typing.clone()), "NOROOM");
    for client in [&bob, &alice] {
        client.ok(json!({"op": "join", "room": "lobby"}));
    }
    alice.ok(typing);
    bob.next_of("lobby", "signal");
}
