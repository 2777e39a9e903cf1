//! Benchmarks of the core without Redis, in nanoseconds per call.
//!
//! Each measurement is compared with the least that any chat has to do with the same bytes: copy
//! them, store them, drop the oldest. Both are measured in turns, and the result is the median of the
//! ratios. It takes some seconds, and nothing fails for being slow.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

use chat_protocol::id::Id;
use chat_protocol::names::{Actor, RoomName};
use chat_room::decide::history::{self, Anchor};
use chat_room::decide::send::{self, Send};
use chat_room::decide::sync;
use chat_room::limits::Limits;
use chat_room::{Context, Decision, EventBuffer};
use chat_room::{Now, Outcome, Part, Record, Replication, Room};

const NAME: &str = "room";
const TEXT: &[u8] = b"The quick brown fox jumps over the lazy dog, and the dog sleeps.";
/// The messages that a room keeps by default.
const KEPT: usize = 10_000;
const TURNS: usize = 21;

/// A room in use, and the clock.
struct World {
    room: Room,
    limits: Limits,
    outcome: Outcome,
    ms: u64,
}

impl World {
    fn filled() -> World {
        let (room, limits, outcome) = (Room::default(), Limits::default(), Outcome::default());
        let mut world = World { room, limits, outcome, ms: 1_795_225_200_000 };
        (0..KEPT + KEPT / 5).for_each(|_| world.send(Replication::Off));
        world
    }

    fn context(&self) -> Context<'_, 'static> {
        let name = RoomName::parse(NAME.as_bytes()).expect("a room name");
        let now =
            Now { ms: self.ms, id_ms: self.ms, unused_ms: self.ms + 1, monotonic_ms: self.ms };
        Context { room: &self.room, name, now, limits: &self.limits }
    }

    fn send(&mut self, copies: Replication) {
        self.ms += 1;
        let context = self.context();
        let now = context.now;
        let message = Send::plain(Actor::User("alice"), TEXT);
        let mut decision = Decision::on(&self.room);
        send::decide(context, &message, &mut decision).expect("a message that may be sent");
        self.outcome.begin(copies);
        self.room.execute(NAME, now, &decision.steps, &mut self.outcome);
    }

    /// The cursor of a reader who missed `count` events.
    fn cursor(&self, count: u64) -> Id {
        let Id { ms, n } = self.room.last();
        Id { ms: ms - count, n: n - count }
    }
}

fn main() {
    println!("{:44} {:>10} {:>10} {:>8}", "", "ns", "bytes only", "ratio");
    sends();
    pages();
    records();
    stored();
}

fn sends() {
    for (what, copies) in [
        ("a message sent", Replication::Off),
        ("a message sent, and its record written", Replication::On),
    ] {
        let (mut world, mut kept) = (World::filled(), VecDeque::new());
        kept.resize_with(KEPT, || Box::<[u8]>::from(TEXT));
        let mut out: Vec<u8> = Vec::new();
        compare(
            what,
            || world.send(copies),
            || {
                out.clear();
                out.extend_from_slice(&[b' '; 172]);
                kept.push_back(black_box(TEXT).into());
                kept.pop_front();
                black_box(&out);
            },
        );
    }
}

fn pages() {
    let world = World::filled();
    for count in [10, 100] {
        let cursor = world.cursor(count as u64);
        let synced = || sync::answer(world.context(), cursor, count, None).expect("a page");
        assert!(synced().recovered && synced().events.len() == count, "a page of so many");
        let bytes = joined(&synced().events);
        let copy = || drop(black_box(bytes.clone()));
        compare(&format!("a sync of {count}"), || drop(black_box(synced())), copy);
        let page =
            || history::answer(world.context(), Anchor::Newest, count, None).expect("a page");
        compare(&format!("a page of {count}"), || drop(black_box(page())), copy);
    }
}

fn records() {
    let mut world = World::filled();
    world.send(Replication::On);
    let bytes = world.outcome.durable.clone();
    let copy = || drop(black_box(bytes.clone()));
    let read = || drop(black_box(Record::read_all(black_box(&bytes)).expect("records")));
    compare("the records of a message read", read, copy);
}

fn stored() {
    let world = World::filled();
    let bytes = world.room.encode(Part::Durable);
    let copy = || drop(black_box(bytes.clone()));
    let name = format!("a room of {KEPT} messages");
    compare(&format!("{name} encoded"), || drop(black_box(world.room.encode(Part::Durable))), copy);
    let decode = || drop(black_box(Room::decode(black_box(&bytes)).expect("a room")));
    compare(&format!("{name} decoded and freed"), decode, copy);
}

fn joined(events: &EventBuffer) -> Vec<u8> {
    events.iter().flatten().copied().collect()
}

/// Measures both in turns and prints the medians.
fn compare(what: &str, mut ours: impl FnMut(), mut bytes_only: impl FnMut()) {
    let mut turns: Vec<(f64, f64)> =
        (0..=TURNS).map(|_| (nanoseconds(&mut ours), nanoseconds(&mut bytes_only))).collect();
    turns.remove(0);
    let median = |value: &dyn Fn(&(f64, f64)) -> f64| {
        let mut values: Vec<f64> = turns.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let (ours, bytes) = (median(&|turn| turn.0), median(&|turn| turn.1));
    println!("{what:44} {ours:>10.0} {bytes:>10.0} {:>7.1}x", median(&|turn| turn.0 / turn.1));
}

/// The time of one call, averaged over the calls that fit into some milliseconds.
fn nanoseconds(call: &mut impl FnMut()) -> f64 {
    let (start, mut calls) = (Instant::now(), 0_u32);
    while start.elapsed() < Duration::from_millis(10) {
        (0..8).for_each(|_| call());
        calls += 8;
    }
    start.elapsed().as_nanos() as f64 / f64::from(calls)
}
