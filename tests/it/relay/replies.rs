//! Replies are bounded, whatever the request: in the relay, in Redis and on the way to the client.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chat_tests::clients::client::Client;
use chat_tests::clients::raw_socket::{RawSocket, opcode};
use chat_tests::clients::wire::{Command, Wire};
use chat_tests::servers::proxy::{Network, Proxy};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};
use chat_tests::{args, cmd};
use serde_json::{Map, Value, json};

/// Bytes of events in a reply, and what may be around them.
const REPLY: usize = 256 << 10;
const AROUND: usize = 32 << 10;

const MANY: [&str; 2] = ["--operations-per-second", "100000"];

fn relay(redis: &Redis, options: &[&str]) -> Relay {
    let relay = Relay::with("r1", &redis.url(), options);
    relay.wait_ready();
    relay
}

fn all(wire: &mut Wire, commands: &[Command]) {
    for part in commands.chunks(500) {
        wire.pipeline(part).into_iter().for_each(|reply| drop(reply.ok()));
    }
}

/// Bytes that Redis has sent so far.
fn sent(redis: &Redis) -> usize {
    redis.info("stats", "total_net_output_bytes").parse().expect("a number")
}

/// Sends an operation; returns its reply, which is within the bound.
#[track_caller]
fn bounded(client: &Client, op: Value) -> Value {
    let answer = client.ok(op);
    let length = answer.to_string().len();
    assert!(length <= REPLY + AROUND, "{length} bytes");
    answer
}

/// Fills `rooms` rooms with `messages` messages of `bytes` each; returns the ids of each.
fn fill(wire: &mut Wire, rooms: usize, messages: usize, bytes: usize) -> Vec<Vec<String>> {
    let text = "x".repeat(bytes);
    let send = |n: usize| args!["CHAT.SEND", format!("room{n}"), "bob", text.as_str()];
    let mut ids = Vec::new();
    for n in 0..rooms {
        let commands: Vec<Command> = (0..messages).map(|_| send(n)).collect();
        ids.push(wire.pipeline(&commands).iter().map(|id| id.text().to_owned()).collect());
    }
    ids
}

#[test]
fn many_long_rooms_are_resumed_in_several_replies() {
    let redis = Redis::with(&["chat.max-text 8192"]);
    let relay = relay(&redis, &MANY);
    let mut wire = redis.wire();
    let rooms = 40;
    // 160 KB in each after the first message.
    let ids = fill(&mut wire, rooms, 21, 8_000);
    let alice = relay.connect("alice");
    let mut missing: BTreeMap<String, Vec<String>> =
        (0..rooms).map(|n| (format!("room{n}"), ids[n].clone())).collect();
    let before = sent(&redis);
    let mut replies = 0;
    while !missing.is_empty() {
        let asked: Map<String, Value> =
            missing.iter().map(|(room, left)| (room.clone(), json!(left[0]))).collect();
        let answer = bounded(&alice, json!({"op": "resume", "rooms": asked}));
        replies += 1;
        let mut came = 0;
        for (room, answer) in answer["rooms"].as_object().expect("rooms") {
            assert_eq!(answer["recovered"], true, "{room}");
            let left = missing.get_mut(room).expect("a room asked for");
            for event in answer["events"].as_array().expect("events") {
                assert_eq!(event["id"], *left[1], "{room}");
                left.remove(0);
                came += 1;
            }
            if answer["more"] == true {
                assert_eq!(answer["last"], *left[0], "{room}");
            } else {
                assert_eq!(left.len(), 1, "{room} is not whole");
                missing.remove(room);
            }
        }
        assert!(came > 0, "every reply brings something");
    }
    assert!(replies >= 25, "{replies} replies for 6.4 MB");
    // The relay asks for only a few rooms more than fit.
    let bytes = sent(&redis) - before;
    assert!(bytes < replies * 9 * REPLY, "{bytes} bytes of Redis for {replies} replies");
    // All of them are live now.
    for n in [0, rooms - 1] {
        let id = cmd!(wire, "CHAT.SEND", format!("room{n}"), "bob", "live");
        alice.next_where(&format!("room{n}"), "what is live", |event| event["id"] == *id.text());
    }
    // Without cursors: rooms that do not fit are reported.
    let bob = relay.connect("bob");
    let mut wanted: BTreeSet<String> = (0..rooms).map(|n| format!("room{n}")).collect();
    while !wanted.is_empty() {
        let asked: Map<String, Value> =
            wanted.iter().map(|room| (room.clone(), json!(null))).collect();
        let answer = bounded(&bob, json!({"op": "resume", "rooms": asked}));
        let before = wanted.len();
        for (room, answer) in answer["rooms"].as_object().expect("rooms") {
            match answer.get("error") {
                Some(error) => {
                    assert_eq!(
                        (&error["code"], &error["retry_ms"]),
                        (&json!("RATELIMIT"), &json!(0))
                    );
                }
                None => drop(wanted.remove(room)),
            }
        }
        assert!(wanted.len() < before, "every reply brings something");
    }
}

#[test]
fn redis_produces_no_more_than_the_reply_holds() {
    let redis = Redis::with(&["chat.max-text 20480"]);
    let relay = relay(&redis, &MANY);
    let mut wire = redis.wire();
    let ids = fill(&mut wire, 1, 1_000, 20_000).remove(0);
    let alice = relay.connect("alice");
    let ops = [
        json!({"op": "history", "room": "room0", "count": 1000}),
        json!({"op": "history", "room": "room0", "count": 1000, "after": ids[10]}),
        json!({"op": "history", "room": "room0", "count": 1000, "before": ids[900]}),
        json!({"op": "history", "room": "room0", "count": 1000, "around": ids[500]}),
        json!({"op": "subscribe", "room": "room0"}),
        json!({"op": "subscribe", "room": "room0", "since": ids[3]}),
    ];
    for op in ops {
        let before = sent(&redis);
        let answer = bounded(&alice, op.clone());
        let bytes = sent(&redis) - before;
        assert!(answer["more"] == true && answer["events"].as_array().is_some_and(|e| e.len() > 5));
        assert!(bytes < 2 * REPLY, "{bytes} bytes for {op}");
    }
}

#[test]
fn every_list_is_bounded_and_can_be_continued() {
    let redis = Redis::start();
    let relay = relay(&redis, &MANY);
    let mut wire = redis.wire();
    // The longest names and topics, with escapes only.
    let room = |n: usize| format!("{n:04}{}", "\"".repeat(196));
    let user = |n: usize| format!("{n:04}{}", "\"".repeat(92));
    let mut setting: Vec<Command> = Vec::new();
    for n in 0..600 {
        setting.push(args!["CHAT.JOIN", room(n), "alice"]);
        setting.push(args!["CHAT.ROOM", room(n), "SET", "topic", "\"".repeat(256)]);
        setting.push(args!["CHAT.FOLLOW", "@alice", room(n)]);
        setting.push(args!["CHAT.SEND", room(n), "bob", "\"".repeat(1_000)]);
        setting.push(args!["CHAT.JOIN", "crowd", user(n)]);
        setting.push(args![
            "CHAT.PRESENCE",
            "crowd",
            user(n),
            format!("c{n}"),
            "STATUS",
            "\"".repeat(64)
        ]);
        let profile = format!("@{}", user(n));
        setting.push(args![
            "CHAT.ROOM",
            profile,
            "SET",
            "name",
            "\"".repeat(128),
            "avatar",
            "\"".repeat(1024)
        ]);
    }
    all(&mut wire, &setting);
    let alice = relay.connect("alice");
    for (op, list) in [
        (json!({"op": "rooms", "count": 1000}), "rooms"),
        (json!({"op": "members", "room": "crowd", "count": 1000}), "members"),
        (json!({"op": "who", "room": "crowd", "count": 1000}), "list"),
        (json!({"op": "inbox", "count": 1000}), "rooms"),
    ] {
        let mut rows = Vec::new();
        let mut cursor = Value::Null;
        loop {
            let mut asked = op.clone();
            asked["cursor"] = cursor;
            let mut answer = bounded(&alice, asked);
            rows.extend(answer[list].take().as_array().expect("a list").clone());
            cursor = answer["cursor"].take();
            if cursor.is_null() {
                break;
            }
        }
        let name = if list == "rooms" { "room" } else { "user" };
        let names: BTreeSet<String> = rows.iter().map(|row| row[name].to_string()).collect();
        assert!(names.len() == rows.len() && rows.len() >= 600, "{}: {op}", rows.len());
    }
    for (op, field, names) in [
        ("unread", "rooms", (0..600).map(room).collect::<Vec<_>>()),
        ("profiles", "users", (0..100).map(user).collect()),
    ] {
        let answered = if op == "unread" { "rooms" } else { "profiles" };
        let mut left = names;
        while !left.is_empty() {
            // As many names as a frame holds.
            let part = &left[..left.len().min(100)];
            let mut asked = json!({"op": op});
            asked[field] = json!(part);
            let answer = bounded(&alice, asked);
            let came = answer[answered].as_object().expect("an object");
            assert!(
                !came.is_empty() && (answer["more"] == true) == (came.len() < part.len()),
                "{op}"
            );
            left.retain(|name| !came.contains_key(name));
        }
    }
}

#[test]
fn an_inbox_is_paged_and_costs_its_work() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let rooms = 1_000;
    let mut setting: Vec<Command> = Vec::new();
    for n in 0..rooms {
        setting.push(args!["CHAT.FOLLOW", "@alice", format!("room{n:04}")]);
        setting.push(args!["CHAT.JOIN", format!("room{n:04}"), "alice"]);
        setting.push(args!["CHAT.SEND", format!("room{n:04}"), "bob", "hi"]);
    }
    all(&mut wire, &setting);
    let one = relay(&redis, &MANY);
    let alice = one.connect("alice");
    let page = |cursor: &Value, count: usize| {
        alice.ok(json!({"op": "inbox", "count": count, "cursor": cursor}))
    };
    let whole = page(&Value::Null, 1000);
    assert_eq!(whole["cursor"], Value::Null);
    let (mut rows, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let mut answer = page(&cursor, 170);
        rows.extend(answer["rooms"].take().as_array().expect("rooms").clone());
        cursor = answer["cursor"].take();
        if cursor.is_null() {
            break;
        }
    }
    let names = |rows: &[Value]| rows.iter().map(|row| row["room"].to_string()).collect::<Vec<_>>();
    assert_eq!(names(&rows), names(whole["rooms"].as_array().expect("rooms")));
    for wrong in ["x", "1-1", "1-1 @", "lobby 1-1"] {
        assert_eq!(alice.refused(json!({"op": "inbox", "cursor": wrong})), "INVALID", "{wrong}");
    }
    // 1,000 rooms are 50 operations, a small list five.
    let strict = relay(&redis, &["--operations-per-second", "10"]);
    for (user, owed) in [("alice", true), ("bob", false)] {
        let client = strict.connect(user);
        client.ok(json!({"op": "inbox"}));
        let next = client.call(json!({"op": "ping"}));
        match next {
            Ok(_) => assert!(!owed, "{user} has nothing to wait for"),
            Err(error) => {
                let wait = error["retry_ms"].as_u64().expect("a time");
                assert!(owed && (2_000..=4_100).contains(&wait), "{user}: {error}");
            }
        }
    }
}

#[test]
fn an_inbox_of_long_messages_asks_for_no_more_than_it_shows() {
    let redis = Redis::with(&["chat.max-text 20480"]);
    let relay = relay(&redis, &MANY);
    let mut wire = redis.wire();
    let rooms = 200;
    fill(&mut wire, rooms, 1, 20_000);
    // The latest messages are short, so that many rooms are read at once.
    for n in 0..rooms {
        cmd!(wire, "CHAT.JOIN", format!("room{n}"), "alice").ok();
        cmd!(wire, "CHAT.FOLLOW", "@alice", format!("room{n}")).ok();
    }
    for n in rooms - 20..rooms {
        cmd!(wire, "CHAT.SEND", format!("room{n}"), "bob", "short").ok();
    }
    let alice = relay.connect("alice");
    let before = sent(&redis);
    let answer = bounded(&alice, json!({"op": "inbox", "count": 1000}));
    let bytes = sent(&redis) - before;
    let rows = answer["rooms"].as_array().expect("rooms");
    let with_message = rows.iter().filter(|row| row["message"].is_object()).count();
    assert!(rows.len() == rooms && (25..40).contains(&with_message), "{with_message}");
    assert!(bytes < 4 * REPLY, "{bytes} bytes for {with_message} messages");
}

#[test]
fn clients_that_never_read_cost_only_their_bounded_outboxes() {
    let redis = Redis::with(&["chat.max-text 20480"]);
    let mut relay = relay(&redis, &["--operations-per-second", "100000", "--ping", "60s"]);
    let mut wire = redis.wire();
    fill(&mut wire, 100, 20, 20_000);
    let rooms: Map<String, Value> = (0..100).map(|n| (format!("room{n}"), json!(null))).collect();
    let mut warm = RawSocket::connect(relay.address(), "warm");
    warm.send_text(&json!({"op": "history", "room": "room0", "count": 1000, "ref": 1}).to_string());
    assert!(warm.answer(1).is_some());
    let before = relay.process().resident_bytes();
    let sockets: Vec<RawSocket> = (0..8)
        .map(|n| {
            let mut socket = RawSocket::connect(relay.address(), &format!("u{n}"));
            for _ in 0..6 {
                let resume = json!({"op": "resume", "rooms": rooms}).to_string();
                socket.send_text(&resume);
                socket.send_text(
                    &json!({"op": "history", "room": "room1", "count": 1000}).to_string(),
                );
            }
            socket
        })
        .collect();
    // Until the relay stops reading their requests: it waits for them to read.
    let mut last = 0.0;
    let mut since = Instant::now();
    eventually("the relay to wait for its clients", LATER, || {
        let served = relay.metric("chat_relay_operations_total").unwrap_or(0.0);
        if served > last {
            (last, since) = (served, Instant::now());
        }
        if since.elapsed() > Duration::from_secs(1) {
            Ok(())
        } else {
            Err(format!("{served} operations"))
        }
    });
    let grown = relay.process().resident_bytes().saturating_sub(before);
    // The allocator keeps some of what was freed, however many sockets there are.
    let kept = 16 << 20;
    assert!(grown < 8 * 3 * (1 << 20) + kept, "{grown} bytes for 8 sockets");
    // Each has received as much as its outbox and the kernel hold: 1 MB, four or five replies.
    assert!(last <= 1.0 + 8.0 * 6.0, "{last} operations were served");
    drop(sockets);
}

#[test]
fn a_slow_reader_stays_and_a_stalled_one_is_closed() {
    let redis = Redis::start();
    let relay = relay(&redis, &["--ping", "3s", "--operations-per-second", "100000"]);
    let mut wire = redis.wire();
    fill(&mut wire, 1, 100, 4_000);
    let (narrow, broken) = (Proxy::to(relay.address()), Proxy::to(relay.address()));
    // Never answers a ping, but reads: 100 KB a second of 1 MB.
    let mut slow = RawSocket::connect(narrow.address(), "slow");
    narrow.set(Network::Narrow { bytes_per_second: 100_000 });
    let asked = 4;
    for n in 0..asked {
        let history = json!({"op": "history", "room": "room0", "count": 1000, "ref": n});
        slow.send_text(&history.to_string());
    }
    // Behind a dead network, in a room with little traffic.
    let cut = Client::connect(broken.address(), "cut");
    cut.ok(json!({"op": "join", "room": "lobby"}));
    broken.set(Network::Stall);
    let stalled = Instant::now();
    let mut answers = 0;
    while answers < asked {
        let frame = slow.receive().expect("open");
        answers +=
            usize::from(frame.opcode == opcode::TEXT && frame.payload.starts_with(b"{\"ref\""));
        cmd!(wire, "CHAT.SEND", "lobby", "bob", "still there?").ok();
    }
    let open = relay.metric("chat_relay_connections");
    assert!(open <= Some(1.0), "the stalled client is closed first: {open:?}");
    eventually("both to be closed, the slow one for want of a pong", LATER, || {
        cmd!(wire, "CHAT.SEND", "lobby", "bob", "still there?").ok();
        match relay.metric("chat_relay_connections") {
            Some(0.0) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    assert!(stalled.elapsed() > Duration::from_secs(7), "1 MB cannot have come sooner");
}
