//! Operations over all rooms of a user: the rooms, the latest first, with what is unread in each.

use std::collections::BTreeMap;

use chat_tests::checking::view::{all_pages, history};
use chat_tests::clients::client::Client;
use chat_tests::clients::wire::{Command, Wire};
use chat_tests::seed::seeded;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{SOON, eventually};
use chat_tests::{args, cmd};
use rand::seq::SliceRandom;
use serde_json::{Value, json};

const ROOMS: usize = 1_000;

fn room(n: usize) -> String {
    format!("room{n:04}")
}

fn relay(redis: &Redis) -> Relay {
    let relay = Relay::with("r1", &redis.url(), &["--operations-per-second", "10000"]);
    relay.wait_ready();
    relay
}

fn all(wire: &mut Wire, commands: &[Command]) {
    for part in commands.chunks(1_000) {
        wire.pipeline(part).into_iter().for_each(|reply| drop(reply.ok()));
    }
}

fn inbox(client: &Client, count: usize) -> Vec<Value> {
    let answer = client.ok(json!({"op": "inbox", "count": count}));
    answer["rooms"].as_array().expect("a list").clone()
}

fn names(rows: &[Value]) -> Vec<&str> {
    rows.iter().filter_map(|row| row["room"].as_str()).collect()
}

/// How often the server has received this command.
fn calls(redis: &Redis, command: &str) -> u64 {
    let stats = cmd!(redis, "INFO", "commandstats").text().to_owned();
    let line = stats.lines().find_map(|line| {
        line.strip_prefix(&format!("cmdstat_{command}:calls="))?.split(',').next()
    });
    line.map_or(0, |calls| calls.parse().expect("a number"))
}

#[test]
fn a_thousand_rooms_are_listed_by_last_activity_whatever_their_history() {
    let redis = Redis::start();
    let relay = relay(&redis);
    let mut wire = redis.wire();
    let mut random = seeded("inbox");
    let mut setting: Vec<Command> = Vec::new();
    for n in 0..ROOMS {
        setting.push(args!["CHAT.JOIN", room(n), "alice"]);
        setting.push(args!["CHAT.FOLLOW", "@alice", room(n)]);
    }
    all(&mut wire, &setting);
    let mut order: Vec<usize> = (0..ROOMS).collect();
    let alice = relay.connect("alice");
    // The number of commands with one message in each room and with many.
    let mut asked = Vec::new();
    for messages in [1, 60] {
        let filling: Vec<Command> = (0..ROOMS * messages)
            .map(|n| args!["CHAT.SEND", room(n % ROOMS), "bob", "earlier"])
            .collect();
        all(&mut wire, &filling);
        order.shuffle(&mut random);
        // Ten at a time have about the same millisecond, by which activity is ordered.
        let mut latest = BTreeMap::new();
        for part in order.chunks(10) {
            let before = redis.clock_ms();
            eventually("a later millisecond", SOON, || match redis.clock_ms() {
                now if now > before => Ok(()),
                now => Err(now.to_string()),
            });
            let send = |n: &usize| args!["CHAT.SEND", room(*n), "bob", "latest"];
            let ids = wire.pipeline(&part.iter().map(send).collect::<Vec<_>>());
            latest.extend(
                part.iter().map(|n| room(*n)).zip(ids.iter().map(|id| id.text().to_owned())),
            );
        }
        let before = ["chat.unread", "chat.history", "chat.follows"].map(|c| calls(&redis, c));
        let rows = inbox(&alice, ROOMS);
        let after = ["chat.unread", "chat.history", "chat.follows"].map(|c| calls(&redis, c));
        asked.push([after[0] - before[0], after[1] - before[1], after[2] - before[2]]);
        assert_eq!(rows.len(), ROOMS, "with {messages} messages in each");
        let mut times = Vec::new();
        for row in &rows {
            let last = latest.get(row["room"].as_str().unwrap_or_default()).expect("one of these");
            assert_eq!(row["last"], **last, "{row}");
            times.push(last.split('-').next().and_then(|ms| ms.parse::<u64>().ok()));
        }
        assert!(times.is_sorted_by(|one, next| one >= next), "the latest first: {times:?}");
        for row in [&rows[0], &rows[ROOMS / 3], &rows[ROOMS - 1]] {
            let unread = if messages == 1 { 2 } else { 2 + messages + 1 };
            assert_eq!((&row["unread"], &row["mentions"]), (&json!(unread), &json!(0)), "{row}");
        }
        assert_eq!(rows[0]["message"]["text"], "latest");
        assert_eq!(names(&inbox(&alice, 10)), names(&rows)[..10]);
    }
    assert_eq!(asked[0], asked[1], "the cost does not grow with the history");
    assert_eq!(asked[0][..2], [ROOMS as u64, ROOMS as u64], "one question a room");
}

#[test]
fn an_inbox_shows_unread_counts_and_the_newest_message_as_edited() {
    let redis = Redis::start();
    let relay = relay(&redis);
    let (alice, bob) = (relay.connect("alice"), relay.connect("bob"));
    let mut wire = redis.wire();
    assert_eq!(inbox(&alice, 100), [] as [Value; 0]);
    for client in [&bob, &alice] {
        client.ok(json!({"op": "join", "room": "lobby"}));
    }
    let say = |text: &str, mentions: Value| {
        let op = json!({"op": "send", "room": "lobby", "text": text, "mentions": mentions});
        bob.ok(op)["id"].as_str().expect("an id").to_owned()
    };
    let row = || {
        let rows = inbox(&alice, 100);
        assert_eq!(names(&rows), ["lobby"]);
        rows[0].clone()
    };
    let counts = |row: &Value| (row["unread"].as_u64(), row["mentions"].as_u64());
    let first = say("one", json!([]));
    let second = say("two for alice", json!(["alice"]));
    let third = say("three", json!([]));
    alice.ok(json!({"op": "send", "room": "lobby", "text": "my own"}));
    let now = row();
    assert_eq!(counts(&now), (Some(3), Some(1)), "one's own are not counted: {now}");
    let page = history(&mut wire, "lobby", &["COUNT", "1"]);
    assert_eq!(now["message"].to_string(), page.events[0].json.to_string());
    assert_eq!(now["last"], page.newest);

    let read = alice.ok(json!({"op": "read", "room": "lobby", "id": first}));
    assert_eq!((&read["id"], &read["unread"]), (&json!(first), &json!(2)));
    assert_eq!(row()["cursor"], first);
    bob.ok(json!({"op": "delete", "room": "lobby", "id": second}));
    assert_eq!(counts(&row()), (Some(1), Some(0)), "what is deleted is not unread");
    bob.ok(json!({"op": "edit", "room": "lobby", "id": third, "text": "three, again"}));
    assert_eq!(counts(&row()), (Some(1), Some(0)), "what is edited is one");
    let read = alice.ok(json!({"op": "read", "room": "lobby", "id": third}));
    assert_eq!(read["unread"], 0);
    let back = alice.ok(json!({"op": "read", "room": "lobby", "id": first}));
    assert_eq!((&back["id"], &back["unread"]), (&json!(third), &json!(0)), "only forward");
    assert_eq!(alice.refused(json!({"op": "read", "room": "lobby", "id": "1-1"})), "NOMSG");
    let asked = json!({"op": "unread", "rooms": ["lobby", "nowhere", "@bob"]});
    let answer = alice.ok(asked)["rooms"].clone();
    assert_eq!(
        (&answer["lobby"]["unread"], &answer["lobby"]["cursor"]),
        (&json!(0), &json!(third)),
        "{answer}"
    );
    assert_eq!((&answer["nowhere"], &answer["@bob"]), (&Value::Null, &Value::Null));
}

#[test]
fn rooms_follow_membership_and_the_list_repairs_itself() {
    let redis = Redis::start();
    let relay = relay(&redis);
    let alice = relay.connect("alice");
    let mut wire = redis.wire();
    for room in ["a", "b", "c", "d", "e"] {
        cmd!(wire, "CHAT.SEND", room, "owner", "hi").ok();
    }
    let follows = |wire: &mut Wire| -> Vec<String> {
        let rows = all_pages(wire, &["CHAT.FOLLOWS", "@alice"], 100);
        rows.iter().map(|row| row.list()[0].text().to_owned()).collect()
    };
    alice.ok(json!({"op": "join", "room": "a"}));
    alice.ok(json!({"op": "send", "room": "b", "text": "sending joins"}));
    alice.ok(json!({"op": "join", "room": "c"}));
    alice.ok(json!({"op": "join", "room": "d"}));
    alice.ok(json!({"op": "subscribe", "room": "e"}));
    assert_eq!(names(&inbox(&alice, 100)).len(), 4, "subscribing is no membership");
    assert_eq!(follows(&mut wire), ["a", "b", "c", "d"]);
    alice.ok(json!({"op": "leave", "room": "a"}));
    assert_eq!(follows(&mut wire), ["b", "c", "d"]);
    // Others remove her where no relay sees it.
    cmd!(wire, "CHAT.MOD", "c", "*", "KICK", "alice").ok();
    cmd!(wire, "DEL", "d").ok();
    cmd!(wire, "CHAT.FOLLOW", "@alice", "never-was").ok();
    cmd!(wire, "CHAT.FOLLOW", "@alice", "e").ok();
    assert_eq!(names(&inbox(&alice, 100)), ["b"]);
    assert_eq!(follows(&mut wire), ["b"], "repaired");
    // Joined without the relay, and followed as backends must.
    cmd!(wire, "CHAT.FOLLOW", "@alice", "e").ok();
    cmd!(wire, "CHAT.JOIN", "e", "alice").ok();
    let mut seen = names(&inbox(&alice, 100)).join(" ");
    assert!(seen.contains('e') && seen.contains('b'), "{seen}");
    // A kicked user may join again, and then the room is listed again.
    alice.ok(json!({"op": "join", "room": "c"}));
    seen = names(&inbox(&alice, 100)).join(" ");
    assert!(seen.contains('c'), "{seen}");
}

#[test]
fn a_private_room_is_in_the_inbox_of_its_members_only() {
    let redis = Redis::start();
    let [r1, r2] = Relay::pair(&redis);
    let (alice, bob, carol) = (r1.connect("alice"), r2.connect("bob"), r2.connect("carol"));
    alice.ok(json!({"op": "join", "room": "secret"}));
    alice.ok(json!({"op": "room", "room": "secret", "set": {"access": "members"}}));
    alice.ok(json!({"op": "send", "room": "secret", "text": "among us"}));
    let rooms = bob.ok(json!({"op": "rooms"}));
    assert!(!rooms.to_string().contains("secret"), "{rooms}");
    assert_eq!(bob.refused(json!({"op": "join", "room": "secret"})), "DENIED");
    assert_eq!(bob.refused(json!({"op": "subscribe", "room": "secret"})), "NOTMEMBER");
    let role = |user: &str, role: &str| {
        let mut op = json!({"op": "mod", "room": "secret", "action": "role", "user": user});
        op["role"] = role.into();
        op
    };
    assert_eq!(bob.refused(role("bob", "member")), "DENIED", "nobody lets themselves in");
    assert_eq!(bob.refused(role("carol", "member")), "NOTMEMBER", "nor others");
    assert_eq!(names(&inbox(&bob, 100)), [] as [&str; 0], "nor into the list by trying");
    assert_eq!(alice.ok(role("bob", "member")), json!({"changed": true}));
    assert_eq!(alice.ok(role("bob", "member")), json!({"changed": false}));
    let rows = inbox(&bob, 100);
    assert_eq!((names(&rows), &rows[0]["unread"]), (vec!["secret"], &json!(0)), "{rows:?}");
    let answer = bob.ok(json!({"op": "subscribe", "room": "secret"}));
    assert_eq!(
        (&answer["role"], &answer["events"][0]["text"]),
        (&json!("member"), &json!("among us"))
    );
    assert_eq!(bob.refused(role("carol", "member")), "DENIED", "a member adds nobody");
    assert_eq!(alice.ok(role("bob", "moderator")), json!({"changed": true}));
    assert_eq!(bob.ok(role("carol", "member")), json!({"changed": true}));
    assert_eq!(bob.refused(role("carol", "owner")), "DENIED");
    assert_eq!(names(&inbox(&carol, 100)), ["secret"]);
    let kick = json!({"op": "mod", "room": "secret", "action": "kick", "user": "carol"});
    assert_eq!(bob.ok(kick), json!({"changed": true}));
    assert_eq!(names(&inbox(&carol, 100)), [] as [&str; 0]);
    assert_eq!(carol.refused(json!({"op": "history", "room": "secret"})), "NOTMEMBER");
}

#[test]
fn all_rooms_are_read_when_the_list_has_several_pages() {
    let redis = Redis::start();
    let relay = relay(&redis);
    let mut wire = redis.wire();
    let rooms = 2_300;
    let mut setting: Vec<Command> = Vec::new();
    for n in 0..rooms {
        setting.push(args!["CHAT.JOIN", room(n), "alice"]);
        setting.push(args!["CHAT.FOLLOW", "@alice", room(n)]);
    }
    all(&mut wire, &setting);
    // The three latest are at the beginning, in the middle and at the end of the list.
    let latest = [room(rooms - 1), room(rooms / 2), room(0)];
    for room in &latest {
        let before = redis.clock_ms();
        eventually("a later millisecond", SOON, || match redis.clock_ms() {
            now if now > before => Ok(()),
            now => Err(now.to_string()),
        });
        cmd!(wire, "CHAT.SEND", room, "bob", "hi").ok();
    }
    let alice = relay.connect("alice");
    let rows = inbox(&alice, ROOMS);
    assert_eq!(rows.len(), ROOMS);
    let first: Vec<&str> = names(&rows)[..3].to_vec();
    assert_eq!(first, [&*latest[2], &*latest[1], &*latest[0]]);
    let follows = all_pages(&mut wire, &["CHAT.FOLLOWS", "@alice"], 1_000);
    assert_eq!(follows.len(), rooms, "nothing was taken for lost");
}

#[test]
fn several_devices_that_read_at_once_move_the_cursor_only_forward() {
    let redis = Redis::start();
    let relays = Relay::pair(&redis);
    let bob = relays[0].connect("bob");
    let devices: Vec<Client> = (0..6).map(|n| relays[n % 2].connect("alice")).collect();
    bob.ok(json!({"op": "join", "room": "lobby"}));
    devices[0].ok(json!({"op": "join", "room": "lobby"}));
    let ids: Vec<String> = (0..40)
        .map(|_| {
            let answer = bob.ok(json!({"op": "send", "room": "lobby", "text": "x"}));
            answer["id"].as_str().expect("an id").to_owned()
        })
        .collect();
    let place = |id: &Value| ids.iter().position(|known| *id == **known).expect("one of these");
    let mut random = seeded("reading");
    let mut order: Vec<usize> = (0..ids.len()).collect();
    order.shuffle(&mut random);
    let asked: Vec<(usize, &Client, u64)> = order
        .iter()
        .zip(devices.iter().cycle())
        .map(|(n, device)| {
            (*n, device, device.ask(json!({"op": "read", "room": "lobby", "id": ids[*n]})))
        })
        .collect();
    for (n, device, reference) in asked {
        let answer = eventually("an answer", SOON, || {
            device.reply(reference).ok_or_else(|| device.arrived())
        });
        let answer = answer.expect("a known id");
        let cursor = place(&answer["id"]);
        assert!(cursor >= n, "read {n}, the cursor is at {cursor}");
        assert_eq!(answer["unread"], ids.len() - 1 - cursor, "{answer}");
    }
    // The cursor that each device receives only moves forward too, up to the end.
    for device in &devices {
        device.next_where("@alice", "that all is read", |event| {
            event["type"] == "notice" && event["data"]["unread"] == 0
        });
    }
    let row = &inbox(&devices[0], 10)[0];
    assert_eq!((&row["cursor"], &row["unread"]), (&json!(ids[39]), &json!(0)));
}

#[test]
fn an_inbox_costs_several_operations_and_refuses_wrong_arguments() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--operations-per-second", "25"]);
    relay.wait_ready();
    let alice = relay.connect("alice");
    for op in [
        json!({"op": "inbox", "count": 0}),
        json!({"op": "inbox", "count": 1001}),
        json!({"op": "inbox", "count": "all"}),
    ] {
        eventually("the error", SOON, || match alice.call(op.clone()) {
            Err(error) if error["code"] == "INVALID" => Ok(()),
            other => Err(format!("{op}: {other:?}")),
        });
    }
    // Each user has a rate limit of their own.
    let alice = relay.connect("bob");
    let refs: Vec<u64> = (0..20).map(|_| alice.ask(json!({"op": "inbox"}))).collect();
    let answers: Vec<_> = refs
        .iter()
        .map(|reference| {
            eventually("an answer", SOON, || alice.reply(*reference).ok_or_else(|| alice.arrived()))
        })
        .collect();
    let done = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!((1..=12).contains(&done), "{done} of 20 inboxes within 25 operations a second");
    let refused = answers.iter().filter_map(|answer| answer.as_ref().err());
    for error in refused {
        assert_eq!(error["code"], "RATELIMIT", "{error}");
        assert!(error["retry_ms"].as_u64().is_some_and(|ms| ms > 0), "{error}");
    }
}
