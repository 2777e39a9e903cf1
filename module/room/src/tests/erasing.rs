//! CHAT.ERASE: after a walk neither the texts of the user nor the name are stored.

use chat_protocol::id::Id;
use chat_protocol::names::Actor;

use super::{World, code, send};
use crate::Part;
use crate::command_error::CommandError;
use crate::decide::edit::{Delete, MessageScope};
use crate::decide::erase::{self, Erase, Erased, Keep};
use crate::decide::history::{self, Anchor};
use crate::decide::moderate::{Action, Moderate};
use crate::decide::presence::Presence;
use crate::decide::react::Reaction;
use crate::decide::{self, sync};

const ALIAS: u64 = 0x00c0_ffee;
const ALIAS_NAME: &str = "erased-0000000000c0ffee";

fn erase(
    world: &mut World,
    user: &str,
    cursor: Option<&str>,
    count: usize,
    keep: Keep,
) -> Result<Erased, CommandError> {
    let name = world.name.clone();
    let cursor = cursor.map(str::as_bytes);
    let erase = Erase { user, cursor, count, keep, alias: ALIAS };
    world.run(&name, |c, d| erase::decide(c, erase, d))
}

/// A whole walk. Returns how many calls it took and how much they changed.
pub(super) fn walk(world: &mut World, user: &str, count: usize, keep: Keep) -> (usize, u64) {
    let (mut cursor, mut changed) = (None, 0);
    for calls in 1..10_000 {
        let erased = erase(world, user, cursor.as_deref(), count, keep).expect("erased");
        changed += erased.changed;
        if erased.cursor.is_none() {
            return (calls, changed);
        }
        cursor = erased.cursor;
    }
    panic!("the walk never ends");
}

fn moderate(world: &mut World, action: Action, user: &str) {
    let (name, actor) = (world.name.clone(), Actor::Backend);
    let moderate = Moderate { actor, action, user, duration: None, reason: None };
    world.run(&name, |c, d| decide::moderate::decide(c, moderate, d)).expect("done");
}

fn react(world: &mut World, user: &str, id: &str) {
    let name = world.name.clone();
    let user = Actor::parse(user.as_bytes()).expect("an actor");
    world
        .run(&name, |c, d| decide::react::decide(c, user, id.as_bytes(), "👍", Reaction::Add, d))
        .expect("reacted");
}

fn delete(world: &mut World, user: &str, id: &str, reason: Option<&str>) {
    let name = world.name.clone();
    let user = Actor::parse(user.as_bytes()).expect("an actor");
    let delete = Delete { user, id: id.as_bytes(), reason, whose: MessageScope::Permitted };
    world.run(&name, |c, d| decide::edit::delete(c, delete, d)).expect("deleted");
}

/// A room in which alice has left everything that a user can leave.
fn room_of_alice() -> World {
    let mut world = World::new("lobby");
    world.set("log_joins", "yes", Some("*")).expect("set");
    for user in ["alice", "bob"] {
        world.join(user, None, Some("*")).expect("joined");
    }
    moderate(&mut world, Action::Role(crate::Role::Moderator), "alice");
    let mut buffer = Vec::new();
    let mut mentioning = send("bob", "look", None);
    mentioning.mentions = decide::send::mentions(&["alice", "carol"], &mut buffer);
    let name = world.name.clone();
    let id = world.run(&name, |c, d| decide::send::decide(c, &mentioning, d)).expect("sent");
    react(&mut world, "alice", &id.expect("stored").to_string());
    let others = world.send("bob", "removed by another").expect("sent");
    delete(&mut world, "alice", &others, Some("a remark of hers"));
    world.send_with("alice", "a secret", Some("alice-1")).expect("sent");
    let own = world.send_with("alice", "another secret", Some("alice-2")).expect("sent");
    react(&mut world, "bob", &own);
    let gone = world.send("alice", "a third secret").expect("sent");
    delete(&mut world, "*", &gone, Some("about alice"));
    world.set("topic", "the topic", Some("alice")).expect("set");
    moderate(&mut world, Action::Mute, "alice");
    let presence = Presence { user: "alice", connection: "c1", ttl: Some(60_000), status: None };
    world.run(&name, |c, d| decide::presence::connect(c, presence, d)).expect("online");
    world
}

fn stores(world: &World, text: &str) -> bool {
    let stored = world.room.encode(Part::Everything(world.time()));
    stored.windows(text.len()).any(|bytes| bytes == text.as_bytes())
}

fn history(world: &World) -> Vec<serde_json::Value> {
    let name = world.name.clone();
    let page = history::answer(world.context(&name), Anchor::Newest, 1_000, None).expect("all");
    page.events.iter().map(|event| serde_json::from_slice(event).expect("JSON")).collect()
}

#[test]
fn nothing_of_the_user_is_left_whatever_a_call_examines() {
    let mut calls_before = usize::MAX;
    for count in [1, 2, 3, 7, 1_000] {
        let mut world = room_of_alice();
        assert!(stores(&world, "alice") && stores(&world, "secret"), "there is something");
        let (calls, changed) = walk(&mut world, "alice", count, Keep::Nothing);
        assert!(calls <= calls_before, "{count}: {calls} calls");
        calls_before = calls;
        // Five messages, two nonces, the membership with the presence, the mute.
        assert_eq!(changed, 5 + 2 + 2 + 1, "{count}");
        for text in ["alice", "secret", "remark"] {
            assert!(!stores(&world, text), "{count}: {text}");
        }
        assert_eq!(world.room.online(), 0);
        world.check_copies();
        assert_eq!(walk(&mut world, "alice", count, Keep::Nothing).1, 0, "nothing is left");
        let shown = history(&world);
        let authors: Vec<&str> = shown.iter().filter_map(|event| event["user"].as_str()).collect();
        assert_eq!(authors, ["bob", "bob", ALIAS_NAME, ALIAS_NAME, ALIAS_NAME]);
        assert_eq!(shown[0]["mentions"], serde_json::json!([ALIAS_NAME, "carol"]));
        assert!(shown[0]["reactions"].is_null());
        assert_eq!(shown[1]["by"], ALIAS_NAME);
        assert_eq!(world.room.topic(), "the topic", "the room keeps its settings");
    }
}

#[test]
fn each_call_publishes_one_event_and_readers_with_older_positions_load_anew() {
    let mut world = room_of_alice();
    let before = world.room.last();
    let read_up_to = world.published.len();
    let calls = walk(&mut world, "alice", 4, Keep::Nothing).0;
    let events: Vec<serde_json::Value> = world.published[read_up_to..]
        .iter()
        .map(|event| serde_json::from_str(event).expect("JSON"))
        .filter(|event: &serde_json::Value| event["type"] == "erase")
        .collect();
    assert_eq!(events.len(), calls);
    assert!(calls > 3, "{calls}");
    for event in &events {
        assert_eq!((&event["user"], &event["as"]), (&"alice".into(), &ALIAS_NAME.into()));
    }
    let last = events.last().expect("one");
    assert_eq!(last["ref"], last["prev"], "everything before it");
    let name = world.name.clone();
    let answer = |cursor: Id| sync::answer(world.context(&name), cursor, 100, None).expect("read");
    assert!(!answer(before).recovered, "a position from before");
    let first = Id::parse(events[0]["id"].as_str().expect("an id").as_bytes()).expect("an id");
    assert!(!answer(first).recovered, "a position from the middle");
    assert!(answer(world.room.last()).recovered, "the newest position");
}

#[test]
fn a_walk_that_finds_nothing_changes_nothing() {
    let mut world = room_of_alice();
    let (before, published) = (world.room.encode(Part::Durable), world.published.len());
    for count in [1, 3, 1_000] {
        assert_eq!(walk(&mut world, "nobody", count, Keep::Nothing).1, 0);
    }
    assert_eq!((world.room.encode(Part::Durable), world.published.len()), (before, published));
    let mut none = World::new("nowhere");
    let blank = erase(&mut none, "alice", None, 5, Keep::Nothing);
    assert_eq!(blank, Ok(Erased { cursor: None, changed: 0 }));
}

#[test]
fn who_is_only_mentioned_or_only_in_the_journal_is_erased_too() {
    let mut world = World::new("lobby");
    world.join("bob", None, Some("*")).expect("joined");
    let mut buffer = Vec::new();
    let mut mentioning = send("bob", "look", None);
    mentioning.mentions = decide::send::mentions(&["alice"], &mut buffer);
    let name = world.name.clone();
    world.run(&name, |c, d| decide::send::decide(c, &mentioning, d)).expect("sent");
    moderate(&mut world, Action::Ban, "dave");
    moderate(&mut world, Action::Unban, "dave");
    for (user, changed) in [("dave", 1), ("alice", 1)] {
        assert!(stores(&world, user), "{user}");
        assert_eq!(walk(&mut world, user, 2, Keep::Nothing).1, changed, "{user}");
        assert!(!stores(&world, user), "{user}");
        world.check_copies();
    }
}

#[test]
fn a_ban_is_kept_on_demand_and_keeps_the_name() {
    let mut world = room_of_alice();
    moderate(&mut world, Action::Ban, "alice");
    walk(&mut world, "alice", 5, Keep::Ban);
    assert!(stores(&world, "alice") && !stores(&world, "secret"));
    assert_eq!(code(&world.send("alice", "hi").expect_err("banned")), "BANNED 0");
    assert_eq!(walk(&mut world, "alice", 5, Keep::Ban).1, 0, "once");
    walk(&mut world, "alice", 5, Keep::Nothing);
    assert!(!stores(&world, "alice"));
    world.check_copies();
}

#[test]
fn others_may_write_during_a_walk() {
    let mut world = World::new("lobby");
    for n in 0..40 {
        let user = if n % 3 == 0 { "alice" } else { "bob" };
        world.send_with(user, &format!("text {n}"), Some(&format!("n{n}"))).expect("sent");
    }
    moderate(&mut world, Action::Ban, "alice");
    let mut cursor = None;
    loop {
        let erased = erase(&mut world, "alice", cursor.as_deref(), 3, Keep::Nothing);
        world.send("bob", "meanwhile").expect("sent");
        world.check_copies();
        cursor = erased.expect("erased").cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert!(!stores(&world, "alice"));
    assert!(history(&world).iter().filter(|event| event["text"] == "meanwhile").count() > 10);
}

#[test]
fn rooms_named_by_the_user_and_wrong_cursors_are_refused() {
    for name in ["@alice", "dm:alice,bob"] {
        let mut world = World::new(name);
        world.send("alice", "hi").expect("sent");
        let refused = erase(&mut world, "alice", None, 5, Keep::Nothing).expect_err("refused");
        assert_eq!(code(&refused), "INVALID room", "{name}");
    }
    let mut world = room_of_alice();
    let good = "m1-00000000000000ff-0";
    let bad = ["", "x", "m", "m1", "m1-ff-0", "x1-00000000000000ff-0", "m-1-00000000000000ff-0"];
    for cursor in bad.into_iter().chain(["é1-00000000000000ff-0", "m1-00000000000000ff-2"]) {
        let refused = erase(&mut world, "alice", Some(cursor), 5, Keep::Nothing);
        assert_eq!(code(&refused.expect_err("refused")), "INVALID cursor", "{cursor}");
    }
    for cursor in [good, "m99999999999-00000000000000ff-1", "j99999999-00000000000000ff-1"] {
        erase(&mut world, "alice", Some(cursor), 5, Keep::Nothing).expect("taken");
        world.check_copies();
    }
}
