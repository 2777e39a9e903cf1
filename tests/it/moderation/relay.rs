//! A kicked or banned user stops receiving the room at once, on every relay, also on one that
//! missed the event.

use std::time::Duration;

use chat_protocol::close_code;
use chat_tests::checking::people::{leaves, who};
use chat_tests::checking::subscriber::Subscriber;
use chat_tests::clients::client::Client;
use chat_tests::cmd;
use chat_tests::servers::proxy::{Network, Proxy};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, SOON, eventually, never};
use serde_json::{Value, json};

const OPTIONS: &[&str] = &[
    "--probe",
    "500ms",
    "--operations-per-second",
    "10000",
    // A relay cannot end presence while its Redis is away; this ends it then.
    "--presence-ttl",
    "6s",
    "--grace",
    "2s",
];

fn relay(name: &str, url: &str) -> Relay {
    let relay = Relay::with(name, url, OPTIONS);
    relay.wait_ready();
    relay
}

/// Two relays, each with a socket of mallory and one of a user who stays, in `lobby`.
struct Scene {
    redis: Redis,
    path: Proxy,
    _relays: [Relay; 2],
    mallory: [Client; 2],
    others: [Client; 2],
}

impl Scene {
    /// The second relay reaches Redis through this proxy.
    fn new() -> Scene {
        let redis = Redis::start();
        let path = Proxy::to(redis.address());
        let relays =
            [relay("r1", &redis.url()), relay("r2", &format!("redis://{}", path.address()))];
        cmd!(redis, "CHAT.SEND", "lobby", "owner", "first").ok();
        let [r1, r2] = &relays;
        let mallory = [r1.connect("mallory"), r2.connect("mallory")];
        let others = [r1.connect("alice"), r2.connect("bob")];
        for client in mallory.iter().chain(&others) {
            client.ok(json!({"op": "join", "room": "lobby"}));
            client.ok(json!({"op": "join", "room": "elsewhere"}));
        }
        Scene { redis, path, _relays: relays, mallory, others }
    }

    fn say(&self, room: &str, text: &str) -> String {
        cmd!(self.redis, "CHAT.SEND", room, "owner", text).text().to_owned()
    }

    fn act(&self, args: &[&str]) {
        let mut command = vec!["CHAT.MOD", "lobby", "*"];
        command.extend_from_slice(args);
        assert_eq!(self.redis.call(&command).int(), 1, "{args:?}");
    }

    /// Checks that each of mallory's sockets received `gone` with this code once, nothing of the
    /// room after it, and no message with this word at all.
    #[track_caller]
    fn assert_put_out(&self, code: &str, word: &str) -> Vec<Value> {
        let received = self.mallory.iter().map(|client| {
            let gone = client.next_of("lobby", "gone").json;
            assert_eq!(gone["code"], code, "{gone}");
            gone
        });
        let received: Vec<Value> = received.collect();
        for client in &self.others {
            client.next_where("lobby", "the last message", |event| {
                event["text"].as_str().is_some_and(|text| text.contains(word))
            });
        }
        never("an event for a banned user", Duration::from_millis(700), || {
            for client in &self.mallory {
                let events = client.events("lobby");
                let gone = events.iter().rposition(|frame| frame.json["type"] == "gone");
                let after = &events[gone.map_or(0, |at| at + 1)..];
                if !after.is_empty() || events.iter().any(|frame| frame.text.contains(word)) {
                    return Err(client.arrived());
                }
            }
            Ok(())
        });
        for client in &self.mallory {
            assert!(client.closed().is_none(), "only that room is closed to her");
        }
        received
    }

    /// Mallory joins again, on both relays.
    #[track_caller]
    fn let_in_again(&self) {
        for client in &self.mallory {
            client.ok(json!({"op": "join", "room": "lobby"}));
        }
        let id = self.say("lobby", "welcome");
        for client in &self.mallory {
            client.next_where("lobby", "the welcome", |event| event["id"] == *id);
        }
    }
}

#[test]
fn a_banned_user_receives_nothing_more_on_any_relay_and_may_do_nothing_there() {
    let scene = Scene::new();
    let channel = Subscriber::new(&scene.redis, &["lobby"]);
    let id = scene.say("lobby", "before the ban");
    scene.act(&["BAN", "mallory", "REASON", "spam"]);
    (0..10).for_each(|n| drop(scene.say("lobby", &format!("sealed {n}"))));
    for gone in scene.assert_put_out("BANNED", "sealed") {
        assert_eq!(gone["until_ms"], 0, "for ever: {gone}");
    }
    let operations = [
        json!({"op": "join", "room": "lobby"}),
        json!({"op": "subscribe", "room": "lobby"}),
        json!({"op": "subscribe", "room": "lobby", "since": id}),
        json!({"op": "send", "room": "lobby", "text": "x"}),
        json!({"op": "send", "room": "lobby", "text": "x", "ephemeral": true}),
        json!({"op": "edit", "room": "lobby", "id": id, "text": "x"}),
        json!({"op": "delete", "room": "lobby", "id": id}),
        json!({"op": "react", "room": "lobby", "id": id, "emoji": "x"}),
        json!({"op": "read", "room": "lobby", "id": id}),
        json!({"op": "signal", "room": "lobby", "name": "typing"}),
        json!({"op": "history", "room": "lobby"}),
        json!({"op": "members", "room": "lobby"}),
        json!({"op": "who", "room": "lobby"}),
        json!({"op": "room", "room": "lobby"}),
        json!({"op": "room", "room": "lobby", "set": {"topic": "mine"}}),
        json!({"op": "mod", "room": "lobby", "action": "unban", "user": "mallory"}),
    ];
    for client in &scene.mallory {
        for op in &operations {
            let error = client.call(op.clone()).expect_err("refused");
            assert_eq!((&error["code"], &error["until_ms"]), (&json!("BANNED"), &json!(0)), "{op}");
        }
        let answer = client.ok(json!({"op": "resume", "rooms": {"lobby": id}}));
        assert_eq!(answer["rooms"]["lobby"]["error"]["code"], "BANNED", "{answer}");
    }
    // Other rooms are unchanged.
    let id = scene.say("elsewhere", "hello");
    for client in &scene.mallory {
        client.next_where("elsewhere", "the hello", |event| event["id"] == *id);
    }
    let leaves = leaves(&channel, "lobby");
    assert_eq!((leaves.len(), &leaves[0]["reason"]), (1, &json!("kicked")), "{leaves:?}");
    assert!(!who(&mut scene.redis.wire(), "lobby").contains("mallory"));
    scene.act(&["UNBAN", "mallory"]);
    scene.let_in_again();
}

#[test]
fn a_ban_holds_on_a_relay_that_missed_its_event() {
    let scene = Scene::new();
    for round in 0..3 {
        // Everything that the server publishes to the second relay from now on is lost.
        scene.path.set_subscriptions(Some(Network::Stall));
        scene.act(&["BAN", "mallory"]);
        let word = format!("sealed in round {round}");
        scene.say("lobby", &word);
        scene.path.set_subscriptions(None);
        scene.path.cut();
        scene.assert_put_out("BANNED", &word);
        let subscribe = json!({"op": "subscribe", "room": "lobby"});
        eventually("the relay to answer again", SOON, || {
            match scene.mallory[1].call(subscribe.clone()) {
                Err(error) if error["code"] == "BANNED" => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        scene.act(&["UNBAN", "mallory"]);
        scene.let_in_again();
    }
}

#[test]
fn a_ban_holds_while_subscriptions_are_being_killed() {
    let scene = Scene::new();
    let mut wire = scene.redis.wire();
    for round in 0..8 {
        let word = format!("sealed in round {round}");
        let order = round % 3;
        if order == 0 {
            cmd!(wire, "CLIENT", "KILL", "TYPE", "pubsub").ok();
        }
        scene.act(&["BAN", "mallory"]);
        if order == 1 {
            cmd!(wire, "CLIENT", "KILL", "TYPE", "pubsub").ok();
        }
        scene.say("lobby", &word);
        if order == 2 {
            cmd!(wire, "CLIENT", "KILL", "TYPE", "pubsub").ok();
        }
        scene.assert_put_out("BANNED", &word);
        scene.act(&["UNBAN", "mallory"]);
        scene.let_in_again();
    }
}

#[test]
fn a_kicked_user_is_removed_on_every_relay_and_may_join_again() {
    let scene = Scene::new();
    let channel = Subscriber::new(&scene.redis, &["lobby"]);
    for (round, cut) in [false, true].into_iter().enumerate() {
        let word = format!("sealed in round {round}");
        if cut {
            scene.path.set_subscriptions(Some(Network::Stall));
        }
        scene.act(&["KICK", "mallory", "REASON", "calm down"]);
        scene.say("lobby", &word);
        if cut {
            scene.path.set_subscriptions(None);
            scene.path.cut();
        }
        scene.assert_put_out("KICKED", &word);
        assert!(!who(&mut scene.redis.wire(), "lobby").contains("mallory"), "present no more");
        let members = cmd!(scene.redis, "CHAT.MEMBERS", "lobby");
        assert!(!format!("{members:?}").contains("mallory"));
        scene.let_in_again();
    }
    // A relay that has missed the event may renew her presence until it learns of it.
    let leaves = leaves(&channel, "lobby");
    let kicked = leaves.iter().filter(|leave| leave["reason"] == "kicked").count();
    assert_eq!(kicked, 2, "once each: {leaves:?}");
}

#[test]
fn the_backend_ends_all_sockets_of_a_user_on_every_relay() {
    for cut in [false, true] {
        let scene = Scene::new();
        if cut {
            scene.path.set_subscriptions(Some(Network::Stall));
        }
        assert_eq!(cmd!(scene.redis, "CHAT.MOD", "@mallory", "*", "KICK", "mallory").int(), 1);
        if cut {
            scene.path.set_subscriptions(None);
            scene.path.cut();
        }
        for client in &scene.mallory {
            let close = client.wait_closed(LATER);
            assert_eq!(close.code, close_code::KICKED.number, "{close:?}");
            assert!(close.reason.contains("kicked"), "{close:?}");
        }
        for client in &scene.others {
            // After a cut the relay may end her presence before it receives the room again; then
            // `reset` says that presence has changed.
            let is_told =
                |event: &Value| event["kind"] == "leave" || (cut && event["type"] == "reset");
            client.next_where("lobby", "her leave", is_told);
            assert!(client.closed().is_none());
        }
        let back = scene._relays[0].connect("mallory");
        back.ok(json!({"op": "join", "room": "lobby"}));
        never("a second leave", Duration::from_millis(500), || match back.closed() {
            None => Ok(()),
            Some(close) => Err(format!("{close:?}")),
        });
    }
}

#[test]
fn a_ban_and_a_mute_end_by_themselves() {
    let scene = Scene::new();
    let before = scene.redis.clock_ms();
    scene.act(&["BAN", "mallory", "FOR", "2000"]);
    scene.say("lobby", "sealed");
    for gone in scene.assert_put_out("BANNED", "sealed") {
        let until = gone["until_ms"].as_u64().expect("a time");
        assert!((before + 2_000..before + 5_000).contains(&until), "{until}, banned at {before}");
    }
    eventually("the end of the ban", SOON, || {
        let join = scene.mallory[0].call(json!({"op": "join", "room": "lobby"}));
        join.map(drop).map_err(|error| error.to_string())
    });
    scene.let_in_again();
    scene.act(&["MUTE", "mallory", "FOR", "2000"]);
    let id = scene.say("lobby", "listen");
    scene.mallory[1].next_where("lobby", "what is said", |event| event["id"] == *id);
    let silenced = [
        json!({"op": "send", "room": "lobby", "text": "x"}),
        json!({"op": "react", "room": "lobby", "id": id, "emoji": "x"}),
        json!({"op": "signal", "room": "lobby", "name": "typing"}),
    ];
    for op in silenced {
        let error = scene.mallory[0].call(op.clone()).expect_err("muted");
        assert_eq!(error["code"], "MUTED", "{op}");
        assert!(error["until_ms"].as_u64().is_some_and(|until| until > before), "{error}");
    }
    let seen = scene.mallory[0].ok(json!({"op": "room", "room": "lobby"}));
    assert!(seen["settings"]["muted_until"].as_u64().is_some_and(|until| until > before));
    scene.mallory[0].ok(json!({"op": "read", "room": "lobby", "id": id}));
    eventually("the end of the mute", SOON, || {
        let send = json!({"op": "send", "room": "lobby", "text": "at last"});
        scene.mallory[0].call(send).map(drop).map_err(|error| error.to_string())
    });
}

#[test]
fn a_room_made_private_removes_strangers_on_every_relay() {
    let scene = Scene::new();
    for client in &scene.others {
        client.ok(json!({"op": "join", "room": "lobby"}));
    }
    scene.mallory[0].ok(json!({"op": "leave", "room": "lobby"}));
    // Not a member, but everybody may read an open room.
    for client in &scene.mallory {
        client.ok(json!({"op": "subscribe", "room": "lobby"}));
    }
    cmd!(scene.redis, "CHAT.ROOM", "lobby", "SET", "access", "members", "BY", "owner").ok();
    for client in &scene.mallory {
        client.next_where("lobby", "gone", |event| {
            event["type"] == "gone" && event["code"] == "NOTMEMBER"
        });
    }
    let id = scene.say("lobby", "among ourselves");
    for client in &scene.others {
        client.next_where("lobby", "the message", |event| event["id"] == *id);
    }
    never("an event for strangers", Duration::from_millis(500), || {
        match scene.mallory.iter().find(|client| client.arrived().contains("among ourselves")) {
            None => Ok(()),
            Some(client) => Err(client.arrived()),
        }
    });
}

#[test]
fn a_removed_user_is_notified_of_the_reason() {
    let scene = Scene::new();
    cmd!(scene.redis, "CHAT.MOD", "lobby", "*", "KICK", "mallory", "REASON", "too loud").ok();
    cmd!(scene.redis, "CHAT.MOD", "elsewhere", "*", "BAN", "mallory", "REASON", "spam").ok();
    cmd!(scene.redis, "CHAT.MOD", "@mallory", "*", "KICK", "mallory", "REASON", "come back later")
        .ok();
    for client in &scene.mallory {
        let close = client.wait_closed(LATER);
        let expected = r#"{"reason":"kicked","message":"come back later"}"#;
        assert_eq!((close.code, &*close.reason), (close_code::KICKED.number, expected));
    }
    cmd!(scene.redis, "CHAT.MOD", "lobby", "*", "BAN", "alice", "REASON", "so long").ok();
    let gone = scene.others[0].next_of("lobby", "gone");
    assert_eq!((&gone.json["code"], &gone.json["reason"]), (&json!("BANNED"), &json!("so long")));
    cmd!(scene.redis, "CHAT.MOD", "lobby", "*", "KICK", "bob", "REASON", "good bye").ok();
    let gone = scene.others[1].next_of("lobby", "gone");
    assert_eq!((&gone.json["code"], &gone.json["reason"]), (&json!("KICKED"), &json!("good bye")));
}
