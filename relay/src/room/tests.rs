//! What the connections of a room receive, over real sockets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_protocol::close_code;
use chat_protocol::id::Id;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::client::connection::{Connection, End};
use crate::client::frame::{self, Frame};
use crate::room::subscribers::PendingFlush;

mod drops;
mod pauses;

struct Client {
    connection: Arc<Connection>,
    far_end: TcpStream,
}

impl Client {
    async fn new(number: u64, user: &str) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (near_end, far_end) = tokio::join!(listener.accept(), TcpStream::connect(address));
        let near_end = near_end.expect("accepted").0;
        let name = format!("c{number}").into();
        let connection = Connection::new(number, name, user.into(), near_end, 1 << 20);
        Client { connection: Arc::new(connection), far_end: far_end.expect("connected") }
    }

    fn is_in(&self, room: &Arc<Room>) -> bool {
        room.is_subscribed(&self.connection)
    }

    /// Everything that the client received, up to a final frame.
    async fn read(&mut self) -> String {
        self.connection.send_text("END");
        let mut text = Vec::new();
        while !text.ends_with(b"END") {
            let read = self.far_end.read_buf(&mut text);
            let read = tokio::time::timeout(Duration::from_secs(5), read).await;
            assert!(read.expect("in time").expect("read") > 0, "closed");
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

fn id(n: u64) -> Id {
    Id { ms: n, n }
}

/// Attaches a client that has everything up to the event with this number.
fn attach(room: &Arc<Room>, client: &Client, n: u64) {
    let joiner = room.begin_join(&client.connection);
    let attached = room.attach(&joiner, &client.connection, id(n), &[], &mut PendingFlush::new());
    assert_eq!(attached, Attached::Then(Next::Done));
    client.connection.add_room(&room.name);
}

fn deliver(room: &Arc<Room>, event: &str) -> Next {
    deliver_together(room, &[event])
}

fn deliver_together(room: &Arc<Room>, events: &[&str]) -> Next {
    let mut pending_flush = PendingFlush::new();
    let frames: Vec<Frame> = events.iter().map(|event| frame::text(event.as_bytes())).collect();
    let events: Option<Vec<_>> = frames.iter().map(Arrived::read).collect();
    let next = room.deliver(&events.expect("events"), &mut pending_flush);
    for connection in pending_flush {
        connection.flush();
    }
    next
}

fn removing(n: u64, kind: &str, user: &str, further: &str) -> String {
    let prev = n - 1;
    format!(
        r#"{{"id":"{n}-{n}","prev":"{prev}-{prev}","room":"r","type":"member","ts":1,"user":"{user}","kind":"{kind}"{further}}}"#
    )
}

#[tokio::test]
async fn a_kicked_user_receives_the_event_and_nothing_after_it() {
    let room = Arc::new(Room::new("r".into()));
    let (mut alice, mut bob) = (Client::new(1, "alice").await, Client::new(2, "bob").await);
    let since = Client::new(3, "bob").await;
    attach(&room, &alice, 4);
    attach(&room, &bob, 4);
    // This one joined after the kick, which has not arrived yet.
    attach(&room, &since, 6);
    assert_eq!(deliver(&room, &removing(5, "kick", "bob", "")), Next::Done);
    assert_eq!(deliver(&room, &removing(6, "role", "alice", "")), Next::Done);
    assert!(alice.is_in(&room) && !bob.is_in(&room) && since.is_in(&room));
    assert!(!bob.connection.is_in("r"));
    let kicked: Vec<u64> = room.take_kicked().iter().map(|one| one.number).collect();
    assert_eq!(kicked, [2], "once");
    assert!(room.take_kicked().is_empty());
    let received = bob.read().await;
    let gone = r#"{"type":"gone","room":"r","code":"KICKED"}"#;
    let (kick, gone) = (received.find(r#""kind":"kick""#), received.find(gone));
    assert!(kick.is_some() && kick < gone, "{received}");
    assert!(!received.contains("6-6"), "{received}");
    assert!(alice.read().await.contains("6-6"));
}

#[tokio::test]
async fn an_erasure_removes_the_user_and_empties_the_recent_events() {
    let room = Arc::new(Room::new("r".into()));
    let (mut alice, mut bob) = (Client::new(1, "alice").await, Client::new(2, "bob").await);
    let (behind, mut new) = (Client::new(3, "carol").await, Client::new(4, "dora").await);
    attach(&room, &alice, 4);
    attach(&room, &bob, 4);
    let (late, next) = (room.begin_join(&behind.connection), room.begin_join(&new.connection));
    let text = r#"{"id":"5-5","prev":"4-4","room":"r","type":"message","ts":1,"user":"bob","text":"secret"}"#;
    let erase = r#"{"id":"6-6","prev":"5-5","room":"r","type":"erase","ts":1,"user":"bob","ref":"5-5","as":"erased-1"}"#;
    assert_eq!(deliver_together(&room, &[text, erase]), Next::Done);
    assert!(alice.is_in(&room) && !bob.is_in(&room));
    let received = bob.read().await;
    assert!(received.contains(r#""type":"gone","room":"r","code":"KICKED""#), "{received}");
    assert!(alice.read().await.contains(r#""type":"erase""#));
    // Both began before, so both must ask again; then only what has come since is handed out.
    for (joiner, client) in [(late, &behind), (next, &new)] {
        let flush = &mut PendingFlush::new();
        let attached = room.attach(&joiner, &client.connection, id(4), &[], flush);
        assert_eq!(attached, Attached::FetchAgain);
    }
    for (client, position, attached) in
        [(&behind, 4, Attached::FetchAgain), (&new, 5, Attached::Then(Next::Done))]
    {
        let joiner = room.begin_join(&client.connection);
        let mut flush = PendingFlush::new();
        let answer = room.attach(&joiner, &client.connection, id(position), &[], &mut flush);
        assert_eq!(answer, attached);
        flush.into_iter().for_each(|connection| connection.flush());
    }
    let received = new.read().await;
    assert!(received.contains(r#""type":"erase""#) && !received.contains("secret"), "{received}");
}

#[tokio::test]
async fn clients_never_hear_that_a_key_moves_to_another_node() {
    let room = Arc::new(Room::new("r".into()));
    let mut alice = Client::new(1, "alice").await;
    attach(&room, &alice, 4);
    let moved = r#"{"last":"4-4","room":"r","type":"moved","ts":5}"#;
    assert_eq!(deliver(&room, moved), Next::Sync, "it may have been deleted meanwhile");
    let received = alice.read().await;
    assert!(!received.contains("moved"), "{received}");
}

#[tokio::test]
async fn a_ban_names_its_end() {
    let room = Arc::new(Room::new("r".into()));
    let mut bob = Client::new(1, "bob").await;
    for (n, until, expected_until) in [(5, r#","until":17"#, 17), (6, "", 0)] {
        attach(&room, &bob, n - 1);
        deliver(&room, &removing(n, "ban", "bob", until));
        assert!(!bob.is_in(&room));
        let gone = format!(r#""code":"BANNED","until_ms":{expected_until}}}"#);
        let received = bob.read().await;
        assert!(received.contains(&gone), "{received}");
    }
}

#[tokio::test]
async fn a_kick_from_the_own_personal_room_closes_the_socket() {
    let room = Arc::new(Room::new("@bob".into()));
    let bob = Client::new(1, "bob").await;
    attach(&room, &bob, 4);
    deliver(&room, &removing(5, "kick", "bob", ""));
    assert_eq!(bob.connection.ended(), Some(End::Close(close_code::KICKED)));
}

#[tokio::test]
async fn a_kick_while_joining_closes_the_socket_too() {
    for before in [true, false] {
        let room = Arc::new(Room::new("@bob".into()));
        let (first, second) = (Client::new(1, "bob").await, Client::new(2, "bob").await);
        attach(&room, &first, 4);
        let present = |joiner: &Joiner| {
            room.attach_present(joiner, &second.connection, id(4), &mut PendingFlush::new())
        };
        // Kicked while it fetches, or before it fetches again what could not be attached.
        let joiner = room.begin_join(&second.connection);
        deliver(&room, &removing(5, "kick", "bob", ""));
        let joiner = if before { joiner } else { room.begin_join(&second.connection) };
        assert_eq!(present(&joiner), Attached::Removed);
        assert_eq!(second.connection.ended(), Some(End::Close(close_code::KICKED)));
        assert!(!second.is_in(&room));
    }
}

#[tokio::test]
async fn a_removed_user_receives_the_reason() {
    for (kind, code) in [("kick", r#""KICKED""#), ("ban", r#""BANNED","until_ms":0"#)] {
        let room = Arc::new(Room::new("r".into()));
        let mut bob = Client::new(1, "bob").await;
        attach(&room, &bob, 4);
        deliver(&room, &removing(5, kind, "bob", r#","reason":"too \"loud\"""#));
        let gone = format!(r#"{{"type":"gone","room":"r","code":{code},"reason":"too \"loud\""}}"#);
        let received = bob.read().await;
        assert!(received.contains(&gone), "{received}");
    }
    let room = Arc::new(Room::new("@bob".into()));
    let mut bob = Client::new(1, "bob").await;
    attach(&room, &bob, 4);
    deliver(&room, &removing(5, "kick", "bob", r#","reason":"bye""#));
    let mut received = Vec::new();
    while !received.ends_with(b"}") {
        assert!(bob.far_end.read_buf(&mut received).await.expect("read") > 0);
    }
    let received = String::from_utf8_lossy(&received);
    assert!(received.ends_with(r#"{"reason":"kicked","message":"bye"}"#), "{received}");
}

#[tokio::test]
async fn a_contact_receives_only_presence() {
    let room = Arc::new(Room::new("@bob".into()));
    let (mut alice, bob) = (Client::new(1, "alice").await, Client::new(2, "bob").await);
    let joiner = room.begin_join(&alice.connection);
    let attached = room.attach_contact(&joiner, &alice.connection, id(4), &mut PendingFlush::new());
    assert_eq!(attached, Attached::Then(Next::Done));
    drop(joiner);
    attach(&room, &bob, 4);
    deliver(&room, &removing(5, "unban", "carol", ""));
    for kind in ["signal", "notice", "read", "presence"] {
        let event =
            format!(r#"{{"last":"5-5","room":"@bob","type":"{kind}","ts":1,"user":"bob"}}"#);
        assert_eq!(deliver(&room, &event), Next::Done);
    }
    let mut pending_flush = PendingFlush::new();
    room.reload(id(9), &frame::text(b"RELOAD"), &mut pending_flush);
    for connection in pending_flush {
        connection.flush();
    }
    let received = alice.read().await;
    for secret in ["unban", "signal", "notice", "read", "RELOAD"] {
        assert!(!received.contains(secret), "{secret} in {received}");
    }
    let (presence, reset) = (received.find("presence"), received.find(r#""type":"reset""#));
    assert!(presence.is_some() && presence < reset, "{received}");
    assert!(room.empty_since().is_none());
    room.remove(&bob.connection);
    assert!(room.empty_since().is_none(), "the contact is still there");
    room.remove(&alice.connection);
    assert!(room.empty_since().is_some());
}

#[tokio::test]
async fn a_logged_presence_reaches_each_once() {
    let room = Arc::new(Room::new("@bob".into()));
    let (mut alice, mut bob) = (Client::new(1, "alice").await, Client::new(2, "bob").await);
    let joiner = room.begin_join(&alice.connection);
    room.attach_contact(&joiner, &alice.connection, id(4), &mut PendingFlush::new());
    drop(joiner);
    attach(&room, &bob, 4);
    let logged = |n: u64, kind: &str| {
        let (id, prev) = (id(n), id(n - 1));
        format!(
            r#"{{"id":"{id}","prev":"{prev}","room":"@bob","type":"presence","ts":1,"user":"bob","kind":"{kind}"}}"#
        )
    };
    let ephemeral = |n: u64, kind: &str, users: u64| {
        let last = id(n);
        format!(
            r#"{{"last":"{last}","room":"@bob","type":"presence","ts":1,"user":"bob","kind":"{kind}","users":{users}}}"#
        )
    };
    let events = [
        logged(5, "join"),
        ephemeral(5, "join", 10),
        ephemeral(5, "status", 11),
        logged(6, "leave"),
        ephemeral(6, "leave", 12),
        // The setting is off again.
        ephemeral(6, "join", 13),
    ];
    events.iter().for_each(|event| assert_eq!(deliver(&room, event), Next::Done));
    let (alice, bob) = (alice.read().await, bob.read().await);
    let count = |text: &str, part: &str| text.matches(part).count();
    assert_eq!(count(&alice, r#""id":"#), 0, "{alice}");
    for users in 10..=13 {
        let own = usize::from(matches!(users, 11 | 13));
        let part = format!(r#""users":{users}"#);
        assert_eq!((count(&alice, &part), count(&bob, &part)), (1, own), "{part} {bob}");
    }
    assert_eq!(count(&bob, r#""id":"#), 2, "{bob}");
}

#[tokio::test]
async fn a_contact_with_an_outdated_presence_list_fetches_again() {
    let room = Arc::new(Room::new("@bob".into()));
    let alice = Client::new(1, "alice").await;
    let joiner = room.begin_join(&alice.connection);
    deliver(&room, r#"{"last":"4-4","room":"@bob","type":"presence","ts":1,"user":"bob"}"#);
    let attached = room.attach_contact(&joiner, &alice.connection, id(4), &mut PendingFlush::new());
    assert_eq!(attached, Attached::FetchAgain);
}

#[tokio::test]
async fn a_signal_does_not_reach_connections_of_the_same_user() {
    let room = Arc::new(Room::new("r".into()));
    let (mut alice, mut phone) = (Client::new(1, "alice").await, Client::new(2, "alice").await);
    let mut bob = Client::new(3, "bob").await;
    for client in [&alice, &phone, &bob] {
        attach(&room, client, 4);
    }
    let typing = r#"{"last":"4-4","room":"r","type":"signal","ts":1,"user":"alice","name":"t"}"#;
    deliver(&room, typing);
    assert!(bob.read().await.contains(typing));
    assert!(!alice.read().await.contains("signal") && !phone.read().await.contains("signal"));
}

#[tokio::test]
async fn events_that_arrive_together_reach_all_once_and_in_order() {
    let room = Arc::new(Room::new("r".into()));
    let mut alice = Client::new(1, "alice").await;
    // Attached ahead of the room: in the middle of the next events, at their end, after them, and
    // at an id that the room will never have.
    let mut ahead = Vec::new();
    attach(&room, &alice, 4);
    for (number, stands) in [(2, id(6)), (3, id(8)), (4, id(11)), (5, Id { ms: 9, n: 6 })] {
        let client = Client::new(number, "bob").await;
        let joiner = room.begin_join(&client.connection);
        room.attach(&joiner, &client.connection, stands, &[], &mut PendingFlush::new());
        client.connection.add_room(&room.name);
        ahead.push(client);
    }
    let events: Vec<String> = (5..=8).map(|n| removing(n, "role", "carol", "")).collect();
    let signal = r#"{"last":"8-8","room":"r","type":"signal","ts":1,"user":"carol","name":"t"}"#;
    let together: Vec<&str> = events.iter().map(String::as_str).chain([signal]).collect();
    assert_eq!(deliver_together(&room, &together), Next::Done);
    let received_by = |text: String| -> Vec<String> {
        let numbers =
            text.match_indices(r#""id":""#).map(|(at, _)| text[at + 6..at + 7].to_owned());
        numbers.chain(text.contains("signal").then(|| "signal".into())).collect()
    };
    assert_eq!(received_by(alice.read().await), ["5", "6", "7", "8", "signal"]);
    let expected: [&[&str]; 3] = [&["7", "8", "signal"], &["signal"], &["signal"]];
    let mut diverged = ahead.pop().expect("four");
    assert!(!diverged.is_in(&room));
    assert!(diverged.read().await.contains(r#""type":"gone""#), "it has seen another past");
    for (client, expected) in ahead.iter_mut().zip(expected) {
        assert!(client.is_in(&room));
        assert_eq!(received_by(client.read().await), expected);
    }
}
