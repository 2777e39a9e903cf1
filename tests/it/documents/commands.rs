//! `docs/commands.md` against the module: every example, every command, every error, every event.

use std::collections::BTreeSet;

use chat_tests::checking::subscriber::Subscriber;
use chat_tests::clients::reply::Reply;
use chat_tests::cmd;
use chat_tests::documents::{blocks, code_words, read, rows, section};
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{SOON, eventually};
use serde_json::Value;

use super::session::{Session, masked};
use crate::module::bounds::calls;

const DOCUMENT: &str = "docs/commands.md";

/// Errors that every command may answer; the document says so once.
const COMMON: [&str; 4] = ["ERR", "INVALID", "WRONGTYPE", ""];
/// Errors that depend on more than a call, and are met in other scenarios.
const ELSEWHERE: [&str; 2] = ["OOM", "RATELIMIT"];

/// The type of an event, and its members in their order.
fn shape(event: &str) -> (String, Vec<String>) {
    let mut names = Vec::new();
    let mut rest = event;
    // serde_json sorts members: the order is read from the text, whose values hold no `,"` or `{"`.
    while let Some(at) = rest.find(['{', ',']) {
        rest = &rest[at + 1..];
        let name = rest.strip_prefix('"').and_then(|rest| rest.split_once("\":"));
        names.extend(name.map(|(name, _)| name.to_owned()));
    }
    let value: Value = serde_json::from_str(event).expect("an event");
    names.retain(|name| value.get(name).is_some());
    (value["type"].as_str().expect("a type").to_owned(), names)
}

#[test]
fn every_example_of_the_commands_is_answered_and_every_event_is_published_as_shown() {
    let text = read(DOCUMENT);
    let redis = Redis::start();
    let channels = ["lobby", "archive", "@alice", "@bob", "@dave"];
    let subscriber = Subscriber::new(&redis, &channels);
    let mut session = Session::on(&redis);
    let examples = blocks(&text, "console");
    assert!(examples.len() > 20, "{}", examples.len());
    examples.iter().for_each(|block| session.run(block));

    let shown: Vec<String> = blocks(&text, "json")
        .iter()
        .flat_map(|block| block.lines().map(masked).collect::<Vec<_>>())
        .collect();
    assert!(shown.len() > 10, "{shown:?}");
    for event in &shown {
        eventually(event, SOON, || {
            let published: Vec<String> =
                subscriber.all().iter().map(|(_, event)| masked(event)).collect();
            if published.contains(event) { Ok(()) } else { Err(published.join("\n")) }
        });
    }
    let rows = rows(section(&text, "## Events"));
    let types = |events: &[String]| -> BTreeSet<String> {
        events.iter().map(|event| shape(event).0).collect()
    };
    let published: Vec<String> = subscriber.all().into_iter().map(|(_, event)| event).collect();
    let unmasked: Vec<String> = shown.iter().map(|event| event.replace("TIME", "1")).collect();
    assert_eq!(types(&published), types(&unmasked), "published, and shown");
    for event in &published {
        let (kind, names) = shape(event);
        let of_kind = |row: &&Vec<String>| code_words(&row[0]).contains(&kind.as_str());
        let listed: Vec<&String> = rows.iter().filter(of_kind).map(|row| &row[1]).collect();
        let is_listed = |name: &String| {
            let is_word = |c: char| !c.is_alphanumeric() && c != '_';
            listed.iter().any(|members| members.split(is_word).any(|word| word == name))
        };
        let missing: Vec<&String> = names.iter().filter(|name| !is_listed(name)).collect();
        assert!(missing.is_empty(), "{missing:?} of {event} is in no row of {kind}");
    }
}

#[test]
fn every_command_has_a_section_with_its_options_complexity_and_errors() {
    let text = read(DOCUMENT);
    let redis = Redis::start();
    let mut wire = redis.wire();
    let names = cmd!(wire, "COMMAND", "LIST", "FILTERBY", "MODULE", "chat").texts();
    let mut unmet_of_all = Vec::new();
    for name in names {
        let upper = name.to_ascii_uppercase();
        let section = section(&text, &format!("### {upper}"));
        if upper == "CHAT.APPLY" {
            continue;
        }
        let docs = cmd!(wire, "COMMAND", "DOCS", &name).ok();
        let docs = docs.get(&name).expect("its documentation");
        let complexity = docs.get("complexity").map(Reply::text).unwrap_or_default();
        let formula = complexity.split(" with ").next().unwrap_or_default();
        assert!(section.contains(&format!("Complexity: {formula}")), "{upper}: {complexity}");
        let syntax: String =
            section.lines().filter(|line| line.starts_with("    ")).collect::<Vec<_>>().join(" ");
        let arguments = docs.get("arguments").expect("arguments").list();
        for token in arguments.iter().flat_map(tokens) {
            assert!(syntax.contains(&token), "{upper}: {token} is missing in {syntax}");
        }
        let errors = section.lines().find(|line| line.starts_with("- Errors: ")).expect("Errors");
        let command = calls::TABLE.iter().find(|command| command.name == upper);
        let refused = command.expect("its wrong calls").refused.iter();
        let met: BTreeSet<&str> =
            refused.filter_map(|(_, error, _)| error.split(' ').next()).collect();
        let listed: BTreeSet<&str> = code_words(errors).into_iter().collect();
        let elsewhere: BTreeSet<&str> = COMMON.into_iter().chain(ELSEWHERE).collect();
        let missing: Vec<_> = met.difference(&listed).filter(|c| !COMMON.contains(c)).collect();
        assert!(missing.is_empty(), "{upper} answers {missing:?}, not in: {errors}");
        let unmet: Vec<_> = listed.difference(&met).filter(|c| !elsewhere.contains(*c)).collect();
        unmet_of_all.extend(unmet.iter().map(|code| format!("{upper}: {code}")));
    }
    assert!(unmet_of_all.is_empty(), "listed, with no wrong call: {unmet_of_all:?}");
}

/// The option words of an argument and of those inside it.
fn tokens(argument: &Reply) -> Vec<String> {
    let own = argument.get("token").map(|token| token.text().to_owned());
    let inside = argument.get("arguments").map(Reply::list).unwrap_or_default();
    own.into_iter().chain(inside.iter().flat_map(tokens)).collect()
}

#[test]
fn every_error_code_has_a_row() {
    let text = read(DOCUMENT);
    let rows = rows(section(&text, "## Errors"));
    let listed: BTreeSet<String> = rows
        .iter()
        .filter_map(|row| code_words(&row[0]).first()?.split(' ').next().map(str::to_owned))
        .collect();
    let redis = Redis::start();
    let info = cmd!(redis, "INFO", "chat").text().to_owned();
    let counted = info.lines().filter_map(|line| line.split_once("refused_")?.1.split_once(':'));
    for (code, _) in counted {
        let code = code.to_ascii_uppercase();
        assert!(listed.contains(&code), "{code} is not in {listed:?}");
    }
}

#[test]
fn every_setting_of_a_room_has_a_row() {
    let text = read(DOCUMENT);
    let rows = rows(section(&text, "### Settings of a room"));
    let listed: BTreeSet<&str> = rows.iter().flat_map(|row| code_words(&row[0])).collect();
    let redis = Redis::start();
    let mut wire = redis.wire();
    for room in ["lobby", "@alice"] {
        cmd!(wire, "CHAT.JOIN", room, "alice").ok();
        let map = cmd!(wire, "CHAT.ROOM", room);
        let fields = map.list().iter().step_by(2).map(|field| field.text().to_owned());
        for field in fields {
            let others = [
                "room",
                "kind",
                "created",
                "last",
                "m",
                "members",
                "online",
                "connections",
                "last_seen",
            ];
            let is_described = others.contains(&field.as_str()) || listed.contains(field.as_str());
            assert!(is_described, "{field} is not in {listed:?}");
        }
    }
}
