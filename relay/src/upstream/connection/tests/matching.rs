//! Which answer belongs to which command, against a server that also speaks unasked.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use redis::Value;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::upstream::connection::in_flight::{Answer, Call, InFlight, OutOfStep, Purpose};
use crate::upstream::connection::reply_reader::Push;

fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn error(text: &str) -> Value {
    redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).expect("an error")
}

/// Asks for `count` replies.
fn ask(in_flight: &mut InFlight, count: usize) -> oneshot::Receiver<Vec<Value>> {
    let (asker, replies) = oneshot::channel();
    in_flight.extend([Call::of_commands(count, asker, later())].into_iter());
    replies
}

/// Asks for what is answered so.
fn ask_for(in_flight: &mut InFlight, answers: Vec<Answer>) -> oneshot::Receiver<Vec<Value>> {
    let (asker, replies) = oneshot::channel();
    in_flight.extend([Call::of_subscriptions(answers.into(), asker, later())].into_iter());
    replies
}

#[test]
fn a_reply_that_nobody_awaits_is_an_error_where_replies_matter() {
    let mut commands = InFlight::new(Purpose::Commands);
    assert_eq!(commands.reply(Value::Okay), Err(OutOfStep));
    let mut subscriptions = InFlight::new(Purpose::Subscriptions);
    assert_eq!(subscriptions.reply(error("MOVED 1 a:1")), Ok(()));
    assert_eq!(subscriptions.reply(Value::Okay), Ok(()));
}

#[test]
fn errors_of_subscriptions_come_back_in_order() {
    let mut in_flight = InFlight::new(Purpose::Subscriptions);
    let begin = |channel: &str| Answer::Subscribed(channel.into());
    let mut replies =
        ask_for(&mut in_flight, vec![begin("a"), Answer::Reply, begin("b"), begin("c")]);
    assert!(in_flight.push(&Push::Subscribed("a")));
    assert_eq!(in_flight.reply(Value::Okay), Ok(()));
    assert_eq!(in_flight.reply(error("MOVED 1 a:1")), Ok(()));
    assert!(!in_flight.push(&Push::Unsubscribed("c")), "a SUNSUBSCRIBE was not asked");
    assert!(!in_flight.push(&Push::Message { channel: "c", payload: b"" }));
    assert!(replies.try_recv().is_err(), "c is not confirmed");
    assert!(in_flight.push(&Push::Subscribed("c")));
    let found = replies.try_recv().expect("all answers");
    assert_eq!(found, [Value::Okay, Value::Okay, error("MOVED 1 a:1"), Value::Okay]);
    assert_eq!(in_flight.len(), 0);
}

#[test]
fn a_confirmation_that_came_unasked_leaves_nothing_waiting() {
    let mut in_flight = InFlight::new(Purpose::Subscriptions);
    let answers = vec![
        Answer::Unsubscribed("a".into()),
        Answer::Subscribed("b".into()),
        Answer::Reply,
        Answer::Subscribed("c".into()),
    ];
    let mut replies = ask_for(&mut in_flight, answers);
    // The slot of `a` moved: a push, and MOVED for the command.
    in_flight.push(&Push::Unsubscribed("a"));
    assert_eq!(in_flight.reply(error("MOVED 1 a:1")), Ok(()));
    in_flight.push(&Push::Subscribed("b"));
    assert_eq!(in_flight.reply(Value::Okay), Ok(()));
    in_flight.push(&Push::Subscribed("c"));
    assert_eq!(replies.try_recv().expect("all answers").len(), 4);
    assert_eq!(in_flight.len(), 0);
}

#[test]
fn what_is_overdue_ends_and_its_answer_is_consumed() {
    let mut in_flight = InFlight::new(Purpose::Commands);
    let now = Instant::now();
    let (asker, mut overdue) = oneshot::channel();
    in_flight.extend([Call::of_commands(1, asker, now)].into_iter());
    let mut next = ask(&mut in_flight, 1);
    assert_eq!(in_flight.soonest(), Some(now));
    in_flight.end_overdue(now);
    assert!(in_flight.soonest().is_some_and(|soonest| soonest > now));
    assert!(matches!(overdue.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
    assert_eq!(in_flight.reply(Value::Int(1)), Ok(()));
    assert!(next.try_recv().is_err(), "the first reply is that of the first call");
    assert_eq!(in_flight.reply(Value::Int(2)), Ok(()));
    assert_eq!(next.try_recv(), Ok(vec![Value::Int(2)]));
    in_flight.end_overdue(now);
    assert_eq!(in_flight.soonest(), None);
}

#[test]
fn a_later_call_may_be_over_sooner() {
    let mut in_flight = InFlight::new(Purpose::Commands);
    let now = Instant::now();
    let (patient, mut long) = oneshot::channel();
    let (asker, mut short) = oneshot::channel();
    let soon = now + Duration::from_secs(1);
    in_flight.extend([Call::of_commands(1, patient, later())].into_iter());
    in_flight.extend([Call::of_one_command(asker, soon)].into_iter());
    assert_eq!(in_flight.soonest(), Some(soon));
    in_flight.end_overdue(soon);
    assert!(matches!(short.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
    assert!(in_flight.soonest().is_some_and(|soonest| soonest > soon));
    for reply in [1, 2] {
        assert_eq!(in_flight.reply(Value::Int(reply)), Ok(()));
    }
    assert_eq!(long.try_recv(), Ok(vec![Value::Int(1)]));
    assert_eq!(in_flight.len(), 0);
}

/// What a server does next on a connection for commands.
#[derive(Clone, Debug)]
enum Step {
    /// Somebody asks so many commands.
    Ask(usize),
    /// Somebody asks, and does not wait.
    AskAndLeave(usize),
    /// The oldest command is answered.
    Answer,
    /// A push that nobody asked for.
    Push(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (1_usize..5).prop_map(Step::Ask),
        1 => (1_usize..5).prop_map(Step::AskAndLeave),
        6 => Just(Step::Answer),
        3 => (0_u8..4).prop_map(Step::Push),
    ]
}

/// What is asked on a connection for subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Begin(&'static str),
    End(&'static str),
    Asking,
}

const CHANNELS: [&str; 4] = ["a", "b", "c", "d"];

/// What happens at a server to one connection.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Ask(Asked),
    /// The oldest command runs.
    Run,
    /// The channel's slot moves away, or comes back.
    Move(&'static str),
}

fn happening() -> impl Strategy<Value = Happening> {
    let channel = || proptest::sample::select(&CHANNELS[..]);
    prop_oneof![
        3 => channel().prop_map(|channel| Happening::Ask(Asked::Begin(channel))),
        2 => channel().prop_map(|channel| Happening::Ask(Asked::End(channel))),
        1 => Just(Happening::Ask(Asked::Asking)),
        6 => Just(Happening::Run),
        2 => channel().prop_map(Happening::Move),
    ]
}

proptest! {
    #[test]
    fn every_command_gets_its_own_reply_whatever_is_pushed_between(steps in vec(step(), 0..80)) {
        let mut in_flight = InFlight::new(Purpose::Commands);
        let mut asked = 0_i64;
        let mut server: VecDeque<i64> = VecDeque::new();
        let mut waiting = Vec::new();
        let left = steps.iter().map(|step| match step {
            Step::Ask(count) | Step::AskAndLeave(count) => *count,
            _ => 0,
        }).sum();
        for step in steps.into_iter().chain(std::iter::repeat_n(Step::Answer, left)) {
            match step {
                Step::Ask(count) | Step::AskAndLeave(count) => {
                    let numbers: Vec<i64> = (asked..).take(count).collect();
                    asked += count as i64;
                    server.extend(&numbers);
                    let replies = ask(&mut in_flight, count);
                    if matches!(step, Step::Ask(_)) {
                        waiting.push((numbers, replies));
                    }
                }
                Step::Answer => match server.pop_front() {
                    Some(number) => prop_assert_eq!(in_flight.reply(Value::Int(number)), Ok(())),
                    None => prop_assert_eq!(in_flight.len(), 0),
                },
                Step::Push(kind) => {
                    let push = match kind {
                        0 => Push::Unsubscribed("a"),
                        1 => Push::Subscribed("a"),
                        2 => Push::Message { channel: "a", payload: b"x" },
                        _ => Push::Other,
                    };
                    prop_assert!(!in_flight.push(&push));
                }
            }
        }
        prop_assert_eq!(in_flight.len(), 0);
        for (numbers, mut replies) in waiting {
            let expected: Vec<Value> = numbers.into_iter().map(Value::Int).collect();
            prop_assert_eq!(replies.try_recv(), Ok(expected));
        }
    }

    #[test]
    fn no_subscription_waits_forever_and_each_answer_is_right_while_none_is_ambiguous(
        happenings in vec(happening(), 0..80),
    ) {
        let mut in_flight = InFlight::new(Purpose::Subscriptions);
        let mut server: VecDeque<Asked> = VecDeque::new();
        let (mut subscribed, mut away) = (BTreeSet::new(), BTreeSet::new());
        let mut waiting = Vec::new();
        let mut outcomes = Vec::new();
        let mut is_ambiguous = false;
        let rest = std::iter::repeat_n(Happening::Run, happenings.len());
        for happening in happenings.into_iter().chain(rest) {
            match happening {
                Happening::Ask(asked) => {
                    server.push_back(asked);
                    waiting.push(ask_for(&mut in_flight, vec![match asked {
                        Asked::Begin(channel) => Answer::Subscribed(channel.into()),
                        Asked::End(channel) => Answer::Unsubscribed(channel.into()),
                        Asked::Asking => Answer::Reply,
                    }]));
                }
                Happening::Move(channel) => {
                    if !away.remove(channel) {
                        away.insert(channel);
                        if subscribed.remove(channel) {
                            is_ambiguous |= server.front() == Some(&Asked::End(channel));
                            in_flight.push(&Push::Unsubscribed(channel));
                        }
                    }
                }
                Happening::Run => {
                    let reply = match server.pop_front() {
                        None => continue,
                        Some(Asked::Asking) => Some(Value::Okay),
                        Some(Asked::Begin(channel) | Asked::End(channel))
                            if away.contains(channel) =>
                        {
                            Some(error(&format!("MOVED {channel} x:1")))
                        }
                        Some(Asked::Begin(channel)) => {
                            subscribed.insert(channel);
                            in_flight.push(&Push::Subscribed(channel));
                            None
                        }
                        Some(Asked::End(channel)) => {
                            subscribed.remove(channel);
                            in_flight.push(&Push::Unsubscribed(channel));
                            None
                        }
                    };
                    if let Some(reply) = reply.clone() {
                        prop_assert_eq!(in_flight.reply(reply), Ok(()));
                    }
                    outcomes.push(reply.unwrap_or(Value::Okay));
                }
            }
        }
        prop_assert_eq!(in_flight.len(), 0, "the server has answered everything");
        for (mut replies, outcome) in waiting.into_iter().zip(outcomes) {
            let found = replies.try_recv().expect("an answer");
            prop_assert!(is_ambiguous || found == [outcome]);
        }
    }
}
