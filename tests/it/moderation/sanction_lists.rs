//! CHAT.SANCTIONS lists bans and mutes for moderators, in pages of bounded work.

use chat_tests::checking::view::all_pages;
use chat_tests::clients::reply::Reply;
use chat_tests::clients::wire::Wire;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually};
use chat_tests::{args, cmd};

/// A row as text: the user, then for ban and mute nothing, `ever`, or `until`.
fn row_text(row: &Reply) -> String {
    let word = |until: &Reply| match until {
        Reply::Nil => "-",
        Reply::Int(0) => "ever",
        Reply::Int(ms) if *ms > 1_600_000_000_000 => "until",
        other => panic!("{other:?}"),
    };
    let [user, ban, mute] = row.list() else { panic!("{row:?}") };
    format!("{} {} {}", user.text(), word(ban), word(mute))
}

fn rows(wire: &mut Wire, command: &[&str], page: usize) -> Vec<String> {
    all_pages(wire, command, page).iter().map(row_text).collect()
}

fn moderate(wire: &mut Wire, room: &str, actor: &str, rest: &[&str]) {
    let mut call = args!["CHAT.MOD", room, actor];
    call.extend(rest.iter().map(|word| word.as_bytes().to_vec()));
    wire.call(&call).ok();
}

#[test]
fn sanctions_are_listed_by_name_to_moderators() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.JOIN", "lobby", "olga").ok();
    cmd!(wire, "CHAT.JOIN", "lobby", "mo", "ROLE", "moderator", "BY", "olga").ok();
    cmd!(wire, "CHAT.JOIN", "lobby", "mia").ok();
    assert_eq!(rows(&mut wire, &["CHAT.SANCTIONS", "lobby"], 10), [""; 0]);
    for rest in [
        &["MUTE", "mia"][..],
        &["BAN", "eve"],
        &["BAN", "dan", "FOR", "600000"],
        &["MUTE", "zoe", "FOR", "600000"],
        &["MUTE", "eve", "FOR", "600000"],
        &["BAN", "lifted"],
        &["UNBAN", "lifted"],
        &["BAN", "brief", "FOR", "1"],
    ] {
        moderate(&mut wire, "lobby", "mo", rest);
    }
    let expected = ["dan until -", "eve ever until", "mia - ever", "zoe - until"];
    eventually("the end of the brief ban", LATER, || {
        let rows = rows(&mut redis.wire(), &["CHAT.SANCTIONS", "lobby"], 10);
        if rows == expected { Ok(()) } else { Err(format!("{rows:?}")) }
    });
    for page in 1..=5 {
        for reader in ["mo", "olga"] {
            let command = ["CHAT.SANCTIONS", "lobby", "AS", reader];
            assert_eq!(rows(&mut wire, &command, page), expected, "{reader}, {page} at once");
        }
    }
    // Expired sanctions count as examined: the page is empty, the cursor advances.
    let first = cmd!(wire, "CHAT.SANCTIONS", "lobby", "COUNT", 1);
    assert_eq!((first.list()[0].text(), first.list()[1].list().len()), ("brief", 0));
    // The same end as in the error.
    let row = all_pages(&mut wire, &["CHAT.SANCTIONS", "lobby"], 10).remove(0);
    let refused = cmd!(wire, "CHAT.SEND", "lobby", "dan", "x");
    assert_eq!(refused.error(), format!("BANNED {}", row.list()[1].int()));
    let replica = Redis::replica(&redis, &[]);
    assert_eq!(rows(&mut replica.wire(), &["CHAT.SANCTIONS", "lobby"], 2), expected);
}

#[test]
fn a_personal_room_lists_blocks_to_its_user_and_the_suspension_to_the_backend() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    moderate(&mut wire, "@bob", "bob", &["BAN", "eve"]);
    moderate(&mut wire, "@bob", "*", &["BAN", "mallory", "FOR", "600000"]);
    let as_bob = ["CHAT.SANCTIONS", "@bob", "AS", "bob"];
    assert_eq!(rows(&mut wire, &as_bob, 1), ["eve ever -", "mallory until -"]);
    moderate(&mut wire, "@bob", "*", &["BAN", "bob"]);
    assert_eq!(wire.call(&as_bob).error(), "BANNED 0");
    let all = ["bob ever -", "eve ever -", "mallory until -"];
    assert_eq!(rows(&mut wire, &["CHAT.SANCTIONS", "@bob"], 2), all);
    // The two users of a direct room cannot be banned or muted there.
    cmd!(wire, "CHAT.SEND", "dm:alice,bob", "alice", "hi").ok();
    assert_eq!(rows(&mut wire, &["CHAT.SANCTIONS", "dm:alice,bob"], 2), [""; 0]);
}

#[test]
fn members_are_found_by_a_prefix_of_their_names() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let joins: Vec<_> = (0..500)
        .map(|n| {
            let user = ["alma", "al", "Alma", "\u{e4}lma"][n % 4];
            args!["CHAT.JOIN", "lobby", format!("{user}{n}")]
        })
        .collect();
    wire.pipeline(&joins).into_iter().for_each(|reply| drop(reply.ok()));
    let names = |wire: &mut Wire, prefix: &str, page: usize| -> Vec<String> {
        let rows = all_pages(wire, &["CHAT.MEMBERS", "lobby", "PREFIX", prefix], page);
        rows.iter().map(|row| row.list()[0].text().to_owned()).collect()
    };
    let joined = |begins: &str| -> Vec<String> {
        let users = joins.iter().map(|join| String::from_utf8(join[2].clone()).expect("UTF-8"));
        users.filter(|user| user.starts_with(begins)).collect()
    };
    for prefix in ["al", "alma", "alma4", "Alma", "\u{e4}", "nobody", "alma496"] {
        for page in [1, 7, 1000] {
            assert_eq!(names(&mut wire, prefix, page), joined(prefix), "{prefix}, {page}");
        }
    }
    // The prefix is bytes: half of a letter matches.
    let half = cmd!(wire, "CHAT.MEMBERS", "lobby", "PREFIX", b"\xc3".as_slice());
    assert_eq!(half.list()[1].list().len(), 125);
    // COUNT bounds the examined members, not the matches; the default is a thousand.
    let page = cmd!(wire, "CHAT.MEMBERS", "lobby", "PREFIX", "alma496", "COUNT", 100);
    assert!(page.list()[0] != Reply::Nil && page.list()[1].list().is_empty(), "{page:?}");
    let all = cmd!(wire, "CHAT.MEMBERS", "lobby", "PREFIX", "alma496");
    assert!(all.list()[0] == Reply::Nil && all.list()[1].list().len() == 1, "{all:?}");
    let stranger = cmd!(wire, "CHAT.MEMBERS", "lobby", "PREFIX", "al", "AS", "stranger");
    assert_eq!(stranger.list()[1].list().len(), 250, "an open room");
    cmd!(wire, "CHAT.ROOM", "lobby", "SET", "access", "members").ok();
    let stranger = cmd!(wire, "CHAT.MEMBERS", "lobby", "PREFIX", "al", "AS", "stranger");
    assert!(stranger.error().starts_with("NOTMEMBER"), "{stranger:?}");
}
