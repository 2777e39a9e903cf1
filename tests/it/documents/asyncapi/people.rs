//! The tour's part of users: what they may do, what others see of them, how they are kept out.

use chat_tests::clients::client::Client;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::tokens::{Issuer, now_s};
use chat_tests::wait::SOON;
use serde_json::{Value, json};

use super::operations::{lobby, relay};
use super::tour::Tour;

fn act(action: &str, user: &str, further: Value) -> Value {
    let mut request = lobby("mod", further);
    request["action"] = action.into();
    request["user"] = user.into();
    request
}

/// Members, moderation, contacts.
pub(super) fn of_users(tour: &mut Tour) {
    let redis = Redis::start();
    let relay = relay(&redis, &[]);
    let users = ["alice", "bob", "carol", "dave"].map(|user| relay.connect(user));
    let [alice, bob, carol, dave] = &users;
    for user in &users {
        tour.ok(user, lobby("join", json!({})));
    }
    cmd!(redis, "CHAT.JOIN", "lobby", "erin", "BY", "alice").int();
    tour.ok(alice, act("role", "bob", json!({"role": "moderator"})));
    bob.next_where("@bob", "a notice", |event| event["data"]["kind"] == "role");
    tour.ok(alice, act("mute", "carol", json!({"for_ms": 60_000, "reason": "calm down"})));
    tour.refused(carol, lobby("send", json!({"text": "but"})), "MUTED");
    assert!(tour.ok(carol, lobby("room", json!({})))["settings"]["muted_until"].is_u64());
    tour.ok(alice, act("ban", "dave", json!({"reason": "spam"})));
    dave.next_of("lobby", "gone");
    tour.refused(dave, lobby("history", json!({})), "BANNED");
    tour.ok(alice, lobby("sanctions", json!({})));

    tour.ok(alice, json!({"op": "subscribe", "room": "@bob"}));
    tour.ok(bob, json!({"op": "status", "status": "away"}));
    alice.next_where("@bob", "the status", |event| event["status"] == "away");
    let profile = json!({"name": "Bob", "avatar": "b.png", "status": "here"});
    tour.ok(bob, json!({"op": "room", "room": "@bob", "set": profile}));
    alice.wait_frame("a profile", |frame| frame["type"] == "profile");
    tour.ok(alice, json!({"op": "profiles", "users": ["bob", "nobody"]}));
    tour.ok(alice, json!({"op": "send", "room": "dm:alice,bob", "text": "hi"}));
    bob.next_where("@bob", "a notice", |event| event["data"]["kind"] == "direct");

    // Carol is no member when the room becomes closed.
    cmd!(redis, "CHAT.LEAVE", "lobby", "carol").int();
    tour.ok(carol, lobby("subscribe", json!({})));
    tour.ok(alice, lobby("room", json!({"set": {"access": "members"}})));
    assert_eq!(carol.next_of("lobby", "gone").json["code"], "NOTMEMBER");
    // A room with another past, in which bob is banned.
    cmd!(redis, "COPY", "lobby", "past").int();
    cmd!(redis, "CHAT.MOD", "past", "*", "BAN", "bob", "FOR", 60_000).int();
    let past = cmd!(redis, "DUMP", "past").bytes().to_vec();
    cmd!(redis, "CHAT.SEND", "lobby", "*", "x").text();
    alice.next_where("lobby", "a message", |event| event["text"] == "x");
    cmd!(redis, "RESTORE", "lobby", 0, past, "REPLACE").ok();
    cmd!(redis, "CHAT.SEND", "lobby", "*", "y").text();
    assert!(bob.next_of("lobby", "gone").json["until_ms"].is_u64());

    cmd!(redis, "CHAT.MOD", "@carol", "*", "KICK", "carol", "REASON", "bye").int();
    cmd!(redis, "CHAT.MOD", "@dave", "*", "BAN", "dave").int();
    tour.note_close(&carol.wait_closed(SOON));
    tour.note_close(&dave.wait_closed(SOON));
    tour.note_all(&[alice, bob, carol, dave]);
}

/// What tokens bring: newer ones, patterns that they allow, their end.
pub(super) fn with_tokens(tour: &mut Tour) {
    let (redis, issuer) = (Redis::start(), Issuer::new());
    let relay = issuer.relay("r1", &redis, &["--anonymous"]);
    let token = |chat: Value| issuer.token_of("alice", json!({"chat": chat, "iat": now_s() - 60}));
    let all = token(json!({"watch": ["*"]}));
    let alice = Client::connect_with_token(relay.address(), "alice", &all);
    cmd!(redis, "CHAT.SEND", "a", "bob", "old").text();
    let old = cmd!(redis, "DUMP", "a").bytes().to_vec();
    tour.ok(&alice, json!({"op": "watch", "match": "a*"}));
    cmd!(redis, "CHAT.SEND", "b", "bob", "hi").text();
    tour.ok(&alice, json!({"op": "subscribe", "room": "b"}));
    cmd!(redis, "CHAT.SEND", "a", "bob", "one").text();
    alice.next_of("a", "message");
    cmd!(redis, "RESTORE", "a", 0, old, "REPLACE").ok();
    cmd!(redis, "CHAT.SEND", "a", "bob", "two").text();
    alice.wait_frame("a hole", |frame| frame["lost"] == json!(["a"]));
    tour.ok(&alice, json!({"op": "watch", "match": "b"}));
    tour.ok(&alice, json!({"op": "unwatch", "match": "b"}));
    tour.ok(&alice, json!({"op": "auth", "token": token(json!({"rooms": []}))}));
    alice.wait_frame("the end of watching", |frame| frame["match"] == "a*");
    assert_eq!(alice.next_of("b", "gone").json["what"], "scope");
    cmd!(redis, "CHAT.ROOM", "@alice", "SET", "tokens_after", "now").ok();
    tour.note_close(&alice.wait_closed(SOON));
    let guest = Client::connect_as_guest(relay.address());
    tour.refused(&guest, json!({"op": "inbox"}), "DENIED");
    tour.note_all(&[&alice, &guest]);
}
