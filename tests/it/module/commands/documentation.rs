//! The server documents every command: documentation, arity, flags, keys.

use std::collections::BTreeSet;

use chat_tests::clients::reply::Reply;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;

/// A command, its arity, whether it writes, and the arguments of a call with its keys.
type Row = (&'static str, i64, bool, &'static [&'static str], &'static [&'static str]);

const COMMANDS: &[Row] = &[
    ("chat.send", -4, true, &["lobby", "alice", "hi", "NONCE", "k"], &["lobby"]),
    ("chat.sent", 4, false, &["lobby", "alice", "n1"], &["lobby"]),
    ("chat.edit", -5, true, &["lobby", "alice", "1-1", "hi"], &["lobby"]),
    ("chat.delete", -4, true, &["lobby", "alice", "1-1", "REASON", "x"], &["lobby"]),
    ("chat.erase", -3, true, &["lobby", "alice", "KEEP", "BAN"], &["lobby"]),
    ("chat.react", -5, true, &["lobby", "alice", "1-1", "👍"], &["lobby"]),
    ("chat.import", -7, true, &["lobby", "alice", "1", "hi", "AT", "1"], &["lobby"]),
    ("chat.history", -2, false, &["lobby", "COUNT", "5"], &["lobby"]),
    ("chat.sync", -3, false, &["lobby", "0-0"], &["lobby"]),
    ("chat.join", -3, true, &["lobby", "alice"], &["lobby"]),
    ("chat.leave", 3, true, &["lobby", "alice"], &["lobby"]),
    ("chat.members", -2, false, &["lobby"], &["lobby"]),
    ("chat.presence", -4, true, &["lobby", "alice", "c1"], &["lobby"]),
    ("chat.beat", -4, true, &["lobby", "1000", "c1", "c2"], &["lobby"]),
    ("chat.who", -2, false, &["lobby"], &["lobby"]),
    ("chat.online", -2, false, &["lobby", "@alice", "x"], &["lobby", "@alice", "x"]),
    ("chat.signal", -4, true, &["lobby", "alice", "typing"], &["lobby"]),
    ("chat.read", 4, true, &["lobby", "alice", "1-1"], &["lobby"]),
    ("chat.unread", -3, false, &["lobby", "alice", "bob"], &["lobby"]),
    ("chat.mod", -5, true, &["lobby", "*", "BAN", "bob", "FOR", "1000"], &["lobby"]),
    ("chat.sanctions", -2, false, &["lobby", "COUNT", "5"], &["lobby"]),
    ("chat.follow", -3, true, &["@alice", "lobby", "x"], &["@alice"]),
    ("chat.unfollow", -3, true, &["@alice", "lobby"], &["@alice"]),
    ("chat.follows", -2, false, &["@alice"], &["@alice"]),
    ("chat.rooms", -1, false, &["COUNT", "5"], &[]),
    ("chat.changes", -2, false, &["0", "COUNT", "5"], &[]),
    ("chat.room", -2, true, &["lobby", "SET", "topic", "x"], &["lobby"]),
    ("chat.room_ro", -2, false, &["lobby", "AS", "alice"], &["lobby"]),
];

/// An internal command: it is not documented for users.
const INTERNAL: &str = "chat.apply";

fn names(wire: &mut Wire) -> BTreeSet<String> {
    let list = cmd!(wire, "COMMAND", "LIST", "FILTERBY", "MODULE", "chat").texts();
    list.into_iter().map(|name| name.to_ascii_lowercase()).collect()
}

#[test]
fn the_table_of_this_file_names_every_command() {
    let redis = Redis::start();
    let mut expected: BTreeSet<String> = COMMANDS.iter().map(|row| row.0.to_owned()).collect();
    expected.insert(INTERNAL.into());
    assert_eq!(names(&mut redis.wire()), expected);
}

#[test]
fn every_command_is_documented_with_its_arguments() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    for (name, arity, ..) in COMMANDS {
        let docs = cmd!(wire, "COMMAND", "DOCS", name).ok();
        let docs = docs.get(name).unwrap_or_else(|| panic!("no docs of {name}: {docs:?}"));
        for field in ["summary", "since", "complexity"] {
            let value = docs.get(field).unwrap_or_else(|| panic!("{name}: no {field}"));
            assert!(value.text().len() > 3, "{name}: {field} {value:?}");
        }
        let arguments = docs.get("arguments").unwrap_or_else(|| panic!("{name}: no arguments"));
        let required = usize::try_from(arity.abs() - 1).expect("positive");
        assert!(arguments.list().len() >= required, "{name}: {arguments:?}");
        for argument in arguments.list() {
            let name = argument.get("name").map(Reply::text).unwrap_or_default();
            assert!(!name.is_empty(), "{argument:?}");
            assert!(argument.get("type").is_some(), "{argument:?}");
        }
    }
}

#[test]
fn clients_of_a_cluster_know_how_to_split_a_call() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    for (name, ..) in COMMANDS {
        let info = cmd!(wire, "COMMAND", "INFO", name).ok();
        let tips: Vec<&str> = info.list()[0].list()[7].list().iter().map(Reply::text).collect();
        let expected: &[&str] = match *name {
            "chat.online" => &["request_policy:multi_shard"],
            "chat.rooms" | "chat.changes" => {
                &["nondeterministic_output", "request_policy:special", "response_policy:special"]
            }
            _ => &[],
        };
        assert_eq!(tips, expected, "{name}");
    }
}

#[test]
fn every_command_has_its_arity_flags_and_keys() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    for (name, arity, writes, arguments, keys) in COMMANDS {
        let info = cmd!(wire, "COMMAND", "INFO", name);
        let info = info.list()[0].list();
        assert_eq!(info[0].text(), *name);
        assert_eq!(info[1].int(), *arity, "{name}");
        let flags = info[2].texts();
        let has = |flag: &str| flags.iter().any(|other| other == flag);
        assert_eq!(has("write"), *writes, "{name}: {flags:?}");
        assert_eq!(has("readonly"), !*writes, "{name}: {flags:?}");
        let mut call = vec!["COMMAND", "GETKEYS", name];
        call.extend_from_slice(arguments);
        let found = wire.call(&call);
        if keys.is_empty() {
            assert!(found.error().contains("no key arguments"), "{name}: {found:?}");
        } else {
            assert_eq!(found.texts(), *keys, "{name}");
        }
        let specs = info[8].list();
        assert_eq!(specs.is_empty(), keys.is_empty(), "{name}: {specs:?}");
        for spec in specs {
            let flags = spec.get("flags").expect("flags").texts();
            let access = flags.iter().any(|flag| if *writes { flag == "RW" } else { flag == "RO" });
            assert!(access, "{name}: {flags:?}");
        }
    }
}

#[test]
fn commands_that_grow_are_denied_when_memory_is_full() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let grows = ["chat.send", "chat.edit", "chat.react", "chat.join", "chat.follow"];
    // Deleting, reading and moderating must still work.
    let shrinks = [
        "chat.beat",
        "chat.delete",
        "chat.leave",
        "chat.mod",
        "chat.read",
        "chat.unread",
        "chat.unfollow",
        "chat.history",
        "chat.sync",
    ];
    for (names, expected) in [(&grows[..], true), (&shrinks[..], false)] {
        for name in names {
            let info = cmd!(wire, "COMMAND", "INFO", name);
            let flags = info.list()[0].list()[2].texts();
            assert_eq!(flags.iter().any(|flag| flag == "denyoom"), expected, "{name}: {flags:?}");
        }
    }
}

#[test]
fn a_wrong_number_of_arguments_is_refused_by_the_server_also_in_a_transaction() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    for (name, arity, ..) in COMMANDS.iter().filter(|row| row.1 != -1) {
        let mut call = vec![*name];
        call.resize(usize::try_from(arity.abs() - 1).expect("positive"), "x");
        let expected = format!("ERR wrong number of arguments for '{name}' command");
        assert_eq!(wire.call(&call).error(), expected);
        // In a transaction only the server can refuse it before EXEC.
        cmd!(wire, "MULTI").ok();
        assert_eq!(wire.call(&call).error(), expected);
        assert!(cmd!(wire, "EXEC").error().starts_with("EXECABORT"), "{name}");
        if *arity > 0 {
            call.resize(usize::try_from(*arity).expect("positive") + 1, "x");
            assert_eq!(wire.call(&call).error(), expected, "too many");
        }
    }
}
