//! Messages are edited, deleted and reacted to while clients read, join and leave: applying the
//! events in order gives what the store shows.

use chat_tests::checking::fold::{Folded, comparable};
use chat_tests::checking::view::history;
use chat_tests::clients::client::Client;
use chat_tests::cmd;
use chat_tests::seed::{rounds, seeded};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

const OPTIONS: &[&str] = &["--operations-per-second", "100000", "--probe", "500ms"];
const EMOJIS: &[&str] = &["👍", "❤️", "👩‍🚀", "+1", "🎉"];
const USERS: &[&str] = &["alice", "bob", "carol"];

fn relay(name: &str, redis: &Redis) -> Relay {
    let relay = Relay::with(name, &redis.url(), OPTIONS);
    relay.wait_ready();
    relay
}

/// Sends an operation, and again while Redis cannot be asked.
#[track_caller]
fn ask(client: &Client, op: &Value) -> Result<Value, Value> {
    eventually("an answer", LATER, || match client.call(op.clone()) {
        Err(error) if error["code"] == "UNAVAILABLE" => Err(error.to_string()),
        answer => Ok(answer),
    })
}

/// A reading client: a view, and how many frames of the room are applied to it.
struct Reader {
    client: Client,
    view: Folded,
    applied: usize,
    cursor: String,
}

impl Reader {
    fn new(relay: &Relay, user: &str, since: Option<(&Folded, &str)>) -> Reader {
        let client = relay.connect(user);
        let mut op = json!({"op": "subscribe", "room": "lobby"});
        if let Some((_, cursor)) = since {
            op["since"] = cursor.into();
        }
        let mut answer = ask(&client, &op).expect("an open room");
        let cursor = answer["last"].as_str().expect("an id").to_owned();
        let events = answer["events"].as_array().expect("events").clone();
        let mut view = match since {
            Some((view, _)) if answer["recovered"] == true => view.clone(),
            _ => {
                return Reader { view: Folded::page(&cursor, &events), client, applied: 0, cursor };
            }
        };
        events.iter().for_each(|event| view.apply(event));
        let mut cursor = cursor;
        while answer["more"] == true {
            let op = json!({"op": "subscribe", "room": "lobby", "since": cursor});
            answer = ask(&client, &op).expect("an open room");
            cursor = answer["last"].as_str().expect("an id").to_owned();
            answer["events"].as_array().expect("events").iter().for_each(|event| view.apply(event));
        }
        Reader { client, view, applied: 0, cursor }
    }

    /// Applies what has arrived.
    fn follow(&mut self) {
        let frames = self.client.events("lobby");
        for frame in &frames[self.applied..] {
            if frame.json["type"] == "reload" {
                let last = frame.json["last"].as_str().expect("an id");
                let events = frame.json["events"].as_array().expect("events");
                self.view = Folded::page(last, events);
            }
            self.view.apply(&frame.json);
            if let Some(id) = frame.json["id"].as_str() {
                self.cursor = id.to_owned();
            }
        }
        self.applied = frames.len();
    }
}

/// One random operation of a client on some message.
fn act(random: &mut SmallRng, client: &Client, sent: &mut Vec<String>) {
    let id = sent.choose(random).cloned();
    let op = match (random.random_range(0..100), id) {
        (0..30, _) | (_, None) => {
            let text = format!("text {}", random.random::<u16>());
            let mut op = json!({"op": "send", "room": "lobby", "text": text});
            if random.random_ratio(1, 4) {
                op["meta"] = json!({"n": 1});
            }
            if let Some(id) = sent.choose(random).filter(|_| random.random_ratio(1, 4)) {
                op["reply"] = id.as_str().into();
            }
            op
        }
        (30..55, Some(id)) => {
            let text = format!("edited {}", random.random::<u16>());
            let mut op = json!({"op": "edit", "room": "lobby", "id": id, "text": text});
            if random.random_ratio(1, 4) {
                op["meta"] = json!({"again": 2});
            }
            op
        }
        (55..62, Some(id)) => {
            let mut op = json!({"op": "delete", "room": "lobby", "id": id});
            if random.random_ratio(1, 2) {
                op["reason"] = "why not".into();
            }
            op
        }
        (_, Some(id)) => {
            let emoji = EMOJIS.choose(random).copied().unwrap_or_default();
            let remove = random.random_ratio(1, 3);
            json!({"op": "react", "room": "lobby", "id": id, "emoji": emoji, "remove": remove})
        }
    };
    match ask(client, &op) {
        Ok(answer) if op["op"] == "send" => {
            sent.push(answer["id"].as_str().expect("an id").to_owned());
        }
        Ok(_) => {}
        // Another user's message, a deleted one, or a reply to a deleted one.
        Err(error) => {
            let code = error["code"].as_str().unwrap_or_default();
            assert!(matches!(code, "DENIED" | "NOMSG"), "{op}: {error}");
        }
    }
}

#[test]
fn applying_the_events_in_order_shows_what_the_store_holds() {
    let redis = Redis::start();
    let relays = [relay("r1", &redis), relay("r2", &redis)];
    let mut random = seeded("changes");
    let mut wire = redis.wire();
    let writers: Vec<Client> = USERS
        .iter()
        .zip(relays.iter().cycle())
        .map(|(user, relay)| {
            let client = relay.connect(user);
            client.ok(json!({"op": "join", "room": "lobby"}));
            client
        })
        .collect();
    let mut sent = Vec::new();
    let mut readers =
        vec![Reader::new(&relays[0], "r0", None), Reader::new(&relays[1], "r1", None)];
    // All messages are to fit on one page.
    let steps = (600 * rounds(1)).min(2_400);
    for step in 0..steps {
        let writer = writers.choose(&mut random).expect("three");
        act(&mut random, writer, &mut sent);
        if step % 60 == 30 {
            // One client joins in the middle, and another resumes from its cursor.
            let user = format!("reader{step}");
            let relay = relays.choose(&mut random).expect("two");
            readers.push(Reader::new(relay, &user, None));
            let from = random.random_range(0..readers.len());
            readers[from].follow();
            let (view, cursor) = (readers[from].view.clone(), readers[from].cursor.clone());
            readers.push(Reader::new(relay, &format!("{user}b"), Some((&view, &cursor))));
        }
        if step % 150 == 100 {
            cmd!(wire, "CLIENT", "KILL", "TYPE", "pubsub").ok();
        }
    }
    let page = history(&mut wire, "lobby", &["COUNT", "1000"]);
    assert!(!page.more, "more than one page");
    let truth: Vec<Value> = page.events.iter().map(|event| comparable(&event.json)).collect();
    let count = |field: &str| truth.iter().filter(|message| !message[field].is_null()).count();
    println!(
        "{} messages, {} edited, {} deleted, {} with reactions, {} readers",
        truth.len(),
        count("edited"),
        count("deleted"),
        count("reactions"),
        readers.len()
    );
    assert!(count("edited") > 5 && count("deleted") > 5 && count("reactions") > 5);
    for reader in &mut readers {
        let user = reader.client.user.clone();
        eventually(&format!("all for {user}"), LATER, || {
            reader.follow();
            if reader.cursor == page.newest { Ok(()) } else { Err(reader.client.arrived()) }
        });
        let shown = reader.view.shown();
        // A late client has the newest page only.
        let expected = &truth[truth.len() - shown.len()..];
        for (found, expected) in shown.iter().zip(expected) {
            assert_eq!(found, expected, "as {user} sees it");
        }
        assert!(shown.len() >= 50.min(truth.len()), "{user} sees {} messages", shown.len());
    }
}

#[test]
fn changes_are_answered_and_published_as_documented() {
    let redis = Redis::start();
    let relays = [relay("r1", &redis), relay("r2", &redis)];
    let (alice, bob) = (relays[0].connect("alice"), relays[1].connect("bob"));
    for client in [&alice, &bob] {
        client.ok(json!({"op": "join", "room": "lobby"}));
    }
    let send = json!({"op": "send", "room": "lobby", "text": "frist", "nonce": "n1"});
    let id = bob.ok(send.clone())["id"].clone();
    let op = json!({"op": "edit", "room": "lobby", "id": id, "text": "first", "meta": {"a": 1}});
    let edit = bob.ok(op)["id"].clone();
    let event = alice.next_of("lobby", "edit").json;
    assert_eq!((&event["id"], &event["ref"], &event["user"]), (&edit, &id, &json!("bob")));
    assert_eq!((&event["text"], &event["meta"]), (&json!("first"), &json!({"a": 1})));
    assert_eq!(bob.ok(send.clone())["id"], id, "a repeated send is the first one, edited or not");

    let react = json!({"op": "react", "room": "lobby", "id": id, "emoji": "👍"});
    assert_eq!(alice.ok(react.clone()), json!({"changed": true}));
    assert_eq!(alice.ok(react.clone()), json!({"changed": false}));
    let event = bob.next_of("lobby", "react").json;
    assert_eq!((&event["emoji"], &event["removed"]), (&json!("👍"), &Value::Null));
    let mut back = react.clone();
    back["remove"] = true.into();
    assert_eq!(alice.ok(back.clone()), json!({"changed": true}));
    assert_eq!(alice.ok(back), json!({"changed": false}));
    assert_eq!(bob.next_of("lobby", "react").json["removed"], true);
    alice.ok(react);

    let page = bob.ok(json!({"op": "history", "room": "lobby"}));
    let message = &page["events"][0];
    assert_eq!((&message["text"], message["edited"].is_u64()), (&json!("first"), true));
    let reaction = json!([{"emoji": "👍", "count": 1, "users": ["alice"]}]);
    assert_eq!(message["reactions"], reaction);
    let op = json!({"op": "delete", "room": "lobby", "id": id, "reason": "enough"});
    let delete = alice.ok(op.clone())["id"].clone();
    let event = bob.next_of("lobby", "delete").json;
    assert_eq!((&event["id"], &event["ref"], &event["user"]), (&delete, &id, &json!("alice")));
    assert_eq!(event["reason"], "enough");
    let error = alice.call(op).expect_err("the message is deleted");
    assert_eq!(error["code"], "NOMSG");
    assert_eq!(bob.ok(send)["id"], id, "a repeated send stays the first one, deleted or not");
    let page = bob.ok(json!({"op": "history", "room": "lobby"}));
    let message = page["events"][0].as_object().expect("a message");
    assert_eq!((&message["by"], &message["reason"]), (&json!("alice"), &json!("enough")));
    let fields: Vec<&str> = message.keys().map(String::as_str).collect();
    assert!(!fields.contains(&"text") && !fields.contains(&"nonce"), "{fields:?}");
    assert!(message["deleted"].is_u64());
    // A frozen room, and a slow one.
    for (op, code) in [
        (json!({"op": "edit", "room": "lobby", "text": "x"}), "INVALID"),
        (json!({"op": "edit", "room": "lobby", "id": 7, "text": "x"}), "INVALID"),
        (json!({"op": "edit", "room": "lobby", "id": "1-1", "text": "x"}), "NOMSG"),
        (json!({"op": "edit", "room": "nowhere", "id": "1-1", "text": "x"}), "NOROOM"),
        (json!({"op": "delete", "room": "lobby"}), "INVALID"),
        (json!({"op": "delete", "room": "lobby", "id": "1-1", "reason": 1}), "INVALID"),
        (json!({"op": "react", "room": "lobby", "id": "1-1"}), "INVALID"),
        (
            json!({"op": "react", "room": "lobby", "id": "1-1", "emoji": "x", "remove": 1}),
            "INVALID",
        ),
        (json!({"op": "read", "room": "lobby"}), "INVALID"),
        (json!({"op": "unread"}), "INVALID"),
        (json!({"op": "mod", "room": "lobby", "action": "hug", "user": "bob"}), "INVALID"),
        (json!({"op": "mod", "room": "lobby", "action": "kick"}), "INVALID"),
        (json!({"op": "mod", "room": "lobby", "action": "role", "user": "bob"}), "INVALID"),
    ] {
        assert_eq!(alice.refused(op.clone()), code, "{op}");
    }
}

#[test]
fn a_user_who_writes_too_fast_gets_a_retry_time() {
    let redis = Redis::with(&["chat.rate-limit 3/30s"]);
    let relay = relay("r1", &redis);
    let (alice, bob) = (relay.connect("alice"), relay.connect("bob"));
    for client in [&alice, &bob] {
        client.ok(json!({"op": "join", "room": "lobby"}));
    }
    let send = |client: &Client| client.call(json!({"op": "send", "room": "lobby", "text": "x"}));
    for _ in 0..3 {
        send(&bob).expect("within the limit");
    }
    let error = send(&bob).expect_err("one too many");
    assert_eq!(error["code"], "RATELIMIT");
    assert!(error["retry_ms"].as_u64().is_some_and(|ms| (1..=10_000).contains(&ms)), "{error}");
    send(&alice).expect("each has a limit of their own");
    let other = json!({"op": "send", "room": "other", "text": "x"});
    bob.call(other).expect("each room has one of its own");
    // A slow room: per message, the owner exempt.
    cmd!(redis, "CONFIG", "SET", "chat.rate-limit", "0").ok();
    alice.ok(json!({"op": "room", "room": "lobby", "set": {"slow": 1_500}}));
    send(&bob).expect("the first one");
    let error = send(&bob).expect_err("too soon");
    assert_eq!(error["code"], "RATELIMIT");
    let retry = error["retry_ms"].as_u64().expect("a time");
    assert!((1..=1_500).contains(&retry), "{error}");
    let start = std::time::Instant::now();
    eventually("the next one", LATER, || send(&bob).map(drop).map_err(|error| error.to_string()));
    let waited = start.elapsed().as_millis() as u64;
    assert!(waited + 50 >= retry, "the error says {retry} ms, waited {waited} ms");
    for _ in 0..3 {
        send(&alice).expect("a moderator is exempt");
    }
}
