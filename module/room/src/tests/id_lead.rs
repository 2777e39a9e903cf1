//! Ids ahead of the clock, as after a failover: times of events stay those of the clock.

use chat_protocol::event_header::EventHeader;
use chat_protocol::id::Id;

use super::{World, send};
use crate::decide::send::Send;
use crate::decide::{self, sync};

/// Milliseconds by which a time may differ from the clock while ids are ahead.
const EXACT: u64 = 1_000;

/// The number after this member of the event.
fn number(event: &str, member: &str) -> u64 {
    let header = EventHeader::parse(event.as_bytes()).expect("an event");
    let value = header.raw(member).unwrap_or_else(|| panic!("{event}: no {member}"));
    std::str::from_utf8(value).expect("digits").parse().expect("a number")
}

fn last_event(world: &World) -> &str {
    world.published.last().expect("an event")
}

impl World {
    /// Sends, and returns the time of the event.
    fn time_of_a_send(&mut self) -> u64 {
        let id = self.send("alice", "hi").expect("sent");
        let id = Id::parse(id.as_bytes()).expect("an id");
        assert!(id.ms >= self.now + self.ahead, "{id} is ahead");
        number(last_event(self), "ts")
    }

    fn newest_message(&self) -> String {
        let page = decide::history::answer(
            self.context(&self.name),
            decide::history::Anchor::Newest,
            1,
            None,
        );
        let page = page.expect("anyone may");
        String::from_utf8_lossy(page.events.iter().next().expect("a message")).into_owned()
    }
}

#[test]
fn times_are_those_of_the_clock_while_ids_are_ahead() {
    let mut world = World::new("lobby");
    assert_eq!(world.time_of_a_send(), world.now + 1, "a millisecond not used before");
    assert!(world.room.id_lead.list().is_empty());
    for failover in 1..=8_u64 {
        (world.now, world.ahead) = (world.now + 3_000, world.ahead + 90_000);
        assert_eq!(world.time_of_a_send(), world.now, "failover {failover}");
    }
    // Then ids advance at half speed until the clock has caught up.
    let first = world.now;
    while world.ahead > 0 {
        (world.now, world.ahead) = (world.now + 700, world.ahead.saturating_sub(350));
        let ts = world.time_of_a_send();
        assert!(ts.abs_diff(world.now) <= EXACT, "{ts} at {}", world.now);
    }
    assert!(world.now - first > 1_400_000);
    assert_eq!(world.room.id_lead.newest(), 0);
    assert_eq!(world.time_of_a_send(), world.now);
    world.check_copies();
    assert_eq!(world.room.last_activity(), world.now);
}

#[test]
fn what_is_not_stored_leaves_no_record_and_makes_no_room() {
    let mut world = World::new("lobby");
    world.ahead = 90_000;
    let ephemeral = |user| Send { ephemeral: true, ..send(user, "hi", None) };
    let said = world.run("lobby", |c, d| decide::send::decide(c, &ephemeral("*"), d));
    assert_eq!((said, world.room.is_blank()), (Ok(None), true));
    assert_eq!(world.published.len(), 1);
    world.send("alice", "hello").expect("sent");
    let (last, leads) = (world.room.last, world.room.id_lead.list().len());
    world.ahead = 900_000;
    let said = world.run("lobby", |c, d| decide::send::decide(c, &ephemeral("alice"), d));
    assert_eq!((said, world.room.last), (Ok(None), last));
    assert_eq!(world.room.id_lead.list().len(), leads);
    world.check_copies();
}

#[test]
fn what_is_read_later_has_the_published_bytes_and_the_times_of_the_clock() {
    let mut world = World::new("lobby");
    world.send("alice", "first").expect("sent");
    (world.now, world.ahead) = (world.now + 5_000, 400_000);
    let start = world.room.last;
    world.set("log_joins", "yes", None).expect("set");
    world.join("bob", None, None).expect("joined");
    let id = world.send("alice", "hello").expect("sent");
    world.edit("alice", &id, "edited").expect("edited");
    assert_eq!(number(&world.newest_message(), "edited"), world.now);
    world.delete("alice", &id).expect("deleted");
    assert_eq!(number(&world.newest_message(), "deleted"), world.now);
    let from = world.published.iter().position(|event| event.contains("log_joins"));
    for event in &world.published[from.expect("published")..] {
        assert_eq!(number(event, "ts"), world.now, "{event}");
    }
    let page = sync::answer(world.context("lobby"), start, 100, None).expect("known");
    let types = |events: Vec<&[u8]>| -> Vec<(String, u64)> {
        let read = |event: &&[u8]| {
            let text = String::from_utf8_lossy(event).into_owned();
            let header = EventHeader::parse(event).expect("an event");
            (header.kind.to_owned(), number(&text, "ts"))
        };
        events.iter().map(read).collect()
    };
    let expected = ["room", "member", "message", "edit", "delete"];
    let expected: Vec<_> = expected.map(|kind| (kind.to_owned(), world.now)).into();
    assert_eq!(types(page.events.iter().collect()), expected);
    world.check_copies();
}

#[test]
fn a_room_that_begins_with_an_id_ahead_is_created_first() {
    for join in [true, false] {
        let mut world = World::new("lobby");
        world.ahead = 100_000;
        if join {
            world.set("topic", "t", None).expect("set");
        } else {
            world.send("alice", "first").expect("sent");
        }
        assert_eq!(number(last_event(&world), "ts"), world.now);
        world.check_copies();
    }
}

#[test]
fn ages_are_those_of_the_clock_and_leads_go_with_the_events() {
    let mut world = World::new("lobby");
    world.set("history_ttl", "60000", None).expect("set");
    world.ahead = 300_000;
    let early = world.send("alice", "early").expect("sent");
    world.now += 59_000;
    assert_eq!(world.room.messages.len(), 1);
    world.limits.edit_window = 50_000;
    let error = world.edit("alice", &early, "late").expect_err("too late");
    assert_eq!(super::code(&error), "DENIED moderator");
    world.now += 2_000;
    world.expire(10);
    assert_eq!(world.room.messages.len(), 0, "its time is over, although its id says otherwise");
    (world.now, world.ahead) = (world.now + 600_000, 0);
    world.limits.journal_max = 1;
    (0..40).for_each(|_| assert_eq!(world.time_of_a_send(), world.now));
    world.expire(10);
    world.now += 61_000;
    world.expire(100);
    assert!(world.room.id_lead.list().is_empty(), "{:?}", world.room.id_lead);
    world.check_copies();
}
