//! What `chat-relay tail` cannot read is one clear line and an exit code.

use chat_tests::clients::reply::Reply;
use chat_tests::servers::cluster::{Cluster, Shape};
use chat_tests::servers::redis::Redis;
use chat_tests::wait::SOON;
use chat_tests::{cmd, port};

use super::stage::{Tail, fails};

#[test]
fn wrong_words_are_told_at_once() {
    let url = "redis://127.0.0.1:1";
    let (code, said) = fails(url, &["@@", "a\u{1b}[2Jb", "--since", "x"]);
    let expected = "chat-relay: ROOM: no room can have the name @@\n\
                    chat-relay: ROOM: no room can have the name a\\u001b[2Jb\n\
                    chat-relay: --since: an event is of one room: name no other\n";
    assert_eq!((code, said.as_str()), (Some(2), expected));
    let (code, said) = fails(url, &["lobby", "--since", "x"]);
    let expected = "chat-relay: --since: not an id like 1795731718830-1\n";
    assert_eq!((code, said.as_str()), (Some(2), expected));
    let (code, said) = fails(url, &["lobby", "--ping", "5"]);
    assert!(code == Some(2) && said.starts_with("chat-relay: --ping: "), "{said}");
    let many: Vec<String> = (0..101).map(|n| format!("room{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let wrong: [&[&str]; 5] = [
        &[],
        &many,
        &["lobby", "--last", "0"],
        &["lobby", "--count", "0"],
        &["lobby", "--format", "xml"],
    ];
    for words in wrong {
        assert_eq!(fails(url, words).0, Some(2), "{words:?}");
    }
}

#[test]
fn a_room_that_cannot_be_read_is_told() {
    let redis = Redis::start();
    cmd!(redis, "SET", "text", "x").ok();
    cmd!(redis, "CHAT.SEND", "lobby", "alice", "x").ok();
    let rows: [(&[&str], &str); 3] = [
        (&["nowhere"], "chat-relay: nowhere: NOROOM no such room\n"),
        (&["lobby", "nowhere"], "chat-relay: nowhere: NOROOM no such room\n"),
        (&["text"], "chat-relay: text: WRONGTYPE "),
    ];
    for (words, expected) in rows {
        let (code, said) = fails(&redis.url(), words);
        assert!(code == Some(1) && said.starts_with(expected), "{words:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    // While it is followed.
    let tail = Tail::following(&redis.url(), &["lobby"]);
    cmd!(redis, "SET", "lobby", "x").ok();
    let (code, said) = tail.end();
    assert!(code == Some(1) && said.contains("chat-relay: lobby: WRONGTYPE "), "{said}");
}

#[test]
fn redis_that_cannot_be_used_is_told() {
    let redis = Redis::start();
    cmd!(redis, "CHAT.SEND", "lobby", "alice", "x").ok();
    let nobody = format!("redis://127.0.0.1:{}", port::free());
    let wrong = redis.url().replace("redis://", "redis://relay:hunter2@");
    let plain = Redis::without_module();
    let rows = [
        (nobody, "Redis cannot be reached: "),
        (wrong, "Redis refuses the password"),
        (plain.url(), "Redis has no chat module"),
    ];
    for (url, why) in rows {
        let (code, said) = fails(&url, &["lobby"]);
        let expected = format!("chat-relay: Redis cannot be used: {why}");
        assert!(code == Some(1) && said.starts_with(&expected), "{said}");
        assert!(said.lines().count() == 1 && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn the_user_of_a_relay_is_enough() {
    let redis = Redis::start();
    cmd!(redis, "CHAT.SEND", "lobby", "alice", "x").ok();
    let url = redis.relay_user();
    let tail = Tail::following(&url, &["lobby", "--last", "1"]);
    cmd!(redis, "CHAT.SEND", "lobby", "alice", "y").ok();
    assert_eq!(tail.await_members(2, "text"), ["x", "y"]);
    let denied = cmd!(redis, "ACL", "LOG");
    // It names itself where it may.
    let is_other = |row: &&Reply| row.get("object").map(Reply::text) != Some("client|setinfo");
    let denied: Vec<&Reply> = denied.list().iter().filter(is_other).collect();
    assert!(denied.is_empty(), "{denied:?}");
    drop(tail);
    let rows: [(&[&str], &str); 3] = [
        (&["-chat.sync"], "Redis cannot be used: no permission to run chat.sync"),
        (&["+chat.sync", "resetkeys", "~news", "~@*"], "lobby: NOPERM "),
        (&["~*", "resetchannels", "&news"], "Redis cannot be used: no permission for the channel "),
    ];
    for (rule, expected) in rows {
        let set = [&["ACL", "SETUSER", "relay"], rule].concat();
        redis.call(&set).ok();
        let (code, said) = fails(&url, &["lobby"]);
        assert!(code == Some(1) && said.starts_with(&format!("chat-relay: {expected}")), "{said}");
    }
}

#[test]
fn what_is_wrong_with_other_nodes_does_not_matter() {
    let cluster = Cluster::with(&Shape { primaries: 2, replicas: 0, ..Shape::default() });
    let rooms = [0, 1].map(|node| cluster.rooms_of(node, "room", 1).remove(0));
    let mut client = cluster.client();
    for room in &rooms {
        assert!(!client.call(room, &["CHAT.SEND", room, "alice", "x"], SOON).is_error());
    }
    [0, 1].iter().for_each(|node| drop(cluster.node(*node).relay_user()));
    cmd!(cluster.node(1), "ACL", "SETUSER", "relay", "-chat.beat").ok();
    let url = cluster.url().replace("redis://", "redis://relay:secret@");
    let tail = Tail::following(&url, &[&rooms[0], "--last", "1"]);
    assert_eq!(tail.await_members(1, "text"), ["x"]);
    for words in [&rooms[1..], &rooms] {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (code, said) = fails(&url, &words);
        let expected = "chat-relay: Redis cannot be used: no permission to run chat.beat\n";
        assert_eq!((code, said.as_str()), (Some(1), expected));
    }
}
