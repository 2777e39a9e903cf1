//! Rooms in several databases: each lists its own, and a room that is moved belongs to the other
//! database.

use chat_tests::checking::subscriber::Subscriber;
use chat_tests::checking::view::history;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::server::Server;

/// The ordinary rooms of a database, ordered by name.
fn listed(wire: &mut Wire, database: usize) -> Vec<String> {
    cmd!(wire, "SELECT", database).ok();
    let reply = cmd!(wire, "CHAT.ROOMS", "COUNT", 1000);
    let rows = reply.list()[1].list().iter();
    let mut names: Vec<_> = rows.map(|row| row.list()[0].text().to_owned()).collect();
    names.sort_unstable();
    cmd!(wire, "SELECT", 0).ok();
    names
}

/// Checks a client's database by a key that only database 0 has.
fn assert_in_database_0(server: Server, wire: &mut Wire, after: &str) {
    let here = cmd!(wire, "EXISTS", "mark").int() == 1;
    assert_eq!(here, server.stays_in_its_database(), "after {after} on {server:?}");
    cmd!(wire, "SELECT", 0).ok();
}

#[test]
fn a_room_and_its_copy_move_to_another_database() {
    let redis = Redis::start();
    let server = Server::of(&redis);
    let mut wire = redis.wire();
    cmd!(wire, "SET", "mark", "x").ok();
    for room in ["moved", "copied", "stays"] {
        cmd!(wire, "CHAT.SEND", room, "alice", "hi").ok();
    }
    let mut channel = Subscriber::new(&redis, &["moved", "copied"]);
    assert_eq!(cmd!(wire, "MOVE", "moved", 3).int(), 1);
    assert_in_database_0(server, &mut wire, "MOVE");
    let drop = channel.next_of("drop");
    assert_eq!((&drop["room"], &drop["reason"]), (&"moved".into(), &"renamed".into()));
    assert_eq!(cmd!(wire, "COPY", "copied", "copy", "DB", 3).int(), 1);
    assert_in_database_0(server, &mut wire, "COPY");
    assert_eq!(listed(&mut wire, 0), ["copied", "stays"]);
    assert_eq!(listed(&mut wire, 3), ["copy", "moved"]);
    assert!(cmd!(wire, "CHAT.SEND", "moved", "alice", "again").ok().text().ends_with("-1"));

    cmd!(wire, "SELECT", 3).ok();
    for room in ["moved", "copy"] {
        assert_eq!(history(&mut wire, room, &[]).texts(), ["hi"]);
        assert!(cmd!(wire, "CHAT.SEND", room, "alice", "on").ok().text().ends_with("-2"));
    }
    cmd!(wire, "FLUSHDB").ok();
    assert_eq!(listed(&mut wire, 3), Vec::<String>::new());
    assert_eq!(listed(&mut wire, 0), ["copied", "moved", "stays"]);
    assert_eq!(redis.info("chat", "chat_rooms"), "3");
}
