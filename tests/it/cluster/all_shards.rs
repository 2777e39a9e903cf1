//! Every operation over rooms of all shards, with names of which a part in braces decides the slot.

use std::collections::BTreeSet;

use chat_tests::clients::client::Client;
use chat_tests::clients::event_stream::Wanted;
use chat_tests::clients::http::Http;
use chat_tests::cmd;
use chat_tests::servers::cluster::{Cluster, Shape};
use chat_tests::servers::relay::Relay;
use chat_tests::servers::store::Store;
use chat_tests::servers::tokens::{Issuer, now_s};
use chat_tests::wait::{LATER, SOON, eventually};
use serde_json::{Value, json};

/// Names that a slot could be computed wrongly of.
const NAMES: [&str; 7] = ["a{b}c", "{}x", "x{}", "{a", "a}", "a{{b}}c", "{lobby}"];
const OPTIONS: [&str; 2] = ["--operations-per-second", "10000"];

/// Three primaries without replicas, and two relays that know one of them each.
struct Scene {
    cluster: Cluster,
    relays: [Relay; 2],
    rooms: Vec<String>,
}

fn scene() -> Scene {
    let cluster = Cluster::with(&Shape { replicas: 0, ..Shape::default() });
    let relays = [("r1", 0), ("r2", 1)]
        .map(|(name, seed)| Relay::with(name, &cluster.url_of(&[seed]), &OPTIONS));
    relays.iter().for_each(Relay::wait_ready);
    let mut rooms: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    rooms.extend(cluster.rooms("room", 3));
    let owners: BTreeSet<usize> = rooms.iter().map(|room| cluster.owner_of(room)).collect();
    assert_eq!(owners.len(), 3, "rooms of every shard");
    Scene { cluster, relays, rooms }
}

fn say(client: &Client, room: &str, text: &str) -> String {
    let sent = client.ok(json!({"op": "send", "room": room, "text": text}));
    sent["id"].as_str().expect("an id").to_owned()
}

fn hears(client: &Client, room: &str, text: &str) {
    client.next_where(room, text, |event| event["text"] == text);
}

/// The pages of `rooms`, as `(room, last)`.
fn pages(client: &Client, count: usize) -> Vec<Vec<(String, String)>> {
    let (mut pages, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let mut asked = json!({"op": "rooms", "count": count});
        if cursor != Value::Null {
            asked["cursor"] = cursor;
        }
        let page = client.ok(asked);
        assert!(page.get("incomplete").is_none(), "{page}");
        let rows = page["rooms"].as_array().expect("rows");
        let text = |row: &Value, name: &str| row[name].as_str().expect("text").to_owned();
        pages.push(rows.iter().map(|row| (text(row, "room"), text(row, "last"))).collect());
        cursor = page["cursor"].clone();
        if cursor == Value::Null {
            return pages;
        }
    }
}

/// A room's name as a part of a path.
fn path(room: &str) -> String {
    room.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn order(id: &str) -> (u64, u64) {
    let (ms, n) = id.split_once('-').expect("an id");
    (ms.parse().expect("a number"), n.parse().expect("a number"))
}

#[test]
fn rooms_of_all_shards_are_one_chat() {
    let Scene { cluster, relays, rooms } = scene();
    let (alice, bob) = (relays[0].connect("alice"), relays[1].connect("bob"));
    let mut last = Vec::new();
    for room in &rooms {
        alice.ok(json!({"op": "join", "room": room}));
        bob.ok(json!({"op": "join", "room": room}));
        last.push(say(&alice, room, &format!("hello {room}")));
        hears(&bob, room, &format!("hello {room}"));
        let history = bob.ok(json!({"op": "history", "room": room}));
        let events = history["events"].as_array().expect("events");
        assert!(events.iter().any(|event| event["text"] == format!("hello {room}")), "{history}");
    }

    // Over many rooms at once: each room its answer.
    let online = alice.ok(json!({"op": "online", "rooms": &rooms}));
    let unread = bob.ok(json!({"op": "unread", "rooms": &rooms}));
    for room in &rooms {
        assert_eq!(online["counts"][room], 2, "{room}: {online}");
        assert_eq!(unread["rooms"][room]["unread"], 1, "{room}: {unread}");
    }
    let inbox = bob.ok(json!({"op": "inbox"}));
    let rows = inbox["rooms"].as_array().expect("rows");
    let listed: Vec<_> = rows.iter().map(|row| row["last"].as_str().expect("an id")).collect();
    assert!(listed.is_sorted_by(|one, other| order(one) >= order(other)), "{inbox}");
    let named: BTreeSet<_> = rows.iter().map(|row| row["room"].as_str().expect("a name")).collect();
    assert_eq!(named, rooms.iter().map(String::as_str).collect(), "{inbox}");
    assert!(rows.iter().all(|row| row["message"]["text"].is_string()), "{inbox}");

    // Merged from all primaries, in pages: each room once, each page by last activity.
    for count in [1, 2, 50] {
        let pages = pages(&alice, count);
        for page in &pages {
            let by_activity =
                |one: &(String, String), other: &(String, String)| order(&one.1) >= order(&other.1);
            assert!(page.is_sorted_by(by_activity), "{page:?}");
            assert!(page.len() <= 3 * count, "COUNT rows of each primary: {page:?}");
        }
        let mut all: Vec<String> = pages.into_iter().flatten().map(|(room, _)| room).collect();
        all.sort();
        let mut expected = rooms.clone();
        expected.sort();
        assert_eq!(all, expected, "in pages of {count}");
    }
    assert_eq!(alice.refused(json!({"op": "rooms", "cursor": "{\"a\":1}"})), "INVALID");
    assert_eq!(alice.refused(json!({"op": "rooms", "cursor": "made up"})), "INVALID");

    // A reader that comes back continues each room where it was.
    drop(bob);
    for room in &rooms {
        say(&alice, room, &format!("later {room}"));
    }
    let bob = relays[0].connect("bob");
    let cursors: serde_json::Map<String, Value> =
        rooms.iter().zip(&last).map(|(room, id)| (room.clone(), json!(id))).collect();
    let resumed = bob.ok(json!({"op": "resume", "rooms": cursors}));
    for room in &rooms {
        let page = &resumed["rooms"][room];
        let events = page["events"].as_array().expect("events");
        let texts: Vec<_> = events.iter().filter_map(|event| event["text"].as_str()).collect();
        assert_eq!(page["recovered"], true, "{page}");
        assert_eq!(texts, [format!("later {room}")], "{page}");
    }

    // Requests and streams without a socket: the same rooms.
    let http = Http::new(relays[1].address()).query("user=carol");
    let wanted: serde_json::Map<String, Value> =
        rooms.iter().map(|room| (room.clone(), Value::Null)).collect();
    let stream = Wanted::post("/v1/events?user=carol", &json!({"rooms": wanted}));
    let stream = stream.open(relays[1].address()).expect("a stream");
    for room in &rooms {
        stream.wait(room, |block| block.event == "reload" && block.json["room"] == room.as_str());
    }
    for (n, room) in rooms.iter().enumerate() {
        let target = format!("/v1/rooms/{}/messages", path(room));
        let sent = http.call("POST", &target, Some(&json!({"text": format!("by request {n}")})));
        assert!(sent.status < 300, "{room}: {}", sent.body);
        stream.wait_text(&format!("by request {n}"));
        hears(&bob, room, &format!("by request {n}"));
    }

    // Leaving ends presence and takes the room off the list.
    alice.ok(json!({"op": "leave", "room": rooms[0]}));
    bob.next_where(&rooms[0], "that alice is gone", |event| {
        event["type"] == "presence" && event["user"] == "alice" && event["kind"] == "leave"
    });
    let left = cmd!(cluster.wire_to("@alice"), "CHAT.FOLLOWS", "@alice");
    assert!(!format!("{left:?}").contains(&format!("{:?}", rooms[0])), "{left:?}");
}

#[test]
fn users_of_all_shards_know_and_moderate_each_other() {
    let Scene { cluster, relays, rooms } = scene();
    // A user whose personal room is on each shard.
    let users: Vec<String> =
        (0..3).map(|node| cluster.rooms_of(node, "@user", 1).remove(0)[1..].to_owned()).collect();
    let clients: Vec<Client> =
        users.iter().enumerate().map(|(n, user)| relays[n % 2].connect(user)).collect();
    let (owner, other) = (&clients[0], &clients[1]);
    for (user, client) in users.iter().zip(&clients) {
        let own = format!("@{user}");
        client.ok(json!({"op": "room", "room": own, "set": {"name": format!("N {user}")}}));
    }
    let profiles = owner.ok(json!({"op": "profiles", "users": &users}));
    for user in &users {
        assert_eq!(profiles["profiles"][user]["name"], format!("N {user}"), "{profiles}");
        assert_eq!(profiles["profiles"][user]["online"], 1, "{profiles}");
    }

    // Direct messages between users and rooms of different shards, with their notices and lists.
    for (n, user) in users.iter().enumerate() {
        for (m, friend) in users.iter().enumerate().filter(|(m, _)| *m != n) {
            let mut pair = [user.as_str(), friend.as_str()];
            pair.sort_unstable();
            let room = format!("dm:{},{}", pair[0], pair[1]);
            let text = format!("from {n} to {m}");
            let id = say(&clients[n], &room, &text);
            let is_told = |event: &Value| {
                event["type"] == "notice"
                    && event["data"]["id"] == id
                    && event["data"]["room"] == room
            };
            clients[m].next_where(&format!("@{friend}"), "a notice", is_told);
            let inbox = clients[m].ok(json!({"op": "inbox"}));
            let rows = inbox["rooms"].as_array().expect("rows");
            assert!(rows.iter().any(|row| row["room"] == room), "{inbox}");
        }
    }

    for room in &rooms {
        let by_owner = |op: Value| {
            let mut op = op;
            op["room"] = json!(room);
            op["user"] = json!(users[1]);
            op["op"] = json!("mod");
            owner.ok(op)
        };
        owner.ok(json!({"op": "join", "room": room}));
        other.ok(json!({"op": "join", "room": room}));
        by_owner(json!({"action": "mute"}));
        let refused = other.refused(json!({"op": "send", "room": room, "text": "muted"}));
        assert_eq!(refused, "MUTED", "{room}");
        let sanctions = owner.ok(json!({"op": "sanctions", "room": room}));
        assert_eq!(sanctions["sanctions"][0]["user"], users[1].as_str(), "{sanctions}");
        by_owner(json!({"action": "unmute"}));
        say(other, room, "again");
        by_owner(json!({"action": "kick", "reason": "tidy"}));
        let gone = eventually("the kick", SOON, || {
            let frames = other.frames_from(0);
            let gone = frames
                .into_iter()
                .find(|frame| frame.json["type"] == "gone" && frame.json["room"] == room.as_str());
            gone.ok_or_else(|| other.arrived())
        });
        assert_eq!(gone.json["code"], "KICKED", "{}", gone.text);
        // A role puts the room into the other user's list, on another shard.
        by_owner(json!({"action": "role", "role": "moderator"}));
        let list = cmd!(
            cluster.wire_to(&format!("@{}", users[1])),
            "CHAT.FOLLOWS",
            format!("@{}", users[1]),
            "COUNT",
            1000
        );
        assert!(format!("{list:?}").contains(room.as_str()), "{room}: {list:?}");
    }
}

#[test]
fn a_revocation_on_any_shard_ends_sockets_and_requests() {
    let cluster = Cluster::with(&Shape { replicas: 0, ..Shape::default() });
    let issuer = Issuer::new();
    let relays = ["r1", "r2"].map(|name| issuer.relay_at(name, &cluster.url_of(&[0]), &OPTIONS));
    for node in 0..3 {
        let personal = cluster.rooms_of(node, "@user", 2);
        for (n, room) in personal.iter().enumerate() {
            let user = &room[1..];
            let token = issuer.token_of(user, json!({"iat": now_s() - 5}));
            let socket = Client::connect_with_token(relays[0].address(), user, &token);
            let http = Http::new(relays[1].address()).bearer(&token);
            let say = || {
                let text = json!({"text": "hello"});
                http.call("POST", "/v1/rooms/lobby/messages", Some(&text)).status
            };
            socket.ok(json!({"op": "join", "room": "lobby"}));
            assert!(say() < 300, "{user}");
            let (close, status) = match n {
                0 => {
                    cmd!(cluster.wire_to(room), "CHAT.MOD", room, "*", "BAN", user).ok();
                    (4508, 403)
                }
                _ => {
                    cmd!(cluster.wire_to(room), "CHAT.ROOM", room, "SET", "tokens_after", "now")
                        .ok();
                    (4507, 401)
                }
            };
            assert_eq!(socket.wait_closed(LATER).code, close, "{user}");
            eventually("a refused request", SOON, || match say() {
                refused if refused == status => Ok(()),
                other => Err(other.to_string()),
            });
        }
    }
}
