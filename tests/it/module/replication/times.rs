//! Times of events after failovers: ids get ahead of the clock, times do not.

use chat_protocol::id::Id;
use chat_tests::checking::people::ts;
use chat_tests::checking::view::{Answer, Event, history, sync};
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;

/// Milliseconds by which the time of an event may differ from the clock, by the documents and for a
/// slow machine.
const EXACT: u64 = 1_000 + 500;
/// Milliseconds that ids skip at least at a promotion.
const MARGIN: u64 = 60_000;

/// Sends, and returns the event as CHAT.HISTORY has it.
fn send(redis: &Redis, text: &str) -> Event {
    let before = redis.clock_ms();
    cmd!(redis, "CHAT.SEND", "lobby", "alice", text).ok();
    let page = history(&mut redis.wire(), "lobby", &["COUNT", "1"]);
    let event = page.events.into_iter().next().expect("it is stored");
    assert_eq!(event.json["text"], text);
    assert!(ts(&event.json).abs_diff(before) <= EXACT, "{}, sent at {before}", event.text);
    event
}

/// Everything stored, as CHAT.HISTORY has it.
fn stored(redis: &Redis) -> Answer {
    history(&mut redis.wire(), "lobby", &[])
}

#[test]
fn failovers_in_a_row_do_not_put_times_ahead_of_the_clock() {
    let mut redis = Redis::durable();
    let first = send(&redis, "before all");
    let mut sent = Vec::new();
    for failover in 1..=8 {
        // It never reaches a primary, and is promoted with what it has.
        cmd!(redis, "REPLICAOF", "127.0.0.1", "1").ok();
        cmd!(redis, "REPLICAOF", "NO", "ONE").ok();
        sent.push(send(&redis, &format!("after failover {failover}")));
    }
    let last = sent.last().expect("eight");
    let id = Id::parse(last.id().as_bytes()).expect("an id");
    assert!(id.ms > ts(&last.json) + 8 * MARGIN, "{}: the margin is in the id", last.text);
    let synced = sync(&mut redis.wire(), "lobby", first.id(), &[]);
    assert!(synced.recovered);
    assert_eq!(synced.events, sent, "CHAT.SYNC repeats the times");

    let (digest, before) = (cmd!(redis, "DEBUG", "DIGEST").ok(), stored(&redis));
    let other = Redis::start();
    let dump = cmd!(redis, "DUMP", "lobby").bytes().to_vec();
    cmd!(other, "RESTORE", "lobby", "0", dump, "REPLACE").ok();
    assert_eq!(stored(&other), before, "restored");
    // Its ids are far ahead, so the first ids of other rooms on that server are too.
    let now = other.clock_ms();
    let fresh = cmd!(other, "CHAT.SEND", "fresh", "alice", "hi").text().to_owned();
    assert!(Id::parse(fresh.as_bytes()).expect("an id") > id, "{fresh}");
    let page = history(&mut other.wire(), "fresh", &[]);
    assert!(ts(&page.events[0].json).abs_diff(now) <= EXACT, "{}", page.events[0].text);
    let replica = Redis::replica(&redis, &[]);
    assert_eq!(cmd!(replica, "DEBUG", "DIGEST").ok(), digest);
    redis.kill();
    redis.restart();
    assert_eq!(stored(&redis), before, "from the append-only file");
    send(&redis, "after the restart");
}
