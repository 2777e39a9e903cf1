//! `chat-relay tail` prints every durable event once, in order, whatever breaks; what is lost is a line.

use std::collections::BTreeSet;

use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::cluster::slots::slot;
use chat_tests::servers::cluster::{Cluster, Shape};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::sentinel::{Sentinels, replicated};
use chat_tests::wait::{LATER, SOON, eventually};

use super::stage::Tail;

/// Sends some messages, and edits. What is refused, or has no answer, is left out.
fn talk(wire: &mut Wire, count: usize) {
    for n in 0..count {
        let Ok(sent) = wire.try_call(&["CHAT.SEND", "lobby", "alice", &n.to_string()]) else {
            return;
        };
        if n % 3 == 0 && !sent.is_error() {
            let _ = wire.try_call(&["CHAT.EDIT", "lobby", "alice", sent.text(), "changed"]);
        }
    }
}

#[test]
fn nothing_is_missing_and_nothing_comes_twice_whatever_is_cut_or_killed() {
    let mut redis = Redis::durable();
    cmd!(redis, "CHAT.SEND", "lobby", "alice", "first").ok();
    let tail = Tail::following(&redis.url(), &["lobby", "--since", "0-0"]);
    for round in 0..6 {
        let mut wire = redis.wire();
        talk(&mut wire, 200);
        match round {
            0 | 3 => drop(cmd!(wire, "CLIENT", "KILL", "TYPE", "pubsub")),
            1 | 4 => drop(cmd!(wire, "CLIENT", "KILL", "TYPE", "normal")),
            2 => {
                redis.kill();
                redis.restart();
            }
            _ => {}
        }
    }
    tail.await_all(&mut redis.wire(), "lobby");
}

#[test]
fn a_failover_loses_nothing_that_the_replica_has() {
    let (mut primary, replicas) = replicated(2, &[]);
    let sentinels = Sentinels::three(&primary, 2, &[]);
    let mut wire = primary.wire();
    talk(&mut wire, 50);
    let tail = Tail::following(&sentinels.url(), &["lobby", "--since", "0-0"]);
    talk(&mut wire, 50);
    replicas.iter().for_each(|replica| replica.catch_up(&primary));
    let old = primary.address();
    primary.kill();
    let new = sentinels.switched_from(old);
    let new = replicas.iter().find(|replica| replica.address() == new).expect("a replica");
    let mut wire = new.wire();
    eventually("a primary that accepts writes", LATER, || {
        match cmd!(wire, "CHAT.SEND", "lobby", "alice", "after") {
            sent if sent.is_error() => Err(sent.error().to_owned()),
            _ => Ok(()),
        }
    });
    talk(&mut wire, 50);
    tail.await_all(&mut wire, "lobby");
}

#[test]
fn a_room_of_a_cluster_is_followed_to_another_node() {
    let shape = Shape { primaries: 2, replicas: 1, ..Shape::default() };
    let cluster = Cluster::with(&shape);
    let rooms = cluster.rooms("room", 2);
    let mut client = cluster.client();
    let mut talk = |times: usize| {
        for n in 0..times {
            for room in &rooms {
                let send = ["CHAT.SEND", room, "alice", &n.to_string()];
                assert!(!client.call(room, &send, SOON).is_error());
            }
        }
    };
    talk(3);
    let words: Vec<&str> = rooms.iter().map(String::as_str).chain(["--last", "10"]).collect();
    let tail = Tail::following(&cluster.url(), &words);
    talk(3);
    let slots: BTreeSet<u16> = cluster.slots_of(0);
    let moved: Vec<u16> =
        rooms.iter().map(|room| slot(room)).filter(|slot| slots.contains(slot)).collect();
    cluster.move_slots(&moved[..1], 0, 1);
    talk(3);
    cluster.agree();
    cluster.fail_over(1);
    talk(3);
    tail.await_members(12 * rooms.len(), "id");
    for room in &rooms {
        let events = tail.events();
        let of_room = events.iter().filter(|event| event["room"] == room.as_str());
        let numbers: Vec<u64> = of_room.filter_map(|event| event["m"].as_u64()).collect();
        assert_eq!(numbers, (1..=12).collect::<Vec<_>>(), "{room}");
    }
    let kinds: BTreeSet<String> = tail.await_members(0, "type").into_iter().collect();
    assert_eq!(kinds, BTreeSet::from(["message".to_owned()]), "and no event of moving");
}

#[test]
fn a_room_that_goes_and_comes_again_is_read_from_its_beginning() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "one").ok();
    let tail = Tail::following(&redis.url(), &["lobby", "--last", "1"]);
    // Who sends first joins.
    let kinds = |count: usize| {
        eventually("events", LATER, || {
            let events = tail.events();
            let kinds = events.iter().filter_map(|event| event["type"].as_str());
            let kinds: Vec<String> =
                kinds.filter(|kind| *kind != "member").map(str::to_owned).collect();
            if kinds.len() >= count { Ok(kinds) } else { Err(format!("{kinds:?}")) }
        })
    };
    for round in 0..10 {
        cmd!(wire, "CHAT.SEND", "lobby", "alice", "two").ok();
        kinds(2 + 4 * round);
        cmd!(wire, "DEL", "lobby").ok();
        cmd!(wire, "CHAT.SEND", "lobby", "alice", "three").ok();
        kinds(4 + 4 * round);
        cmd!(wire, "CHAT.SIGNAL", "lobby", "alice", "typing").ok();
        kinds(5 + 4 * round);
    }
    let round = ["message", "drop", "message", "signal"];
    let expected: Vec<&str> = std::iter::once("message").chain(round.repeat(10)).collect();
    assert_eq!(kinds(expected.len()), expected);
}

#[test]
fn what_is_lost_is_a_line_in_its_place() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let ids: Vec<String> = (0..6)
        .map(|n| cmd!(wire, "CHAT.SEND", "lobby", "alice", n.to_string()).text().to_owned())
        .collect();
    cmd!(wire, "CHAT.ROOM", "lobby", "SET", "history_max", 3).ok();
    let tail = Tail::following(&redis.url(), &["lobby", "--since", &ids[0]]);
    let await_text = |text: &str| {
        eventually(text, LATER, || {
            let events = tail.events();
            let has_come = events.last().is_some_and(|event| event["text"] == text);
            if has_come { Ok(events) } else { Err(format!("{events:?}")) }
        })
    };
    await_text("5");
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "after").ok();
    let found = await_text("after");
    let lost = &found[0];
    assert_eq!(lost["type"], "lost", "{found:?}");
    assert_eq!((lost["after"].as_str(), lost["room"].as_str()), (Some(&*ids[0]), Some("lobby")));
    let texts: Vec<&str> = found[1..].iter().filter_map(|event| event["text"].as_str()).collect();
    assert_eq!(texts, ["3", "4", "5", "after"], "what the room still has, and what follows");
    // A room that went while nobody was connected.
    let mut redis = redis;
    redis.kill();
    redis.restart();
    let gone = eventually("the room's end", LATER, || {
        let events = tail.events();
        let last = events.last().cloned().unwrap_or_default();
        if last["gone"] == true { Ok(last) } else { Err(last.to_string()) }
    });
    assert_eq!(gone["type"], "lost");
}
