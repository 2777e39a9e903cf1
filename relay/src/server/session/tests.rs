//! What a session does in one turn, over real sockets and without Redis.

use std::io::Write;

use chat_protocol::id::Id;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::config::test_config;
use crate::room::Attached;
use crate::room::subscribers::PendingFlush;
use crate::upstream::Upstream;

/// A hub whose Redis is never reachable.
fn hub(flags: &[&str]) -> Arc<Hub> {
    let config = test_config(flags);
    let upstream = Upstream::new(&config.redis, "test", "relay:test".into(), config.probe);
    Hub::new(config, Arc::new(upstream), "test".into())
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (near, far) = tokio::join!(listener.accept(), TcpStream::connect(address));
    (near.expect("accepted").0, far.expect("connected"))
}

/// A client's frame with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | length as u8),
        length => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    frame(0x81, text.as_bytes())
}

/// Floods: what a client sends first, and what it then repeats.
fn floods() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let huge = format!("{{\"op\":\"ping\",\"x\":\"{}\"}}", "x".repeat(60_000));
    vec![
        ("pings", vec![], frame(0x89, b"there?")),
        ("pongs", vec![], frame(0x8a, b"")),
        ("empty parts of a message", frame(0x01, b""), frame(0x00, b"")),
        ("small parts of a message", frame(0x01, b""), frame(0x00, b"x")),
        ("empty messages", vec![], text("")),
        ("tiny messages", vec![], text("{}")),
        ("unknown operations", vec![], text(r#"{"op":"dance"}"#)),
        ("refused operations", vec![], text(r#"{"op":"join","room":"@"}"#)),
        ("operations that need nobody", vec![], text(r#"{"op":"ping"}"#)),
        ("huge messages", vec![], text(&huge)),
    ]
}

/// Serves a connection.
async fn session(hub: Arc<Hub>, connection: Arc<Connection>, allowance: Allowance) {
    let mut prepared = prepare(&hub, &connection, allowance, b"", None);
    run(&hub, &mut prepared).await;
}

#[tokio::test]
async fn one_frame_is_read_per_turn_however_much_arrives() {
    for (what, beginning, again) in floods() {
        // High limits, so that no connection is closed.
        let hub = hub(&["--operations-per-second=100000000", "--bytes-per-second=100000mb"]);
        let (near, far) = sockets().await;
        let user: Arc<str> = "loud".into();
        let connection = hub.connect(user.clone(), near);
        let allowance = hub.allowances.enter(&user, std::time::Instant::now());
        let watched = hub.allowances.enter(&user, std::time::Instant::now()).expect("it enters");
        // As much as the kernel accepts, before the session's first turn.
        let mut far = far.into_std().expect("a socket");
        far.write_all(&beginning).expect("room");
        let mut sent = 0;
        while far.write(&again).is_ok_and(|written| written == again.len()) && sent < 3000 {
            sent += 1;
        }
        let far = TcpStream::from_std(far).expect("a socket");
        let served = session(hub.clone(), connection, allowance.expect("it enters"));
        let served = tokio::spawn(served);
        let turns = tokio::spawn(async move {
            let (mut before, mut most, mut turns) = (watched.frames_seen(), 0, 0);
            let begun = before;
            while turns < 20_000 && before < begun + sent {
                yield_now().await;
                let now = watched.frames_seen();
                most = most.max(now - before);
                before = now;
                turns += 1;
            }
            (most, before - begun)
        });
        let (most, seen) = turns.await.expect("no panic");
        assert!(seen > 20, "{what}: only {seen} of {sent} frames came");
        // More than one if the session was also woken for other reasons, such as a full socket.
        assert!(most <= 8, "{what}: {most} frames of {seen} in one turn of another");
        drop(far);
        served.await.expect("no panic");
    }
}

#[tokio::test]
async fn a_defect_ends_its_own_connection_and_leaves_nothing_of_it_behind() {
    let hub = hub(&[]);
    let mut far_ends = Vec::new();
    let mut served = Vec::new();
    let mut connections = Vec::new();
    for user in ["struck", "other"] {
        let (near, far) = sockets().await;
        let user: Arc<str> = user.into();
        let connection = hub.connect(user.clone(), near);
        let allowance = hub.allowances.enter(&user, std::time::Instant::now());
        let allowance = allowance.expect("it enters");
        // One room that the connection has noted, and one that it has not.
        for room in ["known", "unknown"] {
            let (room, joiner) = hub.begin_join(room, &connection);
            let mut pending_flush = PendingFlush::new();
            let attached = room.attach(&joiner, &connection, Id::ZERO, &[], &mut pending_flush);
            assert!(matches!(attached, Attached::Then(_)) && room.is_subscribed(&connection));
        }
        connection.add_room(&"known".into());
        let run = session(hub.clone(), connection.clone(), allowance);
        served.push(tokio::spawn(run));
        connections.push(connection);
        far_ends.push(far);
    }
    far_ends[0].write_all(&text("panic")).await.expect("it reads");
    let mut received = Vec::new();
    let reads = far_ends[0].read_to_end(&mut received);
    tokio::time::timeout(Duration::from_secs(30), reads).await.expect("in time").expect("an end");
    let close = received.windows(4).find(|found| found[0] == 0x88).expect("a close frame");
    assert_eq!(close[2..4], 4000_u16.to_be_bytes());
    assert!(String::from_utf8_lossy(&received).contains(r#"{"reason":"internal","retry_ms":"#));
    served.remove(0).await.expect("the panic is caught");
    assert_eq!(hub.connection_count(), 1);
    for room in ["known", "unknown"] {
        let room = hub.room(room).expect("a room");
        assert!(!room.is_subscribed(&connections[0]), "{}", room.name);
        assert!(room.is_subscribed(&connections[1]), "{}: others stay", room.name);
    }
    far_ends[1].write_all(&text(r#"{"ref":7,"op":"ping"}"#)).await.expect("it reads");
    let mut received = Vec::new();
    while !String::from_utf8_lossy(&received).contains(r#"{"ref":7,"ok""#) {
        let read = far_ends[1].read_buf(&mut received);
        let read = tokio::time::timeout(Duration::from_secs(30), read).await;
        assert!(read.expect("in time").expect("read") > 0, "the other one is closed");
    }
}

#[tokio::test]
async fn a_flood_after_the_warning_is_closed_with_a_retry_hint() {
    let all = floods().into_iter().map(|(what, beginning, again)| async move {
        let hub = hub(&["--operations-per-second=5"]);
        let (near, mut far) = sockets().await;
        let user: Arc<str> = "loud".into();
        let connection = hub.connect(user.clone(), near);
        let allowance = hub.allowances.enter(&user, std::time::Instant::now());
        let served = session(hub.clone(), connection, allowance.expect("it enters"));
        let served = tokio::spawn(served);
        let (mut from_far, mut to_far) = far.split();
        let mut received = Vec::new();
        let flood = async {
            let _ = to_far.write_all(&beginning).await;
            while to_far.write_all(&again).await.is_ok() {}
        };
        let read = async {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = from_far.read(&mut piece).await {
                received.extend_from_slice(&piece[..length]);
            }
        };
        tokio::join!(flood, read);
        let received = String::from_utf8_lossy(&received);
        assert!(received.contains("\"code\":\"RATELIMIT\""), "{what}: no warning");
        let (_, close) = received.split_once(r#"{"reason":"flood","retry_ms":"#).expect(what);
        let retry_ms: u32 = close.trim_end_matches('}').parse().expect(what);
        assert!((30_000..=60_000).contains(&retry_ms), "{what}: {retry_ms}");
        served.await.expect("no panic");
        let again = hub.allowances.enter(&user, std::time::Instant::now());
        assert!(again.is_none(), "{what}: coming back refills nothing");
    });
    let all = futures_util::future::join_all(all);
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("all to be closed in time");
}

#[tokio::test]
async fn a_session_takes_little_memory_while_nothing_happens() {
    let hub = hub(&[]);
    let (near, _far) = sockets().await;
    let user: Arc<str> = "alice".into();
    let connection = hub.connect(user.clone(), near);
    let allowance = hub.allowances.enter(&user, std::time::Instant::now()).expect("it enters");
    let mut prepared = prepare(&hub, &connection, allowance, b"", None);
    let bytes = size_of_val(&prepared) + size_of_val(&run(&hub, &mut prepared));
    assert!(bytes <= 900, "{bytes} bytes for each connection");
}
