//! Random events: once they stop, every wanted channel is confirmed exactly at its owner.

use std::time::Duration;

use proptest::prelude::*;

use crate::upstream::subscriptions::NodeNumber;
use crate::upstream::subscriptions::tests::cluster::{Cluster, NODES, SLOTS};

#[derive(Clone, Debug)]
enum Step {
    Want(u16),
    Unwant(u16),
    Write(u32, usize),
    Execute(u32, usize),
    Deliver(u32, usize),
    Lose(u32),
    Give(u16, u32),
    Replace(u16, u32),
    BeginMove(u16, u32),
    GiveUpMove(u16),
    Ask(u16),
    Topology,
    Mislead(u16, Option<u32>),
    ServeNothing(u32, bool),
    Kill(u32),
    Start(u32),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Step> {
    let (node, slot, channel, count) = (0..NODES, 0..SLOTS, 0..9_u16, 1..4_usize);
    prop_oneof![
        4 => channel.clone().prop_map(Step::Want),
        2 => channel.clone().prop_map(Step::Unwant),
        6 => (node.clone(), count.clone()).prop_map(|(node, count)| Step::Write(node, count)),
        6 => (node.clone(), count.clone()).prop_map(|(node, count)| Step::Execute(node, count)),
        6 => (node.clone(), count).prop_map(|(node, count)| Step::Deliver(node, count)),
        1 => node.clone().prop_map(Step::Lose),
        2 => (slot.clone(), node.clone()).prop_map(|(slot, node)| Step::Give(slot, node)),
        2 => (slot.clone(), node.clone()).prop_map(|(slot, node)| Step::Replace(slot, node)),
        2 => (slot.clone(), node.clone()).prop_map(|(slot, node)| Step::BeginMove(slot, node)),
        1 => slot.clone().prop_map(Step::GiveUpMove),
        3 => channel.prop_map(Step::Ask),
        1 => Just(Step::Topology),
        1 => (slot, prop::option::of(node.clone()))
            .prop_map(|(slot, node)| Step::Mislead(slot, node)),
        1 => (node.clone(), any::<bool>()).prop_map(|(node, on)| Step::ServeNothing(node, on)),
        1 => node.clone().prop_map(Step::Kill),
        1 => node.prop_map(Step::Start),
        2 => (1..4000_u64).prop_map(Step::Pass),
    ]
}

fn name(channel: u16) -> String {
    format!("room{channel}")
}

fn run(cluster: &mut Cluster, step: &Step) {
    match *step {
        Step::Want(channel) => cluster.want(&name(channel)),
        Step::Unwant(channel) => cluster.unwant(&name(channel)),
        Step::Write(node, count) => cluster.write(NodeNumber(node), count),
        Step::Execute(node, count) => cluster.execute(NodeNumber(node), count),
        Step::Deliver(node, count) => cluster.deliver(NodeNumber(node), count),
        Step::Lose(node) => cluster.lose(NodeNumber(node)),
        Step::Give(slot, node) => cluster.give(slot, NodeNumber(node)),
        Step::Replace(slot, node) => cluster.replace(slot, NodeNumber(node)),
        Step::BeginMove(slot, node) => cluster.begin_move(slot, NodeNumber(node)),
        Step::GiveUpMove(slot) => cluster.give_up_move(slot),
        Step::Ask(channel) => cluster.ask(&name(channel)),
        Step::Topology => cluster.tell_topology(),
        Step::Mislead(slot, node) => cluster.mislead(slot, node.map(NodeNumber)),
        Step::ServeNothing(node, nothing) => cluster.serve_nothing(NodeNumber(node), nothing),
        Step::Kill(node) => cluster.kill(NodeNumber(node)),
        Step::Start(node) => cluster.start(NodeNumber(node)),
        Step::Pass(ms) => cluster.pass(Duration::from_millis(ms)),
    }
}

/// The primary that was replaced keeps its subscription, and a late refusal names it as the owner.
#[test]
fn a_late_refusal_that_names_an_owner_of_before_is_corrected() {
    let mut cluster = Cluster::new(false);
    let steps = [
        Step::Want(2),
        Step::Give(2, 0),
        Step::Want(5),
        Step::Write(2, 1),
        Step::Topology,
        Step::Write(0, 2),
        Step::Pass(3000),
        Step::Lose(0),
        Step::Execute(2, 1),
        Step::Execute(0, 1),
        Step::Replace(2, 2),
        Step::Unwant(2),
    ];
    for step in &steps {
        run(&mut cluster, step);
    }
    cluster.settle();
    assert_eq!(cluster.wrongs(), Vec::<String>::new());
}

/// A node that is not the owner any more does not answer whether it has the channel, which it had
/// confirmed before.
#[test]
fn what_was_confirmed_before_an_unanswered_request_is_ended() {
    let mut cluster = Cluster::new(false);
    let steps = [
        Step::Want(0),
        Step::Write(0, 1),
        Step::Execute(0, 1),
        Step::Deliver(0, 1),
        Step::Unwant(0),
        Step::Replace(0, 3),
        Step::Want(0),
        Step::Topology,
        Step::Write(0, 1),
        Step::Pass(3000),
    ];
    for step in &steps {
        run(&mut cluster, step);
    }
    cluster.settle();
    assert_eq!(cluster.wrongs(), Vec::<String>::new());
}

/// `MOVED` does not name a channel, so many of them arrive for each.
#[test]
fn many_refusals_at_once_count_as_one() {
    let mut cluster = Cluster::new(false);
    let first = [Step::Want(0), Step::Write(0, 1), Step::Execute(0, 1), Step::Deliver(0, 1)];
    let again = [Step::Unwant(0), Step::Want(0), Step::Want(3), Step::Want(6)];
    let unanswered = [Step::Write(0, 3), Step::Pass(3000)].into_iter().cycle().take(6);
    for step in first.iter().chain(&again).cloned().chain(unanswered) {
        run(&mut cluster, &step);
    }
    run(&mut cluster, &Step::Replace(0, 1));
    cluster.settle();
    assert_eq!(cluster.wrongs(), Vec::<String>::new());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_wanted_channel_ends_at_its_owner(
        ends_early: bool,
        steps in prop::collection::vec(steps(), 1..250),
    ) {
        let mut cluster = Cluster::new(ends_early);
        for step in &steps {
            run(&mut cluster, step);
        }
        cluster.settle();
        prop_assert_eq!(cluster.wrongs(), Vec::<String>::new());
        // Without wanted channels nothing is left in memory.
        for channel in 0..9 {
            cluster.unwant(&name(channel));
        }
        cluster.settle();
        prop_assert_eq!(cluster.wrongs(), Vec::<String>::new());
        prop_assert!(cluster.subscriptions.channels.is_empty());
    }
}
