//! Each event is in the stream once, in the order of its room, whatever ends when.

use std::time::Duration;

use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::forwarder::Forwarder;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually, never};

use super::stage::{await_all, entries, events_of_rooms, names, talk, to};

#[track_caller]
fn create(redis: &Redis, sink: &Redis, from: &str) {
    let (code, said) = Forwarder::create(&redis.url(), &to(sink), &["--from", from]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn each_event_is_in_the_stream_once_whoever_is_killed() {
    let (mut redis, mut sink) = (Redis::durable(), Redis::durable());
    let rooms = names(40);
    talk(&mut redis.wire(), &rooms, "before");
    create(&redis, &sink, "beginning");
    let mut forwarder = Forwarder::run(&redis.url(), &to(&sink), &[]);
    for round in 0..6 {
        let mut wire = redis.wire();
        for part in 0..8 {
            talk(&mut wire, &rooms, &format!("round {round}, {part}"));
            match (round, part) {
                (0 | 3 | 5, 2 | 5) => forwarder.kill_and_restart(),
                (1 | 4, 3) => {
                    sink.kill();
                    sink.restart();
                }
                (2, 4) => {
                    redis.kill();
                    redis.restart();
                    wire = redis.wire();
                }
                _ => {}
            }
        }
    }
    let expected = events_of_rooms(&mut redis.wire(), &rooms);
    await_all(&mut sink.wire(), &expected, "all events after kills");
    assert_eq!(forwarder.readyz().0, 200);
    assert!((forwarder.metric("chat_forward_lost_total")).abs() < 0.5);
}

#[test]
fn a_replica_that_lacks_the_last_second_gets_what_it_lacks() {
    let (redis, sink) = (Redis::durable(), Redis::start());
    let rooms = names(10);
    create(&redis, &sink, "now");
    let replica = Redis::replica(&sink, &[]);
    replica.catch_up(&sink);
    let mut forwarder = Forwarder::run(&redis.url(), &to(&sink), &[]);
    talk(&mut redis.wire(), &rooms, "copied");
    let expected = events_of_rooms(&mut redis.wire(), &rooms);
    await_all(&mut sink.wire(), &expected, "what is copied");
    replica.catch_up(&sink);
    cmd!(replica, "REPLICAOF", "NO", "ONE").ok();
    for part in 0..5 {
        talk(&mut redis.wire(), &rooms, &format!("not copied, {part}"));
    }
    let expected = events_of_rooms(&mut redis.wire(), &rooms);
    await_all(&mut sink.wire(), &expected, "what is not copied");
    forwarder.process().kill();
    let _successor = Forwarder::run(&redis.url(), &to(&replica), &[]);
    await_all(&mut replica.wire(), &expected, "all events, at the replica");
}

#[test]
fn one_that_was_frozen_writes_nothing_more() {
    let (redis, sink) = (Redis::durable(), Redis::start());
    let rooms = names(10);
    create(&redis, &sink, "now");
    let mut first = Forwarder::run(&redis.url(), &to(&sink), &[]);
    first.await_active();
    let second = Forwarder::run(&redis.url(), &to(&sink), &[]);
    eventually("one that is ready to take over", LATER, || match second.readyz() {
        (200, _) => Ok(()),
        (_, why) => Err(why),
    });
    talk(&mut redis.wire(), &rooms, "by the first");
    first.process().freeze();
    let mut wire: Wire = redis.wire();
    talk(&mut wire, &rooms, "meanwhile");
    second.await_active();
    talk(&mut wire, &rooms, "by the second");
    first.process().thaw();
    for part in 0..20 {
        talk(&mut wire, &rooms, &format!("beside each other, {part}"));
    }
    let expected = events_of_rooms(&mut wire, &rooms);
    await_all(&mut sink.wire(), &expected, "all events, by both");
    eventually("the first waits", LATER, || match first.metric("chat_forward_active") {
        0.0 => Ok(()),
        active => Err(active.to_string()),
    });
    assert!((second.metric("chat_forward_active") - 1.0).abs() < 0.5);
    let before = entries(&mut sink.wire()).len();
    never("an entry that comes again", Duration::from_millis(300), || {
        match entries(&mut sink.wire()).len() {
            found if found == before => Ok(()),
            found => Err(found.to_string()),
        }
    });
    // The one that ends well gives its lease back.
    drop(first);
    let mut second = second;
    second.process().terminate();
    assert!(second.process().wait(LATER).success());
    assert_eq!(cmd!(sink, "KEYS", "*:lease").texts(), Vec::<String>::new());
}
