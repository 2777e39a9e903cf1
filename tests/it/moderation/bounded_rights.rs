//! The options by which a caller asks for less than a user may do: NOCREATE never creates a room,
//! OWN allows only the user's own messages. Relays add them for tokens of narrow scope. NOHOOK is
//! refused by rooms whose texts a service judges; relays add it when they have not asked one.

use chat_tests::clients::wire::{Command, Wire};
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{SOON, eventually};
use chat_tests::{args, cmd};

/// Every command that takes NOCREATE, in a room of each kind.
fn creations() -> Vec<(&'static str, Vec<Command>)> {
    let of = |room: &'static str| {
        let mut calls = vec![
            args!["CHAT.SEND", room, "alice", "hi"],
            args!["CHAT.SEND", room, "*", "hi"],
            args!["CHAT.JOIN", room, "alice"],
            args!["CHAT.JOIN", room, "alice", "BY", "*"],
            args!["CHAT.ROOM", room, "SET", "topic", "tea"],
        ];
        if room.starts_with('@') {
            calls.push(args!["CHAT.ROOM", room, "SET", "name", "Alice", "BY", "alice"]);
            calls.push(args!["CHAT.ROOM", room, "SET", "tokens_after", "now"]);
        }
        (room, calls)
    };
    vec![of("lobby"), of("dm:alice,bob"), of("@alice")]
}

fn with(call: &Command, option: &str) -> Command {
    let mut call = call.clone();
    call.push(option.into());
    call
}

#[test]
fn nocreate_never_creates_a_room_and_changes_nothing_else() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    for (room, calls) in creations() {
        for call in &calls {
            for option in ["NOCREATE", "nocreate"] {
                let reply = wire.call(&with(call, option));
                assert!(reply.error().starts_with("NOROOM"), "{call:?}: {reply:?}");
            }
            assert_eq!(cmd!(wire, "EXISTS", room).int(), 0, "{call:?}");
            // An existing room is used as without the option.
            wire.call(call).ok();
            wire.call(&with(call, "NOCREATE")).ok();
            cmd!(wire, "DEL", room).ok();
        }
    }
    // Errors about a missing room's name come first: strangers learn nothing about rooms.
    for (call, expected) in [
        (args!["CHAT.SEND", "@alice", "bob", "hi", "NOCREATE"], "DENIED self"),
        (args!["CHAT.SEND", "dm:alice,bob", "carol", "hi", "NOCREATE"], "NOTMEMBER"),
        (args!["CHAT.JOIN", "@alice", "bob", "NOCREATE"], "DENIED self"),
    ] {
        let reply = wire.call(&call);
        assert!(reply.error().starts_with(expected), "{call:?}: {reply:?}");
    }
    // An ephemeral message of the backend never creates a room.
    cmd!(wire, "CHAT.SEND", "lobby", "*", "hi", "EPHEMERAL", "NOCREATE").ok();
    assert_eq!(cmd!(wire, "DBSIZE").int(), 0);
}

#[test]
fn nohook_is_refused_where_the_room_wants_texts_judged() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    for (room, topic) in [("lobby", "topic"), ("dm:alice,bob", "topic"), ("@alice", "name")] {
        let id = cmd!(wire, "CHAT.SEND", room, "alice", "hi", "NONCE", "k").text().to_owned();
        let judged = [
            args!["CHAT.SEND", room, "alice", "again"],
            args!["CHAT.SEND", room, "alice", "again", "EPHEMERAL"],
            args!["CHAT.EDIT", room, "alice", id, "better"],
            args!["CHAT.SIGNAL", room, "alice", "wave", "{\"a\":1}"],
            args!["CHAT.ROOM", room, "SET", topic, "tea"],
        ];
        for call in &judged {
            wire.call(&with(call, "NOHOOK")).ok();
        }
        cmd!(wire, "CHAT.ROOM", room, "SET", "hook", "yes").ok();
        let seen = |wire: &mut Wire| {
            (cmd!(wire, "CHAT.ROOM_RO", room), cmd!(wire, "CHAT.SYNC", room, "0-0"))
        };
        let before = seen(&mut wire);
        for call in &judged {
            for option in ["NOHOOK", "nohook"] {
                assert_eq!(wire.call(&with(call, option)).error(), "DENIED hook", "{call:?}");
            }
        }
        assert_eq!(seen(&mut wire), before, "{room}: nothing has changed");
        let again = cmd!(wire, "CHAT.SEND", room, "alice", "hi", "NONCE", "k", "NOHOOK");
        assert_eq!(again.text(), id, "what was stored before is answered");
        for call in &judged {
            wire.call(call).ok();
        }
    }
}

#[test]
fn a_repeated_nonce_is_answered_also_with_nocreate() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let id = cmd!(wire, "CHAT.SEND", "lobby", "alice", "hi", "NONCE", "k");
    let again = cmd!(wire, "CHAT.SEND", "lobby", "alice", "hi", "NONCE", "k", "NOCREATE");
    assert_eq!(again, id);
    let other = cmd!(wire, "CHAT.SEND", "lobby", "bob", "hi", "NOCREATE");
    assert!(!other.is_error(), "joins a room that is there: {other:?}");
}

/// `lobby` with an owner, a moderator and a member; the ids of a message of each, and of the
/// backend.
fn staffed(wire: &mut Wire) -> Vec<(&'static str, String)> {
    let users = ["olga", "mo", "mia", "*"];
    cmd!(wire, "CHAT.JOIN", "lobby", "olga").ok();
    cmd!(wire, "CHAT.JOIN", "lobby", "mo", "ROLE", "moderator", "BY", "olga").ok();
    users.map(|user| (user, cmd!(wire, "CHAT.SEND", "lobby", user, "hi").text().to_owned())).into()
}

#[test]
fn own_allows_only_the_users_own_messages() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    for verb in ["CHAT.EDIT", "CHAT.DELETE"] {
        for actor in ["olga", "mo", "mia", "*"] {
            cmd!(wire, "DEL", "lobby").ok();
            for (author, id) in staffed(&mut wire) {
                let mut call = args![verb, "lobby", actor, id];
                if verb == "CHAT.EDIT" {
                    call.extend(args!["better"]);
                }
                let reply = wire.call(&with(&call, "OWN"));
                if author == actor {
                    assert!(!reply.is_error(), "{actor} {verb}: {reply:?}");
                } else {
                    assert_eq!(reply.error(), "DENIED moderator", "{actor} {verb} {author}");
                    assert_eq!(wire.call(&call).is_error(), actor == "mia", "{actor} {verb}");
                }
            }
        }
    }
}

#[test]
fn own_applies_the_rules_for_authors_to_moderators() {
    let redis = Redis::with(&["chat.edit-window 1"]);
    let mut wire = redis.wire();
    let said = staffed(&mut wire);
    let (_, id) = said.iter().find(|(author, _)| *author == "mo").expect("said");
    let sent: u64 = id.split('-').next().and_then(|ms| ms.parse().ok()).expect("an id");
    eventually("the end of the window", SOON, || {
        // Ids may be ahead of the clock by a millisecond or two.
        match redis.clock_ms() > sent + 10 {
            true => Ok(()),
            false => Err(String::new()),
        }
    });
    let late = cmd!(wire, "CHAT.EDIT", "lobby", "mo", id, "better", "OWN");
    assert_eq!(late.error(), "DENIED moderator");
    cmd!(wire, "CHAT.EDIT", "lobby", "mo", id, "better").ok();
    cmd!(wire, "CHAT.DELETE", "lobby", "mo", id, "REASON", "old", "OWN").ok();
}
