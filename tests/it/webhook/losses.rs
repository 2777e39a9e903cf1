//! What is lost is told, in its place.

use chat_tests::cmd;
use chat_tests::servers::http_server::Response;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually};
use serde_json::{Value, json};

use super::stage::{Forwarder, Receiver, id, send, stored, taken};

#[test]
fn a_room_that_was_made_again_is_told_as_lost_and_read_from_the_beginning() {
    let redis = Redis::start();
    let receiver = Receiver::start();
    let forwarder = Forwarder::created(&redis.url(), "beginning");
    let before = send(&redis, "gone", "x");
    let old = send(&redis, "again", "x");
    let running = forwarder.run(&receiver, &[]);
    receiver.wait_taken("gone", std::slice::from_ref(&before));
    receiver.wait_taken("again", std::slice::from_ref(&old));
    running.stop();
    cmd!(redis, "DEL", "gone", "again");
    let newer: Vec<String> = (0..3).map(|n| send(&redis, "again", &format!("{n}"))).collect();

    let running = forwarder.run(&receiver, &[]);
    let after = |room: &str, count: usize| -> Vec<Value> {
        eventually(&format!("{count} more of {room}"), LATER, || {
            let found = receiver.taken().remove(room).unwrap_or_default();
            if found.len() == count + 1 {
                Ok(found[1..].to_vec())
            } else {
                Err(format!("{found:?}"))
            }
        })
    };
    let told = after("gone", 1);
    assert_eq!(told, [json!({"type": "lost", "room": "gone", "after": before, "gone": true})]);
    let found = after("again", 4);
    let until = stored(&redis, "again").pop().expect("one");
    let lost = json!({"type": "lost", "room": "again", "after": old, "until": until});
    assert_eq!(found[0], lost);
    assert_eq!(found[1..].iter().map(id).collect::<Vec<_>>(), newer);
    eventually("the positions", LATER, || {
        let positions = cmd!(redis, "HGETALL", "dm:forward:{f}:positions").texts();
        let has = |word: &String| positions.contains(word);
        if has(&until) && !has(&"gone".to_owned()) { Ok(()) } else { Err(format!("{positions:?}")) }
    });
    // What comes then continues.
    let last = send(&redis, "again", "last");
    let found = after("again", 5);
    assert_eq!(id(&found[4]), last);
    running.stop();
}

#[test]
fn a_past_that_was_trimmed_is_told_as_lost_and_what_is_left_arrives() {
    let redis = Redis::with(&["chat.history-max 5", "chat.journal-max 5"]);
    let receiver = Receiver::start();
    let forwarder = Forwarder::created(&redis.url(), "beginning");
    let ids: Vec<String> = (0..20).map(|n| send(&redis, "lobby", &format!("{n}"))).collect();
    let running = forwarder.run(&receiver, &[]);
    let found = eventually("what is left", LATER, || {
        let found = receiver.taken().remove("lobby").unwrap_or_default();
        if found.len() == 6 { Ok(found) } else { Err(format!("{found:?}")) }
    });
    assert_eq!((&found[0]["type"], &found[0]["room"]), (&json!("lost"), &json!("lobby")));
    assert_eq!(found[1..].iter().map(id).collect::<Vec<_>>(), ids[15..]);
    assert!((running.metric("chat_forward_lost_total") - 1.0).abs() < 0.5);
    running.stop();
}

#[test]
fn nothing_of_an_erased_user_stays_in_the_state() {
    const USER: &str = "mallory";
    let redis = Redis::start();
    let receiver = Receiver::start();
    let rooms = ["lobby".to_owned(), format!("dm:bob,{USER}"), format!("@{USER}")];
    // All that the user wrote is refused, and given up.
    receiver.answers(|events| match events.iter().any(|event| event["text"] == "secret") {
        true => Response::Whole(500, b"no".to_vec()),
        false => taken(events),
    });
    let written = |room: &str, user: &str, text: &str| {
        cmd!(redis, "CHAT.SEND", room, user, text).ok().text().to_owned()
    };
    let last: Vec<String> = rooms
        .iter()
        .map(|room| {
            let user = if room.starts_with('@') { "*" } else { USER };
            written(room, user, "secret");
            written(room, "*", "taken")
        })
        .collect();
    let forwarder = Forwarder::created(&redis.url(), "beginning");
    let running = forwarder.run(&receiver, &["--give-up", "1s"]);
    for (room, last) in rooms.iter().zip(&last) {
        receiver.wait_taken(room, std::slice::from_ref(last));
    }
    let kept = || {
        let state = ["positions", "dead"].map(|what| format!("dm:forward:{{f}}:{what}"));
        state.map(|key| cmd!(redis, "DUMP", key).bytes().to_vec())
    };
    let names = || {
        let holds = |bytes: &Vec<u8>| bytes.windows(USER.len()).any(|part| part == USER.as_bytes());
        kept().iter().filter(|bytes| holds(bytes)).count()
    };
    assert_eq!(names(), 2, "the search works");
    let holds_text = |bytes: &Vec<u8>| bytes.windows(6).any(|part| part == b"secret");
    assert!(!kept().iter().any(holds_text), "texts are in rooms only");

    // The recipe, and then what was given up once more.
    cmd!(redis, "CHAT.ERASE", "lobby", USER, "COUNT", 1000).ok();
    cmd!(redis, "DEL", &rooms[1], &rooms[2]).ok();
    receiver.answers(taken);
    let (code, said) = forwarder.redrive(&receiver);
    assert_eq!(code, Some(0), "{said}");
    eventually("a state without the name", LATER, || match names() {
        0 => Ok(()),
        found => Err(format!("{found} keys")),
    });
    // The events of the room were removed, because they have the name: it is read anew.
    eventually("the room as it is now", LATER, || {
        let told = receiver.taken().remove("lobby").unwrap_or_default();
        let lost = told.iter().position(|event| event["type"] == "lost").unwrap_or(told.len());
        let is_erased = |event: &Value| event["deleted"].is_number() && event["user"] != USER;
        if told[lost..].iter().any(is_erased) { Ok(()) } else { Err(format!("{told:?}")) }
    });
    running.stop();
}
