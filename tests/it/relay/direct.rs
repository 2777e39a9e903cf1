//! Direct rooms, notices in the personal room, and blocking.

use std::time::Duration;

use chat_tests::checking::subscriber::Subscriber;
use chat_tests::clients::client::Client;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::never;
use serde_json::{Value, json};

const DIRECT: &str = "dm:alice,bob";

fn notice(client: &Client, kind: &str) -> Value {
    let room = format!("@{}", client.user);
    let wanted = |event: &Value| event["type"] == "notice" && event["data"]["kind"] == kind;
    let event = client.next_where(&room, &format!("a notice `{kind}`"), wanted).json;
    assert_eq!((&event["user"], &event["room"]), (&json!("*"), &json!(room)), "{event}");
    event["data"].clone()
}

fn notices(client: &Client) -> Vec<Value> {
    let events = client.events(&format!("@{}", client.user));
    let notices = events.into_iter().filter(|frame| frame.json["type"] == "notice");
    notices.map(|frame| frame.json["data"].clone()).collect()
}

fn send(client: &Client, room: &str, text: &str) -> String {
    let answer = client.ok(json!({"op": "send", "room": room, "text": text}));
    answer["id"].as_str().expect("an id").to_owned()
}

#[track_caller]
fn no_notice(clients: &[&Client], before: &[usize]) {
    never("a notice", Duration::from_millis(400), || {
        match clients.iter().zip(before).find(|(client, count)| notices(client).len() != **count) {
            None => Ok(()),
            Some((client, _)) => Err(client.arrived()),
        }
    });
}

#[test]
fn a_first_direct_message_is_in_both_inboxes_and_noticed_on_the_other_side_only() {
    let redis = Redis::start();
    let [r1, r2] = Relay::pair(&redis);
    let (alice, window) = (r1.connect("alice"), r2.connect("alice"));
    let (bob, phone) = (r2.connect("bob"), r1.connect("bob"));
    let carol = r1.connect("carol");
    let id = send(&alice, DIRECT, "psst");
    for client in [&bob, &phone] {
        let data = notice(client, "direct");
        assert_eq!(data, json!({"kind": "direct", "room": DIRECT, "id": id, "from": "alice"}));
    }
    no_notice(&[&alice, &window, &carol], &[0, 0, 0]);
    let row = |client: &Client| {
        let rows = client.ok(json!({"op": "inbox"}))["rooms"].clone();
        assert_eq!(rows.as_array().map(Vec::len), Some(1), "{rows}");
        let row = &rows[0];
        assert_eq!((&row["room"], &row["message"]["text"]), (&json!(DIRECT), &json!("psst")));
        (row["unread"].clone(), row["last"].clone())
    };
    assert_eq!(row(&bob), (json!(1), json!(id)));
    assert_eq!(row(&alice), (json!(0), json!(id)));

    // A read cursor is delivered to the user's other devices, and to the other user as a receipt.
    let answer = alice.ok(json!({"op": "subscribe", "room": DIRECT}));
    assert_eq!((&answer["role"], &answer["events"][0]["id"]), (&json!("member"), &json!(id)));
    bob.ok(json!({"op": "read", "room": DIRECT, "id": id}));
    let data = notice(&phone, "read");
    assert_eq!(data, json!({"kind": "read", "room": DIRECT, "id": id, "unread": 0}));
    let receipt = alice.next_of(DIRECT, "read").json;
    assert_eq!((&receipt["user"], &receipt["ref"]), (&json!("bob"), &json!(id)));
    assert_eq!(row(&bob), (json!(0), json!(id)));
    // Exactly those two.
    for op in [
        json!({"op": "join", "room": DIRECT}),
        json!({"op": "subscribe", "room": DIRECT}),
        json!({"op": "send", "room": DIRECT, "text": "x"}),
        json!({"op": "history", "room": DIRECT}),
        json!({"op": "members", "room": DIRECT}),
        json!({"op": "who", "room": DIRECT}),
        json!({"op": "room", "room": DIRECT}),
        json!({"op": "signal", "room": DIRECT, "name": "typing"}),
        json!({"op": "edit", "room": DIRECT, "id": id, "text": "x"}),
        json!({"op": "delete", "room": DIRECT, "id": id}),
        json!({"op": "react", "room": DIRECT, "id": id, "emoji": "x"}),
        json!({"op": "read", "room": DIRECT, "id": id}),
    ] {
        assert_eq!(carol.refused(op.clone()), "NOTMEMBER", "{op}");
    }
    let moderate = json!({"op": "mod", "room": DIRECT, "action": "ban", "user": "bob"});
    assert_eq!(alice.refused(moderate), "INVALID");
    let rooms = carol.ok(json!({"op": "rooms"}));
    assert!(!rooms.to_string().contains("dm:"), "{rooms}");
}

#[test]
fn a_mentioned_user_gets_a_notice_without_joining_the_room() {
    let redis = Redis::start();
    let [r1, r2] = Relay::pair(&redis);
    let (alice, bob) = (r1.connect("alice"), r2.connect("bob"));
    let (carol, dave) = (r2.connect("carol"), r1.connect("dave"));
    alice.ok(json!({"op": "join", "room": "lobby"}));
    let names = json!(["bob", "carol", "bob", "alice", "nobody"]);
    let op = json!({"op": "send", "room": "lobby", "text": "you two", "mentions": names});
    let id = alice.ok(op)["id"].clone();
    for client in [&bob, &carol] {
        let data = notice(client, "mention");
        assert_eq!(data, json!({"kind": "mention", "room": "lobby", "id": id, "from": "alice"}));
    }
    no_notice(&[&alice, &bob, &carol, &dave], &[0, 1, 1, 0]);
    assert_eq!(cmd!(redis, "EXISTS", "@nobody").int(), 0, "a notice makes nothing");
    // No notice about a room that the user may not read.
    cmd!(redis, "CHAT.ROOM", "lobby", "SET", "access", "members").ok();
    cmd!(redis, "CHAT.JOIN", "lobby", "carol", "BY", "*").ok();
    let names = json!(["bob", "carol"]);
    let op = json!({"op": "send", "room": "lobby", "text": "between us", "mentions": names});
    let id = alice.ok(op)["id"].clone();
    assert_eq!(notice(&carol, "mention")["id"], id);
    no_notice(&[&alice, &bob, &carol, &dave], &[0, 1, 2, 0]);
    // Neither refused nor repeated messages cause a notice.
    let wrong = json!({"op": "send", "room": "lobby", "text": "", "mentions": ["carol"]});
    assert_eq!(alice.refused(wrong), "INVALID");
    no_notice(&[&carol], &[2]);
}

#[test]
fn a_blocked_user_cannot_reach_the_user_who_blocks() {
    let redis = Redis::start();
    let [r1, r2] = Relay::pair(&redis);
    let (alice, bob) = (r1.connect("alice"), r2.connect("bob"));
    let id = send(&alice, DIRECT, "before");
    notice(&bob, "direct");
    bob.ok(json!({"op": "subscribe", "room": DIRECT}));
    let block =
        |action: &str| json!({"op": "mod", "room": "@bob", "action": action, "user": "alice"});
    assert_eq!(alice.refused(block("unban")), "DENIED", "nobody unblocks themselves");
    assert_eq!(bob.ok(block("ban")), json!({"changed": true}));
    assert_eq!(bob.ok(block("ban")), json!({"changed": false}));
    let channel = Subscriber::new(&redis, &[DIRECT, "@bob"]);
    for op in [
        json!({"op": "send", "room": DIRECT, "text": "x"}),
        json!({"op": "send", "room": DIRECT, "text": "x", "ephemeral": true}),
        json!({"op": "signal", "room": DIRECT, "name": "typing"}),
        json!({"op": "edit", "room": DIRECT, "id": id, "text": "x"}),
        json!({"op": "react", "room": DIRECT, "id": id, "emoji": "x"}),
    ] {
        let error = alice.call(op.clone()).expect_err("blocked");
        assert_eq!((&error["code"], &error["until_ms"]), (&json!("BANNED"), &json!(0)), "{op}");
    }
    // In shared rooms her messages arrive as before, but her mention causes no notice.
    bob.ok(json!({"op": "join", "room": "lobby"}));
    let before = notices(&bob).len();
    let op = json!({"op": "send", "room": "lobby", "text": "hey", "mentions": ["bob"]});
    let public = alice.ok(op)["id"].clone();
    bob.next_where("lobby", "the message", |event| event["id"] == public);
    no_notice(&[&bob], &[before]);
    let published = channel.all();
    assert!(published.iter().all(|(_, text)| !text.contains("\"notice\"")), "{published:?}");
    assert!(
        published.iter().all(|(room, text)| room != DIRECT || !text.contains("alice")),
        "{published:?}"
    );
    // She can still read and delete her messages.
    let page = alice.ok(json!({"op": "history", "room": DIRECT}));
    assert_eq!(page["events"][0]["id"], id);
    alice.ok(json!({"op": "delete", "room": DIRECT, "id": id}));
    assert_eq!(bob.ok(block("unban")), json!({"changed": true}));
    let id = send(&alice, DIRECT, "friends again");
    bob.next_where(DIRECT, "the message", |event| event["id"] == *id);
    assert_eq!(notice(&bob, "direct")["id"], id);
}

#[test]
fn ephemeral_and_repeated_messages_cause_no_second_notice() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let (alice, bob) = (relay.connect("alice"), relay.connect("bob"));
    let once = json!({"op": "send", "room": DIRECT, "text": "once", "nonce": "n1"});
    let id = alice.ok(once.clone())["id"].clone();
    assert_eq!(notice(&bob, "direct")["id"], id);
    let passing = json!({"op": "send", "room": DIRECT, "text": "x", "ephemeral": true});
    assert_eq!(alice.ok(passing)["id"], Value::Null);
    no_notice(&[&bob, &alice], &[1, 0]);
    // The sender missed the reply: the id is the first one, whatever is sent again.
    assert_eq!(alice.ok(once)["id"], id);
    let page = alice.ok(json!({"op": "history", "room": DIRECT}));
    assert_eq!(page["events"].as_array().map(Vec::len), Some(1), "{page}");
    assert!(notices(&bob).iter().all(|data| data["id"] == id), "{}", bob.arrived());
}

#[test]
fn who_is_given_a_role_is_told_and_has_the_room() {
    let redis = Redis::start();
    let [r1, r2] = Relay::pair(&redis);
    let (alice, bob) = (r1.connect("alice"), r2.connect("bob"));
    alice.ok(json!({"op": "join", "room": "den"}));
    cmd!(redis, "CHAT.ROOM", "den", "SET", "access", "members").ok();
    let give = |role: &str| {
        let op = json!({"op": "mod", "room": "den", "action": "role", "user": "bob", "role": role});
        alice.ok(op)["changed"].clone()
    };
    assert_eq!(give("member"), true);
    let told = |role: &str| json!({"kind": "role", "room": "den", "from": "alice", "role": role});
    assert_eq!(notice(&bob, "role"), told("member"));
    let rooms = bob.ok(json!({"op": "inbox"}))["rooms"].clone();
    assert_eq!(rooms[0]["room"], "den", "{rooms}");
    // What changes nothing is no news.
    assert_eq!(give("member"), false);
    assert_eq!(give("moderator"), true);
    assert_eq!(notice(&bob, "role"), told("moderator"));
    // One who blocks the giver hears nothing.
    bob.ok(json!({"op": "mod", "room": "@bob", "action": "ban", "user": "alice"}));
    let before = notices(&bob).len();
    assert_eq!(give("member"), true);
    no_notice(&[&alice, &bob], &[0, before]);
    // Members are found by how their names begin.
    let found =
        alice.ok(json!({"op": "members", "room": "den", "prefix": "bo"}))["members"].clone();
    assert_eq!((found.as_array().map(Vec::len), &found[0]["user"]), (Some(1), &json!("bob")));
    let wrong = alice.call(json!({"op": "members", "room": "den", "prefix": ""}));
    assert_eq!(wrong.expect_err("no prefix")["code"], "INVALID");
}
