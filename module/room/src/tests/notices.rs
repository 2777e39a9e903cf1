//! Who gets a notice of a message, and for whom a notice is refused.

use chat_protocol::names::Actor;

use super::moderation::word;
use super::{World, send};
use crate::decide;
use crate::decide::context::Judging;
use crate::decide::moderate::Action;
use crate::decide::send::{self, Send};
use crate::decide::signal::Signal;

/// Sends, and returns who is to get a notice.
fn noticed(world: &mut World, user: &str, nonce: &str, mentions: &[&str]) -> Vec<String> {
    let (name, mut buffer) = (world.name.clone(), Vec::new());
    let mentions = send::mentions(mentions, &mut buffer);
    let sent = Send { mentions, ..send(user, "hi", Some(nonce)) };
    let recipients = world.run(&name, |context, decision| {
        let id = send::decide(context, &sent, decision)?.expect("stored");
        Ok(send::recipients(context, &sent, id, decision))
    });
    recipients.expect("sent").into_iter().map(String::from).collect()
}

#[test]
fn who_gets_a_notice_may_read_the_room_and_is_not_the_sender() {
    let rows: &[(&str, &str, &[&str], &[&str], &str)] = &[
        ("dm:alice,bob", "alice", &[], &["bob"], "the other side, of a room that this creates"),
        ("dm:alice,bob", "bob", &["alice", "bob", "carol"], &["alice"], "once, and not carol"),
        (
            "dm:alice,bob",
            "*",
            &["bob", "carol"],
            &["bob"],
            "from the backend only who is mentioned",
        ),
        ("den", "alice", &["bob", "alice"], &["bob"], "a room that this creates"),
        ("@alice", "alice", &["bob"], &[], "a personal room"),
        ("den", "alice", &[], &[], "nobody"),
    ];
    for (room, user, mentions, expected, why) in rows {
        assert_eq!(noticed(&mut World::new(room), user, "n", mentions), *expected, "{why}");
    }
    let mut world = World::new("den");
    world.send("alice", "mine").expect("sent");
    world.moderate("alice", Action::Ban, "carol", None).expect("banned");
    let everyone = ["bob", "carol", "dave", "bob"];
    assert_eq!(noticed(&mut world, "alice", "open", &everyone), ["bob", "dave"]);
    world.set("access", "members", None).expect("set");
    world.join("dave", None, Some("*")).expect("joined");
    assert_eq!(noticed(&mut world, "alice", "closed", &everyone), ["dave"]);
}

#[test]
fn a_repeat_notices_whom_the_stored_message_mentions() {
    let mut world = World::new("den");
    assert_eq!(noticed(&mut world, "alice", "n1", &["bob"]), ["bob"]);
    assert_eq!(noticed(&mut world, "alice", "n1", &["carol"]), ["bob"], "as stored");
    assert_eq!(noticed(&mut world, "mia", "n1", &["carol"]), ["carol"], "another sender");
    let id = world.send_with("mia", "hi", Some("n1")).expect("the id");
    world.moderate("alice", Action::Mute, "mia", None).expect("muted");
    assert_eq!(noticed(&mut world, "mia", "n1", &["carol"]), [""; 0], "she may not write now");
    world.moderate("alice", Action::Unmute, "mia", None).expect("unmuted");
    world.delete("mia", &id).expect("deleted");
    assert_eq!(noticed(&mut world, "mia", "n1", &["carol"]), [""; 0], "it is gone");
    let mut direct = World::new("dm:alice,bob");
    assert_eq!(noticed(&mut direct, "alice", "n1", &[]), ["bob"]);
    assert_eq!(noticed(&mut direct, "alice", "n1", &[]), ["bob"]);
    direct.moderate("bob", Action::Mute, "alice", None).expect("muted");
    assert_eq!(noticed(&mut direct, "alice", "n1", &[]), [""; 0], "it would reach bob");
}

#[test]
fn a_signal_for_a_user_is_refused_where_the_user_is_banned() {
    let mut own = World::new("@bob");
    let signal = |world: &mut World, actor: &str, from: Option<&str>| {
        let user = Actor::parse(actor.as_bytes()).expect("an actor");
        let (name, judging) = ("notice", Judging::Done);
        let signal = Signal { user, name, data: None, judging, from };
        word(world.run("@bob", |c, d| decide::signal::decide(c, signal, d)))
    };
    assert_eq!(signal(&mut own, "*", Some("alice")), "ok", "a room that does not exist");
    own.moderate("bob", Action::Ban, "alice", Some(1_000)).expect("blocked");
    let until = own.now + 1_000;
    assert_eq!(signal(&mut own, "*", Some("alice")), format!("BANNED {until}"));
    assert_eq!(signal(&mut own, "*", Some("carol")), "ok");
    assert_eq!(signal(&mut own, "*", None), "ok");
    own.now = until;
    assert_eq!(signal(&mut own, "*", Some("alice")), "ok");
    assert_eq!(signal(&mut own, "bob", Some("bob")), "DENIED backend");
    let (user, judging) = (Actor::User("bob"), Judging::Done);
    let wave = Signal { user, name: "wave", data: None, judging, from: Some("carol") };
    let waved = own.run("@bob", |c, d| decide::signal::decide(c, wave, d));
    assert_eq!(word(waved), "DENIED backend", "only the backend signals for others");
}
