//! From the installed server to the one under test: files, payloads and replication. The two are
//! the same unless `REDIS_SERVER` names another. Where a server cannot load what another has
//! written, it reports that, and the room does not exist.

use chat_tests::checking::view::{all_rooms, assert_alike, room_view};
use chat_tests::cmd;
use chat_tests::seed::seeded;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::server::Server;
use chat_tests::traffic::commands::Traffic;
use chat_tests::traffic::payload::rdb_version;

/// The product and the format of RDB files of a server.
fn format(redis: &Redis) -> (Server, u16) {
    let mut wire = redis.wire();
    cmd!(wire, "SET", "any", "x").ok();
    let version = rdb_version(cmd!(wire, "DUMP", "any").bytes());
    cmd!(wire, "DEL", "any").ok();
    (Server::of(redis), version)
}

/// Whether the first loads what the second writes.
fn loads(to: &Redis, from: &Redis) -> bool {
    let (server, own) = format(to);
    server.loads_format(own, format(from).1)
}

#[test]
fn files_of_the_installed_server_are_loaded() {
    for (line, preamble) in
        [("appendonly yes", "yes"), ("appendonly yes", "no"), ("appendonly no", "yes")]
    {
        let preamble = format!("aof-use-rdb-preamble {preamble}");
        let mut redis = Redis::installed(&[line, &preamble, "appendfsync always"]);
        if !loads(&Redis::start(), &redis) {
            return;
        }
        let mut wire = redis.wire();
        Traffic::new(seeded(line)).run(&mut wire, 500);
        cmd!(wire, "BGREWRITEAOF").ok();
        redis.wait_rewritten();
        Traffic::new(seeded("more")).run(&mut wire, 100);
        redis.save();
        let (before, digest) = (all_rooms(&mut wire), redis.digest());
        redis.kill();
        redis.upgrade();
        redis.restart();
        assert_alike(line, &all_rooms(&mut redis.wire()), &before);
        assert_eq!(redis.digest(), digest, "{line}");
        cmd!(redis, "CHAT.SEND", "lobby", "*", "on").ok();
    }
}

#[test]
fn a_replica_follows_the_installed_server_and_is_promoted() {
    let primary = Redis::installed(&[]);
    if !loads(&Redis::start(), &primary) {
        return;
    }
    let mut wire = primary.wire();
    Traffic::new(seeded("before")).run(&mut wire, 500);
    let replica = Redis::replica(&primary, &[]);
    Traffic::new(seeded("after")).run(&mut wire, 500);
    replica.catch_up(&primary);
    assert_eq!(replica.digest(), primary.digest());
    assert_alike("a replica", &all_rooms(&mut replica.wire()), &all_rooms(&mut wire));
    cmd!(replica, "REPLICAOF", "NO", "ONE").ok();
    cmd!(replica, "CHAT.SEND", "lobby", "*", "on").ok();
}

#[test]
fn a_payload_is_restored_or_refused() {
    let (here, there) = (Redis::start(), Redis::installed(&[]));
    for (from, to) in [(&here, &there), (&there, &here)] {
        let (mut source, mut target) = (from.wire(), to.wire());
        for n in 0..20 {
            cmd!(source, "CHAT.SEND", "lobby", "alice", format!("m{n}")).ok();
        }
        let payload = cmd!(source, "DUMP", "lobby");
        let reply = cmd!(target, "RESTORE", "lobby", 0, payload.bytes());
        if loads(to, from) {
            reply.ok();
            assert_eq!(room_view(&mut target, "lobby"), room_view(&mut source, "lobby"));
        } else {
            assert!(reply.error().contains("payload version or checksum are wrong"), "{reply:?}");
            assert_eq!(cmd!(target, "EXISTS", "lobby").int(), 0);
        }
        cmd!(source, "DEL", "lobby").ok();
        cmd!(target, "DEL", "lobby").ok();
    }
}
