//! What arrives, in which order and form, and how it is signed.

use chat_tests::clients::reply::Reply;
use chat_tests::documents;
use chat_tests::servers::cluster::{Cluster, Shape, slots};
use chat_tests::servers::http_server::Response;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually};
use chat_tests::{args, cmd};
use serde_json::{Value, json};

use super::stage::{Forwarder, Receiver, SECRET, header, id, send, stored, taken, verify};

const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

#[test]
fn every_event_arrives_verbatim_in_order_and_signed() {
    let redis = Redis::start();
    let receiver = Receiver::start();
    let first = send(&redis, "lobby", "hello");
    cmd!(redis, "CHAT.EDIT", "lobby", "alice", &first, "hello, all").ok();
    cmd!(redis, "CHAT.REACT", "lobby", "alice", &first, "👍").ok();
    for n in 0..250 {
        send(&redis, "dm:alice,bob", &format!("number {n}"));
    }
    let forwarder = Forwarder::created(&redis.url(), "beginning");
    let running = forwarder.run(&receiver, &[]);
    for room in ["lobby", "dm:alice,bob"] {
        receiver.wait_taken(room, &stored(&redis, room));
    }
    // A room that comes later, and one that goes on.
    send(&redis, "later", "new");
    cmd!(redis, "CHAT.DELETE", "lobby", "alice", &first).ok();
    for room in ["lobby", "later"] {
        receiver.wait_taken(room, &stored(&redis, room));
    }
    let events = cmd!(redis, "CHAT.SYNC", "dm:alice,bob", "0-0").list()[2].texts();
    let bodies: String = receiver.arrived().iter().map(|a| a.request.body.clone()).collect();
    assert!(events.iter().all(|event| bodies.contains(event.as_str())), "not verbatim");
    let arrived = receiver.arrived();
    assert!(arrived.iter().all(|request| request.events.len() <= 100));
    let signed: Vec<_> = arrived.into_iter().map(|request| (request, SECRET)).collect();
    verify(&signed).expect("the library accepts every request");
    let mut changed = signed[0].0.clone();
    changed.request.body.push(' ');
    let refusal = verify(&[(changed, SECRET)]).expect_err("another body");
    assert!(refusal.contains("WebhookVerificationError"), "{refusal}");

    // Both secrets sign while one is replaced by the other.
    forwarder.write_secrets(&[SECRET, OTHER]);
    running.process.hang_up();
    eventually("both signatures", LATER, || {
        send(&redis, "lobby", "again");
        let last = receiver.arrived().pop().expect("one");
        let signature = header(&last, "webhook-signature");
        if signature.matches("v1,").count() != 2 {
            return Err(signature);
        }
        verify(&[(last.clone(), SECRET), (last, OTHER)])
    });
    running.stop();

    // What has arrived does not come again, and what came meanwhile does.
    receiver.wait_taken("lobby", &stored(&redis, "lobby"));
    send(&redis, "lobby", "meanwhile");
    let running = forwarder.run(&receiver, &[]);
    receiver.wait_taken("lobby", &stored(&redis, "lobby"));
    receiver.wait_taken("dm:alice,bob", &stored(&redis, "dm:alice,bob"));
    assert_eq!(running.metric("chat_forward_events_total"), 1.0);
    running.stop();
}

#[test]
fn it_begins_now_and_sends_what_is_wanted_in_the_wanted_form() {
    let redis = Redis::start();
    let receiver = Receiver::start();
    send(&redis, "support:1", "before");
    send(&redis, "other", "before");
    let forwarder = Forwarder::created(&redis.url(), "now");
    assert!(
        !forwarder.call(&["create", "f", "--to", "http://x", "--from", "now"]).status.success(),
        "only once"
    );
    let wanted = send(&redis, "support:1", "wanted");
    cmd!(redis, "CHAT.REACT", "support:1", "alice", &wanted, "👍").ok();
    send(&redis, "other", "not of this name");
    cmd!(redis, "CHAT.IMPORT", "support:2", "carol", 1000, "of the past", "AT", 1).ok();
    let last = send(&redis, "support:1", "last");
    let options = ["--match", "support:*", "--types", "message", "--bare"];
    let running = forwarder.run(&receiver, &options);
    receiver.wait_taken("support:1", &[wanted.clone(), last]);
    assert_eq!(receiver.taken().len(), 1, "{:?}", receiver.taken());
    let bare = json!({"id": wanted, "room": "support:1", "type": "message"});
    assert_eq!(receiver.taken()["support:1"][0], bare);
    // The position passes what is not wanted too.
    let newest = stored(&redis, "support:2").pop().expect("one");
    eventually("the stored position", LATER, || {
        let reply = cmd!(redis, "HGETALL", "dm:forward:{f}:positions").texts();
        let at =
            reply.iter().position(|field| field == "support:2").map(|at| reply[at + 1].clone());
        if at.as_ref() == Some(&newest) { Ok(()) } else { Err(format!("{at:?}")) }
    });
    running.stop();
}

#[test]
fn it_does_not_begin_without_its_state_or_with_another_key() {
    let redis = Redis::start();
    let receiver = Receiver::start();
    let forwarder = Forwarder::created(&redis.url(), "now");
    cmd!(redis, "DEL", "dm:forward:{f}:positions");
    let words = ["run", "f", "--to", "http://127.0.0.1:1/", "--secret-file", "/dev/null"];
    assert_eq!(forwarder.call(&words).status.code(), Some(1), "a file without a secret");
    let file = forwarder.secret_file();
    let file = file.to_str().expect("a path");
    let without = forwarder.call(&["run", "f", "--to", &receiver.url(), "--secret-file", file]);
    let said = String::from_utf8_lossy(&without.stderr).into_owned();
    assert_eq!(without.status.code(), Some(1), "{said}");
    assert!(said.contains("create it with chat-relay forward create"), "{said}");
    cmd!(redis, "SET", "dm:forward:{f}:positions", "x").ok();
    let running = forwarder.run_to(&receiver.url(), &[]);
    running.wait_says(503, "WRONGTYPE");
    running.stop();
    let wrong: [(&[&str], &str); 4] = [
        (&["run", "f", "--to", "http://u@x", "--secret-file", "x"], "--to"),
        (&["run", "a{b}", "--to", "http://x", "--secret-file", "x"], "NAME"),
        (&["create", "f", "--to", "http://x", "--from", "yesterday"], "--from"),
        (&["create", "f", "--to", "http://x", "--kinds", "strange"], "--kinds"),
    ];
    for (words, flag) in wrong {
        let output = forwarder.call(words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains(flag), "{said}");
    }
}

#[test]
fn the_rights_of_the_document_are_enough() {
    let redis = Redis::start();
    let receiver = Receiver::start();
    let first = send(&redis, "a", "x");
    let text = documents::read("docs/webhooks.md");
    let line = text.lines().find(|line| line.trim().starts_with("+chat.changes "));
    let rights = line.expect("the line").split_whitespace().map(str::to_owned);
    let url = redis.relay_user();
    let user = ["ACL", "SETUSER", "relay"].map(str::to_owned);
    redis.call(&user.into_iter().chain(rights).collect::<Vec<_>>()).ok();
    let forwarder = Forwarder::created(&url, "beginning");
    receiver.answers(|_| Response::Whole(500, Vec::new()));
    let running = forwarder.run(&receiver, &["--give-up", "1s"]);
    eventually("an event that is given up", LATER, || {
        let count = running.metric("chat_forward_dead_total");
        if count == 1.0 { Ok(()) } else { Err(format!("{count}")) }
    });
    receiver.answers(taken);
    assert_eq!(forwarder.redrive(&receiver).0, Some(0));
    receiver.wait_taken("a", std::slice::from_ref(&first));
    cmd!(redis, "DEL", "a").int();
    eventually("the position is removed", LATER, || {
        let positions = cmd!(redis, "HGETALL", "dm:forward:{f}:positions").texts();
        if positions.contains(&first) { Err(format!("{positions:?}")) } else { Ok(()) }
    });
    running.stop();
    let log = cmd!(redis, "ACL", "LOG");
    // From Redis 7.2 on every connection asks for it, and does without.
    let is_known = |entry: &Reply| entry.get("object").map(Reply::text) == Some("client|setinfo");
    let denied: Vec<&Reply> = log.list().iter().filter(|entry| !is_known(entry)).collect();
    assert!(denied.is_empty(), "{denied:?}");
}

#[test]
fn rooms_of_all_shards_arrive_while_slots_move_and_a_replica_takes_over() {
    let cluster = Cluster::with(&Shape { replicas: 1, ..Shape::default() });
    let receiver = Receiver::start();
    let rooms = cluster.rooms("room", 4);
    let mut wire = cluster.client();
    let mut sent = |n: usize| {
        for room in &rooms {
            let words = args!["CHAT.SEND", room, "alice", format!("{n}")];
            wire.call(room, &words, LATER).ok();
        }
    };
    sent(1);
    let forwarder = Forwarder::created(&cluster.url(), "beginning");
    let running = forwarder.run(&receiver, &[]);
    sent(2);
    let (from, to) = (cluster.primaries()[0], cluster.primaries()[1]);
    let moved = cluster.owner_of(&rooms[0]);
    let other = if moved == from { to } else { from };
    cluster.move_slots(&[slots::slot(&rooms[0])], moved, other);
    sent(3);
    cluster.fail_over(cluster.primaries()[2]);
    sent(4);
    let texts = |events: &[Value]| {
        let mut seen = std::collections::BTreeMap::new();
        for event in events {
            seen.insert(id(event), event["text"].as_str().unwrap_or_default().to_owned());
        }
        seen.into_values().collect::<std::collections::BTreeSet<_>>()
    };
    eventually("four messages of every room", LATER, || {
        let taken = receiver.taken();
        let is_whole = |room: &String| taken.get(room).is_some_and(|e| texts(e).len() == 4);
        if rooms.iter().all(is_whole) { Ok(()) } else { Err(format!("{taken:?}")) }
    });
    running.stop();
}
