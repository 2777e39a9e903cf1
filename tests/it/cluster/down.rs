//! A primary that is cut off from the majority, and says CLUSTERDOWN: it ends nobody's presence.

use std::time::Duration;

use chat_tests::checking::people::{leaves, ts};
use chat_tests::checking::subscriber::Subscriber;
use chat_tests::clients::reply::Reply;
use chat_tests::cmd;
use chat_tests::servers::cluster::{Cluster, Shape};
use chat_tests::wait::{LATER, SOON, eventually, never};

/// Milliseconds of grace.
const GRACE: u64 = 2_000;

#[test]
fn presence_ends_only_a_grace_after_the_cluster_is_well_again() {
    let shape = Shape { replicas: 0, settings: &["chat.presence-grace 2000"], ..Shape::default() };
    let mut cluster = Cluster::with(&shape);
    let room = cluster.rooms_of(0, "room", 1).remove(0);
    let mut wire = cluster.node(0).wire();
    cmd!(wire, "CHAT.SEND", &room, "alice", "hello").ok();
    let heard = Subscriber::new(cluster.node(0), &[&room]);
    cluster.kill(1);
    cluster.kill(2);
    // It would end when the node has noticed.
    let ttl = 6_000;
    cmd!(wire, "CHAT.PRESENCE", &room, "ghost", "c1", "TTL", ttl).ok();
    eventually("CLUSTERDOWN", LATER, || match cmd!(wire, "CHAT.ONLINE", &room) {
        Reply::Error(line) if line.starts_with("CLUSTERDOWN") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    never("the end of a presence", Duration::from_millis(ttl + 2_000), || {
        match &leaves(&heard, &room)[..] {
            [] => Ok(()),
            ended => Err(format!("{ended:?}")),
        }
    });
    assert_eq!(cluster.node(0).info("chat", "chat_presence_timeouts"), "0");
    let before = cluster.node(0).clock_ms();
    cluster.restart(1);
    cluster.restart(2);
    cluster.agree();
    // The server ended the subscription, if it ends those of shards that are down.
    let again = Subscriber::new(cluster.node(0), &[&room]);
    let leave = eventually("the end of the presence", SOON, || {
        let all = [leaves(&heard, &room), leaves(&again, &room)].concat();
        all.first().cloned().ok_or_else(|| format!("{:?}", again.all()))
    });
    assert!(ts(&leave) >= before + GRACE, "{leave}: the nodes started after {before}");
    assert_eq!(cluster.node(0).info("chat", "chat_presence_timeouts"), "1");
}
