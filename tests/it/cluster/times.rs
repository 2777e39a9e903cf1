//! Times of events while a shard fails over again and again: ids get ahead, times do not.

use chat_protocol::id::Id;
use chat_tests::checking::people::ts;
use chat_tests::checking::view::history;
use chat_tests::cmd;
use chat_tests::servers::cluster::Cluster;

use super::moved_rooms::SMALL;

/// Milliseconds by which the time of an event may differ from the clock, by the documents and for a
/// slow machine.
const EXACT: u64 = 1_000 + 500;
/// Milliseconds that ids skip at least at a promotion.
const MARGIN: u64 = 60_000;
/// Failovers in a row.
const FAILOVERS: u64 = 5;

#[test]
fn failovers_in_a_row_do_not_put_times_ahead_of_the_clock() {
    let cluster = Cluster::with(&SMALL);
    let room = cluster.rooms_of(0, "room", 1).remove(0);
    let mut primary = 0;
    cmd!(cluster.node(primary), "CHAT.SEND", &room, "alice", "before all").ok();
    for failover in 1..=FAILOVERS {
        cluster.fail_over(primary);
        cluster.agree();
        primary = cluster.owner_of(&room);
        let before = cluster.node(primary).clock_ms();
        cmd!(cluster.node(primary), "CHAT.SEND", &room, "alice", "after").ok();
        let page = history(&mut cluster.node(primary).wire(), &room, &["COUNT", "1"]);
        let event = page.events.first().expect("it is stored");
        let (time, after) = (ts(&event.json), cluster.node(primary).clock_ms());
        let span = before - EXACT..=after + EXACT;
        assert!(span.contains(&time), "{}, sent from {before} to {after}", event.text);
        let id = Id::parse(event.id().as_bytes()).expect("an id");
        assert!(id.ms > time + failover * MARGIN / 2, "{}: the margin is in the id", event.text);
    }
    cluster.agree();
    cluster.assert_equal_digests();
}
