//! Who may do what: every cell of every table in `rule_table.rs`, directly in Redis and through a
//! relay, with equal results.

use std::collections::HashMap;

use chat_tests::clients::client::Client;
use chat_tests::clients::reply::Reply;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use serde_json::{Value, json};

use crate::moderation::rule_actions::{ACTIONS, Action, Scene};
use crate::moderation::rule_table::{PEOPLE, TABLES, Table, error};

/// Creates the room of a table; returns the ids of each user's message and of the target's.
fn prepare(wire: &mut Wire, table: &Table, room: &str) -> (HashMap<&'static str, String>, String) {
    cmd!(wire, "DEL", room).ok();
    let send = |wire: &mut Wire, user: &str| {
        cmd!(wire, "CHAT.SEND", room, user, format!("of {user}")).ok().text().to_owned()
    };
    match table.kind {
        "personal" => {
            let own = send(wire, "owner");
            cmd!(wire, "CHAT.MOD", room, "owner", "BAN", "banned").ok();
            (HashMap::from([("owner", own.clone())]), own)
        }
        "direct" => {
            let own = send(wire, "owner");
            let other = send(wire, room.rsplit(',').next().unwrap_or_default());
            (HashMap::from([("owner", own)]), other)
        }
        _ => {
            let ids = ["owner", "mod", "member", "muted", "banned", "stranger", "*"];
            let mut ids: HashMap<_, _> = ids.map(|user| (user, send(wire, user))).into();
            let other = send(wire, "target");
            for (user, role) in [("mod", "moderator"), ("mod2", "moderator")] {
                cmd!(wire, "CHAT.JOIN", room, user).ok();
                assert_eq!(cmd!(wire, "CHAT.MOD", room, "*", "ROLE", user, role).int(), 1);
            }
            cmd!(wire, "CHAT.MOD", room, "*", "MUTE", "muted").ok();
            if let Some((field, value)) = table.setting {
                cmd!(wire, "CHAT.ROOM", room, "SET", field, value).ok();
            }
            if table.kind == "slow" {
                // Only messages sent since the room is slow count.
                ids.extend(["member", "stranger"].map(|user| (user, send(wire, user))));
            }
            cmd!(wire, "CHAT.MOD", room, "*", "BAN", "banned").ok();
            cmd!(wire, "CHAT.LEAVE", room, "stranger").ok();
            (ids, other)
        }
    }
}

fn action(name: &str) -> &'static Action {
    ACTIONS.iter().find(|action| action.name == name).unwrap_or_else(|| panic!("no action {name}"))
}

/// Whether a result (`None`: success, otherwise the error's words) matches a word of a table.
fn fits(word: &str, outcome: Option<&str>) -> bool {
    match (word, outcome) {
        (".", None) => true,
        ("." | "-", _) | (_, None) => false,
        (word, Some(line)) => {
            let rest = line.strip_prefix(error(word));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        }
    }
}

/// Every cell of every table.
fn cells(mut each: impl FnMut(&Table, usize, &'static Action, &'static str, &str)) {
    let mut n = 0;
    for table in TABLES {
        for (name, row) in table.rows {
            let words: Vec<&str> = row.split_whitespace().collect();
            assert_eq!(words.len(), table.actors.len(), "{}: {name}", table.kind);
            for (actor, word) in table.actors.iter().zip(words) {
                n += 1;
                each(table, n, action(name), actor, word);
            }
        }
    }
}

#[test]
fn every_user_may_do_what_the_tables_allow_and_nothing_else() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let mut wrong = Vec::new();
    cells(|table, n, action, actor, word| {
        let room = (table.room)(n);
        let (ids, other) = prepare(&mut wire, table, &room);
        let own = ids.get(actor).unwrap_or(&other);
        let scene = Scene { room: &room, actor, own, other: &other };
        let Some(command) = (action.command)(&scene) else { return assert_eq!(word, "-") };
        let digest = |wire: &mut Wire| cmd!(wire, "DEBUG", "DIGEST-VALUE", &room);
        let before = digest(&mut wire);
        let reply = wire.call(&command);
        let line = reply.is_error().then(|| reply.error());
        let changed = digest(&mut wire) != before;
        if !fits(word, line) || (reply.is_error() && changed) {
            let kind = table.kind;
            let name = action.name;
            wrong.push(format!("{kind}: {name} by {actor}: {word}, not {reply:?} ({changed})"));
        }
    });
    assert!(wrong.is_empty(), "{} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_relay_allows_the_same() {
    let redis = Redis::start();
    let options = ["--operations-per-second", "100000"];
    let relay = Relay::with("r1", &redis.url(), &options);
    relay.wait_ready();
    let mut wire = redis.wire();
    let people: HashMap<&str, Client> =
        PEOPLE[1..].iter().map(|user| (*user, relay.connect(user))).collect();
    let mut wrong = Vec::new();
    cells(|table, n, action, actor, word| {
        let (Some(op), Some(client)) = (action.op, people.get(actor)) else { return };
        // A relay checks first whether the user may enter at all.
        if word == "field" || table.kind == "personal" && action.name == "join" {
            return;
        }
        let room = (table.room)(n);
        let (ids, other) = prepare(&mut wire, table, &room);
        let own = ids.get(actor).unwrap_or(&other);
        let answer = client.call(op(&Scene { room: &room, actor, own, other: &other }));
        let line = answer.as_ref().err().map(error_line);
        if !fits(word, line.as_deref()) {
            let kind = table.kind;
            let name = action.name;
            wrong.push(format!("{kind}: {name} by {actor}: {word}, not {answer:?}"));
        }
    });
    assert!(wrong.is_empty(), "{} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// A relay's error in the words of the module.
fn error_line(error: &Value) -> String {
    let code = error["code"].as_str().unwrap_or_default();
    let argument = ["what", "until_ms", "retry_ms", "max_bytes"]
        .into_iter()
        .find_map(|field| error.get(field).filter(|value| **value != json!(null)));
    match argument {
        Some(Value::String(text)) => format!("{code} {text}"),
        Some(other) => format!("{code} {other}"),
        None => code.to_owned(),
    }
}

#[test]
fn every_action_is_in_a_table_and_every_error_of_a_rule_occurs() {
    for action in ACTIONS {
        let tried =
            TABLES.iter().any(|table| table.rows.iter().any(|(name, _)| *name == action.name));
        assert!(tried, "{}", action.name);
    }
    let words: Vec<&str> =
        TABLES.iter().flat_map(|table| table.rows).map(|(_, row)| *row).collect();
    let words = words.join(" ");
    for word in ["M", "B", "N", "F", "R", "mod", "own", "back", "self"] {
        assert!(words.split(' ').any(|other| other == word), "{word}");
    }
}

#[test]
fn the_errors_of_a_ban_and_a_mute_hold_their_end() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let mut wire = redis.wire();
    let alice = relay.connect("alice");
    for (action, code, word) in [("MUTE", "MUTED", "mute"), ("BAN", "BANNED", "ban")] {
        cmd!(wire, "CHAT.SEND", word, "alice", "hi").ok();
        let before = redis.clock_ms();
        assert_eq!(cmd!(wire, "CHAT.MOD", word, "*", action, "alice", "FOR", 600_000).int(), 1);
        let after = redis.clock_ms();
        let line = cmd!(wire, "CHAT.SEND", word, "alice", "more").error().to_owned();
        let until: u64 = line.split(' ').nth(1).and_then(|ms| ms.parse().ok()).expect("a time");
        assert!((before + 600_000..=after + 600_000).contains(&until), "{line}");
        let error = alice.call(json!({"op": "send", "room": word, "text": "x"})).expect_err("no");
        assert_eq!((&error["code"], &error["until_ms"]), (&json!(code), &json!(until)), "{error}");
        let row = cmd!(wire, "CHAT.ROOM", word, "AS", "alice");
        match action {
            "MUTE" => assert_eq!(row.get("muted_until").map(Reply::int), i64::try_from(until).ok()),
            _ => assert_eq!(row.error(), format!("BANNED {until}")),
        }
    }
}
