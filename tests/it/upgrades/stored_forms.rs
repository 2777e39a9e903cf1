//! Every form in which rooms were ever stored is loaded from its fixture, and every part of a room
//! is still there. `tests/fixtures/stored/README.md` says how a fixture is made.

use std::fs;
use std::path::PathBuf;

use chat_tests::cmd;
use chat_tests::documents::root;
use chat_tests::servers::artefacts;
use chat_tests::servers::clock::Clock;
use chat_tests::servers::redis::Redis;

use super::content::{Content, PROFILE, SETTINGS, people, replies};

/// Presence does not end while a scenario runs.
const SETTINGS_OF_SERVER: &[&str] = &["chat.presence-grace 600000"];
/// Milliseconds between the end of a fixture and its loading.
const LATER_MS: i64 = 2_000;

/// This form has no read cursors: in a room from an RDB file everything counts as read, in one made
/// of records nothing.
const WITHOUT_CURSORS: u32 = 1;

fn folder() -> PathBuf {
    root().join("tests/fixtures/stored")
}

/// The numbers of the forms that have a fixture.
fn forms() -> Vec<u32> {
    let entries = fs::read_dir(folder()).expect("a folder").flatten();
    let mut forms: Vec<u32> =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    forms.sort_unstable();
    forms
}

/// A clock that shows the time of a fixture, so that nothing in it has expired.
fn clock_of(form: u32) -> Clock {
    let saved = fs::read_to_string(folder().join(form.to_string()).join("time")).expect("a time");
    let saved: i64 = saved.trim().parse().expect("milliseconds");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    Clock::ahead_ms(saved + LATER_MS - i64::try_from(now.as_millis()).expect("in range"))
}

/// A server that has loaded a file of a fixture.
fn load(form: u32, file: &str, clock: &Clock) -> Redis {
    let bytes = fs::read(folder().join(form.to_string()).join(file)).expect("a file");
    let lines: &[&str] = match file {
        "appendonly.aof" => &["appendonly yes"],
        _ => &[],
    };
    let mut redis = Redis::with_clock(&[SETTINGS_OF_SERVER, lines].concat(), clock);
    redis.stop();
    let _ = fs::remove_dir_all(redis.dir().join("appendonlydir"));
    fs::write(redis.dir().join(file), bytes).expect("written");
    redis.restart();
    redis
}

/// Compares a text with a file of a fixture.
#[track_caller]
fn assert_text(form: u32, file: &str, found: &str) {
    let path = folder().join(form.to_string()).join(file);
    let expected = fs::read_to_string(&path).unwrap_or_default();
    for (at, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "{}: line {}", path.display(), at + 1);
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "{}", path.display());
}

// upgrades.md: **Every stored form is loaded**
// The other half is module/room/src/tests/stored_forms.rs.
// upgrades.md: **A form does not change**
#[test]
fn every_stored_form_is_loaded_from_both_kinds_of_file() {
    let forms = forms();
    let current: u32 = Redis::start().info("chat", "chat_stored_form").parse().expect("a number");
    assert_eq!(forms, (1..=current).collect::<Vec<_>>(), "a fixture of each form");
    for form in forms {
        let clock = clock_of(form);
        let (rdb, aof) = (load(form, "dump.rdb", &clock), load(form, "appendonly.aof", &clock));
        for redis in [&rdb, &aof] {
            let mut wire = redis.wire();
            assert_text(form, "replies.txt", &replies(&mut wire));
            assert_eq!(redis.info("chat", "chat_records_refused"), "0", "form {form}");
        }
        assert_text(form, "people.txt", &people(&mut rdb.wire()));
        // An append-only file does not hold who is online.
        if form > WITHOUT_CURSORS {
            assert_eq!(rdb.digest(), aof.digest(), "form {form}: the two files hold the same");
        }
        // Nothing of it keeps the room from going on, or from being stored in today's form.
        cmd!(rdb, "CHAT.SEND", "lobby-a", "*", "on").ok();
        let digest = rdb.digest();
        cmd!(rdb, "DEBUG", "RELOAD").ok();
        assert_eq!(rdb.digest(), digest, "form {form}");
    }
}

#[test]
fn fixtures_use_every_setting() {
    let redis = Redis::start();
    let refused = cmd!(redis, "CHAT.ROOM", "lobby", "SET", "nonsense", "1");
    let names = refused.error().split_once("one of ").expect("a list").1.to_owned();
    let used: Vec<&str> = SETTINGS.iter().chain(PROFILE).map(|(field, _)| *field).collect();
    for name in names.split(' ') {
        assert!(used.contains(&name), "{name}: a new setting needs a new stored form");
    }
}

/// Makes a fixture: `tests/fixtures/stored/README.md`.
#[test]
#[ignore = "it writes into tests/fixtures/stored"]
fn make_fixture() {
    let form: u32 = match std::env::var("FORM") {
        Ok(form) => form.parse().expect("a number"),
        Err(_) => Redis::start().info("chat", "chat_stored_form").parse().expect("a number"),
    };
    let folder = folder().join(form.to_string());
    fs::create_dir_all(&folder).expect("a folder");
    let clock = Clock::ahead_ms(0);
    let lines = ["appendonly yes", "appendfsync always", "aof-use-rdb-preamble no"];
    let redis = Redis::with_module_and_clock(artefacts::old_module(), &lines, &clock);
    let mut wire = redis.wire();
    for (name, value) in [("chat.presence-log", "yes"), ("chat.presence-grace", "600000")] {
        // Older modules do not have all of them.
        let _ = cmd!(wire, "CONFIG", "SET", name, value);
    }
    let mut refused = Vec::new();
    // Rooms whose names end with `a` are in the file as a snapshot, the others as records.
    for suffix in ["a", "b"] {
        let mut content = Content { wire: &mut wire, suffix, refused: Vec::new() };
        content.fill();
        refused.append(&mut content.refused);
        // Ids that are ahead of the clock.
        let ahead = format!("ahead-{suffix}");
        clock.set_ahead_ms(3_600_000);
        cmd!(wire, "CHAT.SEND", ahead, "alice", "from the future").ok();
        clock.set_ahead_ms(0);
        cmd!(wire, "CHAT.SEND", ahead, "alice", "from the present").ok();
        if suffix == "a" {
            cmd!(wire, "BGREWRITEAOF").ok();
            redis.wait_rewritten();
        }
    }
    println!("form {form}, refused: {refused:#?}");
    redis.save();
    fs::write(folder.join("time"), format!("{}\n", redis.clock_ms())).expect("written");
    fs::copy(redis.dir().join("dump.rdb"), folder.join("dump.rdb")).expect("copied");
    let directory = redis.dir().join("appendonlydir");
    let mut parts: Vec<PathBuf> =
        fs::read_dir(directory).expect("files").flatten().map(|entry| entry.path()).collect();
    parts.retain(|path| path.extension().is_some_and(|extension| extension == "aof"));
    // The base comes before what follows it.
    parts.sort_by_key(|path| !path.to_string_lossy().contains(".base."));
    let bytes: Vec<u8> = parts.iter().flat_map(|path| fs::read(path).expect("readable")).collect();
    fs::write(folder.join("appendonly.aof"), bytes).expect("written");
    let clock = clock_of(form);
    let loaded = load(form, "dump.rdb", &clock);
    let mut wire = loaded.wire();
    fs::write(folder.join("replies.txt"), replies(&mut wire)).expect("written");
    fs::write(folder.join("people.txt"), people(&mut wire)).expect("written");
}
