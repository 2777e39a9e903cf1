//! Edits, deletions and reactions: what history shows, and that applying the events in order gives
//! the same.

use std::time::{Duration, Instant};

use chat_tests::checking::fold::Folded;
use chat_tests::checking::subscriber::Subscriber;
use chat_tests::checking::view::{Event, history, sync};
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::seed::{rounds, seeded};
use chat_tests::servers::redis::Redis;
use chat_tests::traffic::commands::Traffic;
use chat_tests::wait::{SOON, eventually, until};
use serde_json::{Value, json};

fn shown(wire: &mut Wire, room: &str) -> Vec<Value> {
    let page = history(wire, room, &["COUNT", "1000"]);
    page.events.into_iter().map(|event| event.json).collect()
}

#[test]
fn applying_the_events_in_order_gives_what_history_shows() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let mut traffic = Traffic::new(seeded("folding"));
    let (mut edited, mut deleted, mut reacted) = (0, 0, 0);
    for round in 0..rounds(25) {
        cmd!(wire, "FLUSHALL").ok();
        traffic.run(&mut wire, 1500);
        for room in cmd!(wire, "KEYS", "*").texts() {
            // All events from the beginning, and all events after a page in the middle.
            let events = sync(&mut wire, &room, "0-0", &[]);
            if !events.recovered || events.more {
                continue;
            }
            let mut reader = Folded::default();
            events.events.iter().for_each(|event| reader.apply(&event.json));
            let page = shown(&mut wire, &room);
            // Trimmed messages are not shown, although their events are known.
            let folded = reader.messages();
            let skipped = folded.len().saturating_sub(page.len());
            let what = format!("round {round}, {room}");
            assert_eq!(folded[skipped..], page, "{what}");
            let count = |field: &str| page.iter().filter(|m| !m[field].is_null()).count();
            edited += count("edited");
            deleted += count("deleted");
            reacted += count("reactions");
        }
    }
    assert!(edited > 10 && deleted > 10 && reacted > 10, "{edited} {deleted} {reacted}");
}

#[test]
fn the_live_events_give_the_same_as_those_asked_for_later() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let channel = Subscriber::new(&redis, &["lobby"]);
    let send = |wire: &mut Wire, text: &str| {
        cmd!(wire, "CHAT.SEND", "lobby", "alice", text, "META", "{\"n\":1}").text().to_owned()
    };
    let (one, two) = (send(&mut wire, "one"), send(&mut wire, "two"));
    cmd!(wire, "CHAT.JOIN", "lobby", "bob").ok();
    cmd!(wire, "CHAT.REACT", "lobby", "bob", &one, "👍").ok();
    cmd!(wire, "CHAT.EDIT", "lobby", "alice", &one, "one!").ok();
    cmd!(wire, "CHAT.EDIT", "lobby", "alice", &one, "one!!", "META", "{\"n\":2}").ok();
    cmd!(wire, "CHAT.REACT", "lobby", "alice", &one, "👍").ok();
    cmd!(wire, "CHAT.REACT", "lobby", "alice", &two, "+1").ok();
    let last = cmd!(wire, "CHAT.DELETE", "lobby", "*", &two, "REASON", "why").text().to_owned();
    eventually("the last event", SOON, || {
        let all = channel.all();
        if all.iter().any(|(_, text)| text.contains(&last)) { Ok(()) } else { Err(String::new()) }
    });
    let mut reader = Folded::default();
    channel.all().iter().for_each(|(_, text)| reader.apply(&Event::read(text).json));
    let page = shown(&mut wire, "lobby");
    assert_eq!(reader.messages(), page);
    assert_eq!(
        page[0]["reactions"],
        json!([{"emoji": "👍", "count": 2, "users": ["bob", "alice"]}])
    );
    assert_eq!((&page[0]["text"], &page[0]["meta"]), (&json!("one!!"), &json!({"n": 2})));
    assert_eq!((&page[1]["by"], &page[1]["reason"]), (&json!("*"), &json!("why")));
    // Later replies hold the published bytes, except for texts removed since: all of the second
    // message, and the text of the first edit.
    let published: Vec<String> = channel.all().into_iter().map(|(_, text)| text).collect();
    let events = sync(&mut wire, "lobby", "0-0", &[]).events;
    let edits: Vec<&Event> = events
        .iter()
        .filter(|event| event.json["type"] == "edit" && event.json["ref"] == json!(one))
        .collect();
    let contents: Vec<_> =
        edits.iter().map(|edit| (&edit.json["text"], &edit.json["meta"])).collect();
    assert_eq!(contents, [(&json!(null), &json!(null)), (&json!("one!!"), &json!({"n": 2}))]);
    for event in &events {
        let is_of_second = event.json["ref"] == json!(two) || event.id() == two;
        let is_state = event.json["type"] == "message" || event.id() == edits[0].id();
        if !is_state && (!is_of_second || event.json["type"] == "delete") {
            assert!(published.contains(&event.text), "{}", event.text);
        }
    }
}

#[test]
fn reactions_are_counted_and_the_first_ten_users_named() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let id = cmd!(wire, "CHAT.SEND", "lobby", "alice", "hi").text().to_owned();
    for n in 0..15 {
        let user = format!("user{n:02}");
        cmd!(wire, "CHAT.JOIN", "lobby", &user).ok();
        assert_eq!(cmd!(wire, "CHAT.REACT", "lobby", &user, &id, "👍").int(), 1);
        assert_eq!(cmd!(wire, "CHAT.REACT", "lobby", &user, &id, "👍").int(), 0, "once each");
    }
    assert_eq!(cmd!(wire, "CHAT.REACT", "lobby", "user03", &id, "👍", "REMOVE").int(), 1);
    assert_eq!(cmd!(wire, "CHAT.REACT", "lobby", "user03", &id, "👍", "REMOVE").int(), 0);
    assert_eq!(cmd!(wire, "CHAT.REACT", "lobby", "user03", &id, "🎉", "REMOVE").int(), 0);
    let row = shown(&mut wire, "lobby")[0]["reactions"][0].clone();
    let mut first: Vec<String> = (0..11).map(|n| format!("user{n:02}")).collect();
    first.remove(3);
    assert_eq!(row, json!({"emoji": "👍", "count": 14, "users": first}));
    // A removed reaction frees a place for another emoji.
    for n in 0..19 {
        assert_eq!(cmd!(wire, "CHAT.REACT", "lobby", "alice", &id, format!("+{n}")).int(), 1);
    }
    let over = cmd!(wire, "CHAT.REACT", "lobby", "alice", &id, "+20");
    assert!(over.error().starts_with("INVALID emoji"), "{over:?}");
    assert_eq!(cmd!(wire, "CHAT.REACT", "lobby", "user01", &id, "+3").int(), 1, "a known one");
    for user in ["alice", "user01"] {
        assert_eq!(cmd!(wire, "CHAT.REACT", "lobby", user, &id, "+3", "REMOVE").int(), 1);
    }
    assert_eq!(cmd!(wire, "CHAT.REACT", "lobby", "alice", &id, "+20").int(), 1);
}

#[test]
fn an_author_may_edit_within_the_window_and_a_moderator_after_it() {
    let redis = Redis::with(&["chat.edit-window 1000"]);
    let mut wire = redis.wire();
    cmd!(wire, "CHAT.JOIN", "lobby", "owner").ok();
    let id = cmd!(wire, "CHAT.SEND", "lobby", "alice", "hi").text().to_owned();
    let sent = Instant::now();
    let edit = |wire: &mut Wire, user: &str| cmd!(wire, "CHAT.EDIT", "lobby", user, &id, "edited");
    edit(&mut wire, "alice").ok();
    until(sent + Duration::from_millis(1050));
    assert_eq!(edit(&mut wire, "alice").error(), "DENIED moderator");
    edit(&mut wire, "owner").ok();
    edit(&mut wire, "*").ok();
    // The edit window does not apply to reactions and deletions.
    cmd!(wire, "CHAT.REACT", "lobby", "alice", &id, "👍").ok();
    cmd!(wire, "CHAT.DELETE", "lobby", "alice", &id).ok();
}
