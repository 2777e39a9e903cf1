//! The queues against receivers that refuse, break and stay away.

use std::collections::HashSet;

use chat_protocol::id::Id;
use proptest::prelude::*;

use super::super::batch::EVENTS_MAX;
use super::*;
use crate::webhook::place::Place;

const GIVE_UP: Duration = Duration::from_secs(3600);

fn event(room: &str, n: usize) -> Event {
    let (after, next) = (Id::ZERO, Place::At(Id::ZERO));
    Event { room: room.into(), id: format!("1-{n}"), after, next, json: format!("{n}").into() }
}

fn push(queues: &mut Queues, room: &str, numbers: std::ops::Range<usize>) {
    queues.push(room.into(), numbers.map(|n| event(room, n)).collect());
}

fn names(batch: Option<&Batch>) -> Vec<String> {
    let events = batch.map(Batch::events).unwrap_or_default();
    events.iter().map(|event| format!("{}{}", event.room, &event.id[2..])).collect()
}

fn refused(wait: Option<Wait>) -> Outcome {
    Outcome::Refused { status: Some(500), wait }
}

#[test]
fn a_refused_batch_is_split_by_room_then_by_event() {
    let mut now = Instant::now();
    let mut queues = Queues::new(GIVE_UP);
    push(&mut queues, "a", 1..4);
    push(&mut queues, "b", 1..3);
    let mut sent = Vec::new();
    // The receiver never takes `a2`.
    for _ in 0..9 {
        let batch = queues.next(now);
        let names = names(batch.as_ref());
        sent.push(names.join(" "));
        let Some(batch) = batch else {
            now = queues.due().expect("a room waits");
            continue;
        };
        let is_bad = names.iter().any(|name| name == "a2");
        let outcome = if is_bad { refused(None) } else { Outcome::Accepted };
        assert_eq!(queues.answered(&batch, outcome, now).give_up, None);
    }
    let expected =
        ["a1 a2 a3 b1 b2", "a1 a2 a3", "b1 b2", "a1", "a2", "", "a2", "", "a2"].map(str::to_owned);
    assert_eq!(sent, expected);
}

#[test]
fn what_fails_alone_for_too_long_is_given_up_and_its_room_goes_on() {
    let mut now = Instant::now();
    let start = now;
    let mut queues = Queues::new(GIVE_UP);
    push(&mut queues, "a", 1..3);
    let mut alone = 0;
    let bad = loop {
        let Some(batch) = queues.next(now) else {
            now = queues.due().expect("the room waits");
            continue;
        };
        alone += usize::from(batch.events().len() == 1);
        if let Some(event) = queues.answered(&batch, refused(None), now).give_up {
            break event;
        }
    };
    assert_eq!(bad, event("a", 1));
    assert!(now - start >= GIVE_UP && now - start < GIVE_UP + Duration::from_secs(61));
    assert!((60..140).contains(&alone), "{alone} attempts in an hour");
    assert!(queues.next(now).is_none(), "the room waits until the event is kept");

    // There was no space for it: it is tried again, and given up again.
    queues.not_given_up(&"a".into(), now);
    now = queues.due().expect("the room waits");
    let batch = queues.next(now).expect("its time has come");
    assert_eq!(queues.answered(&batch, refused(None), now).give_up, Some(event("a", 1)));
    assert_eq!(queues.given_up(&"a".into()), Some(event("a", 1)));
    assert_eq!(names(queues.next(now).as_ref()), ["a2"]);
}

#[test]
fn nothing_is_given_up_while_nobody_answers() {
    let mut now = Instant::now();
    let mut queues = Queues::new(GIVE_UP);
    push(&mut queues, "a", 1..2);
    let mut waits = Vec::new();
    for _ in 0..2000 {
        let batch = queues.next(now).expect("the pause is over");
        assert_eq!(queues.answered(&batch, Outcome::Unreachable, now), Answered::default());
        let due = queues.due().expect("the room waits");
        waits.push((due - now).as_secs_f64());
        now = due;
    }
    assert!((0.5..=1.0).contains(&waits[0]) && (30.0..=60.0).contains(&waits[1999]), "{waits:?}");
    let batch = queues.next(now).expect("the pause is over");
    let through = queues.answered(&batch, Outcome::Accepted, now).through;
    assert_eq!(through, [event("a", 1)]);
    assert!(queues.is_empty());
}

#[test]
fn a_wait_for_all_pauses_every_room_and_a_wait_for_a_batch_its_rooms() {
    let now = Instant::now();
    let mut queues = Queues::new(GIVE_UP);
    let seconds = Duration::from_secs;
    push(&mut queues, "a", 1..2);
    let batch = queues.next(now).expect("there is an event");
    queues.answered(&batch, refused(Some(Wait::Batch(seconds(500)))), now);
    push(&mut queues, "b", 1..2);
    let batch = queues.next(now).expect("the other room does not wait");
    assert_eq!(names(Some(&batch)), ["b1"]);
    queues.answered(&batch, refused(Some(Wait::All(seconds(100)))), now);
    push(&mut queues, "c", 1..2);
    assert!(queues.next(now + seconds(99)).is_none());
    assert_eq!(queues.due(), Some(now + seconds(100)));
    assert_eq!(names(queues.next(now + seconds(100)).as_ref()), ["c1", "b1"]);
    assert_eq!(queues.due(), Some(now + seconds(500)));
}

#[test]
fn one_batch_carries_many_rooms_and_a_rest_keeps_its_turn() {
    let now = Instant::now();
    let mut queues = Queues::new(GIVE_UP);
    push(&mut queues, "a", 0..EVENTS_MAX - 1);
    push(&mut queues, "b", 0..2);
    let first = queues.next(now).expect("there are events");
    assert_eq!(first.events().len(), EVENTS_MAX);
    assert!(queues.next(now).is_none(), "both rooms have a batch on its way");
    push(&mut queues, "c", 0..1);
    assert_eq!(names(queues.next(now).as_ref()), ["c0"]);
    let through = queues.answered(&first, Outcome::Accepted, now).through;
    assert_eq!(through[1], event("b", 0));
    assert_eq!(names(queues.next(now).as_ref()), ["b1"]);
}

proptest! {
    /// Whatever the receiver answers: each room's events are settled in their order, each once, and
    /// no room has two batches on their way.
    #[test]
    fn every_event_is_settled_once_in_order(
        answers in proptest::collection::vec((0u8..10, any::<prop::sample::Index>()), 1..200),
        poison in 0usize..40,
    ) {
        const ROOMS: [&str; 5] = ["a", "b", "c", "d", "e"];
        let mut now = Instant::now();
        let mut queues = Queues::new(GIVE_UP);
        let mut pushed: HashMap<Arc<str>, usize> = HashMap::new();
        let mut settled: HashMap<Arc<str>, usize> = HashMap::new();
        let mut on_their_way: Vec<Batch> = Vec::new();
        let mut dead = 0;
        // The answers of the table first, then those of a receiver that refuses one event only.
        let random = answers.into_iter().map(Some);
        for answer in random.chain(std::iter::repeat_n(None, 3000)) {
            if let Some((_, index)) = answer {
                let room = ROOMS[index.index(ROOMS.len())];
                let from = pushed.entry(room.into()).or_default();
                push(&mut queues, room, *from..*from + 7);
                *from += 7;
            }
            while on_their_way.len() < 3 && let Some(batch) = queues.next(now) {
                on_their_way.push(batch);
            }
            let mut seen = HashSet::new();
            for (room, _) in on_their_way.iter().flat_map(Batch::rooms) {
                prop_assert!(seen.insert(room.clone()), "{} is on its way twice", room);
            }
            if on_their_way.is_empty() {
                let Some(due) = queues.due() else { break };
                now = now.max(due);
                continue;
            }
            let at = answer.map_or(0, |(_, index)| index.index(on_their_way.len()));
            let batch = on_their_way.swap_remove(at);
            let has_poison =
                batch.events().iter().any(|event| event.id == format!("1-{poison}"));
            let outcome = match answer {
                Some((0, _)) => refused(None),
                Some((1, _)) => refused(Some(Wait::All(Duration::from_secs(3)))),
                Some((2, _)) => refused(Some(Wait::Batch(Duration::from_secs(3)))),
                Some((3, _)) => Outcome::Unreachable,
                Some((4, _)) => Outcome::Refused { status: None, wait: None },
                _ if has_poison => refused(None),
                _ => Outcome::Accepted,
            };
            let mut answered = queues.answered(&batch, outcome, now);
            if let Some(event) = answered.give_up.take() {
                prop_assert_eq!(batch.events(), &[event.clone()][..], "it was refused alone");
                dead += 1;
                answered.through.extend(queues.given_up(&event.room));
            }
            for Event { room, id, .. } in answered.through {
                let last: usize = id[2..].parse().expect("it is a number");
                let before = settled.insert(room, last + 1).unwrap_or_default();
                prop_assert!(before <= last, "settled twice");
            }
        }
        prop_assert!(queues.is_empty());
        prop_assert_eq!(&settled, &pushed);
        let poisoned = pushed.values().filter(|events| **events > poison).count();
        prop_assert!(dead <= poisoned, "{dead} given up, {poisoned} refused");
    }
}
