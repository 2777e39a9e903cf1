//! Every argument of every command has a bound: the largest value is accepted, one more is refused,
//! and neither longer words nor more words cause any work. `calls/` is the table.

use std::collections::BTreeSet;

use chat_tests::clients::reply::Reply;
use chat_tests::clients::wire::{self, Wire};
use chat_tests::servers::redis::Redis;
use chat_tests::{args, cmd};

use crate::module::bounds::calls::TABLE;
use crate::module::bounds::calls::command::{Argument, Bound, Command, PAGE};

/// Longer than any text may be.
const HUGE: usize = 2 << 20;
/// More words than any command takes.
const MANY: usize = 100_000;

/// Creates the rooms and users of the table.
pub(crate) fn prepare(wire: &mut Wire) {
    for room in ["lobby", "@alice"] {
        cmd!(wire, "CHAT.SEND", room, "alice", "hi").ok();
    }
    cmd!(wire, "CHAT.JOIN", "lobby", "bob").ok();
    cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", "c0").ok();
}

/// The call of a row with these words in the place of its argument.
pub(crate) fn call(
    wire: &mut Wire,
    command: &str,
    row: &Argument,
    values: &[Vec<u8>],
) -> wire::Command {
    let mut call = args![command];
    for word in row.call {
        match *word {
            "$" => call.extend_from_slice(values),
            "{id}" => call.push(cmd!(wire, "CHAT.SEND", "lobby", "alice", "x").bytes().to_vec()),
            "{49}" => call.extend((0..49).map(|n| format!("user{n}").into_bytes())),
            "{50}" => call.extend((0..50).map(|n| format!("user{n}").into_bytes())),
            other => call.push(other.into()),
        }
    }
    call
}

/// The largest words within a bound, and words beyond it with their error.
pub(crate) fn edges(
    wire: &mut Wire,
    bound: &Bound,
) -> (Vec<Vec<u8>>, Option<(Edge, &'static str)>) {
    let one = |bytes: Vec<u8>| vec![bytes];
    let object = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8)).into_bytes();
    let names = |of: &str, count: usize| (0..count).map(|n| format!("{of}{n}").into()).collect();
    match bound {
        Bound::Bytes(most, error) => {
            (one(vec![b'x'; *most]), Some((one(vec![b'x'; most + 1]), *error)))
        }
        Bound::Object(most, error) => (one(object(*most)), Some((one(object(most + 1)), *error))),
        Bound::Words(most, of, error) => (names(of, *most), Some((names(of, most + 1), *error))),
        Bound::Number(most, error) => {
            let beyond = u128::from(*most) + 1;
            (args![most], Some((one(beyond.to_string().into_bytes()), *error)))
        }
        Bound::Id => {
            let id = cmd!(wire, "CHAT.SEND", "lobby", "alice", "x").bytes().to_vec();
            (one(id), Some((one(vec![b'1'; 42]), "INVALID id")))
        }
        Bound::Keyword(word, error) => (args![word], Some((args!["x".repeat(17)], *error))),
        Bound::Flag(word) => (args![word], None),
        Bound::Internal => (args!["x"], None),
    }
}

/// Words in the place of an argument.
type Edge = Vec<Vec<u8>>;

/// The arguments of COMMAND DOCS; arguments of a block are prefixed with its name.
fn documented(arguments: &Reply, within: &str, into: &mut BTreeSet<String>) {
    for argument in arguments.list() {
        let name = argument.get("name").map(Reply::text).unwrap_or_default();
        let path = if within.is_empty() { name.into() } else { format!("{within}.{name}") };
        match argument.get("arguments") {
            Some(parts) => documented(parts, &path, into),
            None => assert!(into.insert(path), "two arguments {name} in {within:?}"),
        }
    }
}

#[test]
fn every_argument_of_every_command_is_in_the_table() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let names = cmd!(wire, "COMMAND", "LIST", "FILTERBY", "MODULE", "chat").texts();
    let mut failures = Vec::new();
    for name in &names {
        let docs = cmd!(wire, "COMMAND", "DOCS", name).ok();
        let docs = docs.get(&name.to_ascii_lowercase()).expect("docs");
        let mut expected = BTreeSet::new();
        if let Some(arguments) = docs.get("arguments") {
            documented(arguments, "", &mut expected);
        }
        let upper = name.to_ascii_uppercase();
        let command = TABLE.iter().find(|command| command.name == upper);
        let rows = command
            .map(|command| command.arguments)
            .unwrap_or_default()
            .iter()
            .map(|row| row.name.to_owned());
        let rows: BTreeSet<String> = rows.collect();
        if rows != expected {
            let missing: Vec<_> = expected.difference(&rows).collect();
            let too_many: Vec<_> = rows.difference(&expected).collect();
            failures.push(format!("{upper}: without a row {missing:?}, unknown {too_many:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(TABLE.len(), names.len());
}

#[test]
fn the_largest_argument_is_accepted_and_one_beyond_is_refused() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    prepare(&mut wire);
    let mut failures = Vec::new();
    for Command { name: command, arguments, .. } in TABLE {
        for row in *arguments {
            let (largest, beyond) = edges(&mut wire, &row.bound);
            let largest = call(&mut wire, command, row, &largest);
            let reply = wire.call(&largest);
            if reply.is_error() != matches!(row.bound, Bound::Internal) {
                failures.push(format!("{command} {}: the largest: {reply:?}", row.name));
            }
            assert!(row.work <= PAGE, "{command} {}", row.name);
            let Some((beyond, error)) = beyond else { continue };
            let beyond = call(&mut wire, command, row, &beyond);
            let reply = wire.call(&beyond);
            if !matches!(&reply, Reply::Error(line) if line.starts_with(error)) {
                failures.push(format!("{command} {}: beyond: {reply:?}, not {error}", row.name));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_huge_word_is_refused_and_changes_nothing() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    prepare(&mut wire);
    let huge = [vec![b'x'; HUGE], vec![b'1'; HUGE], vec![b'-'; HUGE]];
    for Command { name: command, arguments, .. } in TABLE {
        for row in arguments.iter().filter(|row| !matches!(row.bound, Bound::Flag(_))) {
            for word in &huge {
                let hostile = call(&mut wire, command, row, std::slice::from_ref(word));
                let digest = redis.digest();
                let reply = wire.call(&hostile);
                assert!(reply.is_error(), "{command} {}: {reply:?}", row.name);
                assert_eq!(redis.digest(), digest, "{command} {}", row.name);
            }
        }
    }
}

#[test]
fn no_command_takes_a_hundred_thousand_words() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    prepare(&mut wire);
    let digest = redis.digest();
    for Command { name: command, arguments, .. } in TABLE {
        let first = match arguments.first().map(|row| row.call) {
            Some(call) if !call.contains(&"{id}") => call,
            Some(_) => &["lobby", "alice", "1-1", "x"][..],
            None => &[],
        };
        for repeated in [&["x"][..], &["COUNT", "1"], &["topic", "x"], &["SET", "topic"]] {
            let mut hostile = args![command];
            let fixed = first.iter().map(|word| if *word == "$" { "lobby" } else { word });
            hostile.extend(fixed.map(|word| word.as_bytes().to_vec()));
            let words = repeated.iter().map(|word| word.as_bytes().to_vec());
            hostile.extend(words.cycle().take(MANY));
            let reply = wire.call(&hostile);
            assert!(reply.is_error(), "{command} {repeated:?}: {reply:?}");
        }
    }
    let mut fields = args!["CHAT.ROOM", "lobby", "SET"];
    fields.extend(args!["topic", "x"].into_iter().cycle().take(MANY));
    let refused = wire.call(&fields);
    assert!(refused.error().starts_with("INVALID field"), "{refused:?}");
    assert_eq!(redis.digest(), digest);
}
