//! What the backend takes away from a user for the whole service: tokens issued before a moment.

use chat_tests::cmd;
use chat_tests::redis::Redis;
use chat_tests::subscriber::Subscriber;
use chat_tests::wire::Wire;

/// What CHAT.ROOM_RO answers of `tokens_after`, to the backend and to the user alike.
#[track_caller]
fn tokens_after(wire: &mut Wire, room: &str) -> i64 {
    let user = room.strip_prefix('@').expect("a personal room");
    let field = |reply: chat_tests::reply::Reply| reply.ok().get("tokens_after").map(|n| n.int());
    let to_backend = field(cmd!(wire, "CHAT.ROOM_RO", room));
    assert_eq!(field(cmd!(wire, "CHAT.ROOM_RO", room, "AS", user)), to_backend, "to its user");
    to_backend.expect("a personal room has it")
}

#[test]
fn tokens_after_moves_forward_and_is_taken_back_by_the_backend_alone() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let mut channel = Subscriber::new(&redis, &["@bob"]);
    // A user who has never been here has no room yet: the command makes it.
    let (early, late) = ("1795225200000", "1795225200001");
    cmd!(wire, "CHAT.ROOM", "@bob", "SET", "tokens_after", early).ok();
    let event = channel.next_of("room");
    assert!(event["id"].is_string() && event["by"] == "*", "{event}");
    assert_eq!(event["data"].to_string(), format!("{{\"tokens_after\":{early}}}"));
    cmd!(wire, "CHAT.ROOM", "@bob", "SET", "tokens_after", late, "BY", "*").ok();
    assert_eq!(channel.next_of("room")["data"]["tokens_after"], 1_795_225_200_001_i64);
    // An earlier time and the same one change nothing: every token before the later one is refused.
    let last = cmd!(wire, "CHAT.ROOM_RO", "@bob");
    for earlier in [early, late] {
        cmd!(wire, "CHAT.ROOM", "@bob", "SET", "tokens_after", earlier).ok();
        assert_eq!(cmd!(wire, "CHAT.ROOM_RO", "@bob"), last);
    }
    assert_eq!(tokens_after(&mut wire, "@bob"), 1_795_225_200_001);
    // Nobody else, bob among them, sets it or takes it back, alone or beside what is theirs.
    for (by, refusal) in [("bob", "DENIED backend"), ("alice", "DENIED self")] {
        for value in ["0", "now", "1995225200000"] {
            let reply = cmd!(wire, "CHAT.ROOM", "@bob", "SET", "tokens_after", value, "BY", by);
            assert!(reply.error().starts_with(refusal), "{by} {value}: {reply:?}");
            let call = ["CHAT.ROOM", "@bob", "SET", "name", "B", "tokens_after", value, "BY", by];
            assert!(wire.call(&call).error().starts_with(refusal), "{by} {value}");
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
    let clock = |wire: &mut Wire| {
        let time = cmd!(wire, "TIME").texts();
        let [s, us] = [&time[0], &time[1]].map(|part| part.parse::<i64>().expect("a number"));
        s * 1000 + us / 1000
    };
    let before = clock(&mut wire);
    cmd!(wire, "CHAT.ROOM", "@bob", "SET", "tokens_after", "now").ok();
    let after = clock(&mut wire);
    let set = tokens_after(&mut wire, "@bob");
    assert!((before..=after).contains(&set), "{before} {set} {after}");
    replica.catch_up(&primary);
    assert_eq!(tokens_after(&mut replica.wire(), "@bob"), set, "on a replica");
    assert_eq!(replica.digest(), primary.digest());
    cmd!(wire, "DEBUG", "RELOAD").ok();
    assert_eq!(tokens_after(&mut wire, "@bob"), set, "from the RDB");
    primary.kill();
    primary.restart();
    assert_eq!(tokens_after(&mut primary.wire(), "@bob"), set, "from the append-only file");
}
