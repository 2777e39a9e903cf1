//! Moderation: a kick removes, a ban keeps out and a mute silences until its end, on every server;
//! an event reports what happened, by whom, why and until when.

use std::time::Duration;

use chat_tests::checking::people::{leaves, online, who};
use chat_tests::checking::subscriber::Subscriber;
use chat_tests::checking::view::{all_pages, history, sync};
use chat_tests::clients::reply::Reply;
use chat_tests::clients::wire::Wire;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{SOON, eventually};
use chat_tests::{args, cmd};
use serde_json::{Value, json};

/// A room of owner with the members mod (a moderator), alice and bob, both online with two
/// connections each.
fn prepare(wire: &mut Wire) {
    cmd!(wire, "CHAT.SEND", "lobby", "owner", "hi").ok();
    for user in ["mod", "alice", "bob"] {
        cmd!(wire, "CHAT.JOIN", "lobby", user).ok();
    }
    cmd!(wire, "CHAT.MOD", "lobby", "owner", "ROLE", "mod", "moderator").ok();
    for user in ["alice", "bob"] {
        for n in 0..2 {
            cmd!(wire, "CHAT.PRESENCE", "lobby", user, format!("{user}{n}"), "TTL", 600_000).ok();
        }
    }
}

fn members(wire: &mut Wire) -> Vec<String> {
    let rows = all_pages(wire, &["CHAT.MEMBERS", "lobby"], 3);
    rows.iter().map(|row| row.list()[0].text().to_owned()).collect()
}

/// The newest durable event.
fn newest(wire: &mut Wire) -> Value {
    let last = cmd!(wire, "CHAT.ROOM", "lobby").get("last").expect("last").text().to_owned();
    let events = sync(wire, "lobby", "0-0", &[]).events;
    let event = events.into_iter().next_back().expect("an event").json;
    assert_eq!(event["id"], json!(last));
    event
}

#[test]
fn a_kicked_user_is_removed_at_once_and_may_join_again() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    prepare(&mut wire);
    let mut channel = Subscriber::new(&redis, &["lobby"]);
    let kick = args!["CHAT.MOD", "lobby", "mod", "KICK", "bob", "REASON", "too loud"];
    assert_eq!(wire.call(&kick).int(), 1);
    let event = newest(&mut wire);
    assert_eq!(event["type"], "member");
    for (field, value) in [("kind", "kick"), ("user", "bob"), ("by", "mod"), ("reason", "too loud")]
    {
        assert_eq!(event[field], value, "{event}");
    }
    assert_eq!(channel.next_of("member"), event, "published as it is stored");
    let leave = channel.next_of("presence");
    let found = (&leave["kind"], &leave["user"], &leave["users"], &leave["reason"]);
    assert_eq!(found, (&json!("leave"), &json!("bob"), &json!(1), &json!("kicked")));
    assert!(!members(&mut wire).contains(&"bob".into()));
    assert_eq!(who(&mut wire, "lobby"), ["alice".to_owned()].into());
    // His connections are unknown now, and his beats cannot restore them.
    let beat = cmd!(wire, "CHAT.BEAT", "lobby", 60_000, "bob0", "bob1", "alice0");
    assert_eq!(format!("{:?}", beat.list()[1]), r#"["bob0", "bob1"]"#);
    assert_eq!(wire.call(&kick).int(), 0, "neither member nor here");
    channel.silent(Duration::from_millis(150));
    assert_eq!(cmd!(wire, "CHAT.JOIN", "lobby", "bob").int(), 1);
    assert_eq!(cmd!(wire, "CHAT.PRESENCE", "lobby", "bob", "bob0").list()[0].int(), 2);
}

#[test]
fn an_online_user_who_is_no_member_can_be_kicked_too() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    prepare(&mut wire);
    cmd!(wire, "CHAT.PRESENCE", "lobby", "guest", "g1").ok();
    assert_eq!(cmd!(wire, "CHAT.MOD", "lobby", "mod", "KICK", "guest").int(), 1);
    assert_eq!(online(&mut wire, "lobby"), 2);
    assert_eq!(cmd!(wire, "CHAT.MOD", "lobby", "mod", "KICK", "guest").int(), 0);
}

/// Bans or mutes bob for a while and follows the sanction to its end, wherever the room is moved.
fn until_the_end(action: &str, code: &str, kind: &str) {
    const FOR: u64 = 4000;
    let settings = ["appendonly yes", "appendfsync always"];
    let mut primary = Redis::with(&settings);
    let mut wire = primary.wire();
    prepare(&mut wire);
    let send = |wire: &mut Wire| cmd!(wire, "CHAT.SEND", "lobby", "bob", "may I?");
    let before = primary.clock_ms();
    let done =
        cmd!(wire, "CHAT.MOD", "lobby", "mod", action, "bob", "FOR", FOR, "REASON", "enough");
    assert_eq!(done.int(), 1);
    let event = newest(&mut wire);
    let until = event["until"].as_u64().expect("a time");
    assert!((before + FOR..=primary.clock_ms() + FOR).contains(&until), "{event}");
    assert_eq!((&event["kind"], &event["reason"]), (&json!(kind), &json!("enough")), "{event}");
    let expected = format!("{code} {until}");
    assert_eq!(send(&mut wire).error(), expected);
    let is_member = members(&mut wire).contains(&"bob".into());
    assert_eq!(is_member, action == "MUTE");
    assert_eq!(online(&mut wire, "lobby"), if action == "MUTE" { 2 } else { 1 });
    // After a restart, as a copy, restored elsewhere, on a promoted replica: the same end.
    primary.kill();
    primary.restart();
    let mut wire = primary.wire();
    assert_eq!(send(&mut wire).error(), expected, "after a restart");
    cmd!(wire, "COPY", "lobby", "copy").ok();
    let copied = cmd!(wire, "CHAT.SEND", "copy", "bob", "may I?");
    assert_eq!(copied.error(), expected, "in a copy");
    let replica = Redis::replica(&primary, &[]);
    cmd!(replica, "REPLICAOF", "NO", "ONE").ok();
    let mut other = replica.wire();
    assert_eq!(send(&mut other).error(), expected, "on a promoted replica");
    for (redis, what) in [(&primary, "at home"), (&replica, "on the promoted replica")] {
        let mut wire = redis.wire();
        let (before, after) = eventually(&format!("the end of it {what}"), SOON, || {
            let before = redis.clock_ms();
            match send(&mut wire) {
                Reply::Error(line) if line == expected => Err(format!("{line} at {before}")),
                Reply::Error(line) => panic!("{what}: {line}"),
                _ => Ok((before, redis.clock_ms())),
            }
        });
        assert!(after >= until, "{what}: too early by {} ms", until.saturating_sub(after));
        assert!(before < until + 2000, "{what}: late, at {before} instead of {until}");
        assert_eq!(history(&mut wire, "lobby", &[]).texts().last(), Some(&"may I?"));
    }
}

#[test]
fn a_ban_ends_at_its_time_on_every_server() {
    until_the_end("BAN", "BANNED", "ban");
}

#[test]
fn a_mute_ends_at_its_time_on_every_server() {
    until_the_end("MUTE", "MUTED", "mute");
}

#[test]
fn each_action_changes_once_and_is_published_once() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    prepare(&mut wire);
    let event_count = |wire: &mut Wire| sync(wire, "lobby", "0-0", &[]).events.len();
    for (action, kind) in
        [("MUTE", "mute"), ("UNMUTE", "unmute"), ("BAN", "ban"), ("UNBAN", "unban")]
    {
        let command = args!["CHAT.MOD", "lobby", "owner", action, "bob"];
        let before = event_count(&mut wire);
        assert_eq!(wire.call(&command).int(), 1, "{action}");
        let event = newest(&mut wire);
        let found = (&event["kind"], &event["by"], &event["until"]);
        assert_eq!(found, (&json!(kind), &json!("owner"), &Value::Null), "{event}");
        assert_eq!(wire.call(&command).int(), 0, "{action} again");
        assert_eq!(event_count(&mut wire), before + 1, "{action}");
    }
    // Another length is a change: for a while, then for ever.
    for (rest, changes) in [(&["FOR", "600000"][..], 1), (&[], 1), (&[], 0)] {
        let mut command = args!["CHAT.MOD", "lobby", "owner", "BAN", "bob"];
        command.extend(rest.iter().map(|word| word.as_bytes().to_vec()));
        assert_eq!(wire.call(&command).int(), changes, "{rest:?}");
    }
    assert_eq!(cmd!(wire, "CHAT.SEND", "lobby", "bob", "x").error(), "BANNED 0");
    // Roles.
    let role = |wire: &mut Wire, role: &str| {
        cmd!(wire, "CHAT.MOD", "lobby", "owner", "ROLE", "alice", role).int()
    };
    assert_eq!((role(&mut wire, "moderator"), role(&mut wire, "moderator")), (1, 0));
    let event = newest(&mut wire);
    assert_eq!((&event["kind"], &event["role"]), (&json!("role"), &json!("moderator")), "{event}");
    let row = cmd!(wire, "CHAT.ROOM", "lobby", "AS", "alice");
    assert_eq!(row.get("role").map(Reply::text), Some("moderator"));
    assert_eq!((role(&mut wire, "member"), role(&mut wire, "owner")), (1, 1));
    // A role makes a stranger a member.
    let add = args!["CHAT.MOD", "lobby", "owner", "ROLE", "guest", "moderator"];
    assert_eq!((wire.call(&add).int(), wire.call(&add).int()), (1, 0));
    let row = cmd!(wire, "CHAT.ROOM", "lobby", "AS", "guest");
    assert_eq!(row.get("role").map(Reply::text), Some("moderator"));
    assert_eq!(cmd!(wire, "CHAT.UNREAD", "lobby", "guest").list()[0].list()[0].int(), 0);
    // An owner cannot sanction an owner; the backend can.
    assert_eq!(cmd!(wire, "CHAT.MOD", "lobby", "owner", "KICK", "alice").error(), "DENIED backend");
    assert_eq!(cmd!(wire, "CHAT.MOD", "lobby", "*", "KICK", "alice").int(), 1);
}

#[test]
fn a_user_can_be_banned_before_joining() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    prepare(&mut wire);
    assert_eq!(cmd!(wire, "CHAT.MOD", "lobby", "mod", "BAN", "stranger").int(), 1);
    for command in [
        args!["CHAT.JOIN", "lobby", "stranger"],
        args!["CHAT.SEND", "lobby", "stranger", "x"],
        args!["CHAT.HISTORY", "lobby", "AS", "stranger"],
        args!["CHAT.PRESENCE", "lobby", "stranger", "c"],
    ] {
        assert_eq!(wire.call(&command).error(), "BANNED 0");
    }
    let rooms = all_pages(&mut wire, &["CHAT.ROOMS", "AS", "alice"], 10);
    assert_eq!(rooms.len(), 1);
    cmd!(wire, "CHAT.MOD", "lobby", "mod", "UNBAN", "stranger").ok();
    cmd!(wire, "CHAT.SEND", "lobby", "stranger", "at last").ok();
}

#[test]
fn blocking_is_a_ban_in_the_personal_room() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let block = args!["CHAT.MOD", "@bob", "bob", "BAN", "mallory"];
    assert_eq!(wire.call(&block).int(), 1, "makes the room");
    assert_eq!(wire.call(&block).int(), 0);
    let as_user = |wire: &mut Wire, user: &str| cmd!(wire, "CHAT.ROOM", "@bob", "AS", user);
    assert_eq!(as_user(&mut wire, "mallory").error(), "BANNED 0");
    assert_eq!(as_user(&mut wire, "alice").error(), "DENIED self");
    as_user(&mut wire, "bob").ok();
    assert_eq!(cmd!(wire, "CHAT.MOD", "@bob", "bob", "UNBAN", "mallory").int(), 1);
    assert_eq!(as_user(&mut wire, "mallory").error(), "DENIED self");
}

#[test]
fn a_kick_in_a_crowd_ends_all_connections_of_that_user_only() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    prepare(&mut wire);
    let many: Vec<_> = (0..3000)
        .map(|n| args!["CHAT.PRESENCE", "lobby", format!("user{}", n % 300), format!("x{n}")])
        .collect();
    for reply in wire.pipeline(&many) {
        reply.ok();
    }
    let channel = Subscriber::new(&redis, &["lobby"]);
    assert_eq!(online(&mut wire, "lobby"), 302);
    assert_eq!(cmd!(wire, "CHAT.MOD", "lobby", "*", "BAN", "user7").int(), 1);
    let row = cmd!(wire, "CHAT.WHO", "lobby", "COUNT", 1);
    assert_eq!((row.list()[1].int(), row.list()[2].int()), (301, 3004 - 10));
    assert!(!who(&mut wire, "lobby").contains("user7"));
    eventually("one leave", SOON, || match leaves(&channel, "lobby").as_slice() {
        [leave] if leave["user"] == "user7" => Ok(()),
        other => Err(format!("{other:?}")),
    });
}
