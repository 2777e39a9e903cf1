//! `--anonymous`: guests read open rooms, and nobody notices them.

use std::collections::BTreeSet;

use chat_tests::clients::client::Client;
use chat_tests::clients::frames::Frames;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::session_server::SessionServer;
use chat_tests::servers::tokens::Issuer;
use chat_tests::wait::{LATER, SOON, eventually};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::tokens::{code_and_what, first, open, refused};

/// A relay with tokens and guests, and one user of it, who has opened the room `lobby`.
fn relay_with_alice(issuer: &Issuer, redis: &Redis, options: &[&str]) -> (Relay, Client) {
    let relay = issuer.relay("r1", redis, &[&["--anonymous"], options].concat());
    let alice = connect(issuer, &relay, "alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    (relay, alice)
}

fn connect(issuer: &Issuer, relay: &Relay, user: &str) -> Client {
    Client::connect_with_token(relay.address(), user, &issuer.token_of(user, json!({})))
}

/// A socket without a credential from this address, as a proxy would pass it on.
fn guest_from(relay: &Relay, address: &str) -> Frames {
    let frames = open(relay.address(), "", &[("x-forwarded-for", address)]);
    frames.send(Message::text(r#"{"ref":0,"op":"auth"}"#));
    frames
}

/// The calls of a command so far.
fn calls(redis: &Redis, command: &str) -> u64 {
    let info = cmd!(redis, "INFO", "commandstats").text().to_owned();
    let head = format!("cmdstat_{command}:calls=");
    let line = info.lines().find_map(|line| line.strip_prefix(&head)?.split(',').next());
    line.map_or(0, |calls| calls.parse().expect("a number"))
}

#[test]
fn guests_read_open_rooms_and_may_do_nothing_else() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let (relay, alice) = relay_with_alice(&issuer, &redis, &["--auto-join", "hall"]);
    let sent = alice.ok(json!({"op": "send", "room": "lobby", "text": "before", "nonce": "1"}));
    alice.ok(json!({"op": "join", "room": "closed"}));
    alice.ok(json!({"op": "room", "room": "closed", "set": {"access": "members"}}));
    alice.ok(json!({"op": "send", "room": "dm:alice,bob", "text": "x", "nonce": "2"}));

    let guest = Client::connect_as_guest(relay.address());
    assert_eq!(guest.frames_from(0)[0].json, json!({"ref": null, "ok": {}}));
    assert_eq!((&guest.hello["user"], &guest.hello["expires_in"]), (&json!("guest"), &Value::Null));
    assert_eq!(guest.hello["joined"], Value::Null);
    guest.ok(json!({"op": "ping"}));
    assert_eq!(guest.ok(json!({"op": "subscribe", "room": "lobby"}))["role"], Value::Null);
    let rooms = guest.ok(json!({"op": "rooms"}));
    let named = rooms["rooms"].as_array().expect("a list").iter().map(|room| room["room"].as_str());
    let named: BTreeSet<_> = named.flatten().collect();
    assert_eq!(named, BTreeSet::from(["hall", "lobby"]), "{rooms}");
    assert_eq!(guest.ok(json!({"op": "room", "room": "lobby"}))["settings"]["access"], "open");
    assert_eq!(guest.ok(json!({"op": "history", "room": "lobby"}))["events"][0]["text"], "before");
    let resumed = guest.ok(json!({"op": "resume", "rooms": {"lobby": sent["id"], "hall": null}}));
    assert_eq!(resumed["rooms"]["lobby"]["recovered"], true, "{resumed}");

    let not_theirs = [
        json!({"op": "join", "room": "lobby"}),
        json!({"op": "leave", "room": "lobby"}),
        json!({"op": "send", "room": "lobby", "text": "x"}),
        json!({"op": "send", "room": "lobby", "text": "x", "ephemeral": true}),
        json!({"op": "edit", "room": "lobby", "id": sent["id"], "text": "x"}),
        json!({"op": "delete", "room": "lobby", "id": sent["id"]}),
        json!({"op": "react", "room": "lobby", "id": sent["id"], "emoji": "x"}),
        json!({"op": "signal", "room": "lobby", "name": "typing"}),
        json!({"op": "mod", "room": "lobby", "user": "alice", "action": "kick"}),
        json!({"op": "mod", "room": "@guest", "user": "alice", "action": "ban"}),
        json!({"op": "room", "room": "lobby", "set": {"topic": "x"}}),
        json!({"op": "room", "room": "@guest", "set": {"name": "x"}}),
        json!({"op": "members", "room": "lobby"}),
        json!({"op": "who", "room": "lobby"}),
        json!({"op": "online", "rooms": ["lobby"]}),
        json!({"op": "read", "room": "lobby", "id": sent["id"]}),
        json!({"op": "unread", "rooms": ["lobby"]}),
        json!({"op": "inbox"}),
        json!({"op": "profiles", "users": ["alice"]}),
        json!({"op": "status", "status": "away"}),
        json!({"op": "subscribe", "room": "@guest"}),
        json!({"op": "subscribe", "room": "@alice"}),
        json!({"op": "subscribe", "room": "dm:alice,bob"}),
        json!({"op": "subscribe", "room": "dm:alice,guest"}),
        json!({"op": "history", "room": "dm:alice,bob"}),
        json!({"op": "room", "room": "@alice"}),
    ];
    for op in not_theirs {
        let error = guest.call(op.clone()).expect_err("not for guests");
        assert_eq!((&error["code"], &error["what"]), (&json!("DENIED"), &json!("scope")), "{op}");
    }
    for room in ["@alice", "dm:alice,bob"] {
        let resumed = guest.ok(json!({"op": "resume", "rooms": {room: null}}));
        assert_eq!(resumed["rooms"][room]["error"]["code"], "DENIED", "{resumed}");
    }
    for op in ["subscribe", "history", "room"] {
        assert_eq!(guest.refused(json!({"op": op, "room": "closed"})), "NOTMEMBER", "{op}");
        assert_eq!(guest.refused(json!({"op": op, "room": "nowhere"})), "NOROOM", "{op}");
    }
    guest.ok(json!({"op": "unsubscribe", "room": "lobby"}));
    // Another user is another socket.
    let token = issuer.token_of("alice", json!({}));
    guest.ask(json!({"op": "auth", "token": token}));
    assert_eq!(code_and_what(&guest.wait_closed(LATER)), (4504, "user".into()));
}

#[test]
fn guests_see_no_presence_and_have_none() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    // Beats are often.
    let options = ["--presence-ttl", "1500ms", "--grace", "100ms"];
    let (relay, alice) = relay_with_alice(&issuer, &redis, &options);
    let guests: Vec<Client> = (0..3).map(|_| Client::connect_as_guest(relay.address())).collect();
    for guest in &guests {
        guest.ok(json!({"op": "subscribe", "room": "lobby"}));
    }
    let bob = connect(&issuer, &relay, "bob");
    bob.ok(json!({"op": "join", "room": "lobby"}));
    alice.next_where("lobby", "bob's presence", |event| {
        event["type"] == "presence" && event["user"] == "bob"
    });
    alice.ok(json!({"op": "status", "status": "away"}));
    alice.ok(json!({"op": "room", "room": "@alice", "set": {"name": "Alice"}}));
    bob.next_where("lobby", "alice's status", |event| event["status"] == "away");
    // Several beats, a guest who goes, and one who comes.
    let before = calls(&redis, "chat.beat");
    eventually("beats", LATER, || match calls(&redis, "chat.beat") {
        now if now >= before + 6 => Ok(()),
        now => Err(format!("{now}")),
    });
    drop(bob);
    alice.next_where("lobby", "the end of bob's presence", |event| {
        event["type"] == "presence" && event["user"] == "bob" && event["kind"] == "leave"
    });
    alice.ok(json!({"op": "send", "room": "lobby", "text": "last", "nonce": "9"}));
    for guest in &guests {
        guest.next_where("lobby", "the message", |event| event["text"] == "last");
        let kinds: Vec<String> =
            guest.frames_from(2).iter().map(|frame| frame.json["type"].to_string()).collect();
        let is_seen = |kind: &str| kinds.iter().any(|found| found.contains(kind));
        for kind in ["presence", "occupancy", "reset", "profile"] {
            assert!(!is_seen(kind), "{kind} in {kinds:?}");
        }
    }
    let who = cmd!(redis, "CHAT.WHO", "lobby").list()[3].list().to_vec();
    let named: Vec<String> = who.iter().map(|row| row.list()[0].text().to_owned()).collect();
    assert_eq!(named, ["alice"]);
    assert_eq!(cmd!(redis, "EXISTS", "@guest").int(), 0, "guests have no room");
    let kinds: Vec<Value> = alice.events("lobby").iter().map(|e| e.json["user"].clone()).collect();
    assert!(!kinds.contains(&json!("guest")), "nobody notices them: {kinds:?}");
}

#[test]
fn guests_are_out_when_a_room_closes_whatever_the_user_guest_is_in_it() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let (relay, alice) = relay_with_alice(&issuer, &redis, &[]);
    // From a time without guests.
    cmd!(redis, "CHAT.JOIN", "lobby", "guest").ok();
    let guest = Client::connect_as_guest(relay.address());
    guest.ok(json!({"op": "subscribe", "room": "lobby"}));
    alice.ok(json!({"op": "room", "room": "lobby", "set": {"access": "members"}}));
    assert_eq!(guest.next_of("lobby", "gone").json["code"], "NOTMEMBER");
    alice.ok(json!({"op": "send", "room": "lobby", "text": "among us", "nonce": "1"}));
    for op in ["subscribe", "history", "room"] {
        assert_eq!(guest.refused(json!({"op": op, "room": "lobby"})), "NOTMEMBER", "{op}");
    }
    let resumed = guest.ok(json!({"op": "resume", "rooms": {"lobby": "0-0"}}));
    assert_eq!(resumed["rooms"]["lobby"]["error"]["code"], "NOTMEMBER", "{resumed}");
    assert_eq!(guest.ok(json!({"op": "rooms"}))["rooms"], json!([]), "its name and topic neither");
    let seen = guest.frames_from(0).iter().any(|frame| frame.text.contains("among us"));
    assert!(!seen, "{}", guest.arrived());
    alice.ok(json!({"op": "room", "room": "lobby", "set": {"access": "open"}}));
    guest.ok(json!({"op": "subscribe", "room": "lobby"}));
    // One ban is for all of them.
    let other = Client::connect_as_guest(relay.address());
    other.ok(json!({"op": "subscribe", "room": "lobby"}));
    alice.ok(json!({"op": "mod", "room": "lobby", "user": "guest", "action": "ban"}));
    for one in [&guest, &other] {
        one.next_where("lobby", "the ban", |event| event["code"] == "BANNED");
        assert_eq!(one.refused(json!({"op": "subscribe", "room": "lobby"})), "BANNED");
    }
}

#[test]
fn many_guests_ask_once_and_are_bounded() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let options = ["--max-guests", "30", "--max-connections-per-user", "2"];
    let (relay, alice) = relay_with_alice(&issuer, &redis, &options);
    let before = calls(&redis, "chat.room_ro");
    let guests: Vec<Client> = (0..30).map(|_| Client::connect_as_guest(relay.address())).collect();
    let asked: Vec<u64> =
        guests.iter().map(|guest| guest.ask(json!({"op": "subscribe", "room": "lobby"}))).collect();
    for (guest, reference) in guests.iter().zip(asked) {
        let reply = eventually("a reply", SOON, || guest.reply(reference).ok_or(guest.arrived()));
        reply.expect("an open room");
    }
    let questions = calls(&redis, "chat.room_ro") - before;
    assert!(questions <= 10, "{questions} questions for 30 guests");
    // No more of them; users are let in.
    for _ in 0..20 {
        let frames = guest_from(&relay, "192.0.2.1");
        let close = first(&frames).expect_err("one too many");
        let reason: Value = serde_json::from_str(&close.reason).expect("JSON");
        assert_eq!((close.code, reason["retry_ms"].is_u64()), (4004, true), "{reason}");
    }
    connect(&issuer, &relay, "bob").ok(json!({"op": "ping"}));
    alice.ok(json!({"op": "send", "room": "lobby", "text": "hi", "nonce": "1"}));
    for guest in &guests {
        assert_eq!(guest.next_of("lobby", "message").json["text"], "hi");
    }
    let (_, metrics) = relay.get_ops("/metrics");
    let outcome =
        |outcome| format!("chat_relay_logins_total{{way=\"guest\",outcome=\"{outcome}\"}}");
    assert!(metrics.contains(&format!("{} 30", outcome("ok"))), "{metrics}");
    assert!(metrics.contains(&format!("{} 20", outcome("guests_full"))), "{metrics}");
    // A place that is free again.
    drop(guests);
    eventually("a place", SOON, || {
        let frames = guest_from(&relay, "192.0.2.1");
        first(&frames).map(drop).map_err(|close| format!("{close:?}"))
    });
}

#[test]
fn one_address_of_guests_cannot_use_up_what_another_may_do() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let options = ["--trusted-proxies", "127.0.0.1", "--operations-per-second", "5"];
    let (relay, _alice) = relay_with_alice(&issuer, &redis, &options);
    let loud = guest_from(&relay, "192.0.2.1");
    let quiet = guest_from(&relay, "192.0.2.2");
    first(&loud).expect("let in");
    first(&quiet).expect("let in");
    for _ in 0..2_000 {
        loud.send(Message::text(r#"{"ref":1,"op":"ping"}"#));
    }
    let close = eventually("the end of the flood", LATER, || {
        loud.inbox().closed.clone().ok_or("open".to_owned())
    });
    assert_eq!(close.code, 4007, "{close:?}");
    assert_eq!(first(&guest_from(&relay, "192.0.2.1")).expect_err("kept out").code, 4007);
    quiet.send(Message::text(r#"{"ref":7,"op":"ping"}"#));
    let reply = eventually("a reply", SOON, || {
        let inbox = quiet.inbox();
        let place = inbox.answers.get(&7).copied().ok_or("none")?;
        Ok(inbox.frames[place].json.clone())
    });
    assert!(reply["ok"].is_object(), "{reply}");
}

#[test]
fn names_of_guests_prove_nobody_where_guests_are_let_in() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let (relay, _alice) = relay_with_alice(&issuer, &redis, &[]);
    let without = issuer.relay("r2", &redis, &[]);
    for (name, is_reserved) in
        [("guest", true), ("guest-7", true), ("guests", false), ("Guest", false)]
    {
        let bearer = format!("Bearer {}", issuer.token_of(name, json!({})));
        let with = open(relay.address(), "", &[("authorization", &bearer)]);
        match is_reserved {
            true => assert_eq!(refused(&with), (4504, "user".into()), "{name}"),
            false => assert_eq!(first(&with).expect(name)["user"], name),
        }
        let other = open(without.address(), "", &[("authorization", &bearer)]);
        assert_eq!(first(&other).expect(name)["user"], name, "without guests");
    }
    let frames = guest_from(&without, "192.0.2.1");
    assert_eq!(refused(&frames), (4504, "missing".into()), "without guests");
    // What is wrong is refused, and makes nobody a guest.
    assert_eq!(
        refused(&open(relay.address(), "", &[("authorization", "Bearer x")])),
        (4504, "token".into())
    );
    for frame in
        [r#"{"op":"auth","token":7}"#, r#"{"op":"auth","token":""}"#, r#"{"op":"ping"}"#, "{}", "x"]
    {
        let frames = open(relay.address(), "", &[]);
        frames.send(Message::text(frame));
        assert_eq!(refused(&frames).0, 4504, "{frame}");
    }
}

#[test]
fn guests_and_sessions_stand_side_by_side() {
    let redis = Redis::start();
    let application = SessionServer::start();
    for user in ["alice", "guest", "guest-7"] {
        application.log_in(user, 300);
    }
    let relay = application.relay("r1", &redis, &["--anonymous"]);
    let session = |name: &str| format!("Bearer {name}");
    let alice = Client::connect_with_token(relay.address(), "alice", "alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    let guest = Client::connect_as_guest(relay.address());
    guest.ok(json!({"op": "subscribe", "room": "lobby"}));
    alice.ok(json!({"op": "send", "room": "lobby", "text": "hi", "nonce": "1"}));
    assert_eq!(guest.next_of("lobby", "message").json["text"], "hi");
    for (name, what) in [("guest", "user"), ("guest-7", "user"), ("nobody", "token")] {
        let frames = open(relay.address(), "", &[("authorization", &session(name))]);
        assert_eq!(refused(&frames), (4504, what.into()), "{name}");
    }
    let frames = open(relay.address(), "", &[]);
    frames.send(Message::text(r#"{"op":"auth","token":"alice"}"#));
    assert_eq!(refused(&frames), (4504, "missing".into()), "sessions are in the handshake");
    assert_eq!(application.questions().len(), 4);
}
