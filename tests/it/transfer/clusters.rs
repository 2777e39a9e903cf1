//! From and to the shards of a cluster.

use std::process::Stdio;

use chat_tests::cmd;
use chat_tests::seed::is_long_run;
use chat_tests::servers::cluster::{Cluster, Shape};
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually};
use serde_json::{Value, json};

use super::stage::{Rooms, program, succeeds};

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

/// Lines of a room as export writes them.
fn lines(room: &str, count: u64) -> Vec<Value> {
    let mut lines = vec![json!({"room": {"name": room, "settings": {"history_max": "100000"}}})];
    lines.extend((1..=count).map(|n| {
        let mut message = json!({
            "id": n.to_string(), "user": "alice", "ts": 1_500_000_000_000 + n, "kind": "text",
            "text": format!("{n} {}", "x".repeat(100)),
        });
        if n.is_multiple_of(50) {
            message["reply"] = json!((n - 7).to_string());
        }
        json!({"message": message})
    }));
    lines
}

#[test]
fn an_import_goes_on_while_primaries_hand_over() {
    if !is_long_run() {
        return;
    }
    const COUNT: u64 = 30_000;
    let cluster = Cluster::start();
    let rooms = cluster.rooms("room", 1);
    let file = Rooms::of(rooms.iter().flat_map(|room| lines(room, COUNT)));
    let mut command = program("import", &cluster.url(), &file.path);
    let import = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    for room in &rooms {
        eventually("messages", LATER, || {
            let view = cluster.client().call(room, &["CHAT.ROOM_RO", room], LATER);
            match view.get("m").map_or(0, |m| m.int()) {
                stored if stored >= 1000 => Ok(()),
                stored => Err(format!("{stored}")),
            }
        });
        cluster.fail_over(cluster.owner_of(room));
    }
    let output = import.wait_with_output().expect("it has ended");
    assert!(output.status.success(), "{output:?}");
    let back = Rooms::new();
    succeeds("export", &cluster.url(), &back.path);
    assert_eq!(back.read(), file.read());
}
