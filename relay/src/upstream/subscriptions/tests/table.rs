//! The rules one by one, and their cost for many channels.

use std::time::{Duration, Instant};

use crate::upstream::subscriptions::tests::cluster::slot_of;
use crate::upstream::subscriptions::{Action, NodeNumber, Order, Subscriptions, Verb};

const A: NodeNumber = NodeNumber(1);
const B: NodeNumber = NodeNumber(2);
const C: NodeNumber = NodeNumber(3);
const ROOM: &str = "room0";

fn order(verb: Verb, asking: bool) -> Order {
    Order { verb, channel: ROOM.into(), asking }
}

fn confirmed() -> Action {
    Action::Confirmed(ROOM.into())
}

fn lost() -> Action {
    Action::Lost(ROOM.into())
}

/// Three open nodes. The first owns the room's slot, where the room is confirmed.
struct Case {
    subscriptions: Subscriptions,
    now: Instant,
}

impl Case {
    fn new() -> Case {
        let mut case = Case { subscriptions: Subscriptions::new(slot_of), now: Instant::now() };
        for node in [A, B, C] {
            case.subscriptions.opened(node, case.now);
        }
        case.subscriptions.assign(0, Some(A), case.now);
        case
    }

    fn confirmed() -> Case {
        let mut case = Case::new();
        case.subscriptions.want(ROOM, case.now);
        assert_eq!(case.orders(A), [order(Verb::Subscribe, false)]);
        case.subscriptions.subscribed(A, ROOM, case.now);
        assert_eq!(case.actions(), [Action::Write(A), confirmed()]);
        case
    }

    fn orders(&mut self, node: NodeNumber) -> Vec<Order> {
        self.subscriptions.take_orders(node, 500, self.now)
    }

    fn actions(&mut self) -> Vec<Action> {
        self.subscriptions.take_actions()
    }

    fn pass(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        self.subscriptions.tick(self.now);
    }
}

#[test]
fn an_unwanted_channel_is_ended_and_forgotten() {
    let mut case = Case::confirmed();
    case.subscriptions.unwant(ROOM, case.now);
    assert_eq!(case.orders(A), [order(Verb::Unsubscribe, false)]);
    case.subscriptions.unsubscribed(A, ROOM, case.now);
    assert_eq!(case.actions(), [Action::Write(A)]);
    assert!(case.subscriptions.channels.is_empty());
}

/// A room that is confirmed at B, its new owner, while A refuses to end its subscription.
fn refused() -> Case {
    let mut case = Case::confirmed();
    case.subscriptions.assign(0, Some(B), case.now);
    assert_eq!(case.orders(B), [order(Verb::Subscribe, false)]);
    case.subscriptions.subscribed(B, ROOM, case.now);
    assert_eq!(case.orders(A), [order(Verb::Unsubscribe, false)]);
    case.subscriptions.moved(A, 0, Some(B), case.now);
    case.actions();
    case
}

#[test]
fn an_end_that_is_refused_is_asked_for_again() {
    let mut case = refused();
    case.pass(200);
    assert_eq!(case.orders(A), [], "not at once");
    for ms in [300, 600, 1100] {
        case.pass(ms);
        assert_eq!(case.orders(A), [order(Verb::Unsubscribe, false)], "after {ms} more");
        case.subscriptions.moved(A, 0, Some(B), case.now);
    }
    case.pass(2100);
    assert_eq!(case.orders(A), [order(Verb::Unsubscribe, false)]);
    case.subscriptions.unsubscribed(A, ROOM, case.now);
    case.pass(120_000);
    assert_eq!((case.orders(A), case.orders(B)), (vec![], vec![]));
    assert_eq!(case.subscriptions.channels.nodes_of(0), [B]);
    assert_eq!(case.subscriptions.unconfirmed(), 0);
}

#[test]
fn a_node_that_gets_the_slot_back_is_asked_at_once_though_it_refused() {
    let mut case = refused();
    case.subscriptions.assign(0, Some(A), case.now);
    assert_eq!(case.orders(A), [order(Verb::Subscribe, false)]);
    case.subscriptions.subscribed(A, ROOM, case.now);
    assert_eq!(case.orders(B), [order(Verb::Unsubscribe, false)]);
    case.subscriptions.unsubscribed(B, ROOM, case.now);
    assert_eq!(case.subscriptions.channels.nodes_of(0), [A]);
}

#[test]
fn a_request_that_was_not_sent_needs_no_end() {
    let mut case = Case::new();
    case.subscriptions.want(ROOM, case.now);
    case.subscriptions.unwant(ROOM, case.now);
    assert_eq!(case.orders(A), []);
    assert!(case.subscriptions.channels.is_empty());
}

#[test]
fn a_channel_that_is_wanted_again_is_asked_for_after_its_end() {
    let mut case = Case::confirmed();
    case.subscriptions.unwant(ROOM, case.now);
    assert_eq!(case.orders(A), [order(Verb::Unsubscribe, false)]);
    case.subscriptions.want(ROOM, case.now);
    assert_eq!(case.orders(A), [], "its end is not confirmed");
    case.subscriptions.unsubscribed(A, ROOM, case.now);
    assert_eq!(case.orders(A), [order(Verb::Subscribe, false)]);
    case.subscriptions.subscribed(A, ROOM, case.now);
    assert_eq!(case.actions().last(), Some(&confirmed()));
}

#[test]
fn a_channel_that_is_wanted_again_before_its_end_was_sent_is_confirmed_again() {
    let mut case = Case::confirmed();
    case.subscriptions.unwant(ROOM, case.now);
    case.subscriptions.want(ROOM, case.now);
    assert_eq!(case.orders(A), [order(Verb::Subscribe, false)]);
    case.subscriptions.subscribed(A, ROOM, case.now);
    assert_eq!(case.actions(), [Action::Write(A), confirmed()]);
    case.subscriptions.want(ROOM, case.now);
    assert_eq!(case.actions(), [confirmed()], "who asks twice is answered twice");
}

#[test]
fn an_end_that_was_not_asked_for_is_repaired_at_once() {
    let mut case = Case::confirmed();
    case.subscriptions.unsubscribed(A, ROOM, case.now);
    assert_eq!(case.actions(), [lost(), Action::Refresh, Action::Write(A)]);
    assert_eq!(case.subscriptions.unconfirmed(), 1);
    assert_eq!(case.orders(A), [order(Verb::Subscribe, false)]);
    case.subscriptions.moved(A, 0, Some(B), case.now);
    assert_eq!(case.actions(), [Action::Refresh, Action::Write(B)]);
    assert_eq!(case.orders(B), [order(Verb::Subscribe, false)]);
    case.subscriptions.subscribed(B, ROOM, case.now);
    assert_eq!(case.actions(), [confirmed(), Action::Moved]);
    assert_eq!(case.subscriptions.unconfirmed(), 0);
}

#[test]
fn one_redirection_counts_for_all_unanswered_channels_of_the_slot() {
    let mut case = Case::new();
    for name in ["x0", "y0", "z1"] {
        case.subscriptions.want(name, case.now);
    }
    case.subscriptions.assign(1, Some(A), case.now);
    assert_eq!(case.orders(A).len(), 3);
    case.subscriptions.subscribed(A, "x0", case.now);
    case.subscriptions.moved(A, 0, Some(B), case.now);
    let names = |orders: Vec<Order>| orders.into_iter().map(|order| order.channel.to_string());
    assert_eq!(names(case.orders(B)).collect::<Vec<_>>(), ["x0", "y0"]);
    assert_eq!(names(case.orders(A)).collect::<Vec<_>>(), [""; 0], "x0 is kept until B has it");
    case.subscriptions.moved(A, 0, Some(B), case.now);
    assert_eq!(case.orders(B), [], "the second answer brings nothing new");
}

#[test]
fn nodes_that_name_each_other_are_asked_a_few_times_per_quarter_second() {
    let mut case = Case::confirmed();
    case.subscriptions.unsubscribed(A, ROOM, case.now);
    let mut asked = 0;
    for _ in 0..100 {
        for (node, other) in [(A, B), (B, A)] {
            if !case.orders(node).is_empty() {
                asked += 1;
                case.subscriptions.moved(node, 0, Some(other), case.now);
            }
        }
    }
    assert_eq!(asked, 5);
    case.pass(250);
    assert_eq!(case.orders(A).len() + case.orders(B).len(), 1, "then again");
}

#[test]
fn a_node_that_cannot_serve_is_asked_again_after_a_quarter_second() {
    let mut case = Case::new();
    case.subscriptions.want(ROOM, case.now);
    case.orders(A);
    case.subscriptions.not_served(A, case.now);
    case.pass(249);
    assert_eq!(case.orders(A), []);
    case.pass(1);
    assert_eq!(case.orders(A), [order(Verb::Subscribe, false)]);
}

#[test]
fn what_is_not_answered_for_three_seconds_is_asked_again_after_a_refresh() {
    let mut case = Case::new();
    case.subscriptions.want(ROOM, case.now);
    case.orders(A);
    case.pass(2900);
    case.actions();
    assert_eq!(case.orders(A), []);
    case.pass(250);
    assert_eq!(case.actions(), [Action::Write(A), Action::Refresh]);
    assert_eq!(case.orders(A), [order(Verb::Subscribe, false)]);
}

#[test]
fn a_new_owner_confirms_before_the_old_one_is_left() {
    let mut case = Case::confirmed();
    case.subscriptions.assign(0, Some(B), case.now);
    assert_eq!(case.orders(A), []);
    assert_eq!(case.orders(B), [order(Verb::Subscribe, false)]);
    case.subscriptions.subscribed(B, ROOM, case.now);
    assert_eq!(case.actions(), [Action::Write(B), confirmed(), Action::Moved, Action::Write(A)]);
    assert_eq!(case.orders(A), [order(Verb::Unsubscribe, false)]);
    case.subscriptions.moved(A, 0, Some(B), case.now);
    assert_eq!(case.orders(B), [], "the error of the old owner changes nothing");
    let mut refusals = 1;
    for _ in 0..200 {
        case.pass(250);
        if !case.orders(A).is_empty() {
            case.subscriptions.moved(A, 0, Some(B), case.now);
            refusals += 1;
        }
    }
    assert_eq!(refusals, 6, "then it is left alone");
    assert_eq!(case.orders(B), []);
    assert_eq!(case.subscriptions.channels.nodes_of(0), [B]);
}

#[test]
fn the_rooms_of_a_dead_node_are_lost_until_the_next_owner_is_open() {
    let mut case = Case::confirmed();
    case.subscriptions.closed(A, case.now);
    assert_eq!(case.actions(), [lost()]);
    case.subscriptions.subscribed(A, ROOM, case.now);
    assert_eq!(case.actions(), [], "too late");
    case.subscriptions.closed(B, case.now);
    case.subscriptions.assign(0, Some(B), case.now);
    assert_eq!(case.orders(B), []);
    case.subscriptions.opened(B, case.now);
    assert_eq!(case.orders(B), [order(Verb::Subscribe, false)]);
}

#[test]
fn a_moving_slot_is_followed_early_and_both_nodes_are_heard() {
    let mut case = Case::confirmed();
    case.subscriptions.follow(ROOM, B, case.now);
    assert_eq!(case.orders(B), [order(Verb::Subscribe, true)]);
    case.subscriptions.subscribed(B, ROOM, case.now);
    assert_eq!(case.actions(), [Action::Write(B), confirmed(), Action::Moved]);
    assert_eq!(case.orders(A), [], "the key may come back");
    // The source learns first that the slot has moved; then, with Redis 8, the target.
    case.subscriptions.unsubscribed(A, ROOM, case.now);
    assert_eq!(case.actions(), [Action::Refresh, Action::Write(A)], "B is still heard");
    case.orders(A);
    case.subscriptions.moved(A, 0, Some(B), case.now);
    assert_eq!(case.subscriptions.unconfirmed(), 0);
    assert_eq!(case.orders(B), []);
    case.actions();
    case.subscriptions.unsubscribed(B, ROOM, case.now);
    assert_eq!(case.actions(), [lost(), Action::Refresh, Action::Write(B)]);
    assert_eq!(case.orders(B), [order(Verb::Subscribe, false)]);
}

#[test]
fn a_target_without_a_link_is_asked_when_it_has_one() {
    let mut case = Case::confirmed();
    case.subscriptions.closed(B, case.now);
    case.subscriptions.follow(ROOM, B, case.now);
    assert_eq!(case.orders(B), []);
    for _ in 0..2 {
        case.subscriptions.opened(B, case.now);
        assert_eq!(case.orders(B), [order(Verb::Subscribe, true)]);
        case.subscriptions.subscribed(B, ROOM, case.now);
        case.subscriptions.closed(B, case.now);
    }
    case.subscriptions.unwant(ROOM, case.now);
    case.subscriptions.opened(B, case.now);
    assert_eq!(case.orders(B), []);
}

#[test]
fn the_target_may_end_early_subscriptions_before_the_source_knows() {
    let mut case = Case::confirmed();
    case.subscriptions.follow(ROOM, B, case.now);
    case.orders(B);
    case.subscriptions.subscribed(B, ROOM, case.now);
    case.actions();
    case.subscriptions.unsubscribed(B, ROOM, case.now);
    assert_eq!(case.orders(B), [order(Verb::Subscribe, true)], "asked again at the same node");
    case.subscriptions.subscribed(B, ROOM, case.now);
    assert!(case.actions().contains(&confirmed()));
}

#[test]
fn an_early_subscription_ends_with_a_move_that_is_given_up() {
    let mut case = Case::confirmed();
    case.subscriptions.follow(ROOM, B, case.now);
    case.orders(B);
    case.subscriptions.subscribed(B, ROOM, case.now);
    case.actions();
    case.pass(10_000);
    assert_eq!(case.orders(B), [order(Verb::Subscribe, true)]);
    case.subscriptions.subscribed(B, ROOM, case.now);
    assert!(!case.actions().contains(&confirmed()), "nothing was missed");
    case.pass(10_000);
    case.orders(B);
    case.subscriptions.moved(B, 0, Some(A), case.now);
    assert!(!case.actions().contains(&lost()), "the owner is still heard");
    // It may still have the subscription.
    case.pass(20_000);
    assert_eq!((case.orders(A), case.orders(B)), (vec![], vec![order(Verb::Unsubscribe, true)]));
    case.subscriptions.unsubscribed(B, ROOM, case.now);
    assert_eq!(case.subscriptions.channels.nodes_of(0), [A]);
    assert_eq!(case.subscriptions.unconfirmed(), 0);
}

#[test]
fn a_late_confirmation_of_an_unwanted_channel_is_undone() {
    let mut case = Case::new();
    case.subscriptions.subscribed(A, ROOM, case.now);
    assert_eq!(case.orders(A), [order(Verb::Unsubscribe, false)]);
    case.subscriptions.unsubscribed(A, ROOM, case.now);
    assert!(case.subscriptions.channels.is_empty());
}

/// The cost of an event does not grow with the number of channels that it does not touch.
#[test]
fn a_hundred_thousand_channels_are_no_burden() {
    let slot = |name: &str| name.parse::<u32>().map_or(0, |number| (number % 16384) as u16);
    let (mut subscriptions, now) = (Subscriptions::new(slot), Instant::now());
    let names = (0..100_000).map(|number: u32| number.to_string()).collect::<Vec<_>>();
    let begun = time_on_cpu();
    for node in [A, B, C] {
        subscriptions.opened(node, now);
    }
    for slot in 0..16384 {
        subscriptions.assign(slot, Some(A), now);
    }
    for name in &names {
        subscriptions.want(name, now);
    }
    // All are asked of the wrong node: one answer per channel.
    while let orders = subscriptions.take_orders(A, 500, now)
        && !orders.is_empty()
    {
        for order in orders {
            subscriptions.moved(A, slot(&order.channel), Some(B), now);
            subscriptions.not_served(A, now);
        }
    }
    for name in &names {
        subscriptions.take_orders(B, 1, now);
        subscriptions.subscribed(B, name, now);
    }
    assert_eq!(subscriptions.unconfirmed(), 0);
    subscriptions.closed(B, now);
    assert_eq!(subscriptions.unconfirmed(), 100_000);
    for slot in 0..16384 {
        subscriptions.assign(slot, Some(C), now);
    }
    assert_eq!(subscriptions.take_orders(C, usize::MAX, now).len(), 100_000);
    for name in &names {
        subscriptions.subscribed(C, name, now);
        subscriptions.unsubscribed(C, name, now);
        subscriptions.unwant(name, now);
    }
    assert!(subscriptions.channels.is_empty());
    let spent = time_on_cpu().saturating_sub(begun);
    assert!(spent < Duration::from_secs(25), "{spent:?}: a scan for each event takes minutes");
}

/// How long this thread has run. Zero where the system does not say.
fn time_on_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}
