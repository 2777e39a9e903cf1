//! Who may do what, as tables.

use chat_protocol::names::Actor;

use super::{World, code, send};
use crate::command_error::CommandError;
use crate::decide;
use crate::decide::context::Judging;
use crate::decide::signal::Signal;
use crate::state::limits::Create;

/// A room with an owner, a moderator, a member and an outsider.
pub(super) fn lobby(access: &str) -> World {
    let mut world = World::new("lobby");
    world.join("olga", None, None).expect("olga makes the room");
    world.join("mo", Some("moderator"), Some("olga")).expect("olga adds a moderator");
    world.join("mia", None, Some("mo")).expect("a moderator adds a member");
    world.set("access", access, Some("olga")).expect("the owner sets the access");
    world
}

fn outcome<T>(result: Result<T, CommandError>) -> String {
    result.map_or_else(|error| code(&error), |_| "ok".into())
}

#[test]
fn sending_depends_on_access_role_and_freezing() {
    let table = [
        ("open", "no", "olga", "ok"),
        ("open", "no", "mia", "ok"),
        ("open", "no", "out", "ok"),
        ("open", "yes", "olga", "ok"),
        ("open", "yes", "mo", "ok"),
        ("open", "yes", "mia", "FROZEN the room is frozen"),
        ("open", "yes", "out", "FROZEN the room is frozen"),
        ("open", "yes", "*", "ok"),
        ("members", "no", "mia", "ok"),
        ("members", "no", "out", "NOTMEMBER only members may do this"),
        ("members", "no", "*", "ok"),
    ];
    for (access, frozen, user, expected) in table {
        let mut world = lobby(access);
        world.set("frozen", frozen, None).expect("the backend may freeze");
        assert_eq!(outcome(world.send(user, "hi")), expected, "{access} {frozen} {user}");
    }
}

#[test]
fn joining_depends_on_access_and_role() {
    let denied_owner = "DENIED owner";
    let table = [
        ("open", "out", None, None, "ok"),
        ("open", "out", Some("member"), None, "ok"),
        ("open", "out", Some("owner"), None, denied_owner),
        ("open", "out", None, Some("*"), "ok"),
        ("open", "out", Some("owner"), Some("*"), "ok"),
        ("open", "out", None, Some("mo"), "ok"),
        ("open", "out", Some("moderator"), Some("mo"), denied_owner),
        ("open", "out", Some("moderator"), Some("olga"), "ok"),
        ("open", "out", None, Some("mia"), "DENIED moderator"),
        ("open", "out", None, Some("nobody"), "NOTMEMBER only members may do this"),
        ("open", "mia", Some("moderator"), Some("mo"), denied_owner),
        ("open", "mia", Some("moderator"), Some("olga"), "ok"),
        ("open", "mo", Some("member"), Some("mo"), denied_owner),
        ("open", "mo", Some("member"), Some("olga"), "ok"),
        ("open", "olga", Some("member"), Some("mo"), denied_owner),
        ("open", "mia", Some("owner"), None, denied_owner),
        ("members", "out", None, None, "DENIED moderator"),
        ("members", "out", None, Some("mo"), "ok"),
        ("members", "out", None, Some("mia"), "DENIED moderator"),
        ("members", "mia", None, None, "ok"),
    ];
    for (access, user, role, by, expected) in table {
        let mut world = lobby(access);
        let found = outcome(world.join(user, role, by));
        assert_eq!(found, expected, "{access} {user} {role:?} BY {by:?}");
        world.check_copies();
    }
}

#[test]
fn settings_depend_on_role_and_the_servers_limits() {
    let table = [
        ("topic", "x", Some("mo"), "ok"),
        ("topic", "x", Some("mia"), "DENIED moderator"),
        ("topic", "x", Some("out"), "NOTMEMBER only members may do this"),
        ("topic", "x", None, "ok"),
        ("access", "members", Some("mo"), "DENIED owner"),
        ("history_max", "5", Some("olga"), "ok"),
        ("history_max", "1000000", Some("olga"), "DENIED backend"),
        ("history_max", "1000000", Some("*"), "ok"),
        ("max_text", "5000", Some("olga"), "DENIED backend"),
        ("nonsense", "1", Some("olga"), "INVALID field"),
    ];
    for (field, value, by, expected) in table {
        let mut world = lobby("open");
        assert_eq!(outcome(world.set(field, value, by)), expected, "{field} {value} {by:?}");
    }
}

#[test]
fn personal_and_direct_rooms_are_for_the_users_they_name() {
    let table = [
        ("@alice", "alice", "ok"),
        ("@alice", "bob", "DENIED self"),
        ("@alice", "*", "ok"),
        ("dm:alice,bob", "alice", "ok"),
        ("dm:alice,bob", "bob", "ok"),
        ("dm:alice,bob", "*", "ok"),
        ("dm:alice,bob", "carol", "NOTMEMBER only members may do this"),
    ];
    for (room, user, expected) in table {
        let mut world = World::new(room);
        assert_eq!(outcome(world.send(user, "hi")), expected, "{user} in {room}");
        if user != "*" {
            let mut world = World::new(room);
            assert_eq!(outcome(world.join(user, None, None)), expected, "{user} joins {room}");
        }
    }
    let mut direct = World::new("dm:alice,bob");
    direct.send("alice", "hi").expect("alice may");
    assert_eq!(direct.room.member_count(), 2, "both are members from the beginning");
    assert_eq!(direct.join("bob", None, None), Ok(false));
    assert!(direct.leave("bob").is_err(), "for ever");
    assert!(direct.set("access", "members", None).is_err());
}

#[test]
fn creating_a_room_depends_on_the_setting() {
    let mut world = World::new("lobby");
    world.limits.create = Create::Backend;
    assert_eq!(outcome(world.send("alice", "hi")), "DENIED backend");
    assert_eq!(outcome(world.join("alice", None, None)), "DENIED backend");
    assert!(world.room.is_blank(), "a refused command makes nothing");
    assert_eq!(outcome(world.send("*", "welcome")), "ok");
    assert_eq!(world.room.member_count(), 0, "the backend owns nothing");
    assert_eq!(outcome(world.send("alice", "hi")), "ok");
    assert_eq!(world.room.role("alice"), Some(crate::state::users::members::Role::Member));
}

#[test]
fn a_known_nonce_is_answered_before_all_checks() {
    let mut world = lobby("open");
    let id = world.send_with("mia", "hi", Some("n1")).expect("stored");
    let published = world.published.len();
    assert_eq!(world.send_with("mia", "hi", Some("n1")), Ok(id.clone()));
    world.set("frozen", "yes", None).expect("frozen");
    world.set("max_text", "1", None).expect("tiny");
    world.leave("mia").expect("gone");
    assert_eq!(world.send_with("mia", "hi", Some("n1")), Ok(id.clone()), "whatever came since");
    assert_eq!(outcome(world.send_with("mia", "ho", Some("n1"))), "INVALID nonce");
    assert_eq!(world.published.len(), published + 3, "the repeats published nothing");
    world.set("history_max", "1", None).expect("trimmed");
    world.send("*", "last").expect("sent");
    assert_eq!(world.send_with("mia", "hi", Some("n1")), Ok(id.clone()), "trimmed, not forgotten");
    world.now += world.limits.nonce_window + 1;
    world.set("frozen", "no", None).expect("thawed");
    world.set("max_text", "default", None).expect("ample");
    let again = world.send_with("mia", "hi", Some("n1")).expect("a new message");
    assert_ne!(again, id, "after the window it is a new message");
    world.check_copies();
}

#[test]
fn a_room_full_of_nonces_returns_the_time_to_wait() {
    let mut world = World::new("lobby");
    world.limits.nonce_max = 2;
    world.send_with("a", "1", Some("n1")).expect("stored");
    world.now += 1_000;
    world.send_with("a", "2", Some("n2")).expect("stored");
    let refused = world.send_with("a", "3", Some("n3"));
    let wait = world.limits.nonce_window - 1_000 + 1;
    assert_eq!(refused, Err(CommandError::RateLimit(wait)), "until the oldest is forgotten");
    assert!(world.send("a", "4").is_ok(), "without a nonce nothing is in the way");
    world.now += wait;
    assert!(world.send_with("a", "3", Some("n3")).is_ok());
    world.check_copies();
}

#[test]
fn the_event_holds_all_fields_of_the_message() {
    let table: &[(&str, &dyn Fn(&mut decide::send::Send<'_>), &str)] = &[
        ("empty", &|send| send.text = b"", "INVALID text"),
        ("not UTF-8", &|send| send.text = b"\xff", "INVALID text"),
        ("meta not an object", &|send| send.meta = Some(b"[]"), "INVALID meta"),
        ("kind of the backend", &|send| send.kind = Some("system"), "DENIED backend"),
        ("malformed reply", &|send| send.reply = Some(b"x"), "INVALID id"),
        ("unknown reply", &|send| send.reply = Some(b"1-1"), "NOMSG no such message"),
        ("NUL is a character", &|send| send.text = b"a\0b", "ok"),
        ("CR and LF too", &|send| send.text = b"a\r\nb", "ok"),
        ("empty with meta", &|send| (send.text, send.meta) = (b"", Some(&b"{}"[..])), "ok"),
        ("a word of one's own", &|send| send.kind = Some("poll"), "ok"),
    ];
    for (why, alter, expected) in table {
        let mut world = lobby("open");
        let mut command = send("mia", "hi", None);
        alter(&mut command);
        let name = world.name.clone();
        match world.run(&name, |c, d| decide::send::decide(c, &command, d)) {
            Err(error) => assert_eq!(code(&error), *expected, "{why}"),
            Ok(_) => {
                assert_eq!("ok", *expected, "{why}");
                let event = world.published.last().expect("published");
                serde_json::from_str::<serde_json::Value>(event).expect("strict JSON");
                assert!(!event.contains(['\n', '\r', '\0']), "{why}: {event}");
            }
        }
        world.check_copies();
    }
    let mut world = lobby("open");
    let long = "x".repeat(4097);
    assert_eq!(outcome(world.send("mia", &long)), "TOOBIG 4096");
    assert_eq!(outcome(world.send("*", &long)), "ok", "no limits for the backend");
}

#[test]
fn an_ephemeral_message_is_published_and_not_stored() {
    let mut world = lobby("open");
    let before = world.room.encode(crate::Part::Everything(world.time()));
    let name = world.name.clone();
    let command = decide::send::Send { ephemeral: true, ..send("out", "psst", Some("n")) };
    world.run(&name, |c, d| decide::send::decide(c, &command, d)).expect("allowed");
    assert_eq!(world.room.encode(crate::Part::Everything(world.time())), before);
    let event = world.published.last().expect("published");
    assert!(event.starts_with("{\"last\":\"") && !event.contains("\"id\""), "{event}");
}

#[test]
fn a_user_follows_rooms_up_to_a_bound() {
    let mut world = World::new("@alice");
    world.limits.follows_max = 2;
    let name = world.name.clone();
    let room = |text: &'static str| {
        chat_protocol::names::RoomName::parse(text.as_bytes()).expect("a room")
    };
    let follow = |world: &mut World, rooms: Vec<&'static str>| {
        let rooms = rooms.into_iter().map(room).collect();
        world.run(&name, |c, d| decide::follow::follow(c, rooms, d))
    };
    assert_eq!(follow(&mut world, vec!["b", "a", "b"]), Ok(2));
    assert_eq!(follow(&mut world, vec!["a"]), Ok(0));
    assert_eq!(code(&follow(&mut world, vec!["c"]).unwrap_err()), "INVALID follows");
    let page = decide::follow::answer(world.context(&name), None, 1).expect("a page");
    assert_eq!((page.items[0].room, page.cursor.as_deref()), ("a", Some("a")));
    let page = decide::follow::answer(world.context(&name), Some(b"a"), 1).expect("a page");
    assert_eq!((page.items[0].room, page.cursor), ("b", None));
    world.check_copies();
    let mut lobby = World::new("lobby");
    assert_eq!(code(&follow_in(&mut lobby).unwrap_err()), "INVALID room");
}

fn follow_in(world: &mut World) -> Result<(), CommandError> {
    let name = world.name.clone();
    world.run(&name, |c, d| decide::follow::follow(c, Vec::new(), d)).map(drop)
}

#[test]
fn a_signal_is_published_only() {
    let mut world = lobby("members");
    let name = world.name.clone();
    let signal = |world: &mut World, user: &str, word: &str, data: Option<&[u8]>| {
        let user = Actor::parse(user.as_bytes()).expect("an actor");
        let signal = Signal { user, name: word, data, judging: Judging::Done, from: None };
        world.run(&name, |c, d| decide::signal::decide(c, signal, d))?;
        Ok::<_, CommandError>(world.published.last().cloned().unwrap_or_default())
    };
    let typing = signal(&mut world, "mia", "typing", Some(b"{\"a\":1}")).expect("published");
    assert!(typing.contains("\"name\":\"typing\",\"data\":{\"a\":1}"), "{typing}");
    assert_eq!(signal(&mut world, "out", "typing", None), Err(CommandError::NotMember));
    assert_eq!(signal(&mut world, "mia", "notice", None), Err(CommandError::Denied("backend")));
    let notice = signal(&mut world, "*", "notice", None).expect("published");
    assert!(notice.contains("\"type\":\"notice\"") && !notice.contains("\"name\""), "{notice}");
}
