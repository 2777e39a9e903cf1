//! While a room moves, its channel is heard at two nodes, whose links know nothing of each other.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::{Model, Reader};

#[derive(Clone, Debug)]
enum Step {
    Append,
    /// The room's key moves to the other node.
    Move,
    /// The subscription at this node is confirmed, if it was not.
    Subscribe(usize),
    /// The next message of this node arrives.
    Arrive(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Append),
        1 => Just(Step::Move),
        1 => (0..2_usize).prop_map(Step::Subscribe),
        4 => (0..2_usize).prop_map(Step::Arrive),
    ];
    proptest::collection::vec(step, 1..80)
}

proptest! {
    /// Both nodes' messages are delivered as they arrive, early and late ones mixed. The reader has
    /// every event once and in order, and never reloads.
    #[test]
    fn what_two_nodes_send_is_delivered_once_and_in_order(steps in steps()) {
        let mut room = Model { events: Vec::new(), clock: 100 };
        let first = room.append().0;
        let mut reader = Reader::at(first);
        let (mut owner, mut subscribed) = (0, [true, false]);
        let mut links = [VecDeque::new(), VecDeque::new()];
        let rest = [Step::Subscribe(0), Step::Subscribe(1)].into_iter();
        let rest = rest.chain((0..200).map(|number| Step::Arrive(number % 2)));
        for step in steps.into_iter().chain(rest) {
            match step {
                Step::Append => {
                    let event = room.append();
                    if subscribed[owner] {
                        links[owner].push_back(event);
                    }
                }
                Step::Move => owner = 1 - owner,
                Step::Subscribe(node) => {
                    if !std::mem::replace(&mut subscribed[node], true) {
                        reader.sync(&room);
                    }
                }
                Step::Arrive(node) => {
                    if let Some(event) = links[node].pop_front()
                        && reader.receive(event)
                    {
                        reader.sync(&room);
                    }
                }
            }
        }
        prop_assert_eq!(reader.delivered, room.events);
        prop_assert_eq!(reader.reloads, 0);
    }
}
