//! The module's settings and its INFO section.

use chat_tests::at_once::at_once;
use chat_tests::checking::view::history;
use chat_tests::clients::wire::Wire;
use chat_tests::servers::redis::Redis;
use chat_tests::{args, cmd, servers::artefacts};

/// Each setting with its default, another value it takes, and one just outside its bounds.
const SETTINGS: &[(&str, &str, &str, &str)] = &[
    ("chat.history-max", "10000", "7", "0"),
    ("chat.history-ttl", "0", "1000000", "315360000001"),
    ("chat.journal-max", "0", "12", "20000001"),
    ("chat.room-bytes", "268435456", "2097152", "1048575"),
    ("chat.max-text", "4096", "100", "0"),
    ("chat.presence-ttl", "60000", "5000", "999"),
    ("chat.presence-grace", "15000", "3000", "600001"),
    ("chat.presence-announce", "500", "20", "100000001"),
    ("chat.presence-log", "no", "yes", "maybe"),
    ("chat.skip-unreadable-records", "no", "yes", "maybe"),
    ("chat.nonce-window", "300000", "2000", "999"),
    ("chat.nonce-max", "100000", "5", "0"),
    ("chat.create", "any", "backend", "nobody"),
    ("chat.follows-max", "10000", "3", "0"),
    ("chat.members-max", "1000000", "4", "0"),
    ("chat.sanctions-max", "10000", "4", "0"),
    ("chat.waiters-max", "128", "0", "10001"),
    ("chat.rate-limit", "0", "10/10s", "0/10s"),
    ("chat.create-limit", "0", "20/1h", "20/25h"),
    ("chat.edit-window", "0", "60000", "315360000001"),
    ("chat.receipts-max", "100", "3", "100000001"),
];

#[test]
fn every_setting_is_read_and_set_while_running() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let all = cmd!(wire, "CONFIG", "GET", "chat.*");
    assert_eq!(all.list().len(), 2 * SETTINGS.len(), "{all:?}");
    for (name, default, other, outside) in SETTINGS {
        let value = |wire: &mut Wire| {
            let reply = cmd!(wire, "CONFIG", "GET", name);
            reply.get(name).map(|value| value.text().to_owned())
        };
        assert_eq!(value(&mut wire).as_deref(), Some(*default), "{name}");
        cmd!(wire, "CONFIG", "SET", name, other).ok();
        assert_eq!(value(&mut wire).as_deref(), Some(*other), "{name}");
        for wrong in [outside, "-1", "nonsense", "", "99999999999999999999"] {
            let reply = cmd!(wire, "CONFIG", "SET", name, wrong);
            assert!(reply.is_error(), "{name} took {wrong:?}");
            assert_eq!(value(&mut wire).as_deref(), Some(*other), "{name}");
        }
    }
}

#[test]
fn a_rate_is_a_number_and_a_time() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    for right in ["10/10s", "600/1m", "5/500ms", "1/1h", "1/1ms", "1000000/1s", "0"] {
        cmd!(wire, "CONFIG", "SET", "chat.rate-limit", right).ok();
        let reply = cmd!(wire, "CONFIG", "GET", "chat.rate-limit");
        assert_eq!(reply.get("chat.rate-limit").map(|value| value.text()), Some(right));
    }
    let wrong = ["10", "10/", "/10s", "0/10s", "10/0", "10/0s", "10/10", "10/10x", "10/10s/3"];
    let more =
        [" 10/10s", "10 / 10s", "-1/1s", "1/-1s", "99999999999/1s", "1/99999999999999999999s"];
    for wrong in wrong.iter().chain(&more) {
        let reply = cmd!(wire, "CONFIG", "SET", "chat.rate-limit", wrong);
        assert!(reply.is_error(), "it took {wrong:?}");
    }
    for _ in 0..30 {
        cmd!(wire, "CHAT.SEND", "lobby", "alice", "without a limit").ok();
    }
}

#[test]
fn settings_come_from_lines_of_redis_conf_and_from_module_arguments() {
    at_once(SETTINGS, |(name, _, other, _)| {
        let argument = format!("{} {other}", name.trim_start_matches("chat."));
        for redis in [
            Redis::with(&[&format!("{name} {other}")]),
            Redis::with_module_arguments(&[], &argument),
        ] {
            let reply = cmd!(redis, "CONFIG", "GET", name);
            assert_eq!(reply.get(name).map(|value| value.text()), Some(*other), "{name}");
        }
    });
    let several = "history-max 9 create BACKEND max-text 2kb rate-limit 5/1s";
    let redis = Redis::with_module_arguments(&["chat.history-max 8"], several);
    let reply = cmd!(redis, "CONFIG", "GET", "chat.*");
    let value = |name: &str| reply.get(name).map(|value| value.text());
    assert_eq!(value("chat.history-max"), Some("8"), "a line counts more than an argument");
    assert_eq!(value("chat.create"), Some("backend"));
    assert_eq!(value("chat.max-text"), Some("2048"));
    assert_eq!(value("chat.rate-limit"), Some("5/1s"));
}

#[test]
fn a_server_with_a_wrong_setting_ends_with_a_message() {
    at_once(SETTINGS, |(name, _, _, outside)| {
        let name = name.trim_start_matches("chat.");
        for wrong in [*outside, "nonsense", "-1", "99999999999999999999"] {
            let complaint = Redis::refused(&[&format!("chat.{name} {wrong}")], "");
            assert!(complaint.contains(name), "{name} {wrong} as a line: {complaint}");
            let complaint = Redis::refused(&[], &format!("{name} {wrong}"));
            let message = format!("module argument {name} {wrong}: ");
            assert!(complaint.contains(&message), "{name} {wrong} as an argument: {complaint}");
        }
    });
    for (arguments, message) in [
        ("no-such-setting 1", "module argument unknown: one of history-max, "),
        ("chat.history-max 1", "module argument unknown: one of history-max, "),
        ("history-max 5 create", "module argument create has no value"),
        ("history-max 5 history-max 0", "module argument history-max 0: "),
        ("max-text 2xb", "module argument max-text 2xb: "),
    ] {
        let complaint = Redis::refused(&[], arguments);
        assert!(complaint.contains(message), "{arguments}: {complaint}");
    }
}

#[test]
fn a_module_with_a_wrong_setting_is_not_loaded_and_the_server_goes_on() {
    let redis = Redis::without_module();
    let mut wire = redis.wire();
    let load = |wire: &mut Wire, words: &[&str]| {
        let mut call = args!["MODULE", "LOADEX", artefacts::module().display().to_string()];
        call.extend(words.iter().map(|word| word.as_bytes().to_vec()));
        wire.call(&call)
    };
    for wrong in [
        ["CONFIG", "chat.history-max", "0"],
        ["CONFIG", "chat.create", "nobody"],
        ["CONFIG", "chat.rate-limit", "10"],
        ["ARGS", "history-max", "0"],
        ["ARGS", "no-such-setting", "1"],
    ] {
        assert!(load(&mut wire, &wrong).is_error(), "{wrong:?}");
        assert!(cmd!(wire, "CHAT.ROOMS").error().contains("unknown command"), "{wrong:?}");
    }
    load(&mut wire, &["CONFIG", "chat.history-max", "7"]).ok();
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "hi").ok();
    let reply = cmd!(wire, "CONFIG", "GET", "chat.history-max");
    assert_eq!(reply.get("chat.history-max").map(|value| value.text()), Some("7"));
}

#[test]
fn history_and_journal_keep_to_their_bounds() {
    let redis = Redis::with(&["chat.history-max 10", "chat.journal-max 5"]);
    let mut wire = redis.wire();
    let ids: Vec<String> = (0..40)
        .map(|n| cmd!(wire, "CHAT.SEND", "lobby", "alice", format!("m{n}")).text().to_owned())
        .collect();
    let page = history(&mut wire, "lobby", &["COUNT", "1000"]);
    assert_eq!((page.ids(), page.more), (ids[30..].iter().map(String::as_str).collect(), false));
    let known = |wire: &mut Wire, id: &str| cmd!(wire, "CHAT.SYNC", "lobby", id).list()[0].int();
    assert_eq!((known(&mut wire, &ids[34]), known(&mut wire, &ids[33])), (1, 0));
    cmd!(wire, "CHAT.ROOM", "lobby", "SET", "history_max", 3).ok();
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "last").ok();
    let page = history(&mut wire, "lobby", &[]);
    assert_eq!(page.texts(), ["m38", "m39", "last"], "a room's own bound");
    assert_eq!(page.events[2].json["m"], 41, "numbers go on");
}

#[test]
fn messages_older_than_the_bound_are_not_shown() {
    let redis = Redis::with(&["chat.history-ttl 1000"]);
    let mut wire = redis.wire();
    let id = cmd!(wire, "CHAT.SEND", "lobby", "alice", "soon gone").text().to_owned();
    chat_tests::wait::eventually("the message to be too old", chat_tests::wait::SOON, || {
        match history(&mut wire, "lobby", &[]).events.len() {
            0 => Ok(()),
            some => Err(format!("{some} messages")),
        }
    });
    assert_eq!(history(&mut wire, "lobby", &[]).newest, id, "the position stays");
    assert!(cmd!(wire, "CHAT.SEND", "lobby", "bob", "x", "REPLY", id).error().starts_with("NOMSG"));
}

#[test]
fn info_counts_what_happens() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let field = |name: &str| -> i64 {
        let info = cmd!(redis, "INFO", "chat").text().to_owned();
        let value = info.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.strip_prefix("chat_").unwrap_or(key) == name).then_some(value)
        });
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {info}"))
    };
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "x", "NONCE", "n").ok();
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "x", "NONCE", "n").ok();
    cmd!(wire, "CHAT.SEND", "other", "alice", "x").ok();
    cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", "c1").ok();
    cmd!(wire, "CHAT.SYNC", "lobby", "0-0").ok();
    cmd!(wire, "CHAT.SYNC", "lobby", "1-1").ok();
    for (name, expected) in [
        ("messages", 2),
        ("nonce_hits", 1),
        ("syncs_recovered", 1),
        ("syncs_refused", 1),
        ("rooms", 2),
        ("connections_online", 1),
        ("presence_timeouts", 0),
    ] {
        assert_eq!(field(name), expected, "{name}");
    }
    assert!(field("events") >= 2);
    assert!(field("publishes") >= 3);
    let before = field("refused_noroom");
    assert!(cmd!(wire, "CHAT.HISTORY", "nowhere").is_error());
    assert_eq!(field("refused_noroom"), before + 1);
    cmd!(wire, "DEL", "lobby").ok();
    assert_eq!((field("rooms"), field("connections_online")), (1, 0));
    cmd!(wire, "FLUSHALL").ok();
    assert_eq!(field("rooms"), 0);
}
