//! Unread counts are exact: compared with a model that counts everything, through deletions, trims,
//! restarts and promotions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chat_tests::checking::subscriber::Subscriber;
use chat_tests::clients::reply::Reply;
use chat_tests::clients::wire::Wire;
use chat_tests::seed::{rounds, seeded};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::{args, cmd};
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use serde_json::json;

const USERS: &[&str] = &["alice", "bob", "carol", "dave"];
const HISTORY_MAX: usize = 40;

/// A message in the model.
struct Message {
    id: String,
    author: String,
    mentions: BTreeSet<String>,
    deleted: bool,
}

/// The expected room.
#[derive(Default)]
struct Model {
    messages: Vec<Message>,
    /// Ids of all events, oldest first.
    events: Vec<String>,
    cursors: BTreeMap<String, String>,
}

/// An id in comparable form.
fn place(id: &str) -> u64 {
    let number = id.split_once('-').and_then(|(_, n)| n.parse().ok());
    number.unwrap_or_else(|| panic!("no id: {id}"))
}

impl Model {
    fn event(&mut self, id: &str) {
        self.events.push(id.to_owned());
    }

    /// The reply of CHAT.UNREAD for a user.
    fn standing(&self, user: &str) -> Reply {
        let Some(cursor) = self.cursors.get(user) else { return Reply::Nil };
        let kept = self.messages.len().saturating_sub(HISTORY_MAX);
        let unread: Vec<&Message> = self.messages[kept..]
            .iter()
            .filter(|message| place(&message.id) > place(cursor))
            .filter(|message| !message.deleted && message.author != user)
            .collect();
        let mentions = unread.iter().filter(|message| message.mentions.contains(user)).count();
        let number = |n: usize| Reply::Int(i64::try_from(n).expect("small"));
        let id = |id: &str| Reply::Text(id.into());
        let newest = self.events.last().map_or("0-0", String::as_str);
        Reply::List(vec![number(unread.len()), number(mentions), id(cursor), id(newest)])
    }
}

fn step(wire: &mut Wire, model: &mut Model, random: &mut SmallRng) {
    let user = *USERS.choose(random).expect("some");
    let is_member = model.cursors.contains_key(user);
    match random.random_range(0..100) {
        0..50 => {
            let author = if random.random_ratio(1, 8) { "*" } else { user };
            let mut command = args!["CHAT.SEND", "lobby", author, "text"];
            let mentions: BTreeSet<String> =
                USERS.iter().filter(|_| random.random_ratio(1, 5)).map(|u| (*u).into()).collect();
            if !mentions.is_empty() {
                command.extend(args!["MENTION", mentions.len()]);
                command.extend(mentions.iter().map(|user| user.clone().into_bytes()));
            }
            let before = model.events.last().cloned().unwrap_or_else(|| "0-0".to_owned());
            let id = wire.call(&command).ok().text().to_owned();
            if author != "*" && !is_member {
                // Sending joins the room: the cursor is the newest event before it.
                model.cursors.insert(user.into(), before);
            }
            model.event(&id);
            model.messages.push(Message { id, author: author.into(), mentions, deleted: false });
        }
        50..65 => {
            let Some(id) = model.events.choose(random).cloned() else { return };
            let reply = cmd!(wire, "CHAT.READ", "lobby", user, &id);
            match (is_member, reply.is_error()) {
                (false, _) => assert!(reply.error().starts_with("NOTMEMBER"), "{reply:?}"),
                (true, true) => assert!(reply.error().starts_with("NOMSG"), "{reply:?}"),
                (true, false) => {
                    let cursor = model.cursors.get_mut(user).expect("a member");
                    if place(&id) > place(cursor) {
                        *cursor = id;
                    }
                    let expected = model.standing(user);
                    let (unread, cursor) = (&expected.list()[0], &expected.list()[2]);
                    assert_eq!(reply.list(), [cursor.clone(), unread.clone()]);
                }
            }
        }
        65..78 => {
            let kept = model.messages.len().saturating_sub(HISTORY_MAX);
            let left: Vec<usize> =
                (kept..model.messages.len()).filter(|n| !model.messages[*n].deleted).collect();
            let Some(n) = left.choose(random).copied() else { return };
            let id = cmd!(wire, "CHAT.DELETE", "lobby", "*", &model.messages[n].id).ok();
            model.messages[n].deleted = true;
            model.event(id.text());
        }
        78..86 => {
            let Some(message) = model.messages.last().filter(|message| !message.deleted) else {
                return;
            };
            // Neither an edit nor a reaction is a message.
            let id = cmd!(wire, "CHAT.EDIT", "lobby", "*", &message.id, "edited").ok();
            model.event(id.text());
        }
        86..93 if !is_member => {
            assert_eq!(cmd!(wire, "CHAT.JOIN", "lobby", user, "BY", "*").int(), 1);
            let newest = model.events.last().cloned().unwrap_or_else(|| "0-0".to_owned());
            model.cursors.insert(user.into(), newest);
        }
        93..97 if is_member => {
            let action = if random.random() { "KICK" } else { "LEAVE" };
            match action {
                "KICK" => cmd!(wire, "CHAT.MOD", "lobby", "*", "KICK", user),
                _ => cmd!(wire, "CHAT.LEAVE", "lobby", user),
            }
            .ok();
            model.cursors.remove(user);
            // The event's id is the room's newest id now.
            let newest =
                cmd!(wire, "CHAT.ROOM", "lobby").get("last").expect("last").text().to_owned();
            model.event(&newest);
        }
        _ => {}
    }
}

fn standings(wire: &mut Wire) -> Reply {
    cmd!(wire, "CHAT.UNREAD", "lobby", USERS[0], USERS[1], USERS[2], USERS[3], "nobody")
}

#[test]
fn unread_and_mentions_equal_a_recount() {
    let settings = format!("chat.history-max {HISTORY_MAX}");
    let settings = [settings.as_str(), "appendonly yes", "appendfsync always"];
    let mut primary = Redis::with(&settings);
    let mut replica = Redis::replica(&primary, &settings);
    let mut random = seeded("unread");
    let mut model = Model::default();
    cmd!(primary, "CHAT.ROOM", "lobby", "SET", "topic", "tea").ok();
    let created = cmd!(primary, "CHAT.ROOM", "lobby").get("last").expect("last").text().to_owned();
    model.event(&created);
    let mut seen = 0;
    for round in 0..rounds(4) {
        let mut wire = primary.wire();
        for _ in 0..500 {
            step(&mut wire, &mut model, &mut random);
            let mut expected: Vec<Reply> = USERS.iter().map(|user| model.standing(user)).collect();
            seen += expected.iter().filter(|reply| **reply != Reply::Nil).count();
            expected.push(Reply::Nil);
            assert_eq!(standings(&mut wire), Reply::List(expected), "round {round}");
        }
        replica.catch_up(&primary);
        let here = standings(&mut wire);
        assert_eq!(standings(&mut replica.wire()), here, "on the replica, round {round}");
        if round % 2 == 0 {
            primary.wait_rewritten();
            primary.kill();
            primary.set("replicaof no one");
            primary.restart();
            assert_eq!(standings(&mut primary.wire()), here, "after a restart, round {round}");
        } else {
            cmd!(replica, "REPLICAOF", "NO", "ONE").ok();
            let address = replica.address();
            cmd!(primary, "REPLICAOF", address.ip().to_string(), address.port()).ok();
            std::mem::swap(&mut primary, &mut replica);
            replica.catch_up(&primary);
            assert_eq!(standings(&mut primary.wire()), here, "after a promotion, round {round}");
        }
    }
    assert!(seen > 500, "{seen}");
}

#[test]
fn both_users_of_a_direct_room_start_unread_at_its_first_message() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let id = cmd!(wire, "CHAT.SEND", "dm:alice,bob", "alice", "hi", "MENTION", 1, "bob");
    let id = id.text().to_owned();
    let both = cmd!(wire, "CHAT.UNREAD", "dm:alice,bob", "alice", "bob", "carol");
    let expected = format!(r#"[[0, 0, "0-0", "{id}"], [1, 1, "0-0", "{id}"], nil]"#);
    assert_eq!(format!("{both:?}"), expected);
    let read = cmd!(wire, "CHAT.READ", "dm:alice,bob", "bob", &id);
    assert_eq!(format!("{read:?}"), format!(r#"["{id}", 0]"#));
}

#[test]
fn a_read_cursor_is_published_to_small_rooms_only_when_it_moves() {
    let redis = Redis::with(&["chat.receipts-max 3"]);
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.JOIN", "lobby", "alice").ok();
    cmd!(wire, "CHAT.JOIN", "lobby", "bob").ok();
    let ids: Vec<String> =
        (0..4).map(|n| cmd!(wire, "CHAT.SEND", "lobby", "alice", n).text().to_owned()).collect();
    let mut channel = Subscriber::new(&redis, &["lobby"]);
    let read = |wire: &mut Wire, n: usize| {
        let reply = cmd!(wire, "CHAT.READ", "lobby", "bob", &ids[n]).ok();
        (reply.list()[0].text().to_owned(), reply.list()[1].int())
    };
    assert_eq!(read(&mut wire, 1), (ids[1].clone(), 2));
    let event = channel.next_of("read");
    assert_eq!((&event["user"], &event["ref"]), (&json!("bob"), &json!(ids[1])));
    assert_eq!((&event["last"], &event["id"]), (&json!(ids[3]), &json!(null)));
    assert_eq!(read(&mut wire, 0), (ids[1].clone(), 2), "never back");
    assert_eq!(read(&mut wire, 1), (ids[1].clone(), 2), "the same again");
    channel.silent(Duration::from_millis(150));
    cmd!(wire, "CHAT.JOIN", "lobby", "carol").ok();
    assert_eq!(channel.next_of("member")["user"], "carol");
    assert_eq!(read(&mut wire, 2), (ids[2].clone(), 1), "three members get an event");
    assert_eq!(channel.next_of("read")["ref"], json!(ids[2]));
    cmd!(wire, "CHAT.JOIN", "lobby", "dave").ok();
    assert_eq!(channel.next_of("member")["user"], "dave");
    assert_eq!(
        read(&mut wire, 3),
        (ids[3].clone(), 0),
        "four are too many, and it counts all the same"
    );
    channel.silent(Duration::from_millis(150));
}

#[test]
fn a_relay_returns_the_same_numbers() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let mut wire = redis.wire();
    let bob = relay.connect("bob");
    bob.ok(json!({"op": "join", "room": "lobby"}));
    let ids: Vec<String> = (0..3)
        .map(|n| {
            let id = cmd!(wire, "CHAT.SEND", "lobby", "alice", n, "MENTION", 1, "bob");
            id.text().to_owned()
        })
        .collect();
    let answer = bob.ok(json!({"op": "unread", "rooms": ["lobby", "nowhere"]}));
    let row = &answer["rooms"]["lobby"];
    assert_eq!(
        (&row["unread"], &row["mentions"], &row["last"]),
        (&3.into(), &3.into(), &json!(ids[2]))
    );
    assert_eq!(answer["rooms"]["nowhere"], json!(null));
    let read = bob.ok(json!({"op": "read", "room": "lobby", "id": ids[1]}));
    assert_eq!(read, json!({"id": ids[1], "unread": 1}));
    let answer = bob.ok(json!({"op": "unread", "rooms": ["lobby"]}));
    let row = &answer["rooms"]["lobby"];
    assert_eq!(
        (&row["unread"], &row["mentions"], &row["cursor"]),
        (&1.into(), &1.into(), &json!(ids[1]))
    );
}
