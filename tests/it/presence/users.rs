//! Who is online: users are counted once, announced once, and time out by themselves.

use std::time::{Duration, Instant};

use chat_tests::checking::subscriber::Subscriber;
use chat_tests::checking::view::all_pages;
use chat_tests::clients::reply::Reply;
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, SOON, eventually};

fn room(wire: &mut Wire) -> String {
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "hi").text().to_owned()
}

fn online(wire: &mut Wire) -> i64 {
    cmd!(wire, "CHAT.ONLINE", "lobby").list()[0].int()
}

#[test]
fn the_first_connection_joins_and_the_last_one_leaves() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let id = room(&mut wire);
    let mut channel = Subscriber::new(&redis, &["lobby"]);
    let answer = |users: i64| Reply::List(vec![Reply::Int(users), Reply::Text(id.clone().into())]);
    assert_eq!(cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", "c1"), answer(1));
    let event = channel.next_of("presence");
    assert_eq!(
        (&event["kind"], &event["user"], &event["users"]),
        (&"join".into(), &"alice".into(), &1.into())
    );
    assert_eq!(event["last"], id);
    assert_eq!(cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", "c2"), answer(1));
    assert_eq!(cmd!(wire, "CHAT.PRESENCE", "lobby", "bob", "c3"), answer(2));
    let event = channel.next_of("presence");
    assert_eq!(
        (&event["user"], &event["users"]),
        (&"bob".into(), &2.into()),
        "no event for the second device"
    );
    assert_eq!(cmd!(wire, "CHAT.PRESENCE", "lobby", "bob", "c3", "STATUS", "away"), answer(2));
    let event = channel.next_of("presence");
    assert_eq!(
        (&event["kind"], &event["status"], &event["users"]),
        (&"status".into(), &"away".into(), &2.into())
    );
    cmd!(wire, "CHAT.PRESENCE", "lobby", "bob", "c3", "STATUS", "away").ok();
    assert_eq!(cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", "c1", "OFF"), answer(2));
    assert_eq!(
        cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", "c2", "OFF", "REASON", "bye"),
        answer(1)
    );
    let event = channel.next_of("presence");
    assert_eq!(
        (&event["kind"], &event["user"], &event["users"], &event["reason"]),
        (&"leave".into(), &"alice".into(), &1.into(), &"bye".into())
    );
    assert_eq!(cmd!(wire, "CHAT.PRESENCE", "lobby", "bob", "c3", "OFF"), answer(0));
    assert_eq!(channel.next_of("presence")["reason"], "left");
    assert_eq!(
        cmd!(wire, "CHAT.PRESENCE", "lobby", "bob", "c3", "OFF"),
        answer(0),
        "unknown: nothing happens"
    );
    let missing = cmd!(wire, "CHAT.PRESENCE", "nowhere", "bob", "c3", "OFF");
    assert_eq!(format!("{missing:?}"), r#"[0, "0-0"]"#);
    channel.silent(Duration::from_millis(200));
}

#[test]
fn who_lists_users_with_status_and_connections() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    room(&mut wire);
    for n in 0..25 {
        cmd!(wire, "CHAT.PRESENCE", "lobby", format!("user{n:02}"), format!("c{n}")).ok();
    }
    // The most present connection is shown: here neither has a status.
    cmd!(wire, "CHAT.PRESENCE", "lobby", "user03", "c3", "STATUS", "away").ok();
    cmd!(wire, "CHAT.PRESENCE", "lobby", "user03", "c100", "STATUS", "busy: deep work").ok();
    let first = cmd!(wire, "CHAT.WHO", "lobby", "COUNT", 10);
    assert_eq!((first.list()[1].int(), first.list()[2].int()), (25, 26));
    for page in [1, 10, 1000] {
        let rows = all_pages(&mut wire, &["CHAT.WHO", "lobby"], page);
        let mut names: Vec<_> = rows.iter().map(|row| row.list()[0].text()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 25, "{page} a page");
        let third = rows.iter().find(|row| row.list()[0].text() == "user03").expect("there").list();
        assert_eq!((third[1].text(), third[2].int()), ("busy: deep work", 2));
        assert!(third[3].int() > 1_600_000_000_000, "since in ms");
    }
    assert_eq!(
        cmd!(wire, "CHAT.ONLINE", "lobby", "nowhere", "lobby").list(),
        [Reply::Int(25), Reply::Int(0), Reply::Int(25)]
    );
}

#[test]
fn presence_creates_a_personal_room_and_publishes_there() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.PRESENCE", "@alice", "alice", "c1").ok();
    assert_eq!(cmd!(wire, "CHAT.ONLINE", "@alice", "@bob").list(), [Reply::Int(1), Reply::Int(0)]);
    assert_eq!(
        cmd!(wire, "CHAT.PRESENCE", "nowhere", "alice", "c1").error().split(' ').next(),
        Some("NOROOM")
    );
}

#[test]
fn a_connection_without_beats_ends_by_itself_and_is_published_once() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    room(&mut wire);
    let mut channel = Subscriber::new(&redis, &["lobby"]);
    let start = Instant::now();
    cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", "c1", "TTL", 1500).ok();
    cmd!(wire, "CHAT.PRESENCE", "lobby", "bob", "c2", "TTL", 1500).ok();
    // Bob's beats continue.
    let beat = |wire: &mut Wire| cmd!(wire, "CHAT.BEAT", "lobby", 60_000, "c2", "stranger");
    assert_eq!(format!("{:?}", beat(&mut wire).list()[1]), r#"["stranger"]"#);
    eventually("alice to time out", LATER, || match online(&mut wire) {
        1 => Ok(()),
        users => Err(format!("{users} online")),
    });
    assert!(start.elapsed() >= Duration::from_millis(1500), "too early: {:?}", start.elapsed());
    let leave = loop {
        let event = channel.next_of("presence");
        if event["kind"] == "leave" {
            break event;
        }
    };
    assert_eq!(
        (&leave["user"], &leave["reason"], &leave["users"]),
        (&"alice".into(), &"timeout".into(), &1.into())
    );
    channel.silent(Duration::from_millis(1500));
    let missing = cmd!(wire, "CHAT.BEAT", "nowhere", 60_000, "c1");
    assert_eq!(format!("{missing:?}"), r#"["0-0", ["c1"]]"#);
}

#[test]
fn a_restart_gives_every_connection_one_grace() {
    let mut redis = Redis::with(&["save 3600 1"]);
    let mut wire = redis.wire();
    room(&mut wire);
    cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", "c1", "TTL", 1000).ok();
    redis.stop();
    redis.restart();
    let mut wire = redis.wire();
    // A beat either renews a connection or returns it as unknown; never silently neither.
    let unknown = cmd!(wire, "CHAT.BEAT", "lobby", 60_000, "c1").list()[1].list().len() as i64;
    assert_eq!(online(&mut wire), 1 - unknown);
    eventually("a presence after the restart", SOON, || {
        match cmd!(wire, "CHAT.PRESENCE", "lobby", "alice", "c1").list()[0].int() {
            1 => Ok(()),
            other => Err(format!("{other} online")),
        }
    });
}
