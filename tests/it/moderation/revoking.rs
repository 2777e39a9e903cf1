//! What the backend revokes for the whole service: tokens issued before a moment, and all rights of
//! a user, by suspension.

use chat_tests::checking::subscriber::Subscriber;
use chat_tests::clients::wire::{Command, Wire};
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually};
use chat_tests::{args, cmd};

/// `tokens_after` in the reply of CHAT.ROOM_RO: the same for the backend and for the user.
#[track_caller]
fn tokens_after(wire: &mut Wire, room: &str) -> i64 {
    let user = room.strip_prefix('@').expect("a personal room");
    let field =
        |reply: chat_tests::clients::reply::Reply| reply.ok().get("tokens_after").map(|n| n.int());
    let to_backend = field(cmd!(wire, "CHAT.ROOM_RO", room));
    assert_eq!(field(cmd!(wire, "CHAT.ROOM_RO", room, "AS", user)), to_backend, "to its user");
    to_backend.expect("a personal room has it")
}

#[test]
fn only_the_backend_moves_tokens_after_back() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let mut channel = Subscriber::new(&redis, &["@bob"]);
    // A user who was never online has no personal room yet: the command creates it.
    let (early, late) = ("1795225200000", "1795225200001");
    cmd!(wire, "CHAT.ROOM", "@bob", "SET", "tokens_after", early).ok();
    let event = channel.next_of("room");
    assert!(event["id"].is_string() && event["by"] == "*", "{event}");
    assert_eq!(event["data"].to_string(), format!("{{\"tokens_after\":{early}}}"));
    cmd!(wire, "CHAT.ROOM", "@bob", "SET", "tokens_after", late, "BY", "*").ok();
    assert_eq!(channel.next_of("room")["data"]["tokens_after"], 1_795_225_200_001_i64);
    // An earlier time and the same one change nothing: all tokens before the later one stay
    // refused.
    let last = cmd!(wire, "CHAT.ROOM_RO", "@bob");
    for earlier in [early, late] {
        cmd!(wire, "CHAT.ROOM", "@bob", "SET", "tokens_after", earlier).ok();
        assert_eq!(cmd!(wire, "CHAT.ROOM_RO", "@bob"), last);
    }
    assert_eq!(tokens_after(&mut wire, "@bob"), 1_795_225_200_001);
    // Only the backend sets it or takes it back; bob cannot, alone or together with his own fields.
    for (by, expected) in [("bob", "DENIED backend"), ("alice", "DENIED self")] {
        for value in ["0", "now", "1995225200000"] {
            let reply = cmd!(wire, "CHAT.ROOM", "@bob", "SET", "tokens_after", value, "BY", by);
            assert!(reply.error().starts_with(expected), "{by} {value}: {reply:?}");
            let call = ["CHAT.ROOM", "@bob", "SET", "name", "B", "tokens_after", value, "BY", by];
            assert!(wire.call(&call).error().starts_with(expected), "{by} {value}");
        }
        assert_eq!(cmd!(wire, "CHAT.ROOM_RO", "@bob"), last);
    }
    assert_eq!(cmd!(wire, "CHAT.ROOM_RO", "@bob", "AS", "alice").error(), "DENIED self");
    cmd!(wire, "CHAT.ROOM", "@bob", "SET", "tokens_after", "0").ok();
    assert_eq!(channel.next_of("room")["data"]["tokens_after"], 0);
    assert_eq!(tokens_after(&mut wire, "@bob"), 0);
    cmd!(wire, "CHAT.ROOM", "@bob", "SET", "tokens_after", "0").ok();
    cmd!(wire, "CHAT.ROOM", "@bob", "SET", "tokens_after", early).ok();
    assert_eq!(channel.next_of("room")["data"]["tokens_after"], 1_795_225_200_000_i64);
}

#[test]
fn tokens_after_now_is_the_servers_clock_on_every_copy() {
    let mut primary = Redis::durable();
    let replica = Redis::replica(&primary, &[]);
    let mut wire = primary.wire();
    let before = primary.clock_ms();
    cmd!(wire, "CHAT.ROOM", "@bob", "SET", "tokens_after", "now").ok();
    let after = primary.clock_ms();
    let set = tokens_after(&mut wire, "@bob");
    assert!((before..=after).contains(&set.unsigned_abs()), "{before} {set} {after}");
    replica.catch_up(&primary);
    assert_eq!(tokens_after(&mut replica.wire(), "@bob"), set, "on a replica");
    assert_eq!(replica.digest(), primary.digest());
    cmd!(wire, "DEBUG", "RELOAD").ok();
    assert_eq!(tokens_after(&mut wire, "@bob"), set, "from the RDB");
    primary.kill();
    primary.restart();
    assert_eq!(tokens_after(&mut primary.wire(), "@bob"), set, "from the append-only file");
}

/// Everything bob can do in his personal room, and every query with `AS bob`.
fn actions(id: &str) -> Vec<Command> {
    vec![
        args!["CHAT.PRESENCE", "@bob", "bob", "c2"],
        args!["CHAT.JOIN", "@bob", "bob"],
        args!["CHAT.JOIN", "@bob", "bob", "BY", "*"],
        args!["CHAT.SEND", "@bob", "bob", "x"],
        args!["CHAT.SEND", "@bob", "bob", "x", "EPHEMERAL"],
        args!["CHAT.EDIT", "@bob", "bob", id, "x"],
        args!["CHAT.DELETE", "@bob", "bob", id],
        args!["CHAT.REACT", "@bob", "bob", id, "+1"],
        args!["CHAT.SIGNAL", "@bob", "bob", "typing"],
        args!["CHAT.ROOM", "@bob", "SET", "name", "B", "BY", "bob"],
        args!["CHAT.ROOM", "@bob", "AS", "bob"],
        args!["CHAT.ROOM_RO", "@bob", "AS", "bob"],
        args!["CHAT.HISTORY", "@bob", "AS", "bob"],
        args!["CHAT.SYNC", "@bob", "0-0", "AS", "bob"],
        args!["CHAT.MEMBERS", "@bob", "AS", "bob"],
        args!["CHAT.WHO", "@bob", "AS", "bob"],
        args!["CHAT.MOD", "@bob", "bob", "BAN", "alice"],
        args!["CHAT.MOD", "@bob", "bob", "UNBAN", "mallory"],
    ]
}

#[test]
fn a_suspended_user_can_do_nothing_until_the_backend_lifts_it() {
    let mut redis = Redis::durable();
    let mut wire = redis.wire();
    let id = cmd!(wire, "CHAT.SEND", "@bob", "bob", "note to myself").text().to_owned();
    cmd!(wire, "CHAT.MOD", "@bob", "bob", "BAN", "mallory").ok();
    cmd!(wire, "CHAT.PRESENCE", "@bob", "bob", "c1").ok();
    let mut channel = Subscriber::new(&redis, &["@bob"]);

    assert_eq!(cmd!(wire, "CHAT.MOD", "@bob", "*", "BAN", "bob", "REASON", "spam").int(), 1);
    let event = channel.next_of("member");
    assert_eq!(
        (&event["kind"], &event["user"], &event["by"]),
        (&"ban".into(), &"bob".into(), &"*".into())
    );
    assert_eq!((&event["reason"], event.get("until")), (&"spam".into(), None), "{event}");
    let leave = channel.next_of("presence");
    assert_eq!((&leave["kind"], &leave["reason"]), (&"leave".into(), &"kicked".into()));
    assert_eq!(cmd!(wire, "CHAT.MOD", "@bob", "*", "BAN", "bob").int(), 0, "he is");
    let beat = cmd!(wire, "CHAT.BEAT", "@bob", 60_000, "c1");
    assert_eq!(beat.list()[1].texts(), ["c1"], "his connections have ended");
    let digest = redis.digest();
    for action in actions(&id) {
        let reply = wire.call(&action);
        assert_eq!(reply.error(), "BANNED 0", "{action:?}");
    }
    for action in ["UNBAN", "BAN", "KICK"] {
        let own = cmd!(wire, "CHAT.MOD", "@bob", "bob", action, "bob");
        assert_eq!(own.error(), "DENIED backend", "{action}");
    }
    assert_eq!(redis.digest(), digest);
    // The backend may still do everything: notices wait for bob, and its kick still reaches
    // sockets.
    cmd!(wire, "CHAT.SEND", "@bob", "*", "a notice").ok();
    assert_eq!(cmd!(wire, "CHAT.MOD", "@bob", "*", "KICK", "bob", "REASON", "still").int(), 1);
    let kick = channel.next_of("member");
    assert_eq!((&kick["kind"], &kick["reason"]), (&"kick".into(), &"still".into()), "{kick}");
    // A user whom bob blocks is still blocked.
    assert_eq!(cmd!(wire, "CHAT.ROOM_RO", "@bob", "AS", "mallory").error(), "BANNED 0");
    let replica = Redis::replica(&redis, &[]);
    assert_eq!(cmd!(replica, "CHAT.ROOM_RO", "@bob", "AS", "bob").error(), "BANNED 0");
    redis.kill();
    redis.restart();
    let mut wire = redis.wire();
    assert_eq!(cmd!(wire, "CHAT.ROOM_RO", "@bob", "AS", "bob").error(), "BANNED 0", "restarted");

    assert_eq!(cmd!(wire, "CHAT.MOD", "@bob", "*", "UNBAN", "bob").int(), 1);
    assert_eq!(cmd!(wire, "CHAT.MOD", "@bob", "*", "UNBAN", "bob").int(), 0);
    for action in actions(&id) {
        let reply = wire.call(&action);
        assert!(!reply.is_error() || reply.error().starts_with("NOMSG"), "{action:?}: {reply:?}");
    }
}

#[test]
fn a_suspension_ends_by_itself_and_creates_its_room() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let before = redis.clock_ms();
    assert_eq!(cmd!(wire, "CHAT.MOD", "@bob", "*", "UNBAN", "bob").int(), 0);
    assert_eq!(cmd!(wire, "EXISTS", "@bob").int(), 0, "lifting nothing makes no room");
    assert_eq!(cmd!(wire, "CHAT.MOD", "@bob", "*", "BAN", "bob", "FOR", 1500).int(), 1);
    let refused = cmd!(wire, "CHAT.PRESENCE", "@bob", "bob", "c1");
    let until: u64 = match refused.error().split_once(' ') {
        Some(("BANNED", until)) => until.parse().expect("a time"),
        _ => panic!("{refused:?}"),
    };
    assert!((before + 1500..=redis.clock_ms() + 1500).contains(&until), "{before} {until}");
    eventually("the end of the suspension", LATER, || {
        match cmd!(wire, "CHAT.PRESENCE", "@bob", "bob", "c1") {
            reply if reply.is_error() => Err(reply.error().to_owned()),
            _ => Ok(()),
        }
    });
}
