//! From and to the shards of a cluster.

use chat_tests::cmd;
use chat_tests::servers::cluster::{Cluster, Shape};
use chat_tests::servers::redis::Redis;

use super::stage::{Rooms, succeeds};

#[test]
fn rooms_go_from_a_server_to_the_shards_of_a_cluster_and_back() {
    let (from, to) = (Redis::start(), Redis::start());
    let cluster = Cluster::with(&Shape { replicas: 0, ..Shape::default() });
    let mut wire = from.wire();
    let rooms = cluster.rooms("room", 5);
    for (n, room) in rooms.iter().enumerate() {
        cmd!(wire, "CHAT.ROOM", room, "SET", "topic", format!("topic {n}")).ok();
        for text in 0..=n {
            cmd!(wire, "CHAT.SEND", room, "alice", format!("{n} {text}")).ok();
        }
        cmd!(wire, "CHAT.MOD", room, "*", "BAN", "mallory").ok();
    }
    let files = [Rooms::new(), Rooms::new(), Rooms::new()];
    succeeds("export", &from.url(), &files[0].path);
    succeeds("import", &cluster.url(), &files[0].path);
    for primary in cluster.primaries() {
        assert_eq!(cmd!(cluster.node(primary), "DBSIZE").int(), 5);
    }
    let printed = succeeds("export", &cluster.url(), &files[1].path);
    assert!(printed.starts_with("15 rooms, 120 messages\n"), "{printed}");
    succeeds("import", &to.url(), &files[1].path);
    succeeds("export", &to.url(), &files[2].path);
    assert_eq!(files[0].read().len(), rooms.len());
    assert_eq!(files[1].read(), files[0].read());
    assert_eq!(files[2].read(), files[0].read());
}
