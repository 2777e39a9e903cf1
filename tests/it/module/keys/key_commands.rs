//! A room is a key: Redis's key commands act on whole rooms at once.

use chat_tests::checking::subscriber::Subscriber;
use chat_tests::checking::view::{history, room_view, sync};
use chat_tests::clients::reply::Reply;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::traffic::payload::{body, seal};
use chat_tests::wait::{SOON, eventually};

fn fill(wire: &mut Wire, room: &str, messages: usize) -> Vec<String> {
    let send = |n| cmd!(wire, "CHAT.SEND", room, "alice", format!("m{n}")).text().to_owned();
    (1..=messages).map(send).collect()
}

#[test]
fn a_removed_room_publishes_its_last_id_and_the_reason() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let mut channel = Subscriber::new(&redis, &["a", "b", "c", "d", "e", "text"]);
    let table: &[(&str, &[&str], &str)] = &[
        ("a", &["DEL", "a"], "deleted"),
        ("b", &["UNLINK", "b"], "deleted"),
        ("c", &["PEXPIRE", "c", "20"], "expired"),
        ("d", &["RENAME", "d", "d2"], "renamed"),
        ("e", &["SET", "e", "a string"], "replaced"),
    ];
    for (room, end, reason) in table {
        let last = fill(&mut wire, room, 3).pop().expect("three");
        cmd!(wire, "CHAT.JOIN", room, "bob").ok();
        wire.call(end).ok();
        let drop = channel.next_of("drop");
        assert_eq!(drop["room"], *room);
        assert_eq!((&drop["reason"], &drop["last"]), (&(*reason).into(), &last.into()), "{end:?}");
        let answer = cmd!(wire, "CHAT.HISTORY", room);
        let code = if *room == "e" { "WRONGTYPE" } else { "NOROOM" };
        assert!(answer.error().starts_with(code), "{end:?}: {answer:?}");
    }
    cmd!(wire, "SET", "text", "x").ok();
    cmd!(wire, "DEL", "text").ok();
    channel.silent(std::time::Duration::from_millis(200));
}

#[test]
fn a_recreated_room_refuses_the_cursors_of_the_old_one() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    for _ in 0..20 {
        let old = fill(&mut wire, "lobby", 2);
        cmd!(wire, "DEL", "lobby").ok();
        let new = fill(&mut wire, "lobby", 3);
        assert_ne!(old[0], new[0], "an id names time and place");
        for cursor in &old {
            assert!(!sync(&mut wire, "lobby", cursor, &[]).recovered, "{cursor} after {new:?}");
        }
        cmd!(wire, "DEL", "lobby").ok();
    }
}

#[test]
fn a_dumped_room_is_the_same_room_on_another_server() {
    let (here, there) = (Redis::start(), Redis::start());
    let (mut from, mut to) = (here.wire(), there.wire());
    fill(&mut from, "lobby", 30);
    cmd!(from, "CHAT.JOIN", "lobby", "bob").ok();
    cmd!(from, "CHAT.ROOM", "lobby", "SET", "topic", "tea", "BY", "alice").ok();
    let nonce = cmd!(from, "CHAT.SEND", "lobby", "bob", "once", "NONCE", "n1").ok();
    let payload = cmd!(from, "DUMP", "lobby");
    cmd!(to, "RESTORE", "lobby", 0, payload.bytes()).ok();
    assert_eq!(room_view(&mut to, "lobby"), room_view(&mut from, "lobby"));
    assert_eq!(cmd!(to, "CHAT.SEND", "lobby", "bob", "once", "NONCE", "n1"), nonce);
    // The checksum computed here is Redis's, so damaged payloads reach the module.
    assert_eq!(seal(body(payload.bytes()).to_vec(), payload.bytes()), payload.bytes());
    cmd!(to, "CHAT.SEND", "lobby", "bob", "goes on").ok();
    assert_eq!(history(&mut to, "lobby", &["COUNT", "1"]).events[0].json["m"], 32);
}

#[test]
fn a_copy_and_a_renamed_room_live_on_under_their_name() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let ids = fill(&mut wire, "lobby", 5);
    assert_eq!(cmd!(wire, "COPY", "lobby", "second").int(), 1);
    assert_eq!(history(&mut wire, "second", &[]).ids(), ids);
    assert_eq!(history(&mut wire, "second", &[]).events[0].json["room"], "second");
    cmd!(wire, "CHAT.SEND", "second", "alice", "only here").ok();
    assert_eq!(history(&mut wire, "lobby", &[]).newest, ids[4], "the original is untouched");
    cmd!(wire, "RENAME", "second", "third").ok();
    let page = history(&mut wire, "third", &[]);
    assert_eq!((page.events.len(), &page.events[5].json["room"]), (6, &"third".into()));
    let mut channel = Subscriber::new(&redis, &["third"]);
    cmd!(wire, "CHAT.SEND", "third", "alice", "still here").ok();
    assert_eq!(channel.next_of("message")["prev"], page.newest);
    let listed = cmd!(wire, "CHAT.ROOMS");
    let names: Vec<_> = listed.list()[1].list().iter().map(|row| row.list()[0].text()).collect();
    assert_eq!(names, ["third", "lobby"]);
}

#[test]
fn expire_and_persist_work_and_a_send_keeps_the_time_to_live() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    fill(&mut wire, "lobby", 1);
    assert_eq!(cmd!(wire, "EXPIRE", "lobby", 1000).int(), 1);
    fill(&mut wire, "lobby", 1);
    assert!((990..=1000).contains(&cmd!(wire, "TTL", "lobby").int()));
    assert_eq!(cmd!(wire, "PERSIST", "lobby").int(), 1);
    assert_eq!(cmd!(wire, "TTL", "lobby").int(), -1);
}

#[test]
fn memory_usage_grows_and_shrinks_with_the_room() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    fill(&mut wire, "lobby", 1);
    let small = cmd!(wire, "MEMORY", "USAGE", "lobby").int();
    let used = |wire: &mut Wire| -> i64 {
        let info = cmd!(wire, "INFO", "memory").text().to_owned();
        let field = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        field.and_then(|value| value.parse().ok()).expect("a number")
    };
    let before = used(&mut wire);
    let text = "x".repeat(1000);
    for _ in 0..2000 {
        cmd!(wire, "CHAT.SEND", "lobby", "alice", &text).ok();
    }
    let grown = cmd!(wire, "MEMORY", "USAGE", "lobby").int() - small;
    let really = used(&mut wire) - before;
    assert!(grown > 2_000_000, "{grown} bytes for 2,000 texts of 1,000 bytes");
    assert!(
        (really * 7 / 10..=really * 13 / 10).contains(&grown),
        "reported {grown}, used {really}"
    );
    cmd!(wire, "DEL", "lobby").ok();
    eventually("the memory to come back", SOON, || match used(&mut wire) - before {
        rest @ ..300_000 => Ok(rest),
        rest => Err(format!("{rest} bytes more than before")),
    });
}

#[test]
fn a_room_has_a_frequency_under_lfu_and_an_idle_time_under_lru() {
    let redis = Redis::with(&["maxmemory-policy allkeys-lfu", "lfu-log-factor 0"]);
    let mut wire = redis.wire();
    fill(&mut wire, "lobby", 1);
    let first = cmd!(wire, "OBJECT", "FREQ", "lobby").int();
    fill(&mut wire, "lobby", 20);
    for _ in 0..20 {
        cmd!(wire, "CHAT.HISTORY", "lobby").ok();
    }
    let later = cmd!(wire, "OBJECT", "FREQ", "lobby").int();
    assert!(later > first, "{first} then {later}");
    cmd!(wire, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru").ok();
    cmd!(wire, "CHAT.HISTORY", "lobby").ok();
    assert!(cmd!(wire, "OBJECT", "IDLETIME", "lobby").int() <= 1);
    assert!(matches!(cmd!(wire, "OBJECT", "ENCODING", "lobby"), Reply::Text(_)));
}

#[test]
fn an_evicted_room_is_removed_whole_and_publishes_it() {
    let redis = Redis::with(&["maxmemory-policy allkeys-random"]);
    let mut wire = redis.wire();
    let rooms: Vec<String> = (0..20).map(|n| format!("room{n}")).collect();
    let names: Vec<&str> = rooms.iter().map(String::as_str).collect();
    let text = "x".repeat(2000);
    for room in &rooms {
        for _ in 0..50 {
            cmd!(wire, "CHAT.SEND", room, "alice", &text).ok();
        }
    }
    let channel = Subscriber::new(&redis, &names);
    let used: u64 = redis.info("memory", "used_memory").parse().expect("a number");
    cmd!(wire, "CONFIG", "SET", "maxmemory", used - 500_000).ok();
    eventually("an evicted room", SOON, || {
        // Eviction happens before commands, and continues by itself.
        cmd!(wire, "CHAT.ONLINE", "nowhere");
        if cmd!(wire, "DBSIZE").int() < 20 { Ok(()) } else { Err("all 20 are there".into()) }
    });
    cmd!(wire, "CONFIG", "SET", "maxmemory", 0).ok();
    let dropped = eventually("drops of evicted rooms", SOON, || {
        let gone = 20 - cmd!(wire, "DBSIZE").int();
        let messages = channel.all();
        let drops = messages.iter().filter(|(_, text)| text.contains("\"reason\":\"evicted\""));
        let dropped: Vec<String> = drops.map(|(room, _)| room.clone()).collect();
        match (gone, dropped.len() as i64) {
            (1.., published) if published == gone => Ok(dropped),
            _ => Err(format!("{gone} gone, published: {messages:?}")),
        }
    });
    for room in &dropped {
        assert!(cmd!(wire, "CHAT.HISTORY", room).error().starts_with("NOROOM"));
    }
    assert_eq!(cmd!(wire, "CHAT.ROOMS", "COUNT", 100).list()[1].list().len(), 20 - dropped.len());
}

#[test]
fn a_full_server_refuses_growth_and_lets_users_leave() {
    let redis = Redis::with(&["maxmemory-policy noeviction"]);
    let mut wire = redis.wire();
    fill(&mut wire, "lobby", 1);
    let said = cmd!(wire, "CHAT.SEND", "lobby", "alice", "regretted").text().to_owned();
    cmd!(wire, "CHAT.JOIN", "lobby", "mallory").ok();
    cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", "c1").ok();
    cmd!(wire, "CONFIG", "SET", "maxmemory", 1).ok();
    let digest = redis.digest();
    let refused: &[&[&str]] = &[
        &["CHAT.SEND", "lobby", "alice", "more"],
        &["CHAT.EDIT", "lobby", "alice", &said, "longer"],
        &["CHAT.REACT", "lobby", "alice", &said, "👍"],
        &["CHAT.JOIN", "lobby", "bob"],
        &["CHAT.FOLLOW", "@alice", "lobby"],
        &["CHAT.ROOM", "lobby", "SET", "topic", "tea", "BY", "alice"],
        &["CHAT.PRESENCE", "lobby", "bob", "c2"],
    ];
    for command in refused {
        assert!(wire.call(command).error().starts_with("OOM"), "{command:?}");
    }
    assert_eq!(redis.digest(), digest);
    let accepted: &[&[&str]] = &[
        &["CHAT.BEAT", "lobby", "60000", "c1"],
        &["CHAT.PRESENCE", "lobby", "alice", "c1"],
        &["CHAT.PRESENCE", "lobby", "alice", "c1", "OFF"],
        &["CHAT.HISTORY", "lobby"],
        &["CHAT.ROOM", "lobby"],
        &["CHAT.READ", "lobby", "mallory", &said],
        &["CHAT.UNREAD", "lobby", "mallory"],
        &["CHAT.DELETE", "lobby", "alice", &said],
        &["CHAT.MOD", "lobby", "*", "BAN", "mallory"],
        &["CHAT.LEAVE", "lobby", "alice"],
    ];
    for command in accepted {
        wire.call(command).ok();
    }
}

#[test]
fn an_open_transaction_notices_a_changed_room_and_only_that() {
    let redis = Redis::start();
    let (mut watcher, mut other) = (redis.wire(), redis.wire());
    fill(&mut other, "lobby", 1);
    for (command, changes) in [
        (["CHAT.SEND", "lobby", "alice", "more"], true),
        (["CHAT.SEND", "lobby", "alice", ""], false),
        (["CHAT.JOIN", "lobby", "alice", "x"], false),
    ] {
        cmd!(watcher, "WATCH", "lobby").ok();
        other.call(&command);
        cmd!(watcher, "MULTI").ok();
        cmd!(watcher, "CHAT.ONLINE", "lobby").ok();
        assert_eq!(cmd!(watcher, "EXEC") == Reply::Nil, changes, "{command:?}");
    }
    let (a, b) = (["MULTI"], ["CHAT.SEND", "tx", "alice", "one"]);
    watcher.call(&a).ok();
    watcher.call(&b).ok();
    watcher.call(&b).ok();
    let both = cmd!(watcher, "EXEC");
    assert!(both.list()[1].text().ends_with("-2"), "{both:?}");
}
