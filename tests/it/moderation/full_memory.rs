//! Moderation works while memory is full: users that the room knows can be banned and muted, and
//! everything that the backend revokes is revoked.

use chat_tests::checking::view::all_pages;
use chat_tests::clients::wire::{Command, Wire};
use chat_tests::servers::redis::Redis;
use chat_tests::{args, cmd};

/// A room with users of every kind, and a server without free memory.
fn full() -> (Redis, Wire) {
    let redis = Redis::with(&["maxmemory-policy noeviction"]);
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.JOIN", "lobby", "olga").ok();
    cmd!(wire, "CHAT.JOIN", "lobby", "mo", "ROLE", "moderator", "BY", "olga").ok();
    cmd!(wire, "CHAT.JOIN", "lobby", "member").ok();
    cmd!(wire, "CHAT.PRESENCE", "lobby", "present", "c1").ok();
    cmd!(wire, "CHAT.SEND", "lobby", "author", "spam").ok();
    cmd!(wire, "CHAT.LEAVE", "lobby", "author").ok();
    cmd!(wire, "CHAT.MOD", "lobby", "mo", "MUTE", "muted").ok();
    cmd!(wire, "CHAT.MOD", "lobby", "mo", "BAN", "banned").ok();
    cmd!(wire, "CHAT.MOD", "@bob", "bob", "BAN", "blocked").ok();
    cmd!(wire, "CONFIG", "SET", "maxmemory", 1).ok();
    (redis, wire)
}

fn refused(redis: &Redis, wire: &mut Wire, calls: &[Command]) {
    let digest = redis.digest();
    for call in calls {
        let reply = wire.call(call);
        assert!(reply.error().starts_with("OOM command not allowed"), "{call:?}: {reply:?}");
    }
    assert_eq!(redis.digest(), digest);
}

#[test]
fn moderators_ban_and_mute_only_users_that_the_full_room_knows() {
    let known = ["member", "present", "author", "muted", "banned"];
    for action in ["BAN", "MUTE", "ROLE"] {
        let (redis, mut wire) = full();
        let calls = |user: &str| {
            let mut call = args!["CHAT.MOD", "lobby", "mo", action, user];
            call.extend((action == "ROLE").then(|| b"member".to_vec()));
            call
        };
        refused(&redis, &mut wire, &["stranger", "another"].map(calls));
        for user in known {
            let reply = wire.call(&calls(user));
            let banned = action == "ROLE" && user == "banned";
            assert_eq!(reply.is_error(), banned, "{action} {user}: {reply:?}");
        }
        // Lifting a ban, and ending what exists, needs no memory.
        for call in [
            args!["CHAT.MOD", "lobby", "mo", "UNBAN", "banned"],
            args!["CHAT.MOD", "lobby", "mo", "UNBAN", "stranger"],
            args!["CHAT.MOD", "lobby", "mo", "UNMUTE", "muted"],
            args!["CHAT.MOD", "lobby", "mo", "KICK", "member"],
            args!["CHAT.MOD", "lobby", "mo", "KICK", "stranger"],
            args!["CHAT.LEAVE", "lobby", "mo"],
            args!["CHAT.MOD", "@bob", "bob", "UNBAN", "blocked"],
        ] {
            wire.call(&call).ok();
        }
    }
    let (redis, mut wire) = full();
    let blocks = [
        args!["CHAT.MOD", "@bob", "bob", "BAN", "stranger"],
        args!["CHAT.MOD", "@dora", "dora", "BAN", "stranger"],
    ];
    refused(&redis, &mut wire, &blocks);
    cmd!(wire, "CHAT.MOD", "@bob", "bob", "BAN", "blocked", "FOR", 60_000).ok();
}

#[test]
fn nothing_that_the_backend_revokes_is_refused() {
    let (redis, mut wire) = full();
    let grows = [
        args!["CHAT.MOD", "lobby", "*", "ROLE", "stranger", "member"],
        args!["CHAT.ROOM", "lobby", "SET", "topic", "tea"],
        args!["CHAT.ROOM", "lobby", "SET", "access", "open"],
        args!["CHAT.ROOM", "lobby", "SET", "frozen", "yes", "topic", "tea"],
        args!["CHAT.ROOM", "lobby", "SET", "frozen", "no"],
        args!["CHAT.ROOM", "lobby", "SET", "history_max", "default"],
        args!["CHAT.ROOM", "lobby", "SET", "max_text", "8192"],
        args!["CHAT.ROOM", "nowhere", "SET", "frozen", "yes"],
        args!["CHAT.ROOM", "lobby", "SET", "frozen", "yes", "BY", "olga"],
        args!["CHAT.ROOM", "@bob", "SET", "tokens_after", "0"],
        args!["CHAT.ROOM", "@bob", "SET", "name", "Bob", "BY", "bob"],
    ];
    refused(&redis, &mut wire, &grows);
    for call in [
        args!["CHAT.MOD", "lobby", "*", "BAN", "stranger", "REASON", "spam"],
        args!["CHAT.MOD", "lobby", "*", "MUTE", "another"],
        args!["CHAT.MOD", "lobby", "*", "ROLE", "mo", "member"],
        args!["CHAT.MOD", "lobby", "*", "KICK", "member"],
        args!["CHAT.MOD", "@bob", "*", "BAN", "bob"],
        args!["CHAT.MOD", "@never", "*", "BAN", "never"],
        args!["CHAT.MOD", "@bob", "*", "KICK", "bob"],
        args!["CHAT.ROOM", "@bob", "SET", "tokens_after", "now"],
        args!["CHAT.ROOM", "@new", "SET", "tokens_after", "now"],
        args!["CHAT.ROOM", "lobby", "SET", "access", "members", "frozen", "yes", "slow", "50"],
        args!["CHAT.ROOM", "lobby", "SET", "history_max", "1", "BY", "*"],
        args!["CHAT.ROOM", "lobby", "SET", "history_ttl", "1000", "max_text", "10"],
        args!["CHAT.DELETE", "lobby", "*", "1-1"],
    ] {
        let reply = wire.call(&call);
        assert!(!reply.is_error() || reply.error().starts_with("NOMSG"), "{call:?}: {reply:?}");
    }
    for room in ["@bob", "@never"] {
        let refused = cmd!(wire, "CHAT.ROOM_RO", room, "AS", room.trim_start_matches('@'));
        assert_eq!(refused.error(), "BANNED 0", "{room}");
    }
    assert!(cmd!(wire, "CHAT.ROOM_RO", "@new").get("tokens_after").expect("set").int() > 0);
}

#[test]
fn a_room_bounds_its_sanctions_and_reserves_some_for_the_backend() {
    let redis = Redis::with(&["chat.sanctions-max 3", "chat.members-max 5"]);
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.JOIN", "lobby", "olga").ok();
    let act = |wire: &mut Wire, actor: &str, action: &str, user: &str| {
        let reply = cmd!(wire, "CHAT.MOD", "lobby", actor, action, user);
        if reply.is_error() { reply.error().split(" - ").next().map(str::to_owned) } else { None }
    };
    let is_full =
        |refused: Option<String>| refused.is_some_and(|text| text.starts_with("INVALID sanctions"));
    for (action, user) in [("BAN", "a"), ("MUTE", "b"), ("BAN", "c")] {
        assert_eq!(act(&mut wire, "olga", action, user), None, "{action} {user}");
    }
    let digest = redis.digest();
    for action in ["BAN", "MUTE"] {
        assert!(is_full(act(&mut wire, "olga", action, "d")), "{action}");
    }
    assert_eq!(redis.digest(), digest);
    // Existing sanctions can be changed, also to more; lifting one frees a place.
    assert_eq!(act(&mut wire, "olga", "MUTE", "a"), None);
    assert_eq!(act(&mut wire, "olga", "UNBAN", "c"), None);
    assert_eq!(act(&mut wire, "olga", "BAN", "d"), None);
    // The backend may add more, up to the bound on members.
    for user in ["e", "f"] {
        assert_eq!(act(&mut wire, "*", "BAN", user), None, "{user}");
    }
    assert!(is_full(act(&mut wire, "*", "BAN", "g")));
    assert_eq!(all_pages(&mut wire, &["CHAT.SANCTIONS", "lobby"], 2).len(), 5);
    // A list full of blocks does not protect its owner from suspension.
    for user in ["a", "b", "c"] {
        cmd!(wire, "CHAT.MOD", "@bob", "bob", "BAN", user).ok();
    }
    let more = cmd!(wire, "CHAT.MOD", "@bob", "bob", "BAN", "d");
    assert!(more.error().starts_with("INVALID sanctions"), "{more:?}");
    for user in ["x", "y"] {
        cmd!(wire, "CHAT.MOD", "@bob", "*", "BAN", user).ok();
    }
    cmd!(wire, "CHAT.MOD", "@bob", "*", "BAN", "bob").ok();
    assert_eq!(cmd!(wire, "CHAT.ROOM_RO", "@bob", "AS", "bob").error(), "BANNED 0");
}
