//! How relays reach a cluster: with a user of least rights on every node, a password that changes,
//! TLS; and what `chat-relay check` says of it.

use std::process::Command;
use std::time::Duration;

use chat_tests::checking::checker::Loss;
use chat_tests::checking::faults::OPTIONS;
use chat_tests::cmd;
use chat_tests::documents;
use chat_tests::servers::artefacts;
use chat_tests::servers::authority::{Authority, server_has_tls};
use chat_tests::servers::cluster::{Cluster, Shape};
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};
use serde_json::json;

use super::stage::{Stage, assert_unnoticed};

/// Three primaries.
const SMALL: Shape<'_> = Shape { primaries: 3, replicas: 0, settings: &[], has_proxies: false };

/// Creates the relay's user on every node. Returns the address for it.
fn relay_user(cluster: &Cluster) -> String {
    for node in 0..cluster.len() {
        cluster.node(node).relay_user();
    }
    cluster.url().replace("redis://", "redis://relay:secret@")
}

/// Alice hears what she sends, in rooms of all nodes.
#[track_caller]
fn assert_works(relay: &Relay, cluster: &Cluster) {
    // All nodes: a relay is ready with half of the slots.
    relay.wait_for_answer(200, "ready\n");
    let alice = relay.connect("alice");
    for room in cluster.rooms("room", 2) {
        alice.ok(json!({"op": "join", "room": room}));
        alice.ok(json!({"op": "send", "room": room, "text": "x"}));
        alice.next_of(&room, "message");
    }
}

#[test]
fn the_documented_rights_are_enough_on_every_node_and_each_is_needed() {
    let cluster = Cluster::with(&SMALL);
    let relay = Relay::with("r1", &relay_user(&cluster), &["--probe", "500ms"]);
    assert_works(&relay, &cluster);
    for name in documents::commands_in_clusters() {
        let change = |sign: char| {
            for node in 0..cluster.len() {
                let word = format!("{sign}{name}");
                cmd!(cluster.node(node), "ACL", "SETUSER", "relay", word).ok();
            }
        };
        change('-');
        for node in 0..cluster.len() {
            cmd!(cluster.node(node), "CLIENT", "KILL", "USER", "relay");
        }
        relay.wait_for_answer(503, &format!("no permission to run {name}"));
        change('+');
        relay.wait_for_answer(200, "ready\n");
    }
    // One node: its rooms are away, and the relay says so.
    cmd!(cluster.node(0), "ACL", "SETUSER", "relay", "-chat.who").ok();
    let alice = relay.connect("alice");
    let room = cluster
        .rooms("room", 2)
        .into_iter()
        .find(|room| cluster.owner_of(room) == 0)
        .expect("a room of each node");
    eventually("a refusal", LATER, || {
        let asked = alice.ask(json!({"op": "who", "room": room}));
        let reply = eventually("a reply", LATER, || alice.reply(asked).ok_or("none".into()));
        match reply {
            Err(error) if error["code"] == "UNAVAILABLE" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    assert!(relay.get("/readyz").1.contains("chat.who"), "{:?}", relay.get("/readyz"));
    cmd!(cluster.node(0), "ACL", "SETUSER", "relay", "+chat.who").ok();
    assert_works(&relay, &cluster);
}

#[test]
fn a_new_password_is_taken_up_without_an_interruption() {
    let cluster = Cluster::with(&Shape { settings: &[super::stage::GRACE], ..SMALL });
    relay_user(&cluster);
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("password");
    std::fs::write(&file, "secret").expect("written");
    let path = file.to_str().expect("UTF-8");
    let flags = ["--redis-user", "relay", "--redis-password-file", path];
    let flags = [&flags, OPTIONS].concat();
    let relays = ["r1", "r2"].map(|name| Relay::with(name, &cluster.url(), &flags));
    relays.iter().for_each(Relay::wait_ready);
    let rooms = cluster.rooms("room", 4);
    let relays = relays.into();
    let mut stage = Stage { cluster, relays, rooms, loss: Loss::Nothing, prefix: String::new() };
    let effects = stage.under_load("password", |progress, cluster, _| {
        let nodes = 0..cluster.len();
        let set = |word: &str| {
            for node in nodes.clone() {
                cmd!(cluster.node(node), "ACL", "SETUSER", "relay", word).ok();
            }
        };
        let connections = |node: usize| {
            let list = cmd!(cluster.node(node), "CLIENT", "LIST").text().to_owned();
            let ours = list.lines().filter(|line| line.contains(" user=relay "));
            ours.filter_map(|line| Some(line.split(' ').next()?.to_owned())).collect::<Vec<_>>()
        };
        let old: Vec<_> = nodes.clone().map(connections).collect();
        set(">newer");
        let new = file.with_extension("new");
        std::fs::write(&new, "newer").expect("written");
        std::fs::rename(&new, &file).expect("renamed");
        eventually("the end of the old connections", LATER, || {
            let left = nodes.clone().flat_map(connections).collect::<Vec<_>>();
            let is_over = !left.is_empty() && !left.iter().any(|id| old.concat().contains(id));
            if is_over { Ok(()) } else { Err(format!("{left:?}")) }
        });
        set("<secret");
        progress.wait_for_more(50);
    });
    assert_unnoticed(&effects, Duration::from_secs(2));
}

#[test]
fn a_cluster_is_reached_over_tls() {
    if !server_has_tls() {
        println!("skipped: the server under test was built without TLS");
        return;
    }
    let authority = Authority::new();
    let issued = authority.issue(&["127.0.0.1"]);
    let mut lines = authority.lines(0, &issued).split_off(1);
    lines.extend(["tls-cluster yes", "tls-replication yes"].map(str::to_owned));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let cluster = Cluster::with(&Shape { settings: &lines, ..SMALL });
    let relay = Relay::with("r1", &cluster.tls_url(), &["--redis-ca", &authority.path()]);
    assert_works(&relay, &cluster);
    let said = check(&cluster.tls_url(), &["--redis-ca", &authority.path()]);
    assert!(said.contains("ok      cluster: all 16384 slots have an owner\n"), "{said}");
    let other = Authority::named("another authority");
    let said = check(&cluster.tls_url(), &["--redis-ca", &other.path()]);
    assert!(said.contains("comes from no authority that is trusted"), "{said}");
}

/// What the program says.
fn check(url: &str, flags: &[&str]) -> String {
    let fixed = ["check", "--redis", url, "--listen", "127.0.0.1:0"];
    let output = Command::new(artefacts::relay()).args(fixed).args(flags).output();
    String::from_utf8(output.expect("the program runs").stdout).expect("UTF-8")
}

#[test]
fn every_primary_is_checked() {
    let cluster = Cluster::with(&SMALL);
    let url = relay_user(&cluster);
    let operator = ["--operator-redis", &cluster.url()];
    let said = check(&url, &operator);
    for line in [
        "ok      cluster: all 16384 slots have an owner\n",
        "ok      module: version 1 (all 3 primaries)\n",
        "ok      rights: all commands, keys and channels that a relay uses (all 3 primaries)\n",
        "ok      failover: cluster-node-timeout is 2000 ms (all 3 primaries)\n",
        "ok      failover: cluster-require-full-coverage is no (all 3 primaries)\n",
        "ok      buffers: client-output-buffer-limit pubsub is 134217728 67108864",
        "warning replicas: 0 of its own",
    ] {
        assert!(said.contains(line), "{line}{said}");
    }
    assert!(!said.contains("error "), "{said}");
    cmd!(cluster.node(1), "ACL", "SETUSER", "relay", "-asking", "-readonly", "-chat.beat").ok();
    cmd!(cluster.node(2), "CONFIG", "SET", "cluster-node-timeout", "15000").ok();
    let said = check(&url, &operator);
    let (second, third) = (cluster.address(1), cluster.address(2));
    for line in [
        format!("error   rights: no permission to run chat.beat ({second})\n"),
        format!("error   rights: no permission to run asking ({second})\n"),
        format!("error   rights: no permission to run readonly ({second})\n"),
        format!(
            "warning failover: cluster-node-timeout is 15000 ms: rooms of a primary that fails \
                 are away for longer than 10 s ({third})\n"
        ),
    ] {
        assert!(said.contains(&line), "{line}{said}");
    }
    let seeds = format!("{url},127.0.0.1:1");
    let said = check(&seeds, &operator);
    assert!(said.contains("warning redis: 127.0.0.1:1 of --redis cannot be used"), "{said}");
    assert!(!said.contains("secret"), "{said}");
}
