//! What a token allows: operations by scopes, rooms by globs and `dm`. The store decides the rest.

use chat_tests::clients::client::Client;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::Issuer;
use chat_tests::wait::{LATER, eventually};
use serde_json::{Value, json};

struct House {
    redis: Redis,
    issuer: Issuer,
    relay: Relay,
}

fn house(options: &[&str]) -> House {
    let (redis, issuer) = (Redis::start(), Issuer::new());
    let relay = issuer.relay("r1", &redis, options);
    House { redis, issuer, relay }
}

impl House {
    fn client(&self, user: &str, claims: Value) -> Client {
        let token = self.issuer.token_of(user, claims);
        Client::connect_with_token(self.relay.address(), user, &token)
    }
}

/// Whether the token does not allow this.
#[track_caller]
fn is_denied(client: &Client, op: &Value) -> bool {
    match client.call(op.clone()) {
        Err(error) => error["code"] == "DENIED" && error["what"] == "scope",
        Ok(_) => false,
    }
}

#[test]
fn each_operation_needs_its_scope() {
    let house = house(&["--operations-per-second", "10000"]);
    let id = cmd!(house.redis, "CHAT.SEND", "lobby", "bob", "hi").text().to_owned();
    let read = [
        json!({"op": "subscribe", "room": "lobby"}),
        json!({"op": "resume", "rooms": {"lobby": null}}),
        json!({"op": "history", "room": "lobby"}),
        json!({"op": "members", "room": "lobby"}),
        json!({"op": "who", "room": "lobby"}),
        json!({"op": "online", "rooms": ["lobby"]}),
        json!({"op": "rooms"}),
        json!({"op": "room", "room": "lobby"}),
        json!({"op": "inbox"}),
        json!({"op": "unread", "rooms": ["lobby"]}),
        json!({"op": "profiles", "users": ["bob"]}),
        json!({"op": "read", "room": "lobby", "id": id}),
        json!({"op": "ping"}),
        json!({"op": "status", "status": "away"}),
        json!({"op": "unsubscribe", "room": "lobby"}),
    ];
    let send = [
        json!({"op": "join", "room": "lobby"}),
        json!({"op": "send", "room": "lobby", "text": "hi"}),
        json!({"op": "edit", "room": "lobby", "id": id, "text": "ho"}),
        json!({"op": "delete", "room": "lobby", "id": id}),
        json!({"op": "react", "room": "lobby", "id": id, "emoji": "+"}),
        json!({"op": "signal", "room": "lobby", "name": "typing"}),
        json!({"op": "room", "room": "@alice", "set": {"name": "Alice"}}),
        json!({"op": "mod", "room": "@alice", "action": "ban", "user": "bob"}),
        json!({"op": "mod", "room": "@alice", "action": "unban", "user": "bob"}),
        json!({"op": "leave", "room": "lobby"}),
    ];
    let moderate = [
        json!({"op": "room", "room": "lobby", "set": {"topic": "tea"}}),
        json!({"op": "mod", "room": "lobby", "action": "ban", "user": "bob"}),
        json!({"op": "mod", "room": "lobby", "action": "kick", "user": "bob"}),
        json!({"op": "mod", "room": "@alice", "action": "kick", "user": "bob"}),
    ];
    let all =
        [("chat:read", &read[..]), ("chat:send", &send[..]), ("chat:moderate", &moderate[..])];
    for (scope, _) in all {
        let alice = house.client("alice", json!({ "scope": format!("openid {scope}") }));
        for (needed, operations) in all {
            for operation in operations {
                assert_eq!(is_denied(&alice, operation), needed != scope, "{operation} by {scope}");
            }
        }
    }
    let alice = house.client("alice", json!({"scope": "openid profile"}));
    for operation in all.iter().flat_map(|(_, operations)| *operations) {
        assert!(!is_denied(&alice, operation), "{operation}: no scope of ours is no bound");
    }
    let alice = house.client("alice", json!({"scope": "chat:"}));
    for operation in all.iter().flat_map(|(_, operations)| *operations) {
        assert!(is_denied(&alice, operation), "{operation}: an unknown scope allows nothing");
    }
}

#[test]
fn who_may_not_read_joins_without_receiving() {
    let house = house(&[]);
    cmd!(house.redis, "CHAT.SEND", "lobby", "bob", "secret").text();
    let alice = house.client("alice", json!({"scope": "chat:send"}));
    assert_eq!(alice.ok(json!({"op": "join", "room": "lobby"})), json!({}));
    let members = cmd!(house.redis, "CHAT.MEMBERS", "lobby");
    assert!(format!("{members:?}").contains("alice"), "{members:?}");
    cmd!(house.redis, "CHAT.SEND", "lobby", "bob", "secret too").text();
    alice.ok(json!({"op": "send", "room": "lobby", "text": "hi"}));
    assert_eq!(alice.events("lobby").len(), 0);
}

#[test]
fn rooms_come_into_being_only_with_the_scope_for_it() {
    let house = house(&[]);
    let bounded = json!({"scope": "chat:read chat:send chat:moderate"});
    let alice = house.client("alice", bounded);
    let new = "new";
    assert_eq!(alice.refused(json!({"op": "join", "room": new})), "NOROOM");
    assert_eq!(alice.refused(json!({"op": "send", "room": new, "text": "hi"})), "NOROOM");
    let send = json!({"op": "send", "room": new, "text": "hi", "nonce": "n", "ephemeral": false});
    assert_eq!(alice.refused(send), "NOROOM");
    let set = json!({"op": "room", "room": new, "set": {"topic": "tea"}});
    assert_eq!(alice.refused(set), "NOROOM");
    assert_eq!(cmd!(house.redis, "EXISTS", new).int(), 0);
    // Direct rooms go by the claim `dm`, one's own profile by none.
    alice.ok(json!({"op": "send", "room": "dm:alice,bob", "text": "hi"}));
    alice.ok(json!({"op": "room", "room": "@alice", "set": {"name": "Alice"}}));
    cmd!(house.redis, "CHAT.SEND", "old", "bob", "hi").text();
    alice.ok(json!({"op": "join", "room": "old"}));
    alice.ok(json!({"op": "send", "room": "old", "text": "hi"}));
    house.client("bob", json!({})).ok(json!({"op": "send", "room": new, "text": "hi"}));
    alice.ok(json!({"op": "send", "room": new, "text": "hi"}));
}

#[test]
fn others_messages_need_the_scope_of_moderators() {
    let house = house(&[]);
    // Alice owns the room, as its first member.
    let owner = house.client("alice", json!({}));
    owner.ok(json!({"op": "join", "room": "lobby"}));
    let bounded = house.client("alice", json!({"scope": "chat:read chat:send"}));
    let own = bounded.ok(json!({"op": "send", "room": "lobby", "text": "mine"}))["id"].clone();
    let others = cmd!(house.redis, "CHAT.SEND", "lobby", "bob", "his").text().to_owned();
    bounded.ok(json!({"op": "edit", "room": "lobby", "id": own, "text": "still mine"}));
    bounded.ok(json!({"op": "delete", "room": "lobby", "id": own}));
    let delete = json!({"op": "delete", "room": "lobby", "id": others});
    let error = bounded.call(delete.clone()).expect_err("not hers");
    assert_eq!((&error["code"], &error["what"]), (&json!("DENIED"), &json!("moderator")));
    cmd!(house.redis, "CHAT.MOD", "lobby", "*", "ROLE", "alice", "owner");
    owner.ok(delete);
}

#[test]
fn a_token_for_some_rooms_shows_no_others() {
    let house = house(&["--auto-join", "game-hall,lobby"]);
    for room in ["game-1", "lobby", "dm:alice,bob"] {
        cmd!(house.redis, "CHAT.SEND", room, "bob", "hi").text();
    }
    let everything = house.client("alice", json!({}));
    for room in ["game-1", "lobby", "dm:alice,bob"] {
        everything.ok(json!({"op": "send", "room": room, "text": "hi"}));
    }
    assert_eq!(everything.hello["joined"], json!(["game-hall", "lobby"]));
    let alice = house.client("alice", json!({"chat": {"rooms": ["game-*"], "dm": false}}));
    assert_eq!(alice.hello["joined"], json!(["game-hall"]));
    for room in ["lobby", "dm:alice,bob", "@bob"] {
        for op in ["subscribe", "join", "history", "who", "members", "room", "leave"] {
            assert!(is_denied(&alice, &json!({"op": op, "room": room})), "{op} {room}");
        }
        let resumed = alice.ok(json!({"op": "resume", "rooms": {room: null, "game-1": null}}));
        assert_eq!(resumed["rooms"][room]["error"]["what"], "scope", "{resumed}");
        assert!(resumed["rooms"]["game-1"]["last"].is_string(), "{resumed}");
        assert!(is_denied(&alice, &json!({"op": "online", "rooms": ["game-1", room]})), "{room}");
    }
    let names = |answer: &Value| -> Vec<String> {
        let rooms = answer["rooms"].as_array().expect("a list").iter();
        rooms.map(|row| row["room"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let mut listed = names(&alice.ok(json!({"op": "rooms"})));
    listed.sort_unstable();
    assert_eq!(listed, ["game-1", "game-hall"]);
    let inbox = names(&alice.ok(json!({"op": "inbox"})));
    assert!(!inbox.is_empty() && inbox.iter().all(|room| room.starts_with("game-")), "{inbox:?}");
    let contact = |client: &Client| {
        client.ok(json!({"op": "profiles", "users": ["bob"]}))["profiles"]["bob"].clone()
    };
    cmd!(house.redis, "CHAT.ROOM", "@bob", "SET", "name", "Bob").ok();
    assert!(contact(&everything)["online"].is_number(), "{}", contact(&everything));
    assert_eq!(contact(&alice)["name"], "Bob");
    assert_eq!(contact(&alice).get("online"), None, "no presence of @bob");
    let unread = alice.ok(json!({"op": "unread", "rooms": ["game-1", "lobby", "dm:alice,bob"]}));
    assert!(unread["rooms"]["game-1"].is_object(), "{unread}");
    assert_eq!(unread["rooms"]["lobby"], Value::Null);
    assert_eq!(unread["rooms"]["dm:alice,bob"], Value::Null);
    alice.ok(json!({"op": "room", "room": "@alice", "set": {"name": "Alice"}}));
}

#[test]
fn notices_of_rooms_that_a_token_is_not_for_are_not_delivered() {
    let house = house(&[]);
    let bounded = json!({"chat": {"rooms": ["game-*"], "dm": false}});
    let (some, all) = (house.client("alice", bounded), house.client("alice", json!({})));
    let bob = house.client("bob", json!({}));
    for room in ["lobby", "game-1"] {
        all.ok(json!({"op": "join", "room": room}));
        bob.ok(json!({"op": "join", "room": room}));
    }
    bob.ok(json!({"op": "send", "room": "dm:alice,bob", "text": "hi"}));
    bob.ok(json!({"op": "send", "room": "lobby", "text": "hi", "mentions": ["alice"]}));
    let is_notice = |event: &Value| event["type"] == "notice";
    let mut received = Vec::new();
    while received.len() < 2 {
        let notice = all.next_where("@alice", "a notice", is_notice);
        received.push(notice.json["data"]["room"].as_str().unwrap_or_default().to_owned());
    }
    received.sort_unstable();
    assert_eq!(received, ["dm:alice,bob", "lobby"]);
    // It comes after those that did not come.
    bob.ok(json!({"op": "send", "room": "game-1", "text": "hi", "mentions": ["alice"]}));
    let notice = some.next_where("@alice", "the first notice", is_notice);
    assert_eq!(notice.json["data"]["room"], "game-1");
}

#[test]
fn a_narrower_token_acts_at_once_and_a_wider_one_too() {
    let house = house(&[]);
    let alice = house.client("alice", json!({}));
    for room in ["lobby", "game-1", "dm:alice,bob"] {
        alice.ok(json!({"op": "send", "room": room, "text": "hi"}));
        alice.ok(json!({"op": "subscribe", "room": room}));
    }
    let with =
        |claims: Value| json!({"op": "auth", "token": house.issuer.token_of("alice", claims)});
    alice.ok(with(json!({"chat": {"rooms": ["game-*"], "dm": false}})));
    for room in ["lobby", "dm:alice,bob"] {
        let gone = alice.next_of(room, "gone");
        assert_eq!((&gone.json["code"], &gone.json["what"]), (&json!("DENIED"), &json!("scope")));
        assert!(is_denied(&alice, &json!({"op": "history", "room": room})), "{room}");
        cmd!(house.redis, "CHAT.SEND", room, "bob", "secret").text();
    }
    cmd!(house.redis, "CHAT.SEND", "game-1", "bob", "open").text();
    alice.next_where("game-1", "what is still hers", |event| event["text"] == "open");
    for room in ["lobby", "dm:alice,bob"] {
        let secret = |frame: &chat_tests::clients::frames::Frame| frame.json["text"] == "secret";
        assert!(!alice.events(room).iter().any(secret), "{room} goes on");
    }
    alice.ok(with(json!({"scope": "chat:send"})));
    alice.next_of("game-1", "gone");
    assert!(is_denied(&alice, &json!({"op": "subscribe", "room": "game-1"})));
    alice.ok(with(json!({})));
    alice.ok(json!({"op": "subscribe", "room": "lobby"}));
    alice.ok(json!({"op": "subscribe", "room": "dm:alice,bob"}));
}

#[test]
fn what_waits_when_a_narrower_token_comes_is_not_sent() {
    let (mut redis, issuer) = (Redis::durable(), Issuer::new());
    let relay = issuer.relay("r1", &redis, &[]);
    let token = issuer.token_of("alice", json!({}));
    let alice = Client::connect_with_token(relay.address(), "alice", &token);
    for room in ["lobby", "game-1"] {
        cmd!(redis, "CHAT.SEND", room, "bob", "hi").text();
    }
    redis.kill();
    relay.wait_unready();
    let send = |room: &str| alice.ask(json!({"op": "send", "room": room, "text": "waits"}));
    let (lost, kept, new) = (send("lobby"), send("game-1"), send("game-2"));
    let narrower = json!({"scope": "chat:read chat:send", "chat": {"rooms": ["game-*"]}});
    alice.ok(json!({"op": "auth", "token": issuer.token_of("alice", narrower)}));
    redis.restart();
    let answer = |number| {
        eventually("an answer", LATER, || alice.reply(number).ok_or_else(|| alice.arrived()))
    };
    assert_eq!(answer(lost).expect_err("not allowed any more")["what"], "scope");
    answer(kept).expect("allowed still");
    assert_eq!(answer(new).expect_err("makes no rooms any more")["code"], "NOROOM");
}

#[test]
fn the_scope_of_the_backend_allows_nothing_on_a_socket() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    cmd!(redis, "CHAT.JOIN", "lobby", "owner").ok();
    cmd!(redis, "CHAT.JOIN", "lobby", "alice").ok();
    for options in [&[][..], &["--jwt-backend"]] {
        let relay = issuer.relay("r1", &redis, options);
        let connect = |scope: &str| {
            let token = issuer.token_of("alice", json!({"scope": scope}));
            Client::connect_with_token(relay.address(), "alice", &token)
        };
        let backend = connect("chat:backend");
        for op in [
            json!({"op": "history", "room": "lobby"}),
            json!({"op": "send", "room": "lobby", "text": "hi"}),
            json!({"op": "mod", "room": "lobby", "action": "ban", "user": "bob"}),
            json!({"op": "room", "room": "lobby", "set": {"topic": "x"}}),
        ] {
            assert_eq!(backend.refused(op.clone()), "DENIED", "{op} with {options:?}");
        }
        // Beside others it adds nothing: alice is no moderator of the room.
        let both = connect("chat:read chat:send chat:moderate chat:backend");
        both.ok(json!({"op": "history", "room": "lobby"}));
        let ban = json!({"op": "mod", "room": "lobby", "action": "ban", "user": "bob"});
        assert_eq!(both.refused(ban), "DENIED");
    }
}
