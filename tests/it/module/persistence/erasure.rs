//! After a user is erased everywhere, neither the user's texts nor the name are in any key, file or
//! reply, on no server.

use chat_tests::checking::stored_words::{found, found_in_files, rewrite};
use chat_tests::clients::reply::Reply;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{SOON, eventually};

/// Without compression stored texts are visible in the bytes.
const SETTINGS: &[&str] =
    &["rdbcompression no", "appendonly yes", "appendfsync always", "replica-read-only no"];

/// What must not be found afterwards: the name, and what the user wrote.
const WORDS: &[&str] = &["zarathustra", "secret-text", "secret-edit", "secret-meta", "secret-why"];
const USER: &str = WORDS[0];

/// Rooms in which the user has left everything that a user can leave.
fn fill(wire: &mut Wire) {
    let meta = format!("{{\"m\":\"{}\"}}", WORDS[3]);
    cmd!(wire, "CHAT.ROOM", "lobby", "SET", "log_joins", "yes").ok();
    for user in ["bob", USER] {
        cmd!(wire, "CHAT.JOIN", "lobby", user, "BY", "*").ok();
    }
    cmd!(wire, "CHAT.MOD", "lobby", "*", "ROLE", USER, "moderator").ok();
    for n in 0..40 {
        let text = format!("{} {n}", WORDS[1]);
        let nonce = format!("{USER}-{n}");
        let id = cmd!(wire, "CHAT.SEND", "lobby", USER, text, "NONCE", nonce, "META", &meta);
        let id = id.ok().text().to_owned();
        cmd!(wire, "CHAT.REACT", "lobby", "bob", &id, "👍").ok();
        if n % 4 == 0 {
            cmd!(wire, "CHAT.EDIT", "lobby", USER, &id, WORDS[2]).ok();
        }
        let id = cmd!(wire, "CHAT.SEND", "lobby", "bob", "look", "MENTION", 2, USER, "carol");
        let id = id.ok().text().to_owned();
        cmd!(wire, "CHAT.REACT", "lobby", USER, &id, "👍").ok();
        if n % 4 == 1 {
            cmd!(wire, "CHAT.DELETE", "lobby", USER, &id, "REASON", WORDS[4]).ok();
        }
    }
    let newest = cmd!(wire, "CHAT.SYNC", "lobby", "0-0").list()[1].text().to_owned();
    cmd!(wire, "CHAT.READ", "lobby", USER, newest).ok();
    cmd!(wire, "CHAT.PRESENCE", "lobby", USER, "desk").ok();
    cmd!(wire, "CHAT.MOD", "lobby", "*", "MUTE", USER, "REASON", "loud").ok();
    cmd!(wire, "CHAT.SEND", "garden", "bob", "look", "MENTION", 1, USER).ok();
    cmd!(wire, "CHAT.MOD", "garden", "*", "BAN", USER).ok();
    cmd!(wire, "CHAT.SEND", "elsewhere", "bob", "nobody else is here").ok();
    cmd!(wire, "CHAT.MOD", "@bob", "bob", "BAN", USER).ok();
    cmd!(wire, "CHAT.ROOM", format!("@{USER}"), "SET", "name", "Z.", "BY", USER).ok();
    let direct = format!("dm:bob,{USER}");
    cmd!(wire, "CHAT.SEND", &direct, USER, WORDS[1]).ok();
    cmd!(wire, "CHAT.FOLLOW", "@bob", &direct, "garden").ok();
}

/// Every room of the server.
fn rooms(wire: &mut Wire) -> Vec<String> {
    cmd!(wire, "KEYS", "*").texts()
}

/// One call; the cursor of its reply, and what it changed.
fn erase(wire: &mut Wire, room: &str, cursor: Option<&str>) -> (Option<String>, i64) {
    let reply = match cursor {
        None => cmd!(wire, "CHAT.ERASE", room, USER, "COUNT", 7),
        Some(cursor) => cmd!(wire, "CHAT.ERASE", room, USER, "COUNT", 7, "CURSOR", cursor),
    };
    let reply = reply.ok();
    let next = match &reply.list()[0] {
        Reply::Nil => None,
        next => Some(next.text().to_owned()),
    };
    (next, reply.list()[1].int())
}

/// All that the server stores and answers.
fn answers(wire: &mut Wire) -> Vec<u8> {
    let mut all = Vec::new();
    for room in rooms(wire) {
        all.extend_from_slice(room.as_bytes());
        all.extend_from_slice(cmd!(wire, "DUMP", &room).bytes());
        for reply in [
            cmd!(wire, "CHAT.HISTORY", &room, "COUNT", 1000),
            cmd!(wire, "CHAT.SYNC", &room, "0-0", "COUNT", 1000),
            cmd!(wire, "CHAT.MEMBERS", &room),
            cmd!(wire, "CHAT.SANCTIONS", &room),
            cmd!(wire, "CHAT.WHO", &room),
        ] {
            all.extend_from_slice(format!("{reply:?}").as_bytes());
        }
    }
    all
}

#[test]
fn an_erased_user_is_found_nowhere() {
    let mut primary = Redis::with(SETTINGS);
    let replica = Redis::replica(&primary, SETTINGS);
    let mut wire = primary.wire();
    fill(&mut wire);
    replica.catch_up(&primary);
    assert_eq!(found(&answers(&mut wire), WORDS), WORDS, "the search works");

    // The recipe: the user's own rooms go, the others are walked.
    for room in [format!("@{USER}"), format!("dm:bob,{USER}")] {
        let refused = cmd!(wire, "CHAT.ERASE", &room, USER);
        assert!(refused.error().starts_with("INVALID room"), "{refused:?}");
        cmd!(wire, "DEL", &room).ok();
    }
    cmd!(wire, "CHAT.UNFOLLOW", "@bob", format!("dm:bob,{USER}")).ok();
    let mut calls = 0;
    for room in rooms(&mut wire) {
        let (mut cursor, mut changed) = (None, 0);
        loop {
            let (next, now) = erase(&mut primary.wire(), &room, cursor.as_deref());
            (calls, changed) = (calls + 1, changed + now);
            // A cursor continues after a restart, and in front of what others write meanwhile.
            if room == "lobby" && calls % 8 == 5 {
                replica.catch_up(&primary);
                primary.kill();
                primary.restart();
                let mut wire = primary.wire();
                cmd!(wire, "CHAT.SEND", "lobby", "bob", "meanwhile").ok();
            }
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(changed > 0, room != "elsewhere", "{room}: {changed}");
        let again = erase(&mut primary.wire(), &room, None);
        assert_eq!(again.1, 0, "{room}: once");
    }
    assert!(calls > 20, "{calls}");

    let none = |redis: &Redis| match found(&answers(&mut redis.wire()), WORDS).as_slice() {
        [] => Ok(()),
        found => Err(format!("{found:?}")),
    };
    assert_eq!(none(&primary), Ok(()));
    replica.catch_up(&primary);
    assert_eq!(none(&replica), Ok(()), "on the replica");
    let digest = primary.digest();
    assert_eq!(replica.digest(), digest);
    for preamble in ["yes", "no"] {
        for redis in [&primary, &replica] {
            cmd!(redis, "CONFIG", "SET", "aof-use-rdb-preamble", preamble).ok();
            redis.save();
            rewrite(redis);
            // Files that a rewrite replaced are removed in the background.
            eventually(
                &format!("clean files, preamble {preamble}"),
                SOON,
                || match found_in_files(redis.dir(), WORDS).as_slice() {
                    [] => Ok(()),
                    found => Err(format!("{found:?}")),
                },
            );
        }
    }
    primary.kill();
    primary.restart();
    assert_eq!(primary.digest(), digest, "after a restart");
    assert_eq!(none(&primary), Ok(()), "after a restart");
}
