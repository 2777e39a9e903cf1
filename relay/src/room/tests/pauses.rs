//! Paused connections receive nothing, and miss nothing.

use chat_protocol::error_code::ErrorCode;

use super::*;
use crate::client::error::Error;
use crate::client::frame::Frame;

fn message(n: u64) -> String {
    let prev = n - 1;
    format!(
        r#"{{"id":"{n}-{n}","prev":"{prev}-{prev}","room":"r","type":"message","ts":1,"user":"carol","text":"t"}}"#
    )
}

fn closing(n: u64) -> String {
    let prev = n - 1;
    format!(
        r#"{{"id":"{n}-{n}","prev":"{prev}-{prev}","room":"r","type":"room","ts":1,"user":"carol","data":{{"access":"members"}}}}"#
    )
}

const PRESENCE: &str = r#"{"last":"5-5","room":"r","type":"presence","ts":1,"user":"carol"}"#;

fn flush(pending_flush: PendingFlush) {
    pending_flush.iter().for_each(|connection| connection.flush());
}

fn grant(room: &Room, epoch: u64, user: &str) -> Vec<LaggingConnection> {
    let mut pending_flush = PendingFlush::new();
    let behind = room.grant(epoch, &[user.into()], &mut pending_flush);
    flush(pending_flush);
    behind
}

/// The ids of the events that a client received.
fn ids(text: &str) -> Vec<&str> {
    let ids = text.match_indices(r#""id":""#).map(|(at, _)| &text[at + 6..]);
    ids.map(|rest| &rest[..rest.find('-').expect("an id")]).collect()
}

#[tokio::test]
async fn a_user_whose_access_is_unknown_receives_nothing() {
    let room = Arc::new(Room::new("r".into()));
    let (mut alice, mut bob) = (Client::new(1, "alice").await, Client::new(2, "bob").await);
    let mut ahead = Client::new(3, "alice").await;
    attach(&room, &alice, 4);
    attach(&room, &bob, 4);
    attach(&room, &ahead, 7);
    deliver_together(&room, &[&closing(5), &message(6), PRESENCE]);
    assert!(room.begin_check(Owner::Settled) && !room.begin_check(Owner::Settled), "one asks");
    deliver(&room, &message(7));
    deliver(&room, &message(8));
    assert_eq!(ids(&alice.read().await), ["5"], "the event itself and nothing after it");
    let question = room.access_check();
    assert_eq!(question.users, ["alice", "bob"].map(Arc::<str>::from));
    assert_eq!(room.attached().len(), 3, "all count as present");
    assert!(grant(&room, question.epoch, "alice").is_empty());
    assert!(!room.end_check(Owner::Settled));
    let mut pending_flush = PendingFlush::new();
    let why = Error::new(ErrorCode::NotMember, "");
    let denied = [("bob".into(), why)];
    assert_eq!(room.deny(question.epoch, &denied, &mut pending_flush).len(), 1);
    flush(pending_flush);
    assert!(room.end_check(Owner::Settled));
    deliver(&room, &message(9));
    let received = alice.read().await;
    assert_eq!(ids(&received), ["6", "7", "8", "9"], "nothing missing, nothing twice");
    assert!(received.contains(r#""type":"reset""#) && !received.contains("presence"), "{received}");
    assert_eq!(ids(&ahead.read().await), ["8", "9"], "it had the others");
    let received = bob.read().await;
    assert_eq!(ids(&received), ["5"], "{received}");
    assert!(received.contains(r#"{"type":"gone","room":"r","code":"NOTMEMBER""#), "{received}");
    assert!(!bob.connection.is_in("r"));
}

#[tokio::test]
async fn an_answer_from_before_another_change_does_not_count() {
    let room = Arc::new(Room::new("r".into()));
    let mut alice = Client::new(1, "alice").await;
    attach(&room, &alice, 4);
    deliver(&room, &closing(5));
    let question = room.access_check();
    deliver(&room, &removing(6, "leave", "alice", ""));
    deliver(&room, &message(7));
    assert!(grant(&room, question.epoch, "alice").is_empty());
    let why = Error::new(ErrorCode::NotMember, "");
    let denied = [("alice".into(), why)];
    assert!(room.deny(question.epoch, &denied, &mut PendingFlush::new()).is_empty());
    assert!(!alice.is_in(&room));
    assert_eq!(ids(&alice.read().await), ["5"]);
    assert!(grant(&room, room.access_check().epoch, "alice").is_empty());
    assert_eq!(ids(&alice.read().await), ["6", "7"]);
}

#[tokio::test]
async fn a_leaving_user_is_checked_and_no_other_waits() {
    let room = Arc::new(Room::new("r".into()));
    let (alice, bob) = (Client::new(1, "alice").await, Client::new(2, "bob").await);
    attach(&room, &alice, 4);
    attach(&room, &bob, 4);
    deliver(&room, &removing(5, "leave", "bob", ""));
    assert!(alice.is_in(&room) && !bob.is_in(&room));
    let opening = closing(6).replace("members", "open");
    deliver(&room, &opening);
    deliver(&room, &closing(7).replace("access", "topic"));
    assert!(alice.is_in(&room), "none of these takes anything from anybody");
}

#[tokio::test]
async fn an_event_removes_a_paused_user() {
    let room = Arc::new(Room::new("r".into()));
    let (mut bob, mut since) = (Client::new(1, "bob").await, Client::new(2, "bob").await);
    attach(&room, &bob, 4);
    attach(&room, &since, 8);
    room.pause_all();
    deliver(&room, &message(5));
    deliver(&room, &removing(6, "ban", "bob", ""));
    let received = bob.read().await;
    assert!(received.contains(r#""code":"BANNED""#) && ids(&received).is_empty(), "{received}");
    assert_eq!(room.take_kicked().len(), 1, "the other one has come since");
    assert!(grant(&room, room.access_check().epoch, "bob").is_empty());
    assert!(since.is_in(&room) && !bob.is_in(&room));
    assert!(ids(&since.read().await).is_empty());
}

#[tokio::test]
async fn a_connection_far_behind_catches_up_page_by_page() {
    let room = Arc::new(Room::new("r".into()));
    let mut alice = Client::new(1, "alice").await;
    attach(&room, &alice, 4);
    room.pause_all();
    for n in 5..=604 {
        deliver(&room, &message(n));
    }
    let epoch = room.access_check().epoch;
    let mut behind = grant(&room, epoch, "alice").pop().expect("the record is shorter than that");
    assert_eq!(behind.position, id(4));
    let page = |from: u64, to: u64| -> Vec<(Id, Frame)> {
        (from..=to).map(|n| (id(n), frame::text(message(n).as_bytes()))).collect()
    };
    let catch_up = |behind: &LaggingConnection, from, to, more| {
        let mut pending_flush = PendingFlush::new();
        let brought =
            room.catch_up(epoch, behind, &page(from, to), id(to), more, &mut pending_flush);
        flush(pending_flush);
        brought
    };
    assert_eq!(catch_up(&behind, 5, 80, true), CaughtUp::UpTo(id(80)));
    assert_eq!(catch_up(&behind, 5, 80, true), CaughtUp::Done, "from there no more");
    behind.position = id(80);
    // The page ends after the room's position on this relay.
    assert_eq!(catch_up(&behind, 81, 605, false), CaughtUp::Done);
    deliver(&room, &message(605));
    deliver(&room, &message(606));
    let received = alice.read().await;
    let expected: Vec<String> = (5..=606).map(|n| n.to_string()).collect();
    assert_eq!(ids(&received), expected);
}

#[tokio::test]
async fn a_connection_paused_for_long_must_join_again() {
    let room = Arc::new(Room::new("r".into()));
    let mut alice = Client::new(1, "alice").await;
    attach(&room, &alice, 4);
    room.pause_all();
    let (now, second) = (Instant::now(), Duration::from_secs(1));
    let end_long_pauses = |at| {
        let mut pending_flush = PendingFlush::new();
        room.tidy(at, Duration::from_secs(20), true, &mut pending_flush);
        flush(pending_flush);
    };
    end_long_pauses(now + 29 * second);
    assert_eq!(room.attached().len(), 1);
    end_long_pauses(now + 32 * second);
    assert!(room.attached().is_empty() && room.empty_since().is_some());
    let gone = r#"{"type":"gone","room":"r","code":"UNAVAILABLE"}"#;
    assert!(alice.read().await.contains(gone));
}

#[tokio::test]
async fn a_reload_does_not_reach_paused_connections() {
    let room = Arc::new(Room::new("r".into()));
    let mut alice = Client::new(1, "alice").await;
    attach(&room, &alice, 4);
    room.pause_all();
    let mut pending_flush = PendingFlush::new();
    room.reload(id(9), &frame::text(b"RELOAD"), &mut pending_flush);
    flush(pending_flush);
    let received = alice.read().await;
    assert!(
        !received.contains("RELOAD") && received.contains(r#""code":"UNAVAILABLE""#),
        "{received}"
    );
}

#[tokio::test]
async fn a_failed_rejoin_continues_from_the_old_position() {
    let room = Arc::new(Room::new("r".into()));
    let (alice, mut bob) = (Client::new(1, "alice").await, Client::new(2, "bob").await);
    attach(&room, &alice, 4);
    attach(&room, &bob, 6);
    let joiner = room.begin_join(&bob.connection);
    room.restore(&joiner, &bob.connection, &mut PendingFlush::new());
    drop(joiner);
    for n in 5..=7 {
        deliver(&room, &removing(n, "role", "carol", ""));
    }
    assert!(ids(&bob.read().await).is_empty(), "not before it is asked about");
    assert!(grant(&room, room.access_check().epoch, "bob").is_empty());
    assert_eq!(ids(&bob.read().await), ["7"], "nothing twice");
}
