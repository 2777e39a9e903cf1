//! What a caller of the commands receives: every command's reply and the event that it publishes.

use chat_tests::checking::subscriber::Subscriber;
use chat_tests::checking::view::{Event, all_pages, history, sync};
use chat_tests::clients::reply::Reply;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{SOON, eventually};

#[test]
fn a_first_message_has_number_one_and_is_published_as_stored() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let mut channel = Subscriber::new(&redis, &["lobby"]);

    assert_eq!(cmd!(wire, "CHAT.JOIN", "lobby", "alice"), Reply::Int(1));
    assert_eq!(cmd!(wire, "CHAT.JOIN", "lobby", "alice"), Reply::Int(0), "a member already");
    let id = cmd!(wire, "CHAT.SEND", "lobby", "alice", "hello").text().to_owned();
    assert!(id.ends_with("-1"), "{id}");

    let join = channel.next_of("member");
    assert_eq!(
        (&join["kind"], &join["user"], &join["role"]),
        (&"join".into(), &"alice".into(), &"owner".into())
    );
    assert_eq!(join["last"], "0-0");
    let published = channel.next_text();
    let ms: u64 = id.split('-').next().and_then(|ms| ms.parse().ok()).expect("an id");
    let expected = format!(
        "{{\"id\":\"{id}\",\"prev\":\"0-0\",\"room\":\"lobby\",\"type\":\"message\",\"ts\":{ms},\
         \"user\":\"alice\",\"kind\":\"text\",\"text\":\"hello\",\"m\":1}}"
    );
    assert_eq!(published, expected);
    let page = history(&mut wire, "lobby", &[]);
    assert_eq!((page.newest.as_str(), page.more), (id.as_str(), false));
    assert_eq!(page.events[0].text, published);
    assert_eq!(sync(&mut wire, "lobby", "0-0", &[]).events[0].text, published);
    assert_eq!(cmd!(wire, "TYPE", "lobby").text(), "chat-room");
}

#[test]
fn all_options_of_send_are_in_the_event_in_their_order() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let mut channel = Subscriber::new(&redis, &["lobby"]);
    let first = cmd!(wire, "CHAT.SEND", "lobby", "alice", "x").text().to_owned();
    let meta = "{\"b\": 1,\"a\":[\"\\u00e4\",1.50]}";
    let second = cmd!(
        wire,
        "CHAT.SEND",
        "lobby",
        "alice",
        "a \"quote\"\n\t\\ ☕",
        "MENTION",
        2,
        "bob",
        "carol",
        "REPLY",
        first,
        "META",
        meta,
        "KIND",
        "poll",
        "NONCE",
        "n-1"
    );
    let second = second.text().to_owned();
    let ms = second.split('-').next().expect("an id");
    let expected = format!(
        "{{\"id\":\"{second}\",\"prev\":\"{first}\",\"room\":\"lobby\",\"type\":\"message\",\
         \"ts\":{ms},\"user\":\"alice\",\"kind\":\"poll\",\"text\":\"a \\\"quote\\\"\\n\\t\\\\ ☕\",\
         \"meta\":{meta},\"reply\":\"{first}\",\"mentions\":[\"bob\",\"carol\"],\
         \"nonce\":\"n-1\",\"m\":2}}"
    );
    channel.next_of("message");
    assert_eq!(channel.next_text(), expected);
    assert_eq!(history(&mut wire, "lobby", &[]).events[1].text, expected);

    assert_eq!(cmd!(wire, "CHAT.SEND", "lobby", "alice", "gone", "EPHEMERAL"), Reply::Nil);
    let ephemeral = channel.next_of("message");
    assert_eq!(ephemeral["last"], second);
    assert_eq!((&ephemeral["id"], &ephemeral["m"], &ephemeral["prev"]), Default::default());
    assert_eq!(history(&mut wire, "lobby", &[]).newest, second, "nothing is stored");

    cmd!(wire, "CHAT.SEND", "lobby", "*", "maintenance at noon").ok();
    let system = channel.next_of("message");
    assert_eq!((&system["user"], &system["kind"]), (&"*".into(), &"system".into()));
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "", "META", "{}").ok();
    let empty = channel.next_of("message");
    assert_eq!((&empty["text"], &empty["meta"]), (&"".into(), &serde_json::json!({})));
}

#[test]
fn history_pages_before_after_and_around() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let ids: Vec<String> = (1..=20)
        .map(|n| cmd!(wire, "CHAT.SEND", "lobby", "alice", format!("m{n}")).text().to_owned())
        .collect();
    let texts = |from: usize, to: usize| (from..=to).map(|n| format!("m{n}")).collect::<Vec<_>>();
    let table: &[(&[&str], Vec<String>, bool, &str)] = &[
        (&["COUNT", "5"], texts(16, 20), true, "the newest page"),
        (&["COUNT", "20"], texts(1, 20), false, "all there is"),
        (&[], texts(1, 20), false, "fifty by default"),
        (&["BEFORE", &ids[10], "COUNT", "3"], texts(8, 10), true, "before the eleventh"),
        (&["BEFORE", &ids[3], "COUNT", "3"], texts(1, 3), false, "before, exactly the rest"),
        (&["BEFORE", &ids[0]], texts(1, 0), false, "before the first"),
        (&["AFTER", &ids[10], "COUNT", "3"], texts(12, 14), true, "after the eleventh"),
        (&["AFTER", &ids[16]], texts(18, 20), false, "after, the rest"),
        (&["AFTER", &ids[19]], texts(1, 0), false, "after the last"),
        (&["AFTER", "0-0", "COUNT", "2"], texts(1, 2), true, "after the beginning"),
        (&["AROUND", &ids[10], "COUNT", "20"], texts(1, 20), false, "around, all of it"),
    ];
    for (options, expected, more, why) in table {
        let page = history(&mut wire, "lobby", options);
        assert_eq!(
            (page.texts(), page.more),
            (expected.iter().map(String::as_str).collect(), *more),
            "{why}"
        );
        assert_eq!(page.newest, ids[19], "{why}");
    }
    let around = history(&mut wire, "lobby", &["AROUND", &ids[10], "COUNT", "5"]);
    assert_eq!((around.events.len(), around.more), (5, true));
    assert!(around.texts().contains(&"m11"), "{:?}", around.texts());
    let numbers: Vec<_> = around.events.iter().map(|event| event.json["m"].as_u64()).collect();
    assert!(numbers.is_sorted(), "oldest first: {numbers:?}");
}

#[test]
fn sync_recovers_a_cursor_exactly_or_not_at_all() {
    let redis = Redis::with(&["chat.journal-max 10"]);
    let mut wire = redis.wire();
    let ids: Vec<String> = (1..=30)
        .map(|n| cmd!(wire, "CHAT.SEND", "lobby", "alice", format!("m{n}")).text().to_owned())
        .collect();
    let parts = |n: usize| {
        let (ms, number) = ids[n - 1].split_once('-').expect("an id");
        (ms.parse::<u64>().expect("ms"), number.parse::<u64>().expect("n"))
    };
    let (ms, n) = parts(25);
    let table: &[(String, Option<usize>, &str)] = &[
        (ids[29].clone(), Some(0), "the newest"),
        (ids[28].clone(), Some(1), "the one before"),
        (ids[20].clone(), Some(9), "the oldest in the journal"),
        (ids[19].clone(), Some(10), "the one just before the oldest"),
        (ids[18].clone(), None, "one further"),
        (ids[0].clone(), None, "long gone"),
        ("0-0".into(), None, "the beginning, which is no longer known"),
        (format!("{}-{n}", ms + 1), None, "right number, wrong ms"),
        (format!("{ms}-{}", n + 1), (parts(26).0 == ms).then_some(4), "right ms, next number"),
        (format!("{ms}-{}", n + 100), None, "right ms, wrong number"),
        (format!("{}-{}", u64::MAX, u64::MAX), None, "the end of time"),
        (format!("{}-31", parts(30).0 + 1000), None, "in the future"),
    ];
    for (cursor, missed, why) in table {
        let answer = sync(&mut wire, "lobby", cursor, &[]);
        assert_eq!(
            (answer.recovered, answer.events.len()),
            (missed.is_some(), missed.unwrap_or(0)),
            "{why}: {cursor}"
        );
        assert_eq!((answer.newest.as_str(), answer.more), (ids[29].as_str(), false), "{why}");
        let newest: Vec<&str> =
            ids[30 - answer.events.len()..].iter().map(String::as_str).collect();
        assert_eq!(answer.ids(), newest, "{why}");
    }
    let part = sync(&mut wire, "lobby", &ids[19], &["COUNT", "3"]);
    assert_eq!((part.texts(), part.more), (vec!["m21", "m22", "m23"], true));
    let missing = cmd!(wire, "CHAT.SYNC", "nowhere", "0-0");
    assert_eq!(format!("{missing:?}"), r#"[0, "0-0", [], 0]"#);
    let fresh = cmd!(wire, "CHAT.SEND", "fresh", "alice", "hi").text().to_owned();
    assert_eq!(sync(&mut wire, "fresh", "0-0", &[]).ids(), [fresh], "the beginning is known");
}

#[test]
fn every_event_names_the_previous_one() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let mut channel = Subscriber::new(&redis, &["lobby"]);
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "one").ok();
    cmd!(wire, "CHAT.ROOM", "lobby", "SET", "topic", "tea", "log_joins", "yes", "BY", "alice").ok();
    cmd!(wire, "CHAT.JOIN", "lobby", "bob").ok();
    cmd!(wire, "CHAT.JOIN", "lobby", "bob", "ROLE", "moderator", "BY", "alice").ok();
    cmd!(wire, "CHAT.SEND", "lobby", "bob", "two").ok();
    cmd!(wire, "CHAT.LEAVE", "lobby", "bob").ok();
    let answer = sync(&mut wire, "lobby", "0-0", &[]);
    let mut before = "0-0";
    for (event, n) in answer.events.iter().zip(1..) {
        assert_eq!(event.json["prev"], before);
        assert!(event.id().ends_with(&format!("-{n}")), "{}", event.text);
        before = event.id();
    }
    let kinds: Vec<_> = answer
        .events
        .iter()
        .map(|event| format!("{} {}", event.json["type"], event.json["kind"]).replace('"', ""))
        .collect();
    let expected =
        ["message text", "room null", "member join", "member role", "message text", "member leave"];
    assert_eq!(kinds, expected);
    assert_eq!(
        answer.events[1].json["data"],
        serde_json::json!({"topic": "tea", "log_joins": true})
    );
    assert_eq!(answer.events[1].json["by"], "alice");
    assert_eq!(answer.events[3].json["role"], "moderator");
    assert_eq!(answer.events[3].json["by"], "alice");
    for event in &answer.events {
        let published = loop {
            let text = channel.next_text();
            if text.starts_with("{\"id\"") {
                break text;
            }
        };
        assert_eq!(published, event.text);
    }
}

#[test]
fn members_are_paged_in_the_order_of_joining() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let users: Vec<String> = (0..25).map(|n| format!("user{:02}", (n * 7) % 25)).collect();
    for user in &users {
        assert_eq!(cmd!(wire, "CHAT.JOIN", "lobby", user).int(), 1);
    }
    assert_eq!(cmd!(wire, "CHAT.LEAVE", "lobby", &users[3]).int(), 1);
    assert_eq!(cmd!(wire, "CHAT.LEAVE", "lobby", &users[3]).int(), 0);
    assert_eq!(cmd!(wire, "CHAT.LEAVE", "nowhere", &users[3]).int(), 0);
    assert_eq!(cmd!(wire, "CHAT.JOIN", "lobby", &users[3]).int(), 1, "comes back, at the end");
    let mut expected = users.clone();
    let back = expected.remove(3);
    expected.push(back);
    for page in [1, 7, 1000] {
        let rows = all_pages(&mut wire, &["CHAT.MEMBERS", "lobby"], page);
        let names: Vec<_> = rows.iter().map(|row| row.list()[0].text().to_owned()).collect();
        assert_eq!(names, expected, "{page} a page");
        let roles: Vec<_> = rows.iter().map(|row| row.list()[1].text()).collect();
        assert_eq!(roles.iter().filter(|role| **role == "owner").count(), 1);
        assert_eq!(roles[0], "owner", "who made it");
        assert!(rows.iter().all(|row| row.list()[2].int() > 1_600_000_000_000), "joined in ms");
    }
}

#[test]
fn a_room_returns_its_settings_in_both_protocols() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "hi").ok();
    cmd!(wire, "CHAT.JOIN", "lobby", "bob").ok();
    let set =
        cmd!(wire, "CHAT.ROOM", "lobby", "SET", "topic", "tea", "max_text", 100, "BY", "alice");
    assert_eq!(set.get("topic").map(Reply::text), Some("tea"));
    let flat = cmd!(wire, "CHAT.ROOM", "lobby", "AS", "bob");
    let fields: Vec<_> = flat.list().chunks_exact(2).map(|pair| pair[0].text()).collect();
    let expected = [
        "room",
        "kind",
        "created",
        "last",
        "m",
        "members",
        "online",
        "connections",
        "access",
        "topic",
        "description",
        "max_text",
        "history_max",
        "history_ttl",
        "room_bytes",
        "log_joins",
        "hook",
        "frozen",
        "slow",
        "role",
    ];
    assert_eq!(fields, expected);
    let value = |field: &str| format!("{:?}", flat.get(field).expect("a field"));
    assert_eq!([value("kind"), value("m"), value("members")], ["\"room\"", "1", "2"]);
    assert_eq!(
        [value("role"), value("max_text"), value("access")],
        ["\"member\"", "100", "\"open\""]
    );
    cmd!(wire, "HELLO", 3).ok();
    let map = cmd!(wire, "CHAT.ROOM", "lobby", "AS", "bob");
    let Reply::Map(pairs) = &map else { panic!("no map: {map:?}") };
    let pairs: Vec<Reply> =
        pairs.iter().flat_map(|(name, value)| [name.clone(), value.clone()]).collect();
    assert_eq!(Reply::List(pairs), flat, "the same in RESP3");
    let stranger = cmd!(wire, "CHAT.ROOM", "lobby", "AS", "mallory");
    assert_eq!(stranger.get("role"), Some(&Reply::Nil));
}

#[test]
fn rooms_are_listed_by_last_activity_without_personal_and_direct_ones() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    for room in ["one", "two", "three", "@alice", "dm:alice,bob"] {
        cmd!(wire, "CHAT.SEND", room, "alice", "hi").ok();
    }
    // Activity is ordered by milliseconds, and a new room's first id may be ahead of the clock.
    let newest = history(&mut wire, "three", &[]).newest;
    eventually("a later millisecond", SOON, || {
        let time = cmd!(wire, "TIME").texts();
        let now = format!("{}{:0>3}", time[0], time[1].parse::<u64>().unwrap_or(0) / 1000);
        let is_later = newest.split('-').next().is_some_and(|ms| *ms < *now);
        if is_later { Ok(()) } else { Err(now) }
    });
    cmd!(wire, "CHAT.ROOM", "two", "SET", "topic", "tea", "BY", "alice").ok();
    for page in [1, 2, 100] {
        let rows = all_pages(&mut wire, &["CHAT.ROOMS"], page);
        let names: Vec<_> = rows.iter().map(|row| row.list()[0].text()).collect();
        assert_eq!(names, ["two", "three", "one"], "{page} a page");
        assert_eq!(rows[0].list()[4].text(), "tea");
        assert!(rows[1].list()[1].text().ends_with("-1"), "newest id");
        assert_eq!((&rows[1].list()[2], &rows[1].list()[3]), (&Reply::Int(1), &Reply::Int(0)));
    }
    let matched = all_pages(&mut wire, &["CHAT.ROOMS", "MATCH", "t*"], 100);
    let names: Vec<_> = matched.iter().map(|row| row.list()[0].text()).collect();
    assert_eq!(names, ["two", "three"]);
    cmd!(wire, "CHAT.ROOM", "two", "SET", "access", "members", "BY", "alice").ok();
    let visible = |user: &str, wire: &mut _| {
        let rows = all_pages(wire, &["CHAT.ROOMS", "AS", user], 100);
        rows.iter().any(|row| row.list()[0].text() == "two")
    };
    assert!(visible("alice", &mut wire));
    assert!(!visible("mallory", &mut wire), "members only");
}

#[test]
fn signals_and_notices_are_published_and_nothing_else() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let id = cmd!(wire, "CHAT.SEND", "lobby", "alice", "hi").text().to_owned();
    let mut channel = Subscriber::new(&redis, &["lobby", "@bob"]);
    assert_eq!(cmd!(wire, "CHAT.SIGNAL", "lobby", "alice", "typing").int(), 1);
    let typing = channel.next_text();
    assert!(
        typing.starts_with(&format!(
            "{{\"last\":\"{id}\",\"room\":\"lobby\",\"type\":\"signal\",\"ts\":"
        )),
        "{typing}"
    );
    assert!(typing.ends_with(",\"user\":\"alice\",\"name\":\"typing\"}"), "{typing}");
    assert_eq!(cmd!(wire, "CHAT.SIGNAL", "lobby", "alice", "wave", "{\"to\":[1, 2]}").int(), 1);
    assert!(channel.next_text().ends_with("\"name\":\"wave\",\"data\":{\"to\":[1, 2]}}"));
    assert_eq!(cmd!(wire, "CHAT.SIGNAL", "@bob", "*", "notice", "{\"a\":1}").int(), 1);
    let notice = Event::read(&channel.next_text());
    assert_eq!((&notice.json["type"], &notice.json["room"]), (&"notice".into(), &"@bob".into()));
    assert_eq!(notice.json["last"], "0-0");
    assert_eq!(cmd!(wire, "EXISTS", "@bob").int(), 0, "nothing is created");
}

#[test]
fn a_user_follows_rooms_in_the_personal_list() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    assert_eq!(cmd!(wire, "CHAT.FOLLOW", "@alice", "zoo", "bar", "lobby", "bar").int(), 3);
    assert_eq!(cmd!(wire, "CHAT.FOLLOW", "@alice", "bar").int(), 0);
    assert_eq!(cmd!(wire, "CHAT.FOLLOW", "@alice", "dm:alice,bob").int(), 1);
    assert_eq!(cmd!(wire, "CHAT.UNFOLLOW", "@alice", "zoo", "nowhere").int(), 1);
    for page in [1, 2, 1000] {
        let rows = all_pages(&mut wire, &["CHAT.FOLLOWS", "@alice"], page);
        let names: Vec<_> = rows.iter().map(|row| row.list()[0].text()).collect();
        assert_eq!(names, ["bar", "dm:alice,bob", "lobby"], "{page} a page");
        assert!(rows.iter().all(|row| row.list()[1].int() > 1_600_000_000_000), "since in ms");
    }
    assert_eq!(cmd!(wire, "EXISTS", "bar").int(), 0, "no second key is touched");
}
