//! Redis is there and refuses something: reads go on, sends wait in order, and `/readyz` names the
//! reason.

use std::time::Instant;

use chat_tests::checking::view::history;
use chat_tests::clients::client::Client;
use chat_tests::cmd;
use chat_tests::process::Process;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, SOON, eventually};
use chat_tests::{port, servers::artefacts};
use serde_json::json;

/// An event that is only published: nothing is written.
fn publish(redis: &Redis, room: &str, name: &str) {
    let event = json!({
        "last": "0-0", "room": room, "type": "signal", "ts": 1, "user": "*", "name": name,
    });
    cmd!(redis, "SPUBLISH", room, event.to_string()).ok();
}

#[track_caller]
fn assert_receives(client: &Client, redis: &Redis, room: &str, name: &str) {
    eventually(&format!("{name} in {room} for {}", client.user), SOON, || {
        publish(redis, room, name);
        let received = client.events(room).iter().any(|event| event.json["name"] == name);
        if received { Ok(()) } else { Err(client.arrived()) }
    });
}

/// The state of Redis as this client was notified of it.
fn states_received(client: &Client) -> Vec<String> {
    let frames = client.frames_from(0).into_iter();
    let states = frames.filter(|frame| frame.json["type"] == "upstream");
    states.map(|frame| frame.json["state"].as_str().unwrap_or_default().to_owned()).collect()
}

#[track_caller]
fn assert_notified(client: &Client, expected: &[&str]) {
    eventually(&format!("{expected:?} for {}", client.user), LATER, || {
        match states_received(client) {
            states if states == expected => Ok(()),
            states => Err(format!("{states:?}")),
        }
    });
}

/// Checks that reads work and sends wait while writes are refused, from `begin` until `end`.
fn reads_work_and_sends_wait(
    redis: &Redis,
    reason: &str,
    begin: impl FnOnce(),
    end: impl FnOnce(),
) {
    let relay = Relay::with("r1", &redis.url(), &["--probe", "500ms", "--auto-join", "hall"]);
    relay.wait_ready();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|user| relay.connect(user));
    for client in [&alice, &bob] {
        client.ok(json!({"op": "join", "room": "lobby"}));
    }
    alice.ok(json!({"op": "send", "room": "lobby", "text": "before"}));
    cmd!(redis, "CHAT.MOD", "@bob", "bob", "BAN", "carol").ok();
    cmd!(redis, "CHAT.JOIN", "hall", "dora").ok();
    begin();
    let asked: Vec<u64> = (0..3)
        .map(|n| alice.ask(json!({"op": "send", "room": "lobby", "text": format!("m{n}")})))
        .collect();
    relay.wait_for_answer(200, reason);
    assert_notified(&bob, &["writes_refused"]);

    // A new login reads the personal room, a room that she is a member of, and others on demand.
    let dora = relay.connect("dora");
    assert_receives(&dora, redis, "@dora", "at-login");
    assert_receives(&dora, redis, "hall", "at-login-too");
    let seen = dora.ok(json!({"op": "subscribe", "room": "lobby"}));
    let cursor = seen["last"].clone();
    let resumed = dora.ok(json!({"op": "resume", "rooms": {"lobby": cursor}}));
    assert_eq!(resumed["rooms"]["lobby"]["recovered"], true, "{resumed}");
    bob.ok(json!({"op": "join", "room": "lobby"}));
    for op in ["who", "members", "room"] {
        dora.ok(json!({"op": op, "room": "lobby"}));
    }
    let page = dora.ok(json!({"op": "history", "room": "lobby"}));
    assert!(page["events"].to_string().contains("before"), "{page}");
    // A block check, and access checks: after a resubscription the relay checks every user.
    let direct = json!({"op": "send", "room": "dm:bob,carol", "text": "x"});
    assert_eq!(carol.refused(direct), "BANNED");
    let connects = || relay.metric("chat_relay_upstream_connects_total");
    let before = connects();
    cmd!(redis, "CLIENT", "KILL", "TYPE", "pubsub").ok();
    eventually("a new path", LATER, || if connects() > before { Ok(()) } else { Err("no".into()) });
    relay.wait_for_answer(200, reason);
    for client in [&alice, &bob, &dora] {
        assert_receives(client, redis, "lobby", "after-a-resubscription");
    }
    dora.ok(json!({"op": "unsubscribe", "room": "hall"}));
    assert_notified(&dora, &["writes_refused"]);
    assert_eq!(dora.frames_from(1)[0].json["type"], "upstream", "right after hello");

    // Nothing is acknowledged before it is stored; then everything is, in order.
    assert!(asked.iter().all(|&ask| alice.reply(ask).is_none()), "{}", alice.arrived());
    end();
    relay.wait_for_answer(200, "ready\n");
    for ask in asked {
        let stored =
            eventually("a stored send", LATER, || alice.reply(ask).ok_or_else(|| alice.arrived()));
        stored.expect("accepted");
    }
    let kept = history(&mut redis.wire(), "lobby", &[]);
    let texts: Vec<_> = kept.events.iter().map(|event| event.json["text"].clone()).collect();
    assert_eq!(texts, ["before", "m0", "m1", "m2"]);
    assert_notified(&dora, &["writes_refused", "back"]);
    assert_notified(&bob, &["writes_refused", "back"]);
    dora.next_where("lobby", "the last message", |event| event["text"] == "m2");
    eventually("the presence of all three", LATER, || {
        match cmd!(redis, "CHAT.ONLINE", "lobby", "@dora").list() {
            [lobby, dora] if (lobby.int(), dora.int()) == (3, 1) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}

#[test]
fn reading_goes_on_and_sends_wait_while_replicas_are_missing() {
    let redis = Redis::start();
    let set = |n: &str| cmd!(redis, "CONFIG", "SET", "min-replicas-to-write", n).ok();
    reads_work_and_sends_wait(
        &redis,
        "too few good replicas",
        || drop(set("1")),
        || drop(set("0")),
    );
}

#[test]
fn reading_goes_on_and_sends_wait_while_nothing_can_be_saved() {
    let redis = Redis::with(&["save 3600 1000000"]);
    // A file cannot take the place of a folder.
    let folder = redis.dir().join("dump.rdb");
    let save = |status: &str| {
        eventually(status, LATER, || {
            drop(cmd!(redis, "BGSAVE"));
            match redis.info("persistence", "rdb_last_bgsave_status") {
                found if found == status => Ok(()),
                found => Err(found),
            }
        });
    };
    let begin = || {
        std::fs::create_dir(&folder).expect("a folder");
        save("err");
    };
    let end = || {
        std::fs::remove_dir(&folder).expect("it is empty");
        save("ok");
    };
    reads_work_and_sends_wait(&redis, "cannot save to disk", begin, end);
}

#[test]
fn reading_goes_on_and_sends_wait_while_memory_is_full() {
    let redis = Redis::start();
    let set = |bytes: &str| cmd!(redis, "CONFIG", "SET", "maxmemory", bytes).ok();
    reads_work_and_sends_wait(&redis, "out of memory", || drop(set("1mb")), || drop(set("0")));
}

#[test]
fn sends_wait_in_order_while_a_script_runs() {
    let redis = Redis::with(&["busy-reply-threshold 50"]);
    let relay = Relay::with("r1", &redis.url(), &["--probe", "200ms"]);
    relay.wait_ready();
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    let (mut script, mut wire) = (redis.wire(), redis.wire());
    script.send(&["EVAL", "while true do end", "0"]).expect("sent");
    eventually("a busy server", SOON, || match cmd!(wire, "PING") {
        reply if reply.is_error() => Ok(()),
        reply => Err(format!("{reply:?}")),
    });
    let asked: Vec<u64> = (0..3)
        .map(|n| alice.ask(json!({"op": "send", "room": "lobby", "text": format!("m{n}")})))
        .collect();
    relay.wait_for_answer(503, "busy with a script");
    assert_eq!(alice.refused(json!({"op": "history", "room": "lobby"})), "UNAVAILABLE");
    assert!(asked.iter().all(|&ask| alice.reply(ask).is_none()), "{}", alice.arrived());
    cmd!(wire, "SCRIPT", "KILL").ok();
    for ask in asked {
        let stored =
            eventually("a stored send", LATER, || alice.reply(ask).ok_or_else(|| alice.arrived()));
        stored.expect("accepted");
    }
    relay.wait_for_answer(200, "ready\n");
    let texts: Vec<_> = history(&mut wire, "lobby", &[]).events;
    let texts: Vec<_> = texts.iter().map(|event| event.json["text"].clone()).collect();
    assert_eq!(texts, ["m0", "m1", "m2"]);
    let connects = relay.metric("chat_relay_upstream_connects_total");
    assert_eq!(connects, Some(1.0), "the way to Redis was never lost");
}

#[test]
fn clients_are_notified_that_redis_is_away_and_back_and_flapping_floods_no_client() {
    let mut redis = Redis::durable();
    let relay = Relay::start("r1", &redis);
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    assert!(states_received(&alice).is_empty(), "nothing while all is well");
    redis.kill();
    assert_notified(&alice, &["away"]);
    let bob = relay.connect("bob");
    assert_notified(&bob, &["away"]);
    redis.restart();
    assert_notified(&alice, &["away", "back"]);
    assert_notified(&bob, &["away", "back"]);
    let begun = Instant::now();
    let mut wire = redis.wire();
    for n in 0..30 {
        cmd!(wire, "CONFIG", "SET", "min-replicas-to-write", 1).ok();
        let _ = alice.call(json!({"op": "status", "status": format!("s{n}")}));
        relay.wait_for_answer(200, "replicas");
        cmd!(wire, "CONFIG", "SET", "min-replicas-to-write", 0).ok();
        relay.wait_for_answer(200, "ready\n");
    }
    alice.ok(json!({"op": "ping"}));
    let states = states_received(&alice).len() - 2;
    let most = 1 + usize::try_from(begun.elapsed().as_secs() / 2).expect("a number");
    assert!(states <= most, "{states} of 60 changes, {most} at most: {}", alice.arrived());
}

#[test]
fn readiness_names_what_prevents_it() {
    let redis = Redis::start();
    cmd!(redis, "CONFIG", "SET", "requirepass", "right").ok();
    let wrong = redis.url().replace("redis://", "redis://:wrong@");
    for url in [redis.url(), wrong] {
        Relay::with("r1", &url, &[]).wait_for_answer(503, "refuses the password");
    }
    let dir = tempfile::tempdir().expect("a directory");
    let port = port::free().to_string();
    let args = ["--port", &port, "--bind", "127.0.0.1", "--save", ""].map(Into::into);
    let _bare = Process::spawn("bare", &artefacts::redis_server(), &args, dir.path());
    let relay = Relay::with("r3", &format!("redis://127.0.0.1:{port}"), &[]);
    relay.wait_for_answer(503, "no chat module");
    let relay = Relay::with("r4", &format!("redis://127.0.0.1:{}", port::free()), &[]);
    relay.wait_for_answer(503, "cannot be reached");
}
