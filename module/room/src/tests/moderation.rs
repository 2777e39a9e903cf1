//! Moderation, authorship and rate limits: who may act on whom, and the effect.

use chat_protocol::names::Actor;

use super::rules::lobby;
use super::{World, code};
use crate::command_error::CommandError;
use crate::decide::context::Judging;
use crate::decide::edit::{Delete, Edit, MessageScope};
use crate::decide::moderate::{Action, Moderate};
use crate::decide::react::Reaction;
use crate::decide::signal::Signal;
use crate::decide::{self, history, sync};
use crate::state::limits::Rate;
use crate::state::users::members::Role;

impl World {
    pub(super) fn moderate(
        &mut self,
        actor: &str,
        action: Action,
        user: &str,
        duration: Option<u64>,
    ) -> Result<bool, CommandError> {
        let name = self.name.clone();
        let actor = Actor::parse(actor.as_bytes())?;
        let moderate = Moderate { actor, action, user, duration, reason: Some("because") };
        self.run(&name, |c, d| decide::moderate::decide(c, moderate, d))
    }

    pub(super) fn edit(&mut self, user: &str, id: &str, text: &str) -> Result<(), CommandError> {
        let name = self.name.clone();
        let user = Actor::parse(user.as_bytes())?;
        let (id, whose) = (id.as_bytes(), MessageScope::Permitted);
        let (text, judging) = (text.as_bytes(), Judging::Done);
        let edit = Edit { user, id, text, meta: None, whose, judging };
        self.run(&name, |c, d| decide::edit::edit(c, edit, d)).map(drop)
    }

    pub(super) fn delete(&mut self, user: &str, id: &str) -> Result<(), CommandError> {
        let name = self.name.clone();
        let user = Actor::parse(user.as_bytes())?;
        let (id, whose) = (id.as_bytes(), MessageScope::Permitted);
        let delete = Delete { user, id, reason: None, whose };
        self.run(&name, |c, d| decide::edit::delete(c, delete, d)).map(drop)
    }

    fn react(&mut self, user: &str, id: &str, emoji: &str) -> Result<bool, CommandError> {
        self.react_as(user, id, emoji, Reaction::Add)
    }

    pub(super) fn react_as(
        &mut self,
        user: &str,
        id: &str,
        emoji: &str,
        reaction: Reaction,
    ) -> Result<bool, CommandError> {
        let name = self.name.clone();
        let user = Actor::parse(user.as_bytes())?;
        let id = id.as_bytes();
        self.run(&name, |c, d| decide::react::decide(c, user, id, emoji, reaction, d))
    }

    pub(super) fn signal(&mut self, user: &str) -> Result<(), CommandError> {
        let name = self.name.clone();
        let user = Actor::parse(user.as_bytes())?;
        let judging = Judging::Done;
        let signal = Signal { user, name: "typing", data: None, judging, from: None };
        self.run(&name, |c, d| decide::signal::decide(c, signal, d))
    }
}

pub(super) fn word<T>(outcome: Result<T, CommandError>) -> String {
    let code = outcome.map_or_else(|error| code(&error), |_| "ok".into());
    let explained = [" only members may do this", " no such message"];
    explained.iter().fold(code.as_str(), |code, words| code.trim_end_matches(words)).into()
}

/// `lobby` with an owner, two moderators and two members.
fn staffed() -> World {
    let mut world = lobby("open");
    for (user, role) in [
        ("olga", "owner"),
        ("mo", "moderator"),
        ("max", "moderator"),
        ("mia", "member"),
        ("mel", "member"),
    ] {
        let _ = world.join(user, Some(role), Some("*")).expect("the backend may");
    }
    world
}

#[test]
fn no_actor_acts_on_an_equal_or_higher_role() {
    let rows = [
        // actor, user, outcome
        ("*", "olga", "ok"),
        ("olga", "mo", "ok"),
        ("olga", "mia", "ok"),
        ("olga", "stranger", "ok"),
        ("olga", "olga", "DENIED backend"),
        ("mo", "olga", "DENIED owner"),
        ("mo", "max", "DENIED owner"),
        ("mo", "mo", "DENIED owner"),
        ("mo", "mia", "ok"),
        ("mo", "stranger", "ok"),
        ("mia", "mel", "DENIED moderator"),
        ("mia", "mia", "DENIED moderator"),
        ("stranger", "mia", "NOTMEMBER"),
    ];
    let actions = [Action::Ban, Action::Mute, Action::Kick];
    for (actor, user, expected) in rows {
        for action in actions {
            let mut world = staffed();
            let outcome = word(world.moderate(actor, action, user, None));
            assert_eq!(outcome, expected, "{actor} {action:?} {user}");
            world.check_copies();
        }
    }
}

#[test]
fn a_role_is_given_by_a_higher_role() {
    let rows = [
        ("olga", "mia", Role::Owner, "ok"),
        ("olga", "mo", Role::Member, "ok"),
        ("mo", "mia", Role::Member, "ok"),
        ("mo", "mia", Role::Moderator, "DENIED owner"),
        ("mo", "max", Role::Member, "DENIED owner"),
        ("mia", "mel", Role::Member, "DENIED moderator"),
        ("olga", "stranger", Role::Member, "ok"),
        ("mo", "stranger", Role::Member, "ok"),
        ("mo", "stranger", Role::Moderator, "DENIED owner"),
        ("mia", "stranger", Role::Member, "DENIED moderator"),
        ("*", "mia", Role::Owner, "ok"),
    ];
    for (actor, user, role, expected) in rows {
        let mut world = staffed();
        let outcome = word(world.moderate(actor, Action::Role(role), user, None));
        assert_eq!(outcome, expected, "{actor} gives {user} {role:?}");
    }
}

#[test]
fn sanctions_refuse_what_they_name_until_they_expire() {
    let mut world = staffed();
    let id = world.send("mia", "hello").expect("sent");
    world.limits.presence_announce = 100;
    assert_eq!(world.moderate("mo", Action::Mute, "mia", Some(5_000)), Ok(true));
    let until = world.now + 5_000;
    let muted = format!("MUTED {until}");
    assert_eq!(word(world.send("mia", "hi")), muted);
    assert_eq!(word(world.edit("mia", &id, "hi")), muted);
    assert_eq!(word(world.react("mia", &id, "x")), muted);
    assert_eq!(word(world.signal("mia")), muted);
    assert_eq!(world.moderate("mo", Action::Mute, "mia", Some(5_000)), Ok(false), "no change");
    assert_eq!(word(world.delete("mia", &id)), "ok", "one's own may go");
    world.now = until;
    assert_eq!(word(world.send("mia", "hi")), "ok");

    let name = world.name.clone();
    assert_eq!(world.moderate("mo", Action::Ban, "mia", None), Ok(true));
    let event = world.published.last().expect("published").clone();
    assert!(
        event.ends_with("\"user\":\"mia\",\"by\":\"mo\",\"kind\":\"ban\",\"reason\":\"because\"}"),
        "{event}"
    );
    assert_eq!(world.room.role("mia"), None, "a ban ends membership");
    for outcome in [
        word(world.send("mia", "hi")),
        word(world.join("mia", None, None)),
        word(world.join("mia", None, Some("mo"))),
        word(world.signal("mia")),
        word(history::answer(world.context(&name), history::Anchor::Newest, 1, Some("mia"))),
        word(sync::answer(world.context(&name), world.room.last(), 1, Some("mia"))),
        word(decide::who::answer(world.context(&name), None, 1, Some("mia"))),
        word(decide::room::answer(world.context(&name), Some("mia"))),
    ] {
        assert_eq!(outcome, "BANNED 0");
    }
    assert_eq!(world.moderate("mo", Action::Unban, "mia", None), Ok(true));
    assert_eq!(world.moderate("mo", Action::Unban, "mia", None), Ok(false));
    assert_eq!(word(world.join("mia", None, None)), "ok");
    world.check_copies();
}

#[test]
fn a_kick_ends_presence_at_once_and_a_block_prevents_return() {
    let mut world = staffed();
    let name = world.name.clone();
    for connection in ["c1", "c2"] {
        let here = decide::presence::Presence { user: "mia", connection, ttl: None, status: None };
        world.run(&name, |c, d| decide::presence::connect(c, here, d)).expect("here");
    }
    assert_eq!(world.moderate("mo", Action::Kick, "mia", None), Ok(true));
    let event = world.published.last().expect("published");
    assert!(event.contains("\"kind\":\"leave\",\"users\":0,\"reason\":\"kicked\""), "{event}");
    assert_eq!((world.room.connections(), world.room.role("mia")), (0, None));
    assert_eq!(
        world.moderate("mo", Action::Kick, "mia", None),
        Ok(false),
        "nothing is left to end"
    );
    world.check_copies();

    let mut own = World::new("@bob");
    let rows = [
        ("alice", Action::Ban, "carol", "DENIED self"),
        ("bob", Action::Kick, "bob", "DENIED backend"),
        ("bob", Action::Mute, "alice", "INVALID action"),
        ("bob", Action::Ban, "bob", "DENIED backend"),
        ("bob", Action::Unban, "bob", "DENIED backend"),
        ("alice", Action::Ban, "bob", "DENIED self"),
        ("*", Action::Mute, "bob", "INVALID action"),
        ("bob", Action::Ban, "alice", "ok"),
        ("*", Action::Kick, "bob", "ok"),
        ("*", Action::Ban, "bob", "ok"),
        ("bob", Action::Unban, "bob", "DENIED backend"),
        ("bob", Action::Unban, "alice", "BANNED 0"),
        ("bob", Action::Ban, "carol", "BANNED 0"),
        ("*", Action::Kick, "bob", "ok"),
        ("*", Action::Unban, "bob", "ok"),
        ("bob", Action::Unban, "carol", "ok"),
    ];
    for (actor, action, user, expected) in rows {
        assert_eq!(word(own.moderate(actor, action, user, None)), expected, "{actor} {action:?}");
    }
    let asks = |world: &World, user: &str| {
        word(decide::room::answer(world.context("@bob"), Some(user)).map(drop))
    };
    assert_eq!(
        (asks(&own, "alice"), asks(&own, "carol")),
        ("BANNED 0".into(), "DENIED self".into())
    );
}

#[test]
fn texts_belong_to_their_authors_and_to_moderators() {
    let mut world = staffed();
    let id = world.send("mia", "hello").expect("sent");
    for (user, expected) in [
        ("mia", "ok"),
        ("mo", "ok"),
        ("*", "ok"),
        ("mel", "DENIED moderator"),
        ("stranger", "NOTMEMBER"),
    ] {
        assert_eq!(word(world.edit(user, &id, user)), expected, "{user}");
    }
    assert_eq!(word(world.edit("mia", "1-1", "x")), "NOMSG");
    assert_eq!(word(world.edit("mia", "x", "x")), "INVALID id");
    assert_eq!(word(world.edit("mia", &id, "")), "INVALID text");
    world.limits.max_text = 3;
    assert_eq!(word(world.edit("mia", &id, "long")), "TOOBIG 3");
    world.limits.edit_window = 1_000;
    world.now += 1_001;
    assert_eq!(word(world.edit("mia", &id, "x")), "DENIED moderator", "too late");
    assert_eq!(word(world.edit("mo", &id, "x")), "ok");
    assert_eq!(word(world.delete("mel", &id)), "DENIED moderator");
    assert_eq!(word(world.delete("mia", &id)), "ok");
    assert_eq!(word(world.delete("mia", &id)), "NOMSG", "gone is gone");
    assert_eq!(word(world.edit("mia", &id, "x")), "NOMSG");
    assert_eq!(word(world.react("mia", &id, "x")), "NOMSG");
    world.check_copies();
}

#[test]
fn reactions_count_once_and_are_bounded() {
    let mut world = staffed();
    let id = world.send("mia", "hello").expect("sent");
    assert_eq!(world.react("mel", &id, "x"), Ok(true));
    assert_eq!(world.react("mel", &id, "x"), Ok(false));
    for at in 1..20 {
        assert_eq!(world.react("mo", &id, &format!("e{at}")), Ok(true));
    }
    assert_eq!(word(world.react("mo", &id, "one more")), "INVALID emoji");
    assert_eq!(world.react("mo", &id, "x"), Ok(true), "one that is there already");
    assert_eq!(word(world.react("stranger", &id, "x")), "NOTMEMBER");
    world.check_copies();
    for (bytes, fine) in [
        ("👍", true),
        ("👩‍🚀", true),
        ("🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}", true),
        (":tada:", true),
        ("", false),
        ("a b", false),
        ("\u{200d}", false),
        ("\u{7}", false),
        (&"8".repeat(64), true),
        (&"8".repeat(65), false),
    ] {
        assert_eq!(chat_protocol::names::emoji(bytes.as_bytes()).is_ok(), fine, "{bytes:?}");
    }
}

#[test]
fn the_rate_limit_spares_the_backend_and_repeated_sends() {
    let mut world = staffed();
    world.limits.rate_limit = Some(Rate { count: 2, period_ms: 10_000 });
    let first = world.send_with("mia", "1", Some("n1")).expect("sent");
    world.send("mia", "2").expect("sent");
    assert_eq!(word(world.send("mia", "3")), "RATELIMIT 5000");
    assert_eq!(word(world.signal("mia")), "RATELIMIT 5000");
    assert_eq!(word(world.edit("mia", &first, "x")), "RATELIMIT 5000");
    assert_eq!(world.send_with("mia", "1", Some("n1")), Ok(first), "a repeat is no new message");
    assert_eq!(word(world.send("mel", "1")), "ok", "each for themselves");
    for _ in 0..5 {
        assert_eq!(word(world.send("*", "1")), "ok");
    }
    world.now += 5_000;
    assert_eq!(word(world.send("mia", "3")), "ok");

    let mut world = staffed();
    world.set("slow", "3000", Some("mo")).expect("moderators may");
    assert_eq!(word(world.set("slow", "1", Some("mia"))), "DENIED moderator");
    assert_eq!(word(world.send("mia", "1")), "ok");
    world.now += 1_000;
    assert_eq!(word(world.send("mia", "2")), "RATELIMIT 2000");
    assert_eq!(word(world.send("mo", "1")), "ok");
    assert_eq!(word(world.send("mo", "2")), "ok", "moderators are exempt");
    world.now += 2_000;
    assert_eq!(word(world.send("mia", "2")), "ok");
    // With both limits, the longer wait is returned.
    world.limits.rate_limit = Some(Rate { count: 1, period_ms: 7_000 });
    world.now += 3_000;
    assert_eq!(word(world.send("mia", "3")), "ok");
    assert_eq!(word(world.send("mia", "4")), "RATELIMIT 7000");
    world.now += 7_000;
    assert_eq!(word(world.send("mia", "4")), "ok");
    world.check_copies();
}

#[test]
fn only_the_user_sets_a_profile() {
    let mut own = World::new("@alice");
    assert_eq!(word(own.set("name", "Alice", Some("alice"))), "ok", "which makes the room");
    assert_eq!(word(own.set("name", "Eve", Some("eve"))), "DENIED self");
    assert_eq!(word(own.set("topic", "x", Some("alice"))), "DENIED backend");
    assert_eq!(word(own.set("slow", "9", None)), "INVALID field");
    assert_eq!(word(own.set("status", "away", None)), "ok", "the backend may");
    own.check_copies();
    assert_eq!(word(lobby("open").set("name", "x", None)), "INVALID field");
}
