//! Clients that wait in CHAT.CHANGES.

use std::time::{Duration, Instant};

use chat_tests::checking::changes::Changes;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{SOON, eventually, until};

use super::listing::{changes, now};

fn waiters(redis: &Redis) -> u64 {
    redis.info("chat", "chat_waiters").parse().expect("a number")
}

#[track_caller]
fn await_waiters(redis: &Redis, number: u64) {
    eventually("clients that wait", SOON, || match waiters(redis) {
        found if found == number => Ok(()),
        found => Err(found.to_string()),
    });
}

/// A client that waits after all changes so far.
#[track_caller]
fn waiting(redis: &Redis, more: &[&str]) -> Wire {
    let mut wire = redis.wire();
    let (cursor, before) = (now(&mut wire), waiters(redis));
    let mut args = vec!["CHAT.CHANGES", &cursor, "BLOCK", "0"];
    args.extend_from_slice(more);
    wire.send(&args).expect("sent");
    await_waiters(redis, before + 1);
    wire
}

#[track_caller]
fn received(wire: &mut Wire) -> Changes {
    Changes::read(&wire.receive().expect("a reply").ok())
}

#[test]
fn a_client_waits_until_a_room_it_wants_changes() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.SEND", "known", "alice", "hello").ok();
    let (mut any, mut some) = (waiting(&redis, &[]), waiting(&redis, &["MATCH", "support:*"]));
    let mut other = redis.wire();
    cmd!(other, "SELECT", 1).ok();
    let cursor = now(&mut other);
    other.send(&["CHAT.CHANGES", &cursor, "BLOCK", "0"]).expect("sent");
    await_waiters(&redis, 3);
    let id = cmd!(wire, "CHAT.SEND", "lobby", "alice", "hello").ok().text().to_owned();
    let page = received(&mut any);
    assert_eq!((page.rooms, page.more), (vec![("lobby".into(), Some(id))], false));
    await_waiters(&redis, 2);
    let id = cmd!(wire, "CHAT.SEND", "support:1", "alice", "hello").ok().text().to_owned();
    assert_eq!(received(&mut some).rooms, [("support:1".into(), Some(id))]);
    cmd!(wire, "CHAT.SEND", "elsewhere", "alice", "hello").ok();
    await_waiters(&redis, 1);
    cmd!(wire, "SELECT", 1).ok();
    cmd!(wire, "CHAT.SEND", "there", "alice", "hello").ok();
    assert_eq!(received(&mut other).names(), ["there"]);
    let mut gone = waiting(&redis, &[]);
    cmd!(wire, "SELECT", 0).ok();
    cmd!(wire, "DEL", "known").ok();
    assert_eq!(received(&mut gone).rooms, [("known".into(), None)]);
    let mut anew = waiting(&redis, &[]);
    cmd!(wire, "FLUSHDB").ok();
    assert!(received(&mut anew).anew);
    await_waiters(&redis, 0);
}

#[test]
fn who_may_not_wait_and_whose_time_is_up_gets_an_empty_page() {
    let redis = Redis::with(&["chat.waiters-max 2"]);
    let mut wire = redis.wire();
    let cursor = now(&mut wire);
    let started = Instant::now();
    let page = changes(&mut wire, &cursor, &["BLOCK", "150"]);
    assert_eq!((page.names(), page.next.as_str(), page.anew), (vec![], cursor.as_str(), false));
    assert!(started.elapsed() >= Duration::from_millis(150));
    cmd!(wire, "MULTI").ok();
    cmd!(wire, "CHAT.CHANGES", &cursor, "BLOCK", 0).ok();
    let replies = cmd!(wire, "EXEC").ok();
    assert_eq!(Changes::read(&replies.list()[0]), page);
    let script = "return redis.call('CHAT.CHANGES', ARGV[1], 'BLOCK', '0')";
    assert_eq!(Changes::read(&cmd!(wire, "EVAL", script, 0, &cursor)), page);

    let (mut first, _second) = (waiting(&redis, &[]), waiting(&redis, &[]));
    let refused = cmd!(wire, "CHAT.CHANGES", &cursor, "BLOCK", 0);
    assert!(refused.error().starts_with("RATELIMIT 1000"), "{refused:?}");
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "hello").ok();
    assert_eq!(received(&mut first).names(), ["lobby"]);
    // Who has something to read does not wait.
    for since in [cursor.as_str(), "0"] {
        assert_eq!(changes(&mut wire, since, &["BLOCK", "0"]).names(), ["lobby"]);
    }
}

#[test]
fn clients_that_are_killed_unblocked_or_paused_leave_nothing_behind() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let id = |client: &mut Wire| cmd!(client, "CLIENT", "ID").int();
    let block = |client: &mut Wire| {
        let cursor = now(client);
        client.send(&["CHAT.CHANGES", &cursor, "BLOCK", "0"]).expect("sent");
    };
    let mut clients: Vec<(Wire, i64)> = (0..4)
        .map(|_| {
            let mut client = redis.wire();
            let id = id(&mut client);
            block(&mut client);
            (client, id)
        })
        .collect();
    await_waiters(&redis, 4);
    cmd!(wire, "CLIENT", "KILL", "ID", clients[0].1).ok();
    await_waiters(&redis, 3);
    assert_eq!(cmd!(wire, "CLIENT", "UNBLOCK", clients[1].1).int(), 1);
    assert_eq!(received(&mut clients[1].0).names(), [""; 0]);
    assert_eq!(cmd!(wire, "CLIENT", "UNBLOCK", clients[2].1, "ERROR").int(), 1);
    let error = clients[2].0.receive().expect("a reply");
    assert!(error.error().starts_with("UNBLOCKED"), "{error:?}");
    await_waiters(&redis, 1);
    // Those that did not go may wait again.
    for (client, _) in &mut clients[1..3] {
        block(client);
    }
    await_waiters(&redis, 3);
    cmd!(wire, "CLIENT", "PAUSE", 100, "ALL").ok();
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "hello").ok();
    for (client, _) in &mut clients[1..] {
        assert_eq!(received(client).names(), ["lobby"]);
    }
    await_waiters(&redis, 0);
    // A flood of clients that come and go, some of them while they are being woken.
    for round in 0..20 {
        let crowd: Vec<Wire> = (0..20)
            .map(|_| {
                let mut client = redis.wire();
                block(&mut client);
                client
            })
            .collect();
        cmd!(wire, "CHAT.SEND", "lobby", "alice", round).ok();
        drop(crowd);
    }
    await_waiters(&redis, 0);
    assert_eq!(cmd!(wire, "PING").text(), "PONG");
}

#[test]
fn a_client_is_answered_if_a_change_comes_as_its_time_is_up() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    for round in 0..5 {
        let mut client = redis.wire();
        let cursor = now(&mut client);
        client.send(&["CHAT.CHANGES", &cursor, "BLOCK", "50"]).expect("sent");
        await_waiters(&redis, 1);
        // The server stands still until both the time is up and those with changes are to be woken.
        let room = format!("room{round}");
        wire.pipeline(&[
            chat_tests::args!["CHAT.SEND", &room, "alice", "hello"],
            chat_tests::args!["DEBUG", "SLEEP", "0.1"],
        ]);
        assert_eq!(received(&mut client).names(), [room]);
        await_waiters(&redis, 0);
    }
}

#[test]
fn a_role_change_ends_the_waiting() {
    let primary = Redis::start();
    let other = Redis::start();
    let mut client = waiting(&primary, &[]);
    cmd!(primary, "REPLICAOF", "127.0.0.1", other.address().port()).ok();
    let error = client.receive().expect("a reply");
    assert!(error.error().starts_with("UNBLOCKED"), "{error:?}");
    await_waiters(&primary, 0);
    primary.catch_up(&other);
    let mut client = waiting(&primary, &[]);
    cmd!(primary, "REPLICAOF", "NO", "ONE").ok();
    assert!(received(&mut client).anew, "its numbers are not those of before");
}

#[test]
fn a_flood_of_changes_wakes_few_and_each_soon() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let woken = || redis.info("chat", "chat_waiters_woken").parse::<u64>().expect("a number");
    let reader = redis.wire();
    let span = Duration::from_secs(2);
    let (wakes, sends) = std::thread::scope(|scope| {
        let start = Instant::now();
        let reading = scope.spawn(move || {
            let mut reader = reader;
            let (mut cursor, mut read) = (now(&mut reader), 0_u64);
            while start.elapsed() < span {
                let page = changes(&mut reader, &cursor, &["BLOCK", "100", "COUNT", "1000"]);
                cursor = page.next;
                read += 1;
            }
            read
        });
        let mut sends = 0_u64;
        let mut next = Instant::now();
        while start.elapsed() < span {
            let batch: Vec<_> = (0..50)
                .map(|at| chat_tests::args!["CHAT.SEND", format!("room{at}"), "alice", "hello"])
                .collect();
            sends += wire.pipeline(&batch).len() as u64;
            next += Duration::from_millis(5);
            until(next);
        }
        (reading.join().expect("read"), sends)
    });
    let (woken, most) = (woken(), span.as_millis() as u64 / 5 + 2);
    println!("{sends} sends, {wakes} pages, {woken} wakes");
    assert!(woken <= most, "{woken} wakes, {most} allowed");
    assert!(woken <= sends / 20, "{woken} wakes of {sends} sends");
    assert!(woken >= 10, "{woken} wakes");
}
