//! A renamed room loses its connections at once and frees them afterwards, on every copy of it.

use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::server::Server;
use chat_tests::wait::{LATER, eventually};

const CONNECTIONS: usize = 6_000;

fn memory(wire: &mut Wire, room: &str) -> i64 {
    cmd!(wire, "MEMORY", "USAGE", room).int()
}

/// Waits until the connections' memory is free again; entries of users are kept for reuse.
fn wait_freed(of: &str, wire: &mut Wire, room: &str, before: i64) {
    eventually(&format!("the connections on the {of} to be freed"), LATER, || {
        let now = memory(wire, room);
        if now < before / 3 { Ok(()) } else { Err(format!("{now} of {before} bytes")) }
    });
}

#[test]
fn the_connections_of_a_renamed_room_are_freed_on_primary_and_replica() {
    let primary = Redis::start();
    let replica = Redis::replica(&primary, &[]);
    let (mut wire, mut follower) = (primary.wire(), replica.wire());
    cmd!(wire, "CHAT.JOIN", "lobby", "alice").ok();
    for at in 0..CONNECTIONS {
        let (user, connection) = (format!("u{}", at / 2), format!("c{at}"));
        cmd!(wire, "CHAT.PRESENCE", "lobby", user, connection, "TTL", 600_000).ok();
    }
    replica.catch_up(&primary);
    let before = memory(&mut wire, "lobby");
    assert!(before > 500_000 && memory(&mut follower, "lobby") > before / 2, "{before} bytes");

    cmd!(wire, "RENAME", "lobby", "hall").ok();
    cmd!(wire, "CHAT.PRESENCE", "hall", "u7", "c14", "TTL", 600_000).ok();
    assert_eq!(cmd!(wire, "CHAT.ONLINE", "hall").list()[0].int(), 1);
    assert_eq!(cmd!(wire, "CHAT.BEAT", "hall", 600_000, "c14", "c15").list()[1].texts(), ["c15"]);
    wait_freed("primary", &mut wire, "hall", before);
    replica.catch_up(&primary);
    wait_freed("replica", &mut follower, "hall", before);
    assert_eq!(cmd!(follower, "CHAT.ONLINE", "hall").list()[0].int(), 1);
    assert_eq!(primary.digest(), replica.digest());

    cmd!(wire, "COPY", "hall", "copy").ok();
    assert_eq!(cmd!(wire, "CHAT.ONLINE", "copy").list()[0].int(), 0);
    if !Server::of(&primary).stays_in_its_database() {
        // Valkey 8.1 replicates a MOVE into the wrong database.
        return;
    }
    cmd!(wire, "MOVE", "hall", 1).ok();
    cmd!(wire, "SELECT", 1).ok();
    assert_eq!(cmd!(wire, "CHAT.ONLINE", "hall").list()[0].int(), 0);
    cmd!(wire, "CHAT.SEND", "hall", "alice", "still here").ok();
    replica.catch_up(&primary);
    assert_eq!(primary.digest(), replica.digest());
}
