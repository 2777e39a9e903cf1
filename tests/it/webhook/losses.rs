//! What is lost is told, in its place.

use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually};
use serde_json::{Value, json};

use super::stage::{Forwarder, Receiver, id, send, stored};

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
