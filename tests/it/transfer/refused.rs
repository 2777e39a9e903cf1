//! Files and rooms of which nothing is imported.

use std::process::Command;

use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use serde_json::json;

use super::stage::{Rooms, fails, message, program, room, succeeds};

#[test]
fn a_file_that_is_not_whole_or_wrong_changes_nothing() {
    let to = Redis::start();
    let good = [room("lobby"), message("alice", 1000, "psst"), message("bob", 2000, "hm")];
    let text = std::fs::read_to_string(&Rooms::of(good.clone()).path).expect("readable");
    let cut = text.rsplit_once("{\"end\"").expect("the last line").0.to_owned();
    let half = text[..text.len() - 20].to_owned();
    for (text, why) in [
        (text.replace("psst", "pssT"), "line 5: the digest differs"),
        (cut, "line 5: the file ends early"),
        (half, "line 5: the file ends early"),
        (format!("{text}\n"), "line 5: lines after the last one"),
        (String::new(), "line 1: the file ends early"),
        (text.replacen("\"version\":1", "\"version\":2", 1), "line 1: not a file of this version"),
    ] {
        let file = Rooms::new();
        std::fs::write(&file.path, text).expect("writable");
        fails("import", &to.url(), &file.path, why);
    }
    let unordered = [room("lobby"), message("alice", 2000, "x"), message("bob", 1999, "y")];
    let double = [room("lobby"), room("other"), room("lobby")];
    let unknown = [room("lobby"), json!({"message": {"user": "a", "ts": 1, "text": "x", "m": 1}})];
    for (lines, why) in [
        (&good[1..], "line 2: before the first room"),
        (&unordered, "line 4: its ts is before the one of the message before"),
        (&double, "line 4: the room is in the file twice"),
        (&unknown, "line 3: not a line of such a file: a field is missing, unknown or wrong"),
        (&[json!({"export": {"version": 1}})], "line 2: a first line in the middle"),
    ] {
        let file = Rooms::of(lines.iter().cloned());
        fails("import", &to.url(), &file.path, why);
    }
    let none = Rooms::new();
    fails("import", &to.url(), &none.path, "No such file");
    assert_eq!(cmd!(to, "DBSIZE").int(), 0);
}

#[test]
fn a_file_is_never_overwritten_and_has_its_name_when_it_is_whole() {
    let from = Redis::start();
    cmd!(from, "CHAT.SEND", "lobby", "alice", "hi").ok();
    let file = Rooms::new();
    succeeds("export", &from.url(), &file.path);
    let before = std::fs::read(&file.path).expect("readable");
    fails("export", &from.url(), &file.path, "it exists already");
    assert_eq!(std::fs::read(&file.path).expect("readable"), before);
    let part = file.path.with_extension("ndjson.part");
    assert!(!part.exists());
    // A server that is not there: the file has no name, and the next export writes it anew.
    std::fs::write(&part, "cut off").expect("writable");
    std::fs::remove_file(&file.path).expect("there");
    succeeds("export", &from.url(), &file.path);
    assert_eq!(std::fs::read(&file.path).expect("readable"), before);
}

#[test]
fn rooms_with_messages_of_their_own_or_with_somebody_online_stay_as_they_are() {
    let to = Redis::start();
    let mut wire = to.wire();
    let lines = |room_name: &str| {
        [
            room("new"),
            message("alice", 1000, "new"),
            room(room_name),
            json!({"member": {"user": "mallory", "role": "owner"}}),
            message("alice", 1000, "one"),
            message("bob", 2000, "two"),
        ]
    };
    let foreign = "has messages that are not from this file";
    // One message, as many as the file, more than the file.
    for sent in 1..=3 {
        let name = format!("own{sent}");
        for n in 0..sent {
            cmd!(wire, "CHAT.SEND", &name, "alice", format!("{n}")).ok();
        }
        let digest = to.digest();
        let file = Rooms::of(lines(&name));
        fails("import", &to.url(), &file.path, &format!("{name} {foreign}"));
        assert_eq!(to.digest(), digest, "{name}");
    }
    // A message that came between two runs.
    let file = Rooms::of(lines("between"));
    cmd!(wire, "CHAT.IMPORT", "between", "alice", 1000, "one", "AT", 1).ok();
    cmd!(wire, "CHAT.SEND", "between", "carol", "me too").ok();
    fails("import", &to.url(), &file.path, &format!("between {foreign}"));
    // Messages that came after the import are no matter.
    let file = Rooms::of(lines("live"));
    succeeds("import", &to.url(), &file.path);
    cmd!(wire, "CHAT.SEND", "live", "carol", "me too").ok();
    succeeds("import", &to.url(), &file.path);
    let page = cmd!(wire, "CHAT.HISTORY", "live").list()[1].texts().len();
    assert_eq!(page, 3);

    let file = Rooms::of(lines("busy"));
    cmd!(wire, "CHAT.JOIN", "busy", "carol").ok();
    cmd!(wire, "CHAT.PRESENCE", "busy", "carol", "desk", "TTL", 60_000).ok();
    let digest = to.digest();
    fails("import", &to.url(), &file.path, "somebody is online in busy: stop the relays first");
    assert_eq!(to.digest(), digest);
}

#[test]
fn the_rights_of_a_relay_and_one_more_command_are_enough() {
    let (from, to) = (Redis::start(), Redis::start());
    cmd!(from, "CHAT.SEND", "lobby", "alice", "hi").ok();
    let urls = [from.relay_user(), to.relay_user()];
    let file = Rooms::new();
    fails("export", &urls[0], &file.path, "no permission to run scan");
    cmd!(from, "ACL", "SETUSER", "relay", "+scan").ok();
    succeeds("export", &urls[0], &file.path);
    fails("import", &urls[1], &file.path, "no permission to run chat.import");
    cmd!(to, "ACL", "SETUSER", "relay", "+chat.import").ok();
    succeeds("import", &urls[1], &file.path);
    assert_eq!(cmd!(to, "CHAT.HISTORY", "lobby").list()[1].list().len(), 1);
}

#[test]
fn wrong_flags_have_their_own_exit_code() {
    let code = |mut command: Command| command.output().expect("it runs").status.code();
    let file = Rooms::new();
    assert_eq!(code(program("export", "http://127.0.0.1", &file.path)), Some(2));
    let mut without_file = program("import", "redis://127.0.0.1", &file.path);
    without_file.arg("another");
    assert_eq!(code(without_file), Some(2));
}
