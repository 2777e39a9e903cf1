//! Resuming from a cursor: recovered exactly or told to reload, whatever the cursor, however many
//! clients return at once, and whatever the relay itself has received.

use std::time::Duration;

use chat_tests::checking::view::{history, sync};
use chat_tests::clients::client::Client;
use chat_tests::cmd;
use chat_tests::servers::proxy::{Network, Proxy};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};
use serde_json::{Map, Value, json};

/// Strings that are no cursor.
const MALFORMED: &[&str] = &[
    "",
    "-",
    "1",
    "1-",
    "-1",
    "a-b",
    "01-2",
    "1-02",
    "+1-2",
    "1-2-3",
    " 1-2",
    "1-2 ",
    "1.0-2",
    "18446744073709551616-1",
    "1-18446744073709551616",
    "$",
    "0",
];

fn say(redis: &Redis, room: &str, count: usize) -> Vec<String> {
    let mut wire = redis.wire();
    let one = |n| cmd!(wire, "CHAT.SEND", room, "bob", format!("m{n}")).text().to_owned();
    (0..count).map(one).collect()
}

/// Ids of the messages in a reply and after it, in order.
fn received(client: &Client, answer: &Value, room: &str) -> Vec<String> {
    let page = answer["events"].as_array().cloned().unwrap_or_default();
    let live = client.events(room).into_iter().map(|frame| frame.json);
    let ids = page.into_iter().chain(live);
    ids.filter_map(|event| event["id"].as_str().map(str::to_owned)).collect()
}

#[test]
fn every_kind_of_cursor_gets_the_servers_answer() {
    let redis = Redis::with(&["chat.journal-max 10"]);
    let mut wire = redis.wire();
    let ids = say(&redis, "lobby", 30);
    let (ms, n) = ids[24].split_once('-').expect("an id");
    let ms: u64 = ms.parse().expect("ms");
    let table: &[(String, Option<usize>, &str)] = &[
        (ids[29].clone(), Some(0), "the newest"),
        (ids[20].clone(), Some(9), "the oldest in the journal"),
        (ids[19].clone(), Some(10), "the one just before the oldest"),
        (ids[18].clone(), None, "one further"),
        ("0-0".into(), None, "the beginning, no longer known"),
        (format!("{}-{n}", ms + 1), None, "right number, wrong ms"),
        (format!("{ms}-1000"), None, "right ms, wrong number"),
        (format!("{}-31", ms + 1_000_000), None, "in the future"),
        (format!("{}-{}", u64::MAX, u64::MAX), None, "the end of time"),
    ];
    let relay = Relay::with("r1", &redis.url(), &["--operations-per-second", "10000"]);
    relay.wait_ready();
    // First with no other client in the room, then with one there all the time.
    for watched in [false, true] {
        let watcher = relay.connect("watcher");
        if watched {
            watcher.ok(json!({"op": "subscribe", "room": "lobby"}));
        }
        for (cursor, missed, why) in table {
            let truth = sync(&mut wire, "lobby", cursor, &[]);
            assert_eq!(truth.recovered, missed.is_some(), "{why}");
            let alice = relay.connect("alice");
            let one = alice.ok(json!({"op": "subscribe", "room": "lobby", "since": cursor}));
            let many = alice.ok(json!({"op": "resume", "rooms": {"lobby": cursor}}));
            for answer in [&one, &many["rooms"]["lobby"]] {
                assert_eq!(answer["recovered"], truth.recovered, "{why}");
                assert_eq!(answer["last"], ids[29], "{why}");
                // A client that is not recovered gets the newest page.
                let expected = missed.unwrap_or(30);
                assert_eq!(received(&alice, answer, "-"), ids[30 - expected..], "{why}");
            }
        }
    }
}

#[test]
fn a_wrong_cursor_is_invalid_and_a_missing_room_is_reported() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--operations-per-second", "10000"]);
    relay.wait_ready();
    let ids = say(&redis, "lobby", 3);
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    let mut wire = redis.wire();
    for cursor in MALFORMED {
        let error = cmd!(wire, "CHAT.SYNC", "lobby", cursor);
        assert!(error.error().starts_with("INVALID"), "{cursor:?}: {error:?}");
        for op in ["join", "subscribe"] {
            let code = alice.refused(json!({"op": op, "room": "lobby", "since": cursor}));
            assert_eq!(code, "INVALID", "{op} {cursor:?}");
        }
    }
    let no_texts = [json!(5), json!(true), json!([]), json!({}), json!(1.5)];
    for cursor in MALFORMED.iter().map(|cursor| json!(cursor)).chain(no_texts) {
        let rooms = json!({"lobby": cursor, "other": "0-0"});
        let code = alice.refused(json!({"op": "resume", "rooms": rooms}));
        assert_eq!(code, "INVALID", "resume {cursor}");
    }
    // One wrong room among good ones does not affect the others.
    let rooms = json!({"lobby": ids[0], "nowhere": ids[0], "@bob": "0-0", "dm:bob,carol": null});
    let rooms = alice.ok(json!({"op": "resume", "rooms": rooms}))["rooms"].clone();
    assert_eq!(rooms["lobby"]["recovered"], true);
    assert_eq!(received(&alice, &rooms["lobby"], "-"), ids[1..]);
    let codes = ["nowhere", "dm:bob,carol"].map(|room| rooms[room]["error"]["code"].clone());
    assert_eq!(codes, ["NOROOM", "NOTMEMBER"], "{rooms}");
    // Another user's personal room is followed as a contact: presence only, no events.
    assert_eq!((&rooms["@bob"]["contact"], &rooms["@bob"]["events"]), (&json!(true), &json!([])));
    // A room that joining creates knows its beginning and no other cursor.
    let fresh = alice.ok(json!({"op": "join", "room": "fresh", "since": ids[0]}));
    assert_eq!((&fresh["recovered"], &fresh["events"]), (&json!(false), &json!([])));
    let fresh = alice.ok(json!({"op": "join", "room": "fresh2", "since": "0-0"}));
    assert_eq!(fresh["events"], json!([]), "{fresh}");
    // None of this has disturbed the live events.
    let last = say(&redis, "lobby", 1);
    alice.next_where("lobby", "what comes next", |event| event["id"] == *last[0]);
}

#[test]
fn many_rooms_resumed_in_one_frame_while_messages_arrive_lose_nothing() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--operations-per-second", "100000"]);
    relay.wait_ready();
    let rooms: Vec<String> = (0..60).map(|n| format!("room{n}")).collect();
    let before: Vec<Vec<String>> = rooms.iter().map(|room| say(&redis, room, 8)).collect();
    // Half of the rooms have a subscriber, so the relay has a position; the others are new to it.
    let watcher = relay.connect("watcher");
    for room in rooms.iter().step_by(2) {
        watcher.ok(json!({"op": "join", "room": room}));
    }
    // Each with a cursor of its own: 1 to 8 messages back, one of them at the end.
    let cursors = |shift: usize| -> Map<String, Value> {
        let known = |(n, room): (usize, &String)| (room.clone(), json!(before[n][(n + shift) % 8]));
        rooms.iter().enumerate().map(known).collect()
    };
    let clients: Vec<Client> = (0..3).map(|n| relay.connect(&format!("user{n}"))).collect();
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..40 {
                rooms.iter().for_each(|room| drop(say(&redis, room, 1)));
            }
        });
        // Two clients of one room resume from different cursors.
        let asked: Vec<u64> = clients
            .iter()
            .enumerate()
            .map(|(n, client)| client.ask(json!({"op": "resume", "rooms": cursors(n * 3)})))
            .collect();
        let answers = clients.iter().zip(&asked).map(|(client, reference)| {
            let answer = eventually("the answer to resume", LATER, || {
                client.reply(*reference).ok_or_else(|| client.arrived())
            });
            answer.expect("accepted")["rooms"].clone()
        });
        let answers = answers.collect();
        writer.join().expect("a writer");
        answers
    });
    let mut wire = redis.wire();
    for ((n, client), answer) in clients.iter().enumerate().zip(&answers) {
        let cursors = cursors(n * 3);
        for room in &rooms {
            assert_eq!(answer[room]["recovered"], true, "{room}: {answer}");
            let since = cursors[room].as_str().expect("a cursor");
            let truth = history(&mut wire, room, &["AFTER", since, "COUNT", "1000"]);
            eventually(&format!("{} to be level in {room}", client.user), LATER, || {
                let got = received(client, &answer[room], room);
                if got == truth.ids() { Ok(()) } else { Err(format!("{got:?}, {truth:?}")) }
            });
        }
    }
}

#[test]
fn a_cursor_ahead_of_the_relay_is_served_without_gap_or_repeat() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.address());
    // Patient: its subscription is slow, not dead.
    let lagging = Relay::with("r1", &format!("redis://{}", proxy.address()), &["--probe", "30s"]);
    lagging.wait_ready();
    let quick = Relay::start("r2", &redis);
    let (there, before) = (lagging.connect("there"), quick.connect("ahead"));
    for client in [&there, &before] {
        client.ok(json!({"op": "join", "room": "lobby"}));
    }
    // Connected already, not yet in the room: a room new to the relay waits for its subscription.
    let (ahead, late) = (lagging.connect("ahead"), lagging.connect("late"));
    for client in [&ahead, &late] {
        client.ok(json!({"op": "subscribe", "room": format!("@{}", client.user)}));
    }
    let mut ids = say(&redis, "lobby", 1);
    there.next_of("lobby", "message");
    proxy.set_subscriptions(Some(Network::Delay(Duration::from_secs(2))));
    ids.extend(say(&redis, "lobby", 5));
    before.next_where("lobby", "the fifth", |event| event["id"] == *ids[5]);
    let answer = ahead.ok(json!({"op": "resume", "rooms": {"lobby": ids[3]}}));
    let answer = &answer["rooms"]["lobby"];
    assert_eq!((&answer["recovered"], &answer["last"]), (&json!(true), &json!(ids[5])));
    let at_the_end = late.ok(json!({"op": "subscribe", "room": "lobby", "since": ids[5]}));
    assert_eq!((&at_the_end["recovered"], &at_the_end["events"]), (&json!(true), &json!([])));
    let behind = there.events("lobby").iter().filter(|e| e.json["type"] == "message").count();
    assert_eq!(behind, 1, "the relay has not received the rest");
    ids.extend(say(&redis, "lobby", 3));
    proxy.set_subscriptions(None);
    for (client, answer, from) in
        [(&there, &Value::Null, 0), (&ahead, answer, 4), (&late, &at_the_end, 6)]
    {
        eventually(&format!("all for {}", client.user), LATER, || {
            let got = received(client, answer, "lobby");
            if got == ids[from..] { Ok(()) } else { Err(client.arrived()) }
        });
    }
}

#[test]
fn the_probe_finds_a_silently_dead_subscription() {
    let redis = Redis::start();
    let proxy = Proxy::to(redis.address());
    let url = format!("redis://{}", proxy.address());
    let relay = Relay::with("r1", &url, &["--probe", "500ms"]);
    relay.wait_ready();
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    proxy.set_subscriptions(Some(Network::Stall));
    // Commands work until the relay notices.
    let mut ids =
        vec![alice.ok(json!({"op": "send", "room": "lobby", "text": "to nobody"}))["id"].clone()];
    relay.wait_unready();
    ids.extend(say(&redis, "lobby", 2).into_iter().map(Value::from));
    proxy.set_subscriptions(None);
    proxy.cut();
    relay.wait_ready();
    eventually("all of it, once", LATER, || {
        let got: Vec<Value> =
            received(&alice, &Value::Null, "lobby").into_iter().map(Value::from).collect();
        if got == ids { Ok(()) } else { Err(alice.arrived()) }
    });
    assert!(alice.closed().is_none(), "the socket stayed open");
}

#[test]
fn a_demoted_redis_is_detected_and_reported() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--probe", "500ms"]);
    relay.wait_ready();
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    assert_eq!(relay.metric("chat_relay_upstream_up"), Some(1.0));
    // A replica of a primary that does not exist.
    cmd!(redis, "REPLICAOF", "127.0.0.1", 1).ok();
    let waiting = alice.ask(json!({"op": "send", "room": "lobby", "text": "x", "nonce": "n1"}));
    relay.wait_unready();
    assert_eq!(relay.metric("chat_relay_upstream_up"), Some(0.0));
    assert_eq!(relay.get("/healthz").0, 200, "the relay itself is well");
    assert_eq!(alice.refused(json!({"op": "history", "room": "lobby"})), "UNAVAILABLE");
    assert!(alice.reply(waiting).is_none(), "not acknowledged, not refused");
    cmd!(redis, "REPLICAOF", "NO", "ONE").ok();
    relay.wait_ready();
    let stored = eventually("the waiting send", LATER, || {
        alice.reply(waiting).ok_or_else(|| alice.arrived())
    });
    let stored = stored.expect("accepted")["id"].clone();
    alice.next_where("lobby", "the message", |event| event["id"] == stored);
    assert_eq!(history(&mut redis.wire(), "lobby", &[]).events.len(), 1);
}

#[test]
fn a_thousand_clients_that_reconnect_at_once_cost_few_commands() {
    const CLIENTS: usize = 1000;
    let redis = Redis::start();
    let options = ["--max-connections", "2000"];
    let mut relay = Relay::with("r1", &redis.url(), &options);
    relay.wait_ready();
    let mut ids = say(&redis, "lobby", 5);
    relay.connect("witness").ok(json!({"op": "join", "room": "lobby"}));
    relay.process().kill();
    ids.extend(say(&redis, "lobby", 20));
    let calls = || -> u64 {
        let stats = cmd!(redis, "INFO", "commandstats").text().to_owned();
        let line = stats.lines().find_map(|line| {
            line.to_ascii_uppercase().strip_prefix("CMDSTAT_CHAT.SYNC:CALLS=").map(str::to_owned)
        });
        line.and_then(|rest| rest.split(',').next()?.parse().ok()).unwrap_or(0)
    };
    let before = calls();
    let relay = Relay::with("r2", &redis.url(), &options);
    relay.wait_ready();
    let clients: Vec<Client> = (0..CLIENTS).map(|n| relay.connect(&format!("user{n}"))).collect();
    // Not all had received equally much.
    let since = |n: usize| n % 5;
    let asked: Vec<u64> = clients
        .iter()
        .enumerate()
        .map(|(n, client)| client.ask(json!({"op": "resume", "rooms": {"lobby": ids[since(n)]}})))
        .collect();
    // Meanwhile new messages arrive.
    ids.extend(say(&redis, "lobby", 10));
    for (n, (client, reference)) in clients.iter().zip(asked).enumerate() {
        let answer = eventually("the answer to resume", LATER, || {
            client.reply(reference).ok_or_else(|| client.arrived())
        });
        let answer = answer.expect("accepted")["rooms"]["lobby"].clone();
        assert_eq!(answer["recovered"], true, "{answer}");
        eventually(&format!("{} to be level", client.user), LATER, || {
            let got = received(client, &answer, "lobby");
            if got == ids[since(n) + 1..] { Ok(()) } else { Err(client.arrived()) }
        });
    }
    let calls = calls() - before;
    println!("{calls} calls of CHAT.SYNC for {CLIENTS} clients with 5 cursors");
    assert!((1..CLIENTS as u64 / 10).contains(&calls), "{calls} calls of CHAT.SYNC");
}
