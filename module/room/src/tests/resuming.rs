//! Cursors at every boundary, and pages of the history.

use chat_protocol::id::Id;
use chat_protocol::names::Actor;

use super::World;
use crate::decide::context::Judging;
use crate::decide::edit::{self, Edit, MessageScope};
use crate::decide::history::{self, Anchor};
use crate::decide::page::PageSize;
use crate::decide::sync;

fn texts(world: &World, cursor: Id) -> Option<Vec<String>> {
    let name = world.name.clone();
    let found = sync::answer(world.context(&name), cursor, 1000, None).expect("anyone may");
    let events = found.events.iter().map(|event| String::from_utf8_lossy(event).into_owned());
    found.recovered.then(|| events.collect())
}

fn ids(world: &mut World, count: usize) -> Vec<Id> {
    (0..count)
        .map(|at| {
            world.now += 7;
            let id = world.send("alice", &format!("message {at}")).expect("stored");
            Id::parse(id.as_bytes()).expect("an id")
        })
        .collect()
}

#[test]
fn a_cursor_is_valid_if_and_only_if_the_room_knows_exactly_that_id() {
    let mut world = World::new("lobby");
    world.limits.history_max = 4;
    world.limits.journal_max = 4;
    let ids = ids(&mut world, 10);
    let (newest, base) = (ids[9], ids[5]);
    let published: Vec<String> =
        world.published.iter().filter(|event| event.contains("\"id\"")).cloned().collect();
    let table: Vec<(Id, Option<&[String]>, &str)> = vec![
        (newest, Some(&[]), "the newest"),
        (ids[8], Some(&published[9..]), "one before"),
        (ids[6], Some(&published[7..]), "the oldest in the journal"),
        (base, Some(&published[6..]), "the one just before the journal"),
        (ids[4], None, "one further"),
        (Id::ZERO, None, "0-0, long trimmed"),
        (Id { ms: newest.ms + 1, n: 11 }, None, "the future"),
        (Id { ms: newest.ms + 1, n: newest.n }, None, "right number, wrong ms"),
        (Id { ms: newest.ms, n: newest.n + 1 }, None, "right ms, wrong number"),
        (Id { ms: base.ms + 1, n: base.n }, None, "the base with another ms"),
        (Id { ms: u64::MAX, n: u64::MAX }, None, "the largest id"),
        (Id { ms: 0, n: newest.n }, None, "no ms"),
    ];
    for (cursor, expected, why) in table {
        assert_eq!(texts(&world, cursor).as_deref(), expected, "{why}");
    }
    world.check_copies();
}

#[test]
fn the_zero_id_is_a_cursor_of_an_empty_room_but_not_of_a_missing_one() {
    let mut world = World::new("lobby");
    assert_eq!(texts(&world, Id::ZERO), None, "there is no room");
    world.join("alice", None, None).expect("made");
    assert_eq!(texts(&world, Id::ZERO), Some(Vec::new()));
    ids(&mut world, 3);
    assert_eq!(texts(&world, Id::ZERO).map(|events| events.len()), Some(3));
}

#[test]
fn a_recreated_room_knows_no_cursor_of_the_old_one() {
    let mut world = World::new("lobby");
    let old = ids(&mut world, 3);
    let now = world.now;
    world = World::new("lobby");
    // The module never uses a millisecond twice for a first event.
    world.now = now;
    let new = ids(&mut world, 3);
    for cursor in old {
        assert!(!new.contains(&cursor));
        assert_eq!(texts(&world, cursor), None);
    }
}

#[test]
fn expired_messages_are_neither_shown_nor_resumed_over() {
    let mut world = World::new("lobby");
    let ids = ids(&mut world, 5);
    world.limits.history_ttl = 10;
    world.now = ids[2].ms + 10;
    assert_eq!(page(&world, Anchor::Newest, 50).0, ["message 3", "message 4"]);
    assert_eq!(texts(&world, ids[1]), None, "what came after it has expired");
    assert_eq!(texts(&world, ids[2]).map(|events| events.len()), Some(2));
    world.expire(2);
    assert_eq!(world.room.messages.len(), 3, "two at a time");
    world.expire(2);
    assert_eq!(world.room.messages.len(), 2);
    let now = world.time();
    let monotonic = ids[3].ms + 10 + now.monotonic_ms - now.ms;
    assert_eq!(world.room.next_deadline(&world.limits, now), Some(monotonic));
    assert_eq!(texts(&world, ids[2]).map(|events| events.len()), Some(2));
    world.check_copies();
}

#[test]
fn pages_go_before_after_and_around() {
    let mut world = World::new("lobby");
    let ids = ids(&mut world, 9);
    let all: Vec<String> = (0..9).map(|at| format!("message {at}")).collect();
    let table: Vec<(Anchor, usize, &[String], bool)> = vec![
        (Anchor::Newest, 3, &all[6..], true),
        (Anchor::Newest, 9, &all, false),
        (Anchor::Newest, 100, &all, false),
        (Anchor::Before(ids[4]), 2, &all[2..4], true),
        (Anchor::Before(ids[4]), 4, &all[..4], false),
        (Anchor::Before(ids[0]), 4, &[], false),
        (Anchor::Before(Id { ms: u64::MAX, n: 1 }), 1, &all[8..], true),
        (Anchor::After(ids[4]), 2, &all[5..7], true),
        (Anchor::After(ids[4]), 4, &all[5..], false),
        (Anchor::After(ids[8]), 4, &[], false),
        (Anchor::After(Id::ZERO), 2, &all[..2], true),
        (Anchor::Around(ids[4]), 4, &all[3..7], true),
        (Anchor::Around(ids[0]), 4, &all[..4], true),
        (Anchor::Around(ids[8]), 4, &all[5..], true),
        (Anchor::Around(ids[4]), 100, &all, false),
    ];
    for (anchor, count, expected, more) in table {
        let found = page(&world, anchor, count);
        assert_eq!((found.0.as_slice(), found.1), (expected, more), "{anchor:?} {count}");
    }
}

#[test]
fn a_page_cut_by_its_bytes_holds_its_anchor() {
    let mut world = World::new("lobby");
    let big = "x".repeat(1 << 20);
    let ids: Vec<Id> = (0..20)
        .map(|_| Id::parse(world.send("*", &big).expect("stored").as_bytes()).expect("an id"))
        .collect();
    let name = world.name.clone();
    for at in [0, 10, 19] {
        let context = world.context(&name);
        let found = history::answer(context, Anchor::Around(ids[at]), 20, None).expect("a page");
        let anchor = format!("{{\"id\":\"{}\"", ids[at]);
        let holds = found.events.iter().any(|event| event.starts_with(anchor.as_bytes()));
        assert!(holds && found.more && found.events.len() < 20, "around {at}");
    }
}

#[test]
fn a_page_ends_before_the_event_that_would_exceed_its_bytes() {
    let mut world = World::new("lobby");
    let mut send =
        |n: usize| world.send("*", &format!("{n:02}{}", "x".repeat(n * 100))).expect("stored");
    let ids: Vec<String> = (0..20).map(&mut send).collect();
    let name = world.name.clone();
    let context = world.context(&name);
    let all = history::answer(context, Anchor::Newest, 20, None).expect("a page").events;
    let all: Vec<Vec<u8>> = all.iter().map(<[u8]>::to_vec).collect();
    let length = |events: &[Vec<u8>]| events.iter().map(Vec::len).sum::<usize>();
    for bytes in (1..length(&all) + 300).step_by(97) {
        let size = PageSize { count: 20, bytes };
        let fitting = |events: &mut dyn Iterator<Item = &Vec<u8>>| {
            let mut sum = 0;
            let fits = events.take_while(|event| {
                sum += event.len();
                sum <= bytes
            });
            fits.count().max(1)
        };
        let (newest, oldest) = (fitting(&mut all.iter().rev()), fitting(&mut all.iter()));
        let found = history::answer(context, Anchor::Newest, size, None).expect("a page");
        assert!(found.events.iter().eq(all[20 - newest..].iter()), "the newest in {bytes}");
        assert_eq!(found.more, newest < 20);
        let after = Anchor::After(Id::ZERO);
        let found = history::answer(context, after, size, None).expect("a page");
        assert!(found.events.iter().eq(all[..oldest].iter()), "the oldest in {bytes}");
        assert_eq!(found.more, oldest < 20);
        let found = sync::answer(context, Id::ZERO, size, None).expect("known");
        assert!(found.recovered && found.events.iter().eq(all[..oldest].iter()), "{bytes}");
        assert_eq!(found.more, oldest < 20);
        let around = Anchor::Around(Id::parse(ids[10].as_bytes()).expect("an id"));
        let found = history::answer(context, around, size, None).expect("a page");
        let sum: usize = found.events.iter().map(<[u8]>::len).sum();
        assert!(sum <= bytes || found.events.len() == 1, "{sum} in {bytes}");
    }
}

fn page(world: &World, anchor: Anchor, count: usize) -> (Vec<String>, bool) {
    let name = world.name.clone();
    let found = history::answer(world.context(&name), anchor, count, None).expect("anyone may");
    let text = |event: &[u8]| {
        let event: serde_json::Value = serde_json::from_slice(event).expect("strict JSON");
        event["text"].as_str().unwrap_or_default().to_owned()
    };
    (found.events.iter().map(text).collect(), found.more)
}

#[test]
fn events_do_not_repeat_an_expired_message() {
    let mut world = World::new("lobby");
    let first = world.send("alice", "one").expect("sent");
    world.set("history_ttl", "1000", None).expect("set");
    world.now += 10;
    let second = world.send("alice", "two").expect("sent");
    let name = world.name.clone();
    for (text, id) in [("SECRET", &first), ("fine", &second)] {
        let user = Actor::User("alice");
        let (id, whose) = (id.as_bytes(), MessageScope::Permitted);
        let edit =
            Edit { user, id, text: text.as_bytes(), meta: None, whose, judging: Judging::Done };
        world.run(&name, |c, d| edit::edit(c, edit, d)).expect("edited");
    }
    let cursor = Id::parse(second.as_bytes()).expect("an id");
    world.now = Id::parse(first.as_bytes()).expect("an id").ms + 1000;
    let found = sync::answer(world.context(&name), cursor, 10, None).expect("known");
    let events: Vec<String> =
        found.events.iter().map(|event| String::from_utf8_lossy(event).into_owned()).collect();
    assert!(found.recovered && events.len() == 2, "{events:?}");
    assert!(!events[0].contains("SECRET") && events[1].contains("fine"), "{events:?}");
}

#[test]
fn only_the_newest_edit_of_a_message_repeats_it() {
    let mut world = World::new("lobby");
    let (first, second) = (world.send("alice", "one").expect("sent"), world.send("alice", "two"));
    let second = second.expect("sent");
    let cursor = Id::parse(second.as_bytes()).expect("an id");
    let object = format!("{{\"meta\":\"{}\"}}", "x".repeat(16_000));
    let name = world.name.clone();
    for turn in 0..200_u32 {
        for id in [&first, &second] {
            let text = format!("{id} turn {turn}");
            let meta = turn.is_multiple_of(2).then_some(object.as_bytes());
            let (user, text) = (Actor::User("alice"), text.as_bytes());
            let (id, whose) = (id.as_bytes(), MessageScope::Permitted);
            let edit = Edit { user, id, text, meta, whose, judging: Judging::Done };
            world.run(&name, |c, d| edit::edit(c, edit, d)).expect("edited");
        }
    }
    let published = world.published.clone();
    let found = sync::answer(world.context(&name), cursor, 1000, None).expect("known");
    let events: Vec<serde_json::Value> =
        found.events.iter().map(|event| serde_json::from_slice(event).expect("JSON")).collect();
    assert_eq!(events.len(), 400);
    let (earlier, newest) = events.split_at(398);
    for event in earlier {
        assert!(event["text"].is_null() && event["meta"].is_null(), "{event}");
        assert_eq!((&event["type"], &event["user"]), (&"edit".into(), &"alice".into()));
    }
    for (event, published) in newest.iter().zip(&published[published.len() - 2..]) {
        let published: serde_json::Value = serde_json::from_str(published).expect("JSON");
        assert_eq!(*event, published, "as it was published");
        assert!(event["meta"].is_object(), "with the meta of the edit before");
    }
    let stored = world.room.encode(crate::Part::Durable).len();
    assert!(stored < 100_000, "two contents are stored, not 400: {stored} bytes");
    world.check_copies();
}
