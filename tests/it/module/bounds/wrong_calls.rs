//! The refused calls of every command, with the exact error; none changes or publishes anything.

use std::time::Duration;

use chat_tests::checking::subscriber::Subscriber;
use chat_tests::clients::wire::Wire;
use chat_tests::servers::redis::Redis;
use chat_tests::{args, cmd};

use crate::module::bounds::calls::TABLE;
use crate::module::bounds::calls::command::Command;

#[test]
fn every_wrong_call_is_refused_with_its_error_and_changes_nothing() {
    let redis = Redis::with(&["chat.follows-max 5"]);
    let mut wire = redis.wire();
    let ids = prepare(&mut wire);
    let rooms =
        ["lobby", "closed", "frozen", "@alice", "dm:alice,bob", "nowhere", "@dora", "string"];
    let channel = Subscriber::new(&redis, &rooms);
    let (digest, keys) = (redis.digest(), cmd!(wire, "DBSIZE"));
    let mut failures = Vec::new();
    for Command { name: command, refused, .. } in TABLE {
        for (arguments, expected, why) in *refused {
            let mut call = args![*command];
            call.extend(arguments.iter().map(|argument| fill(argument, &ids)));
            let reply = wire.call(&call);
            let fits = reply.is_error() && {
                let rest = reply.error().strip_prefix(expected);
                rest.is_some_and(|rest| {
                    expected.is_empty() || !rest.starts_with(|c: char| c.is_alphanumeric())
                })
            };
            if !fits {
                failures
                    .push(format!("{command} {arguments:?} ({why}): {expected}, not {reply:?}"));
            }
            if reply.is_error() && !reply.error().is_ascii() {
                failures.push(format!("{command} {arguments:?}: not ASCII: {reply:?}"));
            }
            let (digest_now, keys_now) = (cmd!(wire, "DEBUG", "DIGEST"), cmd!(wire, "DBSIZE"));
            if digest_now.text() != digest || keys_now != keys {
                panic!("{command} {arguments:?} ({why}) changed something and answered {reply:?}");
            }
        }
    }
    assert!(failures.is_empty(), "{} wrong answers:\n{}", failures.len(), failures.join("\n"));
    channel.silent(Duration::from_millis(200));
}

#[test]
fn limits_of_members_nonces_and_creators_are_reported() {
    let settings = ["chat.members-max 2", "chat.nonce-max 2", "chat.create backend"];
    let redis = Redis::with(&settings);
    let mut wire = redis.wire();
    assert_eq!(cmd!(wire, "CHAT.SEND", "lobby", "alice", "x").error(), "DENIED backend");
    assert_eq!(cmd!(wire, "CHAT.JOIN", "lobby", "alice").error(), "DENIED backend");
    cmd!(wire, "CHAT.SEND", "lobby", "*", "made by the backend").ok();
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "1", "NONCE", "a").ok();
    cmd!(wire, "CHAT.SEND", "lobby", "bob", "2", "NONCE", "a").ok();
    let digest = redis.digest();
    let full = cmd!(wire, "CHAT.SEND", "lobby", "alice", "3", "NONCE", "c");
    let retry: u64 = match full.error().split_once(' ') {
        Some(("RATELIMIT", ms)) => ms.parse().expect("a number"),
        _ => panic!("{full:?}"),
    };
    assert!((1..=300_000).contains(&retry), "{retry}");
    let third = cmd!(wire, "CHAT.JOIN", "lobby", "carol");
    assert!(third.error().starts_with("INVALID members"), "{third:?}");
    assert_eq!(redis.digest(), digest);
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "4").ok();
    cmd!(wire, "CHAT.SEND", "dm:alice,bob", "alice", "direct rooms need no maker").ok();
}

/// The error codes of the table and of this file.
pub(crate) fn codes() -> Vec<String> {
    let rows = TABLE.iter().flat_map(|command| command.refused);
    let mut codes: Vec<String> = rows
        .map(|(_, expected, _)| expected.split(' ').next().unwrap_or_default().to_ascii_lowercase())
        .collect();
    // From `limits_of_members_nonces_and_creators_are_reported`.
    codes.push("ratelimit".into());
    // From `key_commands::a_full_server_refuses_growth_and_lets_users_leave`.
    codes.push("oom".into());
    codes
}

/// Creates the rooms of the table; returns the ids for its placeholders.
fn prepare(wire: &mut Wire) -> Vec<(&'static str, String)> {
    let send = |wire: &mut Wire, room: &str, user: &str| {
        cmd!(wire, "CHAT.SEND", room, user, "hi", "NONCE", "used").text().to_owned()
    };
    let id = send(wire, "lobby", "alice");
    for room in ["closed", "frozen", "dm:alice,bob", "@alice"] {
        cmd!(wire, "CHAT.SEND", room, "alice", "hi").ok();
    }
    let bobs = send(wire, "lobby", "bob");
    let muteds = send(wire, "lobby", "muted");
    let frozen = send(wire, "frozen", "bob");
    let [gone, full] = ["gone", "full"]
        .map(|text| cmd!(wire, "CHAT.SEND", "lobby", "alice", text).text().to_owned());
    let event = cmd!(wire, "CHAT.DELETE", "lobby", "alice", &gone).text().to_owned();
    for n in 0..20 {
        cmd!(wire, "CHAT.REACT", "lobby", "bob", &full, format!("+{n}")).ok();
    }
    cmd!(wire, "CHAT.MOD", "lobby", "*", "MUTE", "muted").ok();
    cmd!(wire, "CHAT.MOD", "lobby", "*", "BAN", "banned").ok();
    cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", "taken").ok();
    cmd!(wire, "CHAT.FOLLOW", "@alice", "lobby").ok();
    cmd!(wire, "CHAT.ROOM", "closed", "SET", "access", "members").ok();
    cmd!(wire, "CHAT.ROOM", "frozen", "SET", "frozen", "yes").ok();
    cmd!(wire, "SET", "string", "x").ok();
    cmd!(wire, "SET", "@string", "x").ok();
    let words = ["{id}", "{bobs}", "{muteds}", "{frozen}", "{gone}", "{full}", "{event}"];
    words.into_iter().zip([id, bobs, muteds, frozen, gone, full, event]).collect()
}

fn fill(argument: &str, ids: &[(&str, String)]) -> Vec<u8> {
    match argument {
        "{bytes}" => b"\xff\xfe".to_vec(),
        "{long}" => vec![b'x'; 5000],
        "{name}" => vec![b'x'; 201],
        "{deep}" => format!("{{\"a\":{}{}}}", "[".repeat(32), "]".repeat(32)).into_bytes(),
        "{big}" => format!("{{\"a\":\"{}\"}}", "x".repeat(16 * 1024)).into_bytes(),
        other => {
            let fill = |text: String, (word, id): &(&str, String)| text.replace(word, id);
            ids.iter().fold(other.to_owned(), fill).into_bytes()
        }
    }
}
