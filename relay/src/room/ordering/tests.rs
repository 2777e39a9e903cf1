//! The ordering rule against a simple model: a room that forks, and a channel that loses and
//! repeats.

mod two_nodes;

use proptest::prelude::*;

use super::*;

fn id(ms: u64, n: u64) -> Id {
    Id { ms, n }
}

/// The room in Redis: its ids in order.
#[derive(Clone, Debug)]
struct Model {
    events: Vec<Id>,
    clock: u64,
}

impl Model {
    fn newest(&self) -> Id {
        self.events.last().copied().unwrap_or(Id::ZERO)
    }

    fn append(&mut self) -> (Id, Id) {
        self.clock += 1;
        let prev = self.newest();
        let next = id(self.clock, prev.n + 1);
        self.events.push(next);
        (next, prev)
    }

    /// The answer of `CHAT.SYNC`.
    fn sync(&self, from: Id) -> Option<Vec<(Id, Id)>> {
        let start = match self.events.iter().position(|&known| known == from) {
            Some(index) => index + 1,
            None if from == Id::ZERO => 0,
            None => return None,
        };
        Some(self.events[start..].iter().map(|&event| (event, event)).collect())
    }
}

/// A relay: the ids delivered since the last reload.
struct Reader {
    order: EventOrder<Id>,
    delivered: Vec<Id>,
    reloads: usize,
}

impl Reader {
    fn at(newest: Id) -> Reader {
        let mut order = EventOrder::default();
        let applied = order.start_at(newest, []);
        assert!(applied.deliver.is_empty() && !applied.again);
        Reader { order, delivered: vec![newest], reloads: 0 }
    }

    fn take(&mut self, applied: Applied<Id>) -> bool {
        self.delivered.extend(applied.deliver.into_iter().map(|(id, _)| id));
        applied.again
    }

    fn receive(&mut self, (event, prev): (Id, Id)) -> bool {
        match self.order.durable(event, prev, 10, || event) {
            Verdict::Deliver => self.delivered.push(event),
            Verdict::WaitsForSync => return true,
            Verdict::Duplicate | Verdict::Waits => {}
        }
        false
    }

    /// Syncs until nothing is missing.
    fn sync(&mut self, room: &Model) {
        for _ in 0..10 {
            let Some(from) = self.order.begin_sync() else { return };
            let again = match room.sync(from) {
                Some(events) => {
                    let applied = self.order.recovered(events, false);
                    self.take(applied)
                }
                None => {
                    self.delivered = vec![room.newest()];
                    self.reloads += 1;
                    let applied = self.order.reloaded(room.newest());
                    self.take(applied)
                }
            };
            if !again {
                return;
            }
        }
        panic!("the rule syncs forever");
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Append one event, which arrives this many times.
    Append(u8),
    /// The channel repeats an old event.
    Repeat(usize),
    /// A failover loses the newest events, and one of them still arrives once.
    Fork(usize),
    /// An ephemeral event carries the newest id.
    Ephemeral,
    /// The subscription was lost and is confirmed again.
    Resubscribe,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0u8..3).prop_map(Step::Append),
        1 => (0usize..20).prop_map(Step::Repeat),
        1 => (0usize..4).prop_map(Step::Fork),
        1 => Just(Step::Ephemeral),
        1 => Just(Step::Resubscribe),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    /// The channel may lose and repeat events and send events of a lost history. After one more
    /// ephemeral event the reader has, in order and once, exactly the room's events after the reader's start.
    #[test]
    fn readers_have_what_the_room_has(start in 0usize..5, steps in steps()) {
        let mut room = Model { events: Vec::new(), clock: 100 };
        for _ in 0..start {
            room.append();
        }
        let mut reader = Reader::at(room.newest());
        let mut published = Vec::new();
        for step in steps {
            match step {
                Step::Append(times) => {
                    let event = room.append();
                    published.push(event);
                    for _ in 0..times {
                        if reader.receive(event) {
                            reader.sync(&room);
                        }
                    }
                }
                Step::Repeat(back) => {
                    if let Some(&event) = published.iter().rev().nth(back)
                        && reader.receive(event)
                    {
                        reader.sync(&room);
                    }
                }
                Step::Fork(lost) => {
                    let remaining = room.events.len().saturating_sub(lost);
                    room.events.truncate(remaining);
                }
                Step::Ephemeral => {
                    if reader.order.note_newest(room.newest()) {
                        reader.sync(&room);
                    }
                }
                Step::Resubscribe => reader.sync(&room),
            }
            prop_assert!(reader.order.waiting.len() <= WAITING_EVENTS);
        }
        reader.sync(&room);
        prop_assert_eq!(reader.order.last(), Some(room.newest()));
        let first = reader.delivered[0];
        let from = room.events.iter().position(|&event| event == first).map_or(0, |index| index + 1);
        prop_assert_eq!(&reader.delivered[1..], &room.events[from..]);
    }
}

#[test]
fn late_duplicates_cause_no_second_sync() {
    let mut order = EventOrder::default();
    order.start_at(id(1, 1), []);
    assert_eq!(order.durable(id(3, 3), id(2, 2), 1, || 3), Verdict::WaitsForSync);
    assert_eq!(order.begin_sync(), Some(id(1, 1)));
    assert_eq!(order.durable(id(4, 4), id(3, 3), 1, || 4), Verdict::Waits);
    let applied = order.recovered([(id(2, 2), 2), (id(3, 3), 3), (id(4, 4), 4)], false);
    assert_eq!(applied.deliver.len(), 3);
    assert!(!applied.again, "4 waited and is a twin of what the sync brought");
    assert_eq!(order.durable(id(3, 3), id(2, 2), 1, || 3), Verdict::Duplicate);
    assert_eq!(order.durable(id(5, 5), id(4, 4), 1, || 5), Verdict::Deliver);
}

#[test]
fn a_sync_drops_the_events_that_waited_when_it_was_sent() {
    let mut order = EventOrder::default();
    order.start_at(id(1, 1), []);
    assert_eq!(order.durable(id(9, 3), id(8, 2), 1, || 9), Verdict::WaitsForSync);
    order.begin_sync();
    let applied = order.recovered([], false);
    assert_eq!(applied, Applied { deliver: vec![], again: false }, "9 is of a lost past");
    assert_eq!(order.durable(id(2, 2), id(1, 1), 1, || 2), Verdict::Deliver);
}

#[test]
fn events_that_arrive_during_a_sync_need_another() {
    let mut order = EventOrder::default();
    order.start_at(id(1, 1), []);
    order.durable(id(3, 3), id(2, 2), 1, || 3);
    order.begin_sync();
    assert_eq!(order.durable(id(5, 5), id(4, 4), 1, || 5), Verdict::Waits);
    let applied = order.recovered([(id(2, 2), 2), (id(3, 3), 3)], false);
    assert!(applied.again);
    assert_eq!(order.begin_sync(), Some(id(3, 3)));
    let applied = order.recovered([(id(4, 4), 4), (id(5, 5), 5)], false);
    assert_eq!(applied.deliver.len(), 2);
    assert!(!applied.again);
}

#[test]
fn an_event_with_a_smaller_id_is_not_dropped() {
    // The room was deleted and created again by a server with a slower clock.
    let mut order = EventOrder::default();
    order.start_at(id(100, 7), []);
    assert_eq!(order.durable(id(50, 1), Id::ZERO, 1, || 1), Verdict::WaitsForSync);
    order.begin_sync();
    let applied = order.reloaded(id(50, 1));
    assert!(applied.deliver.is_empty() && !applied.again);
    assert_eq!(order.durable(id(51, 2), id(50, 1), 1, || 2), Verdict::Deliver);
}

#[test]
fn too_many_waiting_events_are_fetched_instead() {
    let mut order = EventOrder::default();
    order.start_at(Id::ZERO, []);
    assert_eq!(order.durable(id(2, 2), id(1, 1), 1, || 0), Verdict::WaitsForSync);
    order.begin_sync();
    for n in 3..3000 {
        order.durable(id(n, n), id(n - 1, n - 1), 1, || 0);
    }
    assert!(order.waiting.len() <= WAITING_EVENTS);
    assert!(order.recovered([(id(1, 1), 0), (id(2, 2), 0)], false).again);
}

#[test]
fn events_before_the_first_position_continue_it() {
    let mut order = EventOrder::default();
    assert_eq!(order.durable(id(1, 1), Id::ZERO, 1, || 1), Verdict::Waits);
    assert_eq!(order.durable(id(2, 2), id(1, 1), 1, || 2), Verdict::Waits);
    assert!(!order.note_newest(id(2, 2)));
    let applied = order.start_at(id(1, 1), [id(1, 1)]);
    assert_eq!(applied, Applied { deliver: vec![(id(2, 2), 2)], again: false });
}

#[test]
fn beats_reveal_loss_and_a_changed_history() {
    let mut order: EventOrder<()> = EventOrder::default();
    order.start_at(id(5, 5), []);
    let rows = [
        (id(5, 5), id(5, 5), Compared::UpToDate),
        (id(5, 5), id(6, 6), Compared::Ahead),
        (id(4, 4), id(4, 4), Compared::UpToDate),
        (id(5, 5), Id::ZERO, Compared::WentBack),
        (id(5, 5), id(4, 4), Compared::WentBack),
    ];
    for (at_sending, newest, expected) in rows {
        assert_eq!(order.compare(at_sending, newest), expected, "{at_sending} {newest}");
    }
}
