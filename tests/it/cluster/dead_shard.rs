//! One shard is away: the others do not notice, and each answer says which rooms are concerned.

use chat_tests::checking::view::history;
use chat_tests::clients::client::Client;
use chat_tests::clients::event_stream::Wanted;
use chat_tests::clients::http::Http;
use chat_tests::cmd;
use chat_tests::servers::cluster::{Cluster, Shape};
use chat_tests::servers::relay::Relay;
use chat_tests::servers::store::Store;
use chat_tests::wait::{LATER, SOON, eventually};
use serde_json::{Value, json};

const OPTIONS: [&str; 2] = ["--operations-per-second", "10000"];
/// None of these requests has been answered: what was answered since has not waited for them.
#[track_caller]
fn still_wait(client: &Client, requests: &[u64]) {
    assert!(requests.iter().all(|one| client.reply(*one).is_none()), "{}", client.arrived());
}

/// The states of `upstream` frames that a client has got, each with its rooms.
fn states(client: &Client) -> Vec<(String, Value)> {
    let frames = client.frames_from(0).into_iter();
    let frames = frames.filter(|frame| frame.json["type"] == "upstream");
    frames
        .map(|frame| {
            let state = frame.json["state"].as_str().expect("a state").to_owned();
            (state, frame.json["rooms"].clone())
        })
        .collect()
}

fn is_told(client: &Client, state: &str, rooms: &Value) {
    let expected = (state.to_owned(), rooms.clone());
    eventually(&format!("{state} of {rooms}"), LATER, || match states(client) {
        told if told.contains(&expected) => Ok(()),
        told => Err(format!("{told:?}")),
    });
}

fn send(room: &str, text: &str) -> Value {
    json!({"op": "send", "room": room, "text": text, "nonce": text.replace(' ', "_")})
}

#[test]
fn a_send_to_a_silent_shard_holds_up_no_other() {
    let mut cluster = Cluster::with(&Shape { replicas: 0, ..Shape::default() });
    let [silent, living] = [0, 1].map(|node| cluster.rooms_of(node, "room", 1).remove(0));
    let alice = cluster.rooms_of(1, "@alice", 1).remove(0)[1..].to_owned();
    // No probe finds out in time that the node is silent.
    let options = [&OPTIONS[..], &["--probe", "60s"]].concat();
    let relay = Relay::with("r1", &cluster.url_of(&[1]), &options);
    relay.wait_ready();
    let alice = relay.connect(&alice);
    for room in [&silent, &living] {
        alice.ok(json!({"op": "join", "room": room}));
        alice.ok(send(room, &format!("before in {room}")));
    }
    cluster.freeze(0);
    let waiting: Vec<u64> =
        (0..3).map(|n| alice.ask(send(&silent, &format!("waits {n}")))).collect();
    for n in 0..10 {
        alice.ok(send(&living, &format!("lives {n}")));
    }
    still_wait(&alice, &waiting);
    cluster.thaw(0);
    for reference in waiting {
        let stored = eventually("a waiting send", LATER, || {
            alice.reply(reference).ok_or_else(|| alice.arrived())
        });
        stored.expect("stored");
    }
    cluster.agree();
    let stored = history(&mut cluster.wire_to(&silent), &silent, &["COUNT", "100"]);
    let texts = [format!("before in {silent}"), "waits 0".into(), "waits 1".into()];
    assert_eq!(stored.texts()[..3], texts, "once and in order");
    assert_eq!(stored.texts().len(), 4, "{:?}", stored.texts());
}

#[test]
fn a_dead_shard_concerns_its_rooms_only() {
    // No replica has what a killed server has not written.
    let settings = &["appendfsync always"];
    let mut cluster = Cluster::with(&Shape { replicas: 0, settings, ..Shape::default() });
    let room = |node: usize| cluster.rooms_of(node, "room", 1).remove(0);
    let (dead, first, second) = (room(0), room(1), room(2));
    let user = |node: usize| cluster.rooms_of(node, "@user", 1).remove(0)[1..].to_owned();
    let (lost, alive) = (user(0), user(1));
    // Its list of rooms is on a living shard.
    let alice = cluster.rooms_of(2, "@alice", 1).remove(0)[1..].to_owned();
    let relay = Relay::with("r1", &cluster.url_of(&[1]), &OPTIONS);
    // Whoever logs in here is put into the room that will be away.
    let joins = [&OPTIONS[..], &["--auto-join", &dead]].concat();
    let joining = Relay::with("r2", &cluster.url_of(&[2]), &joins);
    [&relay, &joining].into_iter().for_each(Relay::wait_ready);
    let [alice, carol, lost_client] = [&alice, &alive, &lost].map(|user| relay.connect(user));
    for room in [&dead, &first, &second] {
        alice.ok(json!({"op": "join", "room": room}));
        alice.ok(send(room, &format!("before in {room}")));
    }
    carol.ok(json!({"op": "join", "room": first}));
    let rooms = [&first, &dead, &second];

    cluster.kill(0);
    is_told(&alice, "away", &json!([dead]));
    let (status, words) = relay.get_ops("/readyz");
    assert_eq!(status, 200, "{words}");
    assert!(words.contains("slots are away"), "{words}");

    // Sends to it wait, and nothing waits behind them.
    let waiting: Vec<u64> = (0..3).map(|n| alice.ask(send(&dead, &format!("waits {n}")))).collect();
    for n in 0..3 {
        for room in [&first, &second] {
            alice.ok(send(room, &format!("lives {n} in {room}")));
        }
    }
    assert_eq!(alice.refused(json!({"op": "history", "room": dead})), "UNAVAILABLE");
    alice.ok(json!({"op": "history", "room": first}));
    let unread = alice.ok(json!({"op": "unread", "rooms": rooms}));
    assert_eq!(unread["rooms"][&dead]["error"]["code"], "UNAVAILABLE", "{unread}");
    let online = alice.ok(json!({"op": "online", "rooms": rooms}));
    assert_eq!((&online["counts"][&dead], &online["counts"][&first]), (&Value::Null, &json!(2)));
    let profiles = alice.ok(json!({"op": "profiles", "users": [lost, alive]}));
    assert_eq!(profiles["profiles"][&lost]["error"]["code"], "UNAVAILABLE", "{profiles}");
    assert_eq!(profiles["profiles"][&alive]["online"], 1, "{profiles}");
    let list = alice.ok(json!({"op": "rooms"}));
    assert_eq!((&list["incomplete"], &list["cursor"]), (&json!(true), &Value::Null), "{list}");
    assert_eq!(list["rooms"].as_array().map(Vec::len), Some(2), "{list}");
    for room in [&first, &second] {
        assert_eq!(unread["rooms"][room]["unread"], 0, "{unread}");
    }
    let inbox = alice.ok(json!({"op": "inbox"}));
    let rows = inbox["rooms"].as_array().expect("rows");
    assert_eq!(rows.len(), 3, "{inbox}");
    assert_eq!(
        (&rows[2]["room"], &rows[2]["error"]["code"]),
        (&json!(dead), &json!("UNAVAILABLE"))
    );
    assert!(rows[0]["unread"].is_number(), "{inbox}");
    still_wait(&alice, &waiting);

    // Others log in and read; a contact of the dead shard does not hinder them.
    let dora = joining.connect(&alive);
    let resumed = dora.ok(json!({"op": "resume", "rooms": {
        &first: null, &dead: null, format!("@{lost}"): null, &second: null,
    }}));
    for (room, is_away) in [(&first, false), (&dead, true), (&format!("@{lost}"), true)] {
        let code = &resumed["rooms"][room]["error"]["code"];
        assert_eq!(code == "UNAVAILABLE", is_away, "{room}: {resumed}");
    }
    assert_eq!(dora.refused(json!({"op": "join", "room": dead})), "UNAVAILABLE");
    let http = Http::new(relay.address()).query(&format!("user={alive}"));
    let said = |room: &str| {
        http.call("POST", &format!("/v1/rooms/{room}/messages"), Some(&json!({"text": "hi"})))
            .status
    };
    assert!(said(&first) < 300 && said(&second) < 300);
    alice.ok(json!({"op": "status", "status": "busy"}));
    still_wait(&alice, &waiting);
    // A stream gets the living rooms at once and the other one later.
    let wanted = json!({"rooms": {&dead: null, &first: null}});
    let stream = Wanted::post(&format!("/v1/events?user={alive}"), &wanted);
    let stream = stream.open(relay.address()).expect("a stream");
    stream.wait("a living room", |block| block.json["room"] == first.as_str());
    alice.ok(send(&first, "to the stream"));
    stream.wait_text("to the stream");
    assert!(states(&carol).is_empty(), "it is in none of these rooms: {:?}", states(&carol));
    assert!(lost_client.closed().is_none(), "sockets stay open");

    cluster.restart(0);
    cluster.agree();
    for reference in waiting {
        let stored = eventually("a waiting send", LATER, || {
            alice.reply(reference).ok_or_else(|| alice.arrived())
        });
        stored.expect("stored");
    }
    is_told(&alice, "back", &json!([dead]));
    let stored = history(&mut cluster.wire_to(&dead), &dead, &["COUNT", "100"]);
    let texts = [format!("before in {dead}"), "waits 0".into(), "waits 1".into(), "waits 2".into()];
    assert_eq!(stored.texts(), texts, "once and in order");
    alice.next_where(&dead, "the last one", |event| event["text"] == "waits 2");
    stream.wait("the room that was away", |block| block.json["room"] == dead.as_str());
    alice.ok(send(&dead, "to all streams"));
    stream.wait_text("to all streams");
    eventually("the status that was set meanwhile", LATER, || {
        let who = format!("{:?}", cmd!(cluster.wire_to(&dead), "CHAT.WHO", &dead));
        if who.contains("busy") { Ok(()) } else { Err(who) }
    });
    // Nothing was taken off the list meanwhile.
    let inbox = alice.ok(json!({"op": "inbox"}));
    assert!(inbox["rooms"].as_array().is_some_and(|rows| rows.len() == 3), "{inbox}");
    eventually("the user of that shard", SOON, || {
        let joined = lost_client.call(json!({"op": "join", "room": first}));
        joined.map_err(|error| error.to_string())
    });
    // And the room that every login joins is joined by now.
    eventually("the room that was away at login", LATER, || {
        let who = format!("{:?}", cmd!(cluster.wire_to(&dead), "CHAT.WHO", &dead));
        if who.contains(&format!("{alive:?}")) { Ok(()) } else { Err(who) }
    });
}
