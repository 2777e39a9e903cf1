//! A replica holds what its primary holds, refuses what only a primary may do, and can take over.

use chat_tests::checking::view::{all_rooms, assert_alike, history, sync};
use chat_tests::clients::reply::Reply;
use chat_tests::seed::seeded;
use chat_tests::servers::redis::Redis;
use chat_tests::traffic::commands::{READS, Traffic, WRITES};
use chat_tests::wait::{LATER, eventually};
use chat_tests::{args, cmd};

#[test]
fn a_replica_follows_every_command() {
    let primary = Redis::start();
    let mut wire = primary.wire();
    let mut traffic = Traffic::new(seeded("replication"));
    traffic.run(&mut wire, 500);
    // The first half arrives as a snapshot, the second as a stream.
    let replica = Redis::replica(&primary, &[]);
    traffic.run(&mut wire, 1500);
    traffic.assert_complete();
    replica.catch_up(&primary);
    let mut copy = replica.wire();
    assert_alike("replica", &all_rooms(&mut copy), &all_rooms(&mut wire));
    assert_eq!(replica.digest(), primary.digest());
    for room in ["lobby", "@alice", "dm:alice,bob"] {
        let who = |wire: &mut _| all_who(wire, room);
        assert_eq!(who(&mut copy), who(&mut wire), "presence is replicated: {room}");
    }
}

fn all_who(wire: &mut chat_tests::clients::wire::Wire, room: &str) -> Reply {
    cmd!(wire, "CHAT.WHO", room, "COUNT", 1000)
}

#[test]
fn a_replica_answers_reads_and_refuses_what_publishes() {
    let primary = Redis::start();
    let mut wire = primary.wire();
    let id = cmd!(wire, "CHAT.SEND", "lobby", "alice", "hi").text().to_owned();
    let replica = Redis::replica(&primary, &[]);
    let mut copy = replica.wire();
    let arguments = |name: &str| match name {
        "CHAT.SEND" => args!["lobby", "alice", "x"],
        "CHAT.PRESENCE" => args!["lobby", "alice", "c1"],
        "CHAT.BEAT" => args!["lobby", 60_000, "c1"],
        "CHAT.SIGNAL" => args!["lobby", "alice", "typing"],
        "CHAT.FOLLOW" | "CHAT.UNFOLLOW" => args!["@alice", "lobby"],
        "CHAT.JOIN" | "CHAT.LEAVE" => args!["lobby", "bob"],
        "CHAT.ROOM" => args!["lobby", "SET", "topic", "x"],
        "CHAT.ERASE" => args!["lobby", "alice"],
        "CHAT.IMPORT" => args!["lobby", "alice", 1, "x", "AT", 1],
        "CHAT.EDIT" => args!["lobby", "alice", &id, "x"],
        "CHAT.DELETE" | "CHAT.READ" => args!["lobby", "alice", &id],
        "CHAT.REACT" => args!["lobby", "alice", &id, "👍"],
        "CHAT.MOD" => args!["lobby", "*", "BAN", "bob"],
        "CHAT.UNREAD" => args!["lobby", "alice", "nobody"],
        "CHAT.SYNC" => args!["lobby", "0-0"],
        "CHAT.ROOMS" => args![],
        "CHAT.FOLLOWS" => args!["@alice"],
        _ => args!["lobby"],
    };
    for name in WRITES.iter().chain(READS) {
        let mut command = args![*name];
        command.extend(arguments(name));
        let answer = copy.call(&command);
        if WRITES.contains(name) {
            assert!(answer.error().starts_with("READONLY"), "{name}: {answer:?}");
        } else {
            let here = wire.call(&command);
            assert_eq!(answer, here, "{name}");
        }
    }
}

#[test]
fn a_promoted_replica_goes_on_and_refuses_cursors_it_never_had() {
    let mut primary = Redis::start();
    let replica = Redis::replica(&primary, &[]);
    let mut wire = primary.wire();
    let shared = cmd!(wire, "CHAT.SEND", "lobby", "alice", "both have it").text().to_owned();
    replica.catch_up(&primary);
    // The link is cut; further writes never arrive.
    let mut copy = replica.wire();
    cmd!(copy, "REPLICAOF", "NO", "ONE").ok();
    let lost: Vec<String> = (0..3)
        .map(|n| cmd!(wire, "CHAT.SEND", "lobby", "alice", format!("lost {n}")).text().to_owned())
        .collect();
    primary.kill();
    let new: Vec<String> = (0..4)
        .map(|n| cmd!(copy, "CHAT.SEND", "lobby", "alice", format!("new {n}")).text().to_owned())
        .collect();
    assert!(new[0].ends_with("-2"), "{new:?}");
    assert!(sync(&mut copy, "lobby", &shared, &[]).recovered);
    for cursor in &lost {
        assert!(!sync(&mut copy, "lobby", cursor, &[]).recovered, "{cursor}, new {new:?}");
    }
    assert_eq!(history(&mut copy, "lobby", &[]).events.len(), 5);
}

#[test]
fn a_planned_failover_with_deadlines_pending_loses_nothing() {
    let primary = Redis::start();
    let replica = Redis::replica(&primary, &[]);
    let mut wire = primary.wire();
    for n in 0..50 {
        cmd!(wire, "CHAT.SEND", "lobby", "alice", format!("m{n}")).ok();
        cmd!(
            wire,
            "CHAT.PRESENCE",
            "lobby",
            format!("user{n}"),
            format!("c{n}"),
            "TTL",
            1000 + n * 20
        )
        .ok();
    }
    // Writes pause for longer than the deadlines: the timer must not write.
    cmd!(wire, "CLIENT", "PAUSE", 2500, "WRITE").ok();
    eventually("the failover", LATER, || {
        let mut wire = primary.wire();
        cmd!(wire, "FAILOVER");
        match replica.info("replication", "role").as_str() {
            "master" => Ok(()),
            role => Err(role.to_owned()),
        }
    });
    let mut new = replica.wire();
    assert_eq!(cmd!(new, "PING").text(), "PONG");
    assert_eq!(history(&mut new, "lobby", &["COUNT", "100"]).events.len(), 50);
    cmd!(new, "CHAT.SEND", "lobby", "alice", "after").ok();
    eventually("everyone's presence to end on the new primary", LATER, || {
        match cmd!(new, "CHAT.ONLINE", "lobby").list()[0].int() {
            0 => Ok(()),
            online => Err(format!("{online} online")),
        }
    });
    primary.catch_up(&replica);
    assert_eq!(primary.digest(), replica.digest());
}
