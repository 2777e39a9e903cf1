//! What users write is judged before it is stored (`--send-hook`): which operations, in which rooms, in
//! which order, and what the sender is answered.

use chat_tests::checking::monitor::Monitor;
use chat_tests::checking::view::history;
use chat_tests::clients::client::Client;
use chat_tests::clients::http::Http;
use chat_tests::clients::reply::Reply;
use chat_tests::cmd;
use chat_tests::servers::hook_server::{HookServer, Judge};
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually};
use serde_json::{Value, json};

fn send(room: &str, text: &str, nonce: &str) -> Value {
    json!({"op": "send", "room": room, "text": text, "nonce": nonce})
}

fn hooked(redis: &Redis, room: &str) {
    cmd!(redis, "CHAT.ROOM", room, "SET", "hook", "yes").ok();
}

/// The newest message of the room, as an event.
fn newest(redis: &Redis, room: &str) -> Value {
    let page = history(&mut redis.wire(), room, &["COUNT", "1"]);
    page.events.last().map(|event| event.json.clone()).unwrap_or_default()
}

/// The commands about this room so far, without those of its presence.
fn seen(monitor: &Monitor, room: &str) -> Vec<String> {
    let all = monitor.all().into_iter().map(|seen| seen.words);
    let about = all.filter(|words| words.get(1).is_some_and(|key| key == room));
    let mut seen: Vec<String> = about
        .map(|words| {
            let nohook = words.iter().any(|word| word == "NOHOOK");
            format!("{}{}", words[0].trim_start_matches("CHAT."), if nohook { " -" } else { "" })
        })
        .collect();
    let mine =
        ["SENT", "ROOM_RO", "SEND", "SEND -", "EDIT", "EDIT -", "SIGNAL -", "ROOM", "ROOM -"];
    seen.retain(|word| mine.contains(&word.as_str()));
    seen
}

#[test]
fn a_hooked_room_asks_before_it_stores_and_other_rooms_pay_nothing() {
    let (redis, hook) = (Redis::start(), HookServer::start());
    let relay = hook.relay("r1", &redis, &[]);
    let alice = relay.connect("alice");
    for room in ["free", "hooked"] {
        alice.ok(json!({"op": "join", "room": room}));
    }
    let monitor = Monitor::of(&redis);
    alice.ok(send("free", "hello", "f1"));
    alice.ok(send("free", "again", "f2"));
    hooked(&redis, "hooked");
    // The relay does not know of it yet.
    let first = alice.ok(send("hooked", "one", "n1"));
    eventually("the commands", LATER, || match seen(&monitor, "hooked") {
        seen if seen == ["ROOM", "SEND -", "SENT", "ROOM_RO", "SEND"] => Ok(()),
        seen => Err(format!("{seen:?}")),
    });
    hook.set("two", Judge::With(json!({"accept": true, "text": "2", "meta": {"by": "hook"}})));
    let more = json!({"op": "send", "room": "hooked", "text": "two", "nonce": "n2", "kind": "action",
        "meta": {"a": 1}, "reply": first["id"], "mentions": ["bob"]});
    alice.ok(more);
    eventually("the commands", LATER, || match seen(&monitor, "hooked").split_off(5) {
        // The mention is a question of its own.
        seen if seen.starts_with(&["SENT", "ROOM_RO", "SEND"].map(str::to_owned)) => Ok(()),
        seen => Err(format!("{seen:?}")),
    });
    assert_eq!(seen(&monitor, "free"), ["SEND -", "SEND -"], "one command each");
    let stored = newest(&redis, "hooked");
    let members = [&stored["text"], &stored["kind"], &stored["reply"]];
    assert_eq!(members, [&json!("2"), &json!("action"), &first["id"]], "{stored}");
    assert_eq!([&stored["meta"], &stored["mentions"]], [&json!({"by": "hook"}), &json!(["bob"])]);
    let asked = json!({"op": "send", "room": "hooked", "user": "alice", "text": "two",
        "meta": {"a": 1}, "kind": "action", "reply": first["id"], "mentions": ["bob"],
        "nonce": "n2", "claims": null});
    assert_eq!(hook.questions()[1], asked);
    assert_eq!(hook.texts(), ["one", "two"]);
    // The setting goes, and with it the questions.
    cmd!(redis, "CHAT.ROOM", "hooked", "SET", "hook", "no").ok();
    alice.ok(send("hooked", "three", "n3"));
    alice.ok(send("hooked", "four", "n4"));
    assert_eq!(hook.texts(), ["one", "two"]);
}

#[test]
fn a_rejected_message_is_not_stored_and_a_stored_one_is_answered_whatever_the_service_says() {
    let (redis, hook) = (Redis::start(), HookServer::start());
    hooked(&redis, "lobby");
    let (one, other) = (hook.relay("r1", &redis, &[]), hook.relay("r2", &redis, &[]));
    let (alice, elsewhere) = (one.connect("alice"), other.connect("alice"));
    hook.reject("spam", "no\nlinks, please");
    let refused = alice.call(send("lobby", "spam", "s1")).expect_err("rejected");
    assert_eq!(refused, json!({"code": "DENIED", "what": "hook", "message": "no links, please"}));
    alice.refused(send("lobby", "spam", "s1"));
    assert_eq!(hook.texts(), ["spam"], "the verdict on the same send is kept");
    assert_eq!(cmd!(redis, "CHAT.SENT", "lobby", "alice", "s1"), Reply::Nil);
    let id = alice.ok(send("lobby", "fine", "f1"));
    hook.reject("fine", "not any more");
    for client in [&alice, &elsewhere] {
        assert_eq!(client.ok(send("lobby", "fine", "f1")), id, "the repeat");
    }
    assert_eq!(hook.texts(), ["spam", "fine"], "a repeat is not judged");
    assert_eq!(elsewhere.refused(send("lobby", "fine", "f2")), "DENIED");
    // Who may not write is told so, and the service is not asked.
    cmd!(redis, "CHAT.MOD", "lobby", "*", "MUTE", "alice").ok();
    assert_eq!(alice.refused(send("lobby", "muted", "m1")), "MUTED");
    cmd!(redis, "CHAT.ROOM", "lobby", "SET", "frozen", "yes").ok();
    assert_eq!(one.connect("bob").refused(send("lobby", "frozen", "m2")), "FROZEN");
    cmd!(redis, "CHAT.MOD", "lobby", "*", "BAN", "carol").ok();
    assert_eq!(one.connect("carol").refused(send("lobby", "banned", "m3")), "BANNED");
    assert_eq!(hook.texts().len(), 3);
}

#[test]
fn two_relays_that_get_other_words_for_one_nonce_answer_one_id() {
    let (redis, hook) = (Redis::start(), HookServer::start());
    hooked(&redis, "lobby");
    let (one, other) = (hook.relay("r1", &redis, &[]), hook.relay("r2", &redis, &[]));
    let clients = [one.connect("alice"), other.connect("alice")];
    hook.hold("same");
    let asked: Vec<u64> =
        clients.iter().map(|client| client.ask(send("lobby", "same", "n"))).collect();
    hook.wait_open(2);
    // Another message is stored under the nonce before either is submitted.
    let stored = cmd!(redis, "CHAT.SEND", "lobby", "alice", "enriched", "NONCE", "n");
    hook.release("same");
    for (client, reference) in clients.iter().zip(asked) {
        eventually("the reply", LATER, || match client.reply(reference) {
            Some(Ok(reply)) if reply["id"] == stored.text() => Ok(()),
            reply => Err(format!("{reply:?}")),
        });
    }
    assert_eq!(newest(&redis, "lobby")["text"], "enriched");
}

/// Operations, and what the service is asked about them. A signal of the same name would come too soon.
fn judged(id: &Value, signal: &str) -> Vec<(Value, Value)> {
    vec![
        (
            json!({"op": "edit", "room": "lobby", "id": id, "text": "EDIT", "meta": {"a": 1}}),
            json!({"op": "edit", "text": "EDIT", "meta": {"a": 1}, "id": id}),
        ),
        (
            json!({"op": "send", "room": "lobby", "text": "SHORT", "ephemeral": true}),
            json!({"op": "send", "text": "SHORT", "ephemeral": true, "nonce": null}),
        ),
        (
            json!({"op": "signal", "room": "lobby", "name": signal, "data": {"a": 2}}),
            json!({"op": "signal", "text": null, "kind": signal, "meta": {"a": 2}}),
        ),
        (
            json!({"op": "room", "room": "lobby", "set": {"topic": "tea", "slow": 0}}),
            json!({"op": "room", "text": null, "meta": {"topic": "tea"}}),
        ),
    ]
}

fn check_question(question: &Value, expected: &Value) {
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(question[name], *value, "{name} of {question}");
    }
    assert_eq!([&question["user"], &question["room"]], ["alice", "lobby"], "{question}");
}

#[test]
fn everything_with_words_is_judged_and_nothing_else() {
    let (redis, hook) = (Redis::start(), HookServer::start());
    let relay = hook.relay("r1", &redis, &[]);
    let (alice, bob) = (relay.connect("alice"), relay.connect("bob"));
    let id = alice.ok(send("lobby", "mine", "n"))["id"].clone();
    bob.ok(json!({"op": "join", "room": "lobby"}));
    hooked(&redis, "lobby");
    // Once while the relay does not know the setting, and once with another answer.
    for round in 0..2 {
        let before = hook.questions().len();
        let signal = format!("wave{round}");
        for (operation, _) in judged(&id, &signal) {
            alice.ok(operation);
        }
        let asked = hook.questions().split_off(before);
        for ((_, expected), question) in judged(&id, &signal).iter().zip(&asked) {
            check_question(question, expected);
        }
        assert_eq!(asked.len(), 4, "round {round}");
    }
    hook.set("EDIT", Judge::With(json!({"accept": true, "text": "edited", "meta": {"b": 3}})));
    hook.set("SHORT", Judge::With(json!({"accept": true, "text": "short"})));
    hook.set("", Judge::With(json!({"accept": true, "meta": {"topic": "coffee"}})));
    let operations: Vec<Value> =
        judged(&id, "bow").into_iter().map(|(operation, _)| operation).collect();
    alice.ok(operations[0].clone());
    alice.ok(operations[1].clone());
    alice.ok(operations[3].clone());
    bob.next_where("lobby", "the edit", |event| event["text"] == "edited");
    bob.next_where("lobby", "the ephemeral message", |event| event["text"] == "short");
    bob.next_where("lobby", "the topic", |event| event["data"]["topic"] == "coffee");
    hook.set("", Judge::With(json!({"accept": true, "meta": {"b": 4}})));
    alice.ok(operations[2].clone());
    bob.next_where("lobby", "the signal", |event| event["data"]["b"] == 4);
    assert_eq!(alice.refused(operations[3].clone()), "UNAVAILABLE", "no topic of the request");
    for text in ["EDIT", "SHORT", ""] {
        hook.reject(text, "no");
    }
    for (operation, _) in judged(&id, "nod") {
        assert_eq!(alice.call(operation.clone()).expect_err("rejected")["what"], "hook");
    }
    // What has no words of the user.
    let before = hook.questions().len();
    alice.ok(json!({"op": "react", "room": "lobby", "id": id, "emoji": "👍"}));
    alice.ok(json!({"op": "signal", "room": "lobby", "name": "typing", "data": {"a": 1}}));
    alice.ok(json!({"op": "signal", "room": "lobby", "name": "bell"}));
    alice.ok(json!({"op": "room", "room": "lobby", "set": {"slow": 1}}));
    alice.ok(json!({"op": "read", "room": "lobby", "id": id}));
    alice.ok(json!({"op": "delete", "room": "lobby", "id": id}));
    // Who may not set it is told so by the store.
    let topic = json!({"op": "room", "room": "lobby", "set": {"topic": "mine"}});
    assert_eq!(bob.call(topic).expect_err("a member")["what"], "moderator");
    cmd!(redis, "CHAT.SEND", "lobby", "carol", "from a backend").ok();
    assert_eq!(hook.questions().len(), before);
}

#[test]
fn over_http_users_are_judged_and_the_backend_is_not() {
    let (redis, hook) = (Redis::start(), HookServer::start());
    hooked(&redis, "lobby");
    let dir = tempfile::tempdir().expect("a directory");
    let keys = dir.path().join("keys");
    let key = "0123456789abcdef0123456789abcdef";
    std::fs::write(&keys, format!("shop:{key}\n")).expect("a file");
    let options = ["--api-key-file", keys.to_str().expect("a path")];
    let relay = hook.relay("r1", &redis, &options);
    hook.reject("spam", "no");
    let backend = Http::new(relay.address()).bearer(key);
    let post = |http: &Http, text: &str| {
        http.call("POST", "/v1/rooms/lobby/messages", Some(&json!({"text": text})))
    };
    post(&backend, "spam").ok();
    assert_eq!(hook.texts(), [""; 0], "the backend is trusted");
    let as_alice = backend.query("as=alice");
    let refused = post(&as_alice, "spam");
    assert_eq!(refused.problem(), (403, "DENIED".into(), "hook".into()));
    post(&as_alice, "fine").ok();
    let as_user = Http::new(relay.address()).query("user=bob");
    assert_eq!(post(&as_user, "spam").status, 403);
    assert_eq!(hook.texts(), ["spam", "fine", "spam"]);
    let asked: Vec<Value> = hook.questions().iter().map(|asked| asked["user"].clone()).collect();
    assert_eq!(asked, ["alice", "alice", "bob"]);
}

#[test]
fn a_pattern_hooks_rooms_whatever_their_settings_and_claims_are_shown() {
    let (redis, hook) = (Redis::start(), HookServer::start());
    let issuer = chat_tests::servers::tokens::Issuer::new();
    let url = hook.url();
    let options = ["--send-hook", &url, "--send-hook-rooms", "support:*"];
    let relay = issuer.relay("r1", &redis, &options);
    let further = json!({"name": "Alice", "chat": {"meta": {"plan": "free"}}});
    let token = issuer.token_of("alice", further);
    let alice = Client::connect_with_token(relay.address(), "alice", &token);
    // The room does not exist before.
    alice.ok(send("support:1", "help", "n1"));
    alice.ok(send("lobby", "hello", "n2"));
    let [question] = &hook.questions()[..] else { panic!("one question") };
    assert_eq!([&question["text"], &question["room"]], ["help", "support:1"]);
    let claims = &question["claims"];
    let said = [&claims["sub"], &claims["name"], &claims["meta"]["plan"]];
    assert_eq!(said, ["alice", "Alice", "free"], "{claims}");
    assert!(!question.to_string().contains(&token));
}
