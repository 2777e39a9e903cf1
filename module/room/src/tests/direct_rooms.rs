//! Direct rooms: each of the two may mute the other, and what that refuses.

use chat_protocol::names::Actor;

use super::moderation::word;
use super::{World, send};
use crate::decide;
use crate::decide::context::Creation;
use crate::decide::edit::{Delete, MessageScope};
use crate::decide::moderate::Action;
use crate::decide::react::Reaction;
use crate::decide::send::{self, Send};
use crate::state::users::members::Role;

const DIRECT: &str = "dm:alice,bob";
const NOROOM: &str = "NOROOM no such room";

/// The direct room of alice and bob, with a message of each. Returns their ids.
fn direct() -> (World, String, String) {
    let mut world = World::new(DIRECT);
    let by_alice = world.send("alice", "hi").expect("sent");
    let by_bob = world.send("bob", "hello").expect("sent");
    (world, by_alice, by_bob)
}

#[test]
fn each_of_the_two_mutes_and_unmutes_the_other_and_nothing_else() {
    let rows = [
        ("bob", Action::Mute, "alice", "ok"),
        ("alice", Action::Mute, "bob", "ok"),
        ("*", Action::Mute, "alice", "ok"),
        ("bob", Action::Unmute, "alice", "ok"),
        ("*", Action::Unmute, "bob", "ok"),
        ("alice", Action::Mute, "alice", "DENIED backend"),
        ("alice", Action::Unmute, "alice", "DENIED backend"),
        ("carol", Action::Mute, "alice", "NOTMEMBER"),
        ("carol", Action::Ban, "alice", "NOTMEMBER"),
        ("bob", Action::Mute, "carol", "INVALID user"),
        ("*", Action::Mute, "carol", "INVALID user"),
        ("bob", Action::Ban, "alice", "INVALID action"),
        ("bob", Action::Unban, "alice", "INVALID action"),
        ("bob", Action::Kick, "alice", "INVALID action"),
        ("bob", Action::Role(Role::Moderator), "alice", "INVALID action"),
        ("*", Action::Ban, "alice", "INVALID action"),
        ("*", Action::Role(Role::Owner), "bob", "INVALID action"),
    ];
    for (actor, action, user, expected) in rows {
        let (mut world, ..) = direct();
        let what = format!("{actor} {action:?} {user}");
        assert_eq!(word(world.moderate(actor, action, user, None)), expected, "{what}");
        world.check_copies();
    }
    // The muted user mutes in turn, but does not take back what the other has done.
    let (mut world, ..) = direct();
    assert_eq!(world.moderate("bob", Action::Mute, "alice", None), Ok(true));
    assert_eq!(world.moderate("bob", Action::Mute, "alice", None), Ok(false), "already");
    assert_eq!(word(world.moderate("alice", Action::Unmute, "alice", None)), "DENIED backend");
    assert_eq!(world.moderate("alice", Action::Mute, "bob", None), Ok(true));
    assert_eq!(word(world.send("alice", "x")), "MUTED 0");
    assert_eq!(word(world.send("bob", "x")), "MUTED 0");
    world.check_copies();
}

#[test]
fn a_room_that_does_not_exist_is_not_created_by_a_mute() {
    for (actor, action) in [("bob", Action::Mute), ("bob", Action::Unmute), ("*", Action::Mute)] {
        let mut world = World::new(DIRECT);
        assert_eq!(word(world.moderate(actor, action, "alice", None)), NOROOM, "{actor}");
        assert!(world.room.is_blank());
    }
    let mut world = World::new(DIRECT);
    let carols = world.moderate("carol", Action::Mute, "alice", None);
    assert_eq!(word(carols), "NOTMEMBER", "she does not learn whether it exists");
}

#[test]
fn a_muted_user_reaches_the_other_by_nothing() {
    let (mut world, by_alice, by_bob) = direct();
    world.react_as("alice", &by_bob, "x", Reaction::Add).expect("reacted");
    world.moderate("bob", Action::Mute, "alice", None).expect("muted");
    let passing = Send { ephemeral: true, ..send("alice", "x", None) };
    let outcomes = [
        word(world.send("alice", "x")),
        word(world.run(DIRECT, |c, d| send::decide(c, &passing, d))),
        word(world.edit("alice", &by_alice, "x")),
        word(world.react_as("alice", &by_bob, "y", Reaction::Add)),
        word(world.signal("alice")),
        word(world.run(DIRECT, |c, d| {
            let (user, id) = (Actor::User("alice"), by_alice.as_bytes());
            let (reason, whose) = (Some("a reason is a text"), MessageScope::Permitted);
            decide::edit::delete(c, Delete { user, id, reason, whose }, d)
        })),
    ];
    assert!(outcomes.iter().all(|outcome| outcome == "MUTED 0"), "{outcomes:?}");
    // What she takes back reaches nobody, and bob writes as before.
    assert_eq!(world.react_as("alice", &by_bob, "x", Reaction::Remove), Ok(true));
    assert_eq!(word(world.delete("alice", &by_alice)), "ok");
    assert_eq!(word(world.send("bob", "x")), "ok");
    assert_eq!(word(world.signal("bob")), "ok");
    world.check_copies();
    assert_eq!(world.moderate("bob", Action::Unmute, "alice", None), Ok(true));
    assert_eq!(word(world.send("alice", "x")), "ok");
}

#[test]
fn a_mute_in_a_direct_room_ends_by_itself_and_has_no_limit() {
    let (mut world, ..) = direct();
    world.limits.sanctions_max = 0;
    assert_eq!(world.moderate("bob", Action::Mute, "alice", Some(1_000)), Ok(true));
    assert_eq!(world.moderate("alice", Action::Mute, "bob", None), Ok(true));
    assert_eq!(word(world.send("alice", "x")), format!("MUTED {}", world.now + 1_000));
    world.now += 1_000;
    assert_eq!(word(world.send("alice", "x")), "ok");
    assert_eq!(word(world.send("bob", "x")), "MUTED 0");
    world.check_copies();
}

#[test]
fn a_repeat_by_a_muted_user_is_answered_as_stored() {
    let mut world = World::new(DIRECT);
    let id = world.send_with("alice", "hi", Some("n1")).expect("sent");
    world.moderate("bob", Action::Mute, "alice", None).expect("muted");
    assert_eq!(world.send_with("alice", "hi", Some("n1")), Ok(id));
    assert_eq!(word(world.send_with("alice", "hi", Some("n2"))), "MUTED 0");
}

#[test]
fn without_creating_a_deleted_room_is_noticed() {
    let mut world = World::new(DIRECT);
    let bound = Send { creation: Creation::Refused, ..send("alice", "x", None) };
    assert_eq!(word(world.run(DIRECT, |c, d| send::decide(c, &bound, d))), NOROOM);
    assert_eq!(word(world.send("alice", "x")), "ok");
    let bound = Send { creation: Creation::Refused, ..send("alice", "x", None) };
    assert_eq!(word(world.run(DIRECT, |c, d| send::decide(c, &bound, d))), "ok");
}
