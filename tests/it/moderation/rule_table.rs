//! Who may do what: every kind and state of a room, every role and state of a user, every action;
//! directly in Redis and through a relay, with equal results.
//!
//! In the tables a point is success (also one that changes nothing), a dash an action that does not
//! exist for that user; every other word is an error (`error`).

use std::collections::HashMap;

use chat_tests::clients::client::Client;
use chat_tests::clients::reply::Reply;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use serde_json::{Value, json};

use crate::moderation::rule_actions::{ACTIONS, Action, Scene};

/// A kind of room: its name, the settings applied last, the users who try, and their results.
struct Table {
    kind: &'static str,
    room: fn(usize) -> String,
    setting: Option<(&'static str, &'static str)>,
    actors: &'static [&'static str],
    rows: &'static [(&'static str, &'static str)],
}

const PEOPLE: &[&str] = &["*", "owner", "mod", "member", "muted", "banned", "stranger"];

/// The error for a word of a table, by its first words.
fn error(word: &str) -> &'static str {
    match word {
        "M" => "MUTED 0",
        "B" => "BANNED 0",
        "N" => "NOTMEMBER",
        "F" => "FROZEN",
        "R" => "RATELIMIT",
        "mod" => "DENIED moderator",
        "own" => "DENIED owner",
        "back" => "DENIED backend",
        "self" => "DENIED self",
        "other" => "DENIED another",
        "room" => "INVALID room",
        "act" => "INVALID action",
        "field" => "INVALID field",
        "user" => "INVALID user",
        other => panic!("{other} stands for nothing"),
    }
}

const OPEN: Table = Table {
    kind: "open",
    room: |n| format!("open{n}"),
    setting: None,
    actors: PEOPLE,
    rows: &[
        // *  owner mod member muted banned stranger
        ("send", ". . . . M B ."),
        ("send ephemeral", ". . . . M B ."),
        ("edit own", ". . . . M B N"),
        ("edit other", ". . . mod M B N"),
        ("delete own", ". . . . . B N"),
        ("delete other", ". . . mod mod B N"),
        ("react", ". . . . M B N"),
        ("signal", ". . . . M B ."),
        ("read", "- . . . . B N"),
        ("history", ". . . . . B ."),
        ("sync", ". . . . . B ."),
        ("members", ". . . . . B ."),
        ("who", ". . . . . B ."),
        ("room", ". . . . . B ."),
        ("presence", "- . . . . B ."),
        ("join", "- . . . . B ."),
        ("leave", "- . . . . . ."),
        ("set topic", ". . . mod mod B N"),
        ("set slow", ". . . mod mod B N"),
        ("set log_joins", ". . own own own B N"),
        ("set name", "field field field field field field field"),
        ("add", ". . . mod mod B N"),
        ("kick member", ". . . mod mod B N"),
        ("kick moderator", ". . own mod mod B N"),
        ("kick owner", ". back own mod mod B N"),
        ("ban stranger", ". . . mod mod B N"),
        ("unban", ". . . mod mod B N"),
        ("mute member", ". . . mod mod B N"),
        ("mute moderator", ". . own mod mod B N"),
        ("unmute", ". . . mod mod B N"),
        ("make member", ". . own mod mod B N"),
        ("make moderator", ". . own mod mod B N"),
        ("make owner", ". . own mod mod B N"),
        ("add by role", ". . . mod mod B N"),
        ("add moderator", ". . own mod mod B N"),
    ],
};

const MEMBERS_ONLY: Table = Table {
    kind: "members only",
    room: |n| format!("closed{n}"),
    setting: Some(("access", "members")),
    actors: PEOPLE,
    rows: &[
        ("send", ". . . . M B N"),
        ("send ephemeral", ". . . . M B N"),
        ("edit own", ". . . . M B N"),
        ("edit other", ". . . mod M B N"),
        ("delete own", ". . . . . B N"),
        ("delete other", ". . . mod mod B N"),
        ("react", ". . . . M B N"),
        ("signal", ". . . . M B N"),
        ("read", "- . . . . B N"),
        ("history", ". . . . . B N"),
        ("sync", ". . . . . B N"),
        ("members", ". . . . . B N"),
        ("who", ". . . . . B N"),
        ("room", ". . . . . B N"),
        ("presence", "- . . . . B N"),
        ("join", "- . . . . B mod"),
        ("add", ". . . mod mod B N"),
        ("add by role", ". . . mod mod B N"),
        ("add moderator", ". . own mod mod B N"),
        ("set topic", ". . . mod mod B N"),
        ("kick member", ". . . mod mod B N"),
        ("unban", ". . . mod mod B N"),
    ],
};

const FROZEN: Table = Table {
    kind: "frozen",
    room: |n| format!("frozen{n}"),
    setting: Some(("frozen", "yes")),
    actors: PEOPLE,
    rows: &[
        ("send", ". . . F M B F"),
        ("send ephemeral", ". . . F M B F"),
        ("edit own", ". . . F M B N"),
        ("edit other", ". . . F M B N"),
        ("delete own", ". . . . . B N"),
        ("delete other", ". . . mod mod B N"),
        ("react", ". . . F M B N"),
        ("signal", ". . . F M B F"),
        ("read", "- . . . . B N"),
        ("history", ". . . . . B ."),
        ("presence", "- . . . . B ."),
        ("join", "- . . . . B ."),
        ("kick member", ". . . mod mod B N"),
    ],
};

/// Every user has just sent a message.
const SLOW: Table = Table {
    kind: "slow",
    room: |n| format!("slow{n}"),
    setting: Some(("slow", "60000")),
    actors: PEOPLE,
    rows: &[
        ("send", ". . . R M B R"),
        ("send ephemeral", ". . . R M B R"),
        ("edit own", ". . . . M B N"),
        ("delete own", ". . . . . B N"),
        ("react", ". . . . M B N"),
        ("signal", ". . . . M B ."),
        ("join", "- . . . . B ."),
    ],
};

const PERSONAL: Table = Table {
    kind: "personal",
    // Always the same: each user has only one.
    room: |_| "@owner".into(),
    setting: None,
    actors: &["*", "owner", "stranger", "banned"],
    rows: &[
        ("send", ". . self B"),
        ("send ephemeral", ". . self B"),
        ("edit own", ". . self B"),
        ("delete own", ". . self B"),
        ("react", ". . self B"),
        ("signal", ". . self B"),
        ("history", ". . self B"),
        ("sync", ". . self B"),
        ("members", ". . self B"),
        ("who", ". . self B"),
        ("room", ". . self B"),
        ("presence", "- . self B"),
        ("join", "- . self B"),
        ("set name", ". . self B"),
        ("set topic", ". back self B"),
        ("set slow", "field field field field"),
        ("block", ". . self self"),
        ("unblock", ". . self self"),
        ("mute in it", "act act self self"),
        ("end sockets", ". back self self"),
        // The backend lifts it again before the next user tries.
        ("suspend", ". back self self"),
        ("unsuspend", ". back self self"),
    ],
};

const DIRECT: Table = Table {
    kind: "direct",
    room: |n| format!("dm:owner,target{n}"),
    setting: None,
    actors: &["*", "owner", "stranger"],
    rows: &[
        ("send", ". . N"),
        ("send ephemeral", ". . N"),
        ("edit own", ". . N"),
        ("edit other", ". mod N"),
        ("delete own", ". . N"),
        ("delete other", ". mod N"),
        ("react", ". . N"),
        ("signal", ". . N"),
        ("read", "- . N"),
        ("history", ". . N"),
        ("sync", ". . N"),
        ("members", ". . N"),
        ("who", ". . N"),
        ("room", ". . N"),
        ("presence", "- . N"),
        ("join", "- . N"),
        ("leave", "- other N"),
        ("set topic", ". back N"),
        ("set slow", "field field field"),
        ("set name", "field field field"),
        ("kick member", "room room room"),
        ("ban stranger", "room room room"),
        ("mute member", "room room room"),
        ("make owner", "room room room"),
    ],
};

const TABLES: &[Table] = &[OPEN, MEMBERS_ONLY, FROZEN, SLOW, PERSONAL, DIRECT];

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
