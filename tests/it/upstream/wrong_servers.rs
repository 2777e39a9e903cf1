//! A relay that is pointed at a server which it cannot use says what is wrong, once, and does not
//! become ready; it does when the server is what it should be.

use std::ffi::OsString;

use chat_tests::cmd;
use chat_tests::port;
use chat_tests::process::Process;
use chat_tests::servers::artefacts;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;

/// A sentinel that watches nobody.
fn sentinel(port: u16, dir: &std::path::Path) -> Process {
    let file = dir.join("sentinel.conf");
    std::fs::write(&file, format!("port {port}\nbind 127.0.0.1\n")).expect("written");
    let args: [OsString; 2] = [file.into(), "--sentinel".into()];
    Process::spawn("sentinel", &artefacts::redis_server(), &args, dir)
}

/// The problems that the log has told.
fn told(relay: &mut Relay) -> Vec<String> {
    let log = relay.process().errors();
    let lines = log.lines().filter(|line| line.contains(" WARN ") && !line.contains("--auth none"));
    lines.map(str::to_owned).collect()
}

#[test]
fn a_sentinel_is_no_server_of_rooms() {
    let dir = tempfile::tempdir().expect("a directory");
    let port = port::free();
    let _sentinel = sentinel(port, dir.path());
    let relay = Relay::with("r1", &format!("redis://127.0.0.1:{port}"), &[]);
    relay.wait_for_answer(503, "this is a sentinel; redis+sentinel://");
    let metric = "chat_relay_upstream_troubles_total{reason=\"sentinel\"}";
    assert_eq!(relay.metric(metric), Some(1.0));
}

#[test]
fn several_servers_are_nodes_of_one_cluster_or_a_mistake() {
    let (one, other) = (Redis::start(), Redis::start());
    let url = format!("{},{}", one.url(), other.address());
    let mut relay = Relay::with("r1", &url, &[]);
    relay.wait_for_answer(503, "only servers of one cluster can be given together");
    let lines = told(&mut relay);
    assert!(
        lines.iter().any(|line| line.contains("only servers of one cluster can be given together")),
        "{lines:?}"
    );
}

#[test]
fn a_replica_is_told_until_it_is_promoted() {
    let primary = Redis::start();
    let replica = Redis::replica(&primary, &[]);
    let mut relay = Relay::with("r1", &replica.url(), &["--probe", "200ms"]);
    relay.wait_for_answer(503, "is a replica");
    let lines = told(&mut relay);
    assert!(matches!(&lines[..], [line] if line.contains("is a replica")), "{lines:?}");
    cmd!(replica, "REPLICAOF", "NO", "ONE").ok();
    relay.wait_ready();
}
