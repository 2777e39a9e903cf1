//! `docs/protocol.md` against a relay: the session, the operations, the paths of HTTP.

use std::collections::{BTreeSet, HashMap};

use chat_protocol::close_code;
use chat_tests::clients::event_stream::Wanted;
use chat_tests::documents::{blocks, code_words, read, rows, section};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{SOON, eventually};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::session::{fits, ids, masked, redis_cli};

const DOCUMENT: &str = "docs/protocol.md";

/// The frames of the document, one session of alice. `>` is sent, `<` arrives in any order, `$` is a
/// command of the backend.
#[test]
fn the_sessions_of_the_protocol_are_answered_as_shown() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let alice = relay.connect("alice");
    let mut real: HashMap<String, String> = HashMap::new();
    let mut taken = BTreeSet::new();
    let text = blocks(&read(DOCUMENT), "text").concat();
    assert!(text.lines().count() > 10, "{text}");
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            let reply = redis_cli(&redis, command);
            assert!(!reply.contains("(error)"), "{command}: {reply}");
        } else if let Some(request) = line.strip_prefix("> ") {
            let request = real.iter().fold(request.to_owned(), |text, (a, b)| text.replace(a, b));
            alice.send(Message::text(request));
        } else {
            let shown = line.strip_prefix("< ").expect("a direction");
            let (place, frame) = eventually(shown, SOON, || {
                let frames = alice.frames_from(0).into_iter().enumerate();
                let mut free = frames.filter(|(place, _)| !taken.contains(place));
                let found = free.find(|(_, frame)| fits(&masked(shown), &masked(&frame.text)));
                found.ok_or_else(|| alice.arrived())
            });
            taken.insert(place);
            let pairs = ids(shown).zip(ids(&frame.text));
            real.extend(pairs.map(|(shown, real)| (shown.to_owned(), real.to_owned())));
        }
    }
}

/// The stream of the document: a request, and its lines in order. `>` is sent by a socket.
#[test]
fn the_stream_of_the_protocol_is_as_shown() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "send", "room": "lobby", "text": "hi"}));
    alice.ok(json!({"op": "send", "room": "dm:alice,bob", "text": "hi"}));
    let text = blocks(&read(DOCUMENT), "http").concat();
    let (request, lines) = text.split_once('\n').expect("a request");
    let target = request.strip_prefix("GET ").expect("a GET");
    let stream = Wanted::get(target).open(relay.address()).expect("a stream");
    let mut from = 0;
    for line in lines.lines() {
        if let Some(request) = line.strip_prefix("> ") {
            alice.send(Message::text(request));
            continue;
        }
        let shown = line.strip_prefix('<').expect("a direction").trim_start();
        from = eventually(line, SOON, || {
            let inbox = stream.inbox();
            let mut new = inbox.lines.iter().enumerate().skip(from);
            let found = new.find(|(_, line)| fits(&masked(shown), &masked(line)));
            found.map(|(place, _)| place + 1).ok_or_else(|| inbox.story())
        });
    }
}

#[test]
fn every_operation_in_the_table_exists() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let alice = relay.connect("alice");
    let text = read(DOCUMENT);
    let rows = rows(section(&text, "## Operations"));
    let operations: Vec<&str> = rows.iter().flat_map(|row| code_words(&row[0])).collect();
    assert!(operations.len() > 20, "{operations:?}");
    for operation in operations {
        if let Err(error) = alice.call(json!({"op": operation})) {
            assert_ne!(error["what"], "op", "{operation}: {error}");
        }
    }
}

#[test]
fn every_path_in_the_table_is_served() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let text = read(DOCUMENT);
    let rows = rows(section(&text, "## HTTP"));
    let paths: Vec<&str> = rows.iter().map(|row| code_words(&row[0])[0]).collect();
    assert!(paths.contains(&"/ws") && paths.contains(&"/readyz"), "{paths:?}");
    for path in paths {
        let (status, body) = relay.get(path);
        let expected = match path {
            "/ws" => 400,
            // It needs a user.
            "/v1/events" => 401,
            _ => 200,
        };
        assert_eq!(status, expected, "{path}: {body}");
    }
}

#[test]
fn every_close_code_has_a_row_that_says_whether_to_reconnect() {
    let text = read(DOCUMENT);
    let rows = rows(section(&text, "## Close codes"));
    let listed: BTreeSet<(String, String, bool)> = rows
        .iter()
        .map(|row| {
            (row[0].clone(), row[1].trim_matches('`').to_owned(), row[3].contains("reconnect"))
        })
        .collect();
    let codes: BTreeSet<(String, String, bool)> = close_code::ALL
        .iter()
        .map(|code| (code.number.to_string(), code.name.to_owned(), code.retry_ms.is_some()))
        .collect();
    assert_eq!(listed, codes);
}
