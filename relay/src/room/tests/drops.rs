//! `drop` and `moved`: clients get what a sync confirms.

use super::*;

const DROP: &str = r#"{"last":"4-4","room":"r","type":"drop","ts":5,"reason":"expired"}"#;
const MOVED: &str = r#"{"last":"4-4","room":"r","type":"moved","ts":5}"#;
const MOVED_WITHOUT_PAST: &str = r#"{"last":"0-0","room":"r","type":"moved","ts":5}"#;
const DROP_OF_MOVED: &str = r#"{"last":"4-4","room":"r","type":"drop","ts":5,"reason":"deleted"}"#;

/// What a sync finds.
#[derive(Clone, Copy, Debug)]
enum Finds {
    /// The past goes on up to this event.
    Past(u64),
    /// Another past, up to this event. 0: no room.
    Other(u64),
}

/// Runs one sync. Returns whether another must follow.
fn sync(room: &Arc<Room>, finds: Finds) -> bool {
    room.begin_sync().expect("a sync is possible");
    answer(room, finds)
}

fn answer(room: &Arc<Room>, finds: Finds) -> bool {
    let newest = |n| if n == 0 { Id::ZERO } else { id(n) };
    let mut pending_flush = PendingFlush::new();
    let again = match finds {
        Finds::Past(n) => room.recovered(Vec::new(), newest(n), false, &mut pending_flush),
        Finds::Other(n) => room.reload(newest(n), &frame::text(b"RELOAD"), &mut pending_flush),
    };
    for connection in pending_flush {
        connection.flush();
    }
    again
}

async fn room_with_alice(n: u64) -> (Arc<Room>, Client) {
    let (room, alice) = (Arc::new(Room::new("r".into())), Client::new(1, "alice").await);
    let joiner = room.begin_join(&alice.connection);
    let position = if n == 0 { Id::ZERO } else { id(n) };
    room.attach(&joiner, &alice.connection, position, &[], &mut PendingFlush::new());
    (room, alice)
}

#[tokio::test]
async fn a_drop_is_told_once_a_sync_confirms_it() {
    let rows: &[(u64, &str, Finds, Option<&str>)] = &[
        (4, DROP, Finds::Other(0), Some(DROP)),
        (4, DROP, Finds::Other(9), Some(DROP)),
        (4, DROP, Finds::Past(4), None),
        (4, MOVED, Finds::Past(4), None),
        (4, MOVED, Finds::Other(0), Some(DROP_OF_MOVED)),
        (4, MOVED, Finds::Other(9), None),
        (0, DROP, Finds::Past(0), Some(DROP)),
        (0, DROP, Finds::Past(3), None),
        (0, MOVED, Finds::Past(0), Some(DROP_OF_MOVED)),
        (0, MOVED_WITHOUT_PAST, Finds::Past(0), None),
    ];
    for (position, event, finds, expected) in rows {
        let (room, mut alice) = room_with_alice(*position).await;
        assert_eq!(deliver(&room, event), Next::Sync);
        assert!(!sync(&room, *finds), "one sync is enough");
        let received = alice.read().await;
        let told = received.find(r#""type":"drop""#);
        assert_eq!(told.is_some(), expected.is_some(), "{event} {finds:?}: {received}");
        assert!(expected.is_none_or(|drop| received.contains(drop)), "{received}");
        if let (Some(told), Finds::Other(_)) = (told, finds) {
            assert!(received.find("RELOAD").is_some_and(|reload| told < reload), "{received}");
        }
        assert!(!received.contains("moved"), "{received}");
        sync(&room, Finds::Other(0));
        assert!(!alice.read().await.contains(r#""type":"drop""#), "not again");
    }
}

#[tokio::test]
async fn a_sync_that_was_sent_before_the_drop_does_not_decide_about_it() {
    let (room, mut alice) = room_with_alice(4).await;
    room.begin_sync().expect("a sync is possible");
    assert_eq!(deliver(&room, DROP), Next::Sync);
    assert!(answer(&room, Finds::Past(4)), "another must follow");
    assert!(!alice.read().await.contains(r#""type":"drop""#));
    assert!(!sync(&room, Finds::Other(0)));
    assert!(alice.read().await.contains(DROP));
}

#[tokio::test]
async fn a_subscription_that_is_confirmed_during_a_sync_needs_another_one() {
    let (room, _alice) = room_with_alice(4).await;
    assert!(room.confirm_subscription());
    room.begin_sync().expect("a sync is possible");
    assert!(room.confirm_subscription(), "at another node");
    assert!(answer(&room, Finds::Past(4)), "events may be missing that came in between");
    assert!(!sync(&room, Finds::Past(4)));
}
