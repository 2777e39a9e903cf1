//! What is listed after which cursor.

use chat_tests::checking::changes::Changes;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{SOON, eventually};

/// The changes after a cursor.
#[track_caller]
pub(super) fn changes(wire: &mut Wire, cursor: &str, more: &[&str]) -> Changes {
    let mut args = vec!["CHAT.CHANGES", cursor];
    args.extend_from_slice(more);
    Changes::read(&wire.call(&args).ok())
}

/// The cursor after all changes so far.
#[track_caller]
pub(super) fn now(wire: &mut Wire) -> String {
    changes(wire, "$", &[]).next
}

/// All changes after a cursor, in pages of `count`.
#[track_caller]
fn all(wire: &mut Wire, cursor: &str, count: &str) -> (Vec<(String, Option<String>)>, String) {
    let (mut rooms, mut cursor) = (Vec::new(), cursor.to_owned());
    loop {
        let page = changes(wire, &cursor, &["COUNT", count]);
        rooms.extend(page.rooms);
        cursor = page.next;
        if !page.more {
            return (rooms, cursor);
        }
    }
}

#[track_caller]
fn send(wire: &mut Wire, room: &str) -> String {
    cmd!(wire, "CHAT.SEND", room, "alice", "hello").ok().text().to_owned()
}

#[test]
fn each_room_is_listed_once_in_the_order_of_its_newest_change() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let empty = changes(&mut wire, "0", &[]);
    assert_eq!((empty.names(), empty.anew, empty.more), (vec![], false, false));
    let first = ["lobby", "@alice", "dm:alice,bob", "support:1"].map(|room| send(&mut wire, room));
    let again = send(&mut wire, "lobby");
    let page = changes(&mut wire, &empty.next, &[]);
    let expected = [
        ("@alice", &first[1]),
        ("dm:alice,bob", &first[2]),
        ("support:1", &first[3]),
        ("lobby", &again),
    ];
    let expected = expected.map(|(room, id)| (room.to_owned(), Some(id.clone())));
    assert_eq!((&page.rooms[..], page.anew, page.more), (&expected[..], false, false));
    assert_eq!(changes(&mut wire, &empty.next, &[]).rooms, expected, "a cursor stays good");
    assert_eq!(changes(&mut wire, &page.next, &[]).names(), [""; 0]);
    assert_eq!(changes(&mut wire, "$", &[]).names(), [""; 0]);
    assert_eq!(all(&mut wire, "0", "1").0, expected, "page by page");

    // What is not a new event is no change.
    cmd!(wire, "CHAT.JOIN", "lobby", "bob").ok();
    let page = changes(&mut wire, &page.next, &[]);
    cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", "c1", "TTL", 60_000).ok();
    cmd!(wire, "CHAT.BEAT", "lobby", 60_000, "c1").ok();
    cmd!(wire, "CHAT.READ", "lobby", "bob", &again).ok();
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "soon gone", "EPHEMERAL").ok();
    cmd!(wire, "CHAT.HISTORY", "support:1").ok();
    let silent = changes(&mut wire, &page.next, &[]);
    assert_eq!(silent.names(), [""; 0]);
    // Every durable event is one.
    cmd!(wire, "CHAT.DELETE", "support:1", "*", &first[3]).ok();
    assert_eq!(changes(&mut wire, &silent.next, &[]).names(), ["support:1"]);
}

#[test]
fn filters_and_bounds_of_a_page() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    for room in ["lobby", "@alice", "dm:alice,bob", "support:1", "support:2"] {
        send(&mut wire, room);
    }
    let rows: [(&[&str], &[&str]); 6] = [
        (&["KINDS", "ordinary"], &["lobby", "support:1", "support:2"]),
        (&["KINDS", "personal,direct"], &["@alice", "dm:alice,bob"]),
        (&["MATCH", "support:*"], &["support:1", "support:2"]),
        (&["MATCH", "*:*", "KINDS", "direct"], &["dm:alice,bob"]),
        (&["MATCH", "nothing"], &[]),
        (&["count", "3", "kinds", "personal"], &["@alice"]),
    ];
    for (options, expected) in rows {
        let page = changes(&mut wire, "0", options);
        assert_eq!(page.names(), expected, "{options:?}");
        assert_eq!(page.more, options.contains(&"3"), "{options:?}");
    }
    // COUNT bounds what is examined, also what is not listed.
    let page = changes(&mut wire, "0", &["COUNT", "2", "MATCH", "support:*"]);
    assert_eq!((page.names(), page.more), (vec![], true));
    let page = changes(&mut wire, &page.next, &["MATCH", "support:*"]);
    assert_eq!((page.names(), page.more), (vec!["support:1", "support:2"], false));

    let good = now(&mut wire);
    let wrong: [(&[&str], &str); 16] = [
        (&[], "ERR wrong number"),
        (&["1"], "INVALID cursor"),
        (&["1795224720569-15"], "INVALID cursor"),
        (&["00000000000000FE-1-1"], "INVALID cursor"),
        (&[""], "INVALID cursor"),
        (&["0\r\n"], "INVALID cursor"),
        (&["0\0"], "INVALID cursor"),
        (&[&good, "COUNT", "0"], "INVALID count"),
        (&[&good, "COUNT", "1001"], "INVALID count"),
        (&[&good, "COUNT", "1", "COUNT", "1"], "ERR"),
        (&[&good, "BLOCK", "-1"], "INVALID block"),
        (&[&good, "BLOCK", "86400001"], "INVALID block"),
        (&[&good, "KINDS", "all"], "INVALID kinds"),
        (&[&good, "KINDS", ""], "INVALID kinds"),
        (&[&good, "MATCH", &"x".repeat(201)], "INVALID match"),
        (&[&good, "TYPES", "message"], "ERR syntax"),
    ];
    for (words, expected) in wrong {
        let mut args = vec!["CHAT.CHANGES"];
        args.extend_from_slice(words);
        let reply = wire.call(&args);
        assert!(reply.error().starts_with(expected), "{words:?}: {reply:?}");
    }
}

#[test]
fn rooms_that_go_and_come_are_listed_as_what_they_are_now() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    for room in ["deleted", "again", "renamed", "copied", "expiring", "overwritten", "moved"] {
        send(&mut wire, room);
    }
    let cursor = now(&mut wire);
    cmd!(wire, "DEL", "deleted", "again").ok();
    let made = send(&mut wire, "again");
    cmd!(wire, "RENAME", "renamed", "new").ok();
    cmd!(wire, "COPY", "copied", "copy").ok();
    cmd!(wire, "PEXPIRE", "expiring", 1).ok();
    cmd!(wire, "SET", "overwritten", "text").ok();
    cmd!(wire, "MOVE", "moved", 3).ok();
    let dump = cmd!(wire, "DUMP", "copied");
    cmd!(wire, "RESTORE", "restored", 0, dump.bytes()).ok();
    let page = eventually("the end of a room", SOON, || {
        let page = changes(&mut wire, &cursor, &[]);
        let ended = page.gone().contains(&"expiring");
        if ended { Ok(page) } else { Err(format!("{page:?}")) }
    });
    let mut gone = page.gone();
    gone.sort_unstable();
    assert_eq!(gone, ["deleted", "expiring", "moved", "overwritten", "renamed"]);
    let mut names = page.names();
    names.sort_unstable();
    let expected = ["again", "copy", "deleted", "expiring", "moved", "new", "overwritten"];
    assert_eq!(names[..7], expected);
    assert_eq!(names[7..], ["renamed", "restored"], "and nothing else: {page:?}");
    assert!(page.rooms.contains(&("again".into(), Some(made))), "{page:?}");
    assert!(!page.anew);
    cmd!(wire, "SELECT", 3).ok();
    assert_eq!(changes(&mut wire, "0", &[]).names(), ["moved"]);
    let foreign = changes(&mut wire, &page.next, &[]);
    assert_eq!((foreign.anew, foreign.names()), (true, vec!["moved"]), "a cursor of another");
}

#[test]
fn a_walk_begins_anew_when_numbers_do_not_tell_all() {
    let mut redis = Redis::durable();
    let mut wire = redis.wire();
    let rooms: Vec<String> = (0..20).map(|at| format!("room{at}")).collect();
    rooms.iter().for_each(|room| drop(send(&mut wire, room)));
    cmd!(wire, "SELECT", 1).ok();
    send(&mut wire, "other");
    let other = now(&mut wire);
    cmd!(wire, "SELECT", 0).ok();
    let mut cursor = now(&mut wire);
    let anew = |wire: &mut Wire, cursor: &mut String, what: &str| {
        let page = changes(wire, cursor, &["COUNT", "7"]);
        assert!(page.anew, "{what}: {page:?}");
        let (rest, next) = all(wire, &page.next, "7");
        let mut names: Vec<String> = page.rooms.into_iter().map(|(name, _)| name).collect();
        names.extend(rest.into_iter().map(|(name, _)| name));
        assert!(!changes(wire, &next, &[]).anew, "{what}: once");
        *cursor = next;
        names
    };
    cmd!(wire, "DEBUG", "RELOAD").ok();
    assert_eq!(anew(&mut wire, &mut cursor, "a load"), rooms, "in the order of the newest ids");
    for preamble in ["yes", "no"] {
        cmd!(wire, "CONFIG", "SET", "aof-use-rdb-preamble", preamble).ok();
        cmd!(wire, "BGREWRITEAOF").ok();
        redis.wait_rewritten();
        redis.kill();
        redis.restart();
        wire = redis.wire();
        assert_eq!(anew(&mut wire, &mut cursor, preamble), rooms, "preamble {preamble}");
    }
    cmd!(wire, "SWAPDB", 0, 1).ok();
    assert_eq!(anew(&mut wire, &mut cursor, "SWAPDB"), ["other"]);
    cmd!(wire, "SELECT", 1).ok();
    assert_eq!(anew(&mut wire, &mut other.clone(), "SWAPDB"), rooms);
    cmd!(wire, "SELECT", 0).ok();
    cmd!(wire, "FLUSHDB").ok();
    assert_eq!(anew(&mut wire, &mut cursor, "FLUSHDB"), [""; 0]);
    cmd!(wire, "SELECT", 1).ok();
    let mut cursor = now(&mut wire);
    cmd!(wire, "FLUSHALL", "ASYNC").ok();
    assert_eq!(anew(&mut wire, &mut cursor, "FLUSHALL"), [""; 0]);
}

#[test]
fn a_replica_and_a_promotion_have_numbers_of_their_own() {
    let primary = Redis::start();
    let replica = Redis::replica(&primary, &[]);
    let mut wire = primary.wire();
    send(&mut wire, "lobby");
    replica.catch_up(&primary);
    let mut copy = replica.wire();
    let page = changes(&mut copy, "0", &[]);
    assert_eq!(page.names(), ["lobby"]);
    let foreign = now(&mut wire);
    assert!(changes(&mut copy, &foreign, &[]).anew, "a cursor of the primary");
    send(&mut wire, "other");
    cmd!(wire, "DEL", "lobby").ok();
    replica.catch_up(&primary);
    let next = changes(&mut copy, &page.next, &[]);
    assert_eq!(
        (next.names(), next.gone(), next.anew),
        (vec!["other", "lobby"], vec!["lobby"], false)
    );
    cmd!(copy, "REPLICAOF", "NO", "ONE").ok();
    let promoted = changes(&mut copy, &next.next, &[]);
    assert_eq!((promoted.names(), promoted.anew), (vec!["other"], true));
}

#[test]
fn nothing_of_a_millisecond_or_of_many_is_left_out() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let cursor = now(&mut wire);
    let new: Vec<_> = (0..5_000)
        .map(|at| chat_tests::args!["CHAT.SEND", format!("room{at}"), "alice", "hello"])
        .collect();
    wire.pipeline(&new);
    let (listed, cursor) = all(&mut wire, &cursor, "1000");
    let names: Vec<String> = listed.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, (0..5_000).map(|at| format!("room{at}")).collect::<Vec<_>>());
    // In one transaction: one millisecond by the clock of the server.
    cmd!(wire, "MULTI").ok();
    for room in ["room7", "room4999", "room7", "room1", "room2"] {
        cmd!(wire, "CHAT.SEND", room, "alice", "again").ok();
    }
    cmd!(wire, "EXEC").ok();
    assert_eq!(changes(&mut wire, &cursor, &[]).names(), ["room4999", "room7", "room1", "room2"]);
    // More rooms gone than are remembered.
    let cursor = now(&mut wire);
    cmd!(
        wire,
        "EVAL",
        "for i=1,100001 do redis.call('CHAT.SEND','g'..i,'a','x'); redis.call('DEL','g'..i) end",
        0
    )
    .ok();
    let page = changes(&mut wire, &cursor, &["COUNT", "3"]);
    assert_eq!((page.anew, page.gone()), (true, vec![]));
}

#[test]
fn rooms_are_listed_by_their_newest_change_before_and_after_a_load() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    for room in ["a", "b", "c", "d", "b"] {
        send(&mut wire, room);
        let sent = redis.clock_ms();
        eventually("the next millisecond", SOON, || match redis.clock_ms() > sent {
            true => Ok(()),
            false => Err(sent.to_string()),
        });
    }
    let listed = |wire: &mut Wire| {
        let reply = cmd!(wire, "CHAT.ROOMS").ok();
        let rows = reply.list()[1].list().to_vec();
        rows.iter().map(|row| row.list()[0].text().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(&mut wire), ["b", "d", "c", "a"]);
    cmd!(wire, "DEBUG", "RELOAD").ok();
    assert_eq!(listed(&mut wire), ["b", "d", "c", "a"]);
    send(&mut wire, "c");
    assert_eq!(listed(&mut wire), ["c", "b", "d", "a"]);
}
