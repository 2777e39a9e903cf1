//! `docs/recipes.md`: each of its programs, with real servers.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use chat_tests::checking::stored_words::{found, found_in_files, rewrite};
use chat_tests::clients::wire::Wire;
use chat_tests::cmd;
use chat_tests::documents::{read, root};
use chat_tests::process::Process;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, eventually};
use serde_json::Value;
use tempfile::TempDir;

const FOLDER: &str = "examples/recipes";

fn arguments(program: &str, arguments: &[&str]) -> Vec<OsString> {
    let path = root().join(FOLDER).join(program).into_os_string();
    // Without -B, Python writes into the folder of the programs.
    let words = ["-B".into(), path].into_iter();
    words.chain(arguments.iter().map(|word| (*word).into())).collect()
}

/// Runs a program to its end. Returns what it prints.
#[track_caller]
fn run(program: &str, words: &[&str]) -> String {
    let output = Command::new("python3").args(arguments(program, words)).output();
    let output = output.expect("python3");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Starts a program that goes on, in a directory of its own.
fn start(program: &str, words: &[&str], dir: &TempDir) -> Process {
    Process::spawn(program, Path::new("python3"), &arguments(program, words), dir.path())
}

/// Starts it, and waits until it follows.
#[track_caller]
fn ready(program: &str, words: &[&str], dir: &TempDir) -> Process {
    // Output of earlier processes of this name is in the same file.
    let earlier = std::fs::read_to_string(dir.path().join(format!("{program}.out")));
    let earlier = earlier.unwrap_or_default().matches("ready").count();
    let process = start(program, words, dir);
    eventually("the program", LATER, || match process.output() {
        output if output.matches("ready").count() > earlier => Ok(()),
        output => Err(output + &process.errors()),
    });
    process
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// Messages of a room as they are now.
fn messages(wire: &mut Wire, room: &str) -> Vec<Value> {
    let page = cmd!(wire, "CHAT.HISTORY", room, "COUNT", 1000);
    let events = page.list()[1].texts();
    events.iter().map(|event| serde_json::from_str(event).expect("JSON")).collect()
}

/// `room user text` of each row that the index has for a word every message of the test has.
fn search(archive: &str, query: &str) -> BTreeSet<String> {
    let printed = run("search.py", &[archive, query]);
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        format!("{} {} {}", cells[0], cells[2], cells[3])
    };
    printed.lines().map(row).collect()
}

fn set(rows: &[&str]) -> BTreeSet<String> {
    rows.iter().map(|row| (*row).to_owned()).collect()
}

#[test]
fn every_program_is_in_the_document_with_the_line_that_runs_it() {
    let document = read("docs/recipes.md");
    for entry in std::fs::read_dir(root().join(FOLDER)).expect("a folder").flatten() {
        let name = entry.file_name().into_string().expect("ASCII");
        let text = std::fs::read_to_string(entry.path()).expect("readable");
        if name == "chat_events.py" {
            continue;
        }
        let usage = text.lines().find(|line| line.starts_with("python3 ")).expect("a line");
        let usage = usage.replace(" [--once]", "");
        assert!(document.contains(&format!("    $ {usage}\n")), "{usage}");
    }
}

#[test]
fn the_archive_keeps_what_rooms_trim_and_forgets_what_is_deleted() {
    let redis = Redis::with(&["chat.history-max 3"]);
    let mut wire = redis.wire();
    let dir = directory();
    let path = dir.path().join("archive.db");
    let path = path.to_str().expect("UTF-8");
    let url = redis.url();
    let once = || drop(run("archive.py", &[&url, path, "--once"]));
    let mut say =
        |user: &str, text: &str| cmd!(wire, "CHAT.SEND", "lobby", user, text).text().to_owned();
    say("alice", "word 1");
    let second = say("bob", "word 2");
    let third = say("alice", "word 3");
    once();
    assert_eq!(
        search(path, "word"),
        set(&["lobby alice word 1", "lobby bob word 2", "lobby alice word 3"])
    );
    cmd!(redis, "CHAT.EDIT", "lobby", "bob", &second, "sword 2").ok();
    cmd!(redis, "CHAT.DELETE", "lobby", "alice", &third).ok();
    once();
    assert_eq!(search(path, "word OR sword"), set(&["lobby alice word 1", "lobby bob sword 2"]));
    // Everything that the archive has read is trimmed, and more than that.
    for n in 4..=9 {
        cmd!(redis, "CHAT.SEND", "lobby", "carol", format!("word {n}")).ok();
    }
    cmd!(redis, "CHAT.SEND", "dm:alice,bob", "alice", "word to bob").ok();
    once();
    let rows = [
        "dm:alice,bob alice word to bob",
        "lobby alice word 1",
        "lobby bob sword 2",
        "lobby carol word 7",
        "lobby carol word 8",
        "lobby carol word 9",
    ];
    assert_eq!(search(path, "word OR sword"), set(&rows));
    cmd!(redis, "DEL", "dm:alice,bob").ok();
    let mut cursor = cmd!(redis, "CHAT.ERASE", "lobby", "carol");
    while cursor.list()[0] != chat_tests::clients::reply::Reply::Nil {
        let at = cursor.list()[0].text().to_owned();
        cursor = cmd!(redis, "CHAT.ERASE", "lobby", "carol", "CURSOR", at);
    }
    once();
    assert_eq!(search(path, "word OR sword"), set(&["lobby alice word 1", "lobby bob sword 2"]));
    // The list of changes begins anew, and does not name rooms that are not there any more.
    cmd!(redis, "FLUSHALL").ok();
    cmd!(redis, "CHAT.SEND", "new", "dave", "word 10").ok();
    once();
    assert_eq!(search(path, "word OR sword"), set(&["new dave word 10"]));
}

#[test]
fn the_archive_follows_through_a_restart_and_has_every_message_once() {
    let mut redis = Redis::durable();
    let dir = directory();
    let path = dir.path().join("archive.db");
    let path = path.to_str().expect("UTF-8");
    let url = redis.url();
    cmd!(redis, "CHAT.SEND", "room0", "alice", "word 0").ok();
    let archive = start("archive.py", &[&url, path], &dir);
    let has = |count: usize| {
        eventually("the rows", LATER, || match found_or_none(path) {
            rows if rows == count => Ok(()),
            rows => Err(format!("{rows} {}", archive.errors())),
        });
    };
    has(1);
    for n in 1..20 {
        cmd!(redis, "CHAT.SEND", format!("room{}", n % 5), "alice", format!("word {n}")).ok();
    }
    has(20);
    redis.kill();
    redis.restart();
    drop(archive);
    cmd!(redis, "CHAT.SEND", "room3", "bob", "word 20").ok();
    run("archive.py", &[&url, path, "--once"]);
    assert_eq!(search(path, "word").len(), 21);
    assert_eq!(run("search.py", &[path, "word"]).lines().count(), 21);
}

/// Rows of the archive; 0 also before it has a table.
fn found_or_none(archive: &str) -> usize {
    let output = Command::new("python3").args(arguments("search.py", &[archive, "word"])).output();
    String::from_utf8(output.expect("python3").stdout).expect("UTF-8").lines().count()
}

#[test]
fn the_bot_answers_each_question_once_also_those_it_was_not_there_for() {
    let redis = Redis::start();
    let (mut wire, dir) = (redis.wire(), directory());
    let path = dir.path().join("bot.db");
    let words = [&redis.url(), path.to_str().expect("UTF-8")];
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "!roll 6").ok();
    let bot = ready("bot.py", &words, &dir);
    let answered = |room: &str, question: &str| {
        eventually("an answer", LATER, || {
            let found = messages(&mut redis.wire(), room);
            let answers: Vec<_> = found.iter().filter(|event| event["reply"] == question).collect();
            match answers.as_slice() {
                [answer] => Ok(answer["text"].as_str().expect("a text").to_owned()),
                other => Err(format!("{other:?}")),
            }
        })
    };
    let question = cmd!(wire, "CHAT.SEND", "new", "alice", "!roll 1").text().to_owned();
    assert_eq!(answered("new", &question), "1");
    drop(bot);
    let question = cmd!(wire, "CHAT.SEND", "lobby", "bob", "!roll 1").text().to_owned();
    let _bot = ready("bot.py", &words, &dir);
    assert_eq!(answered("lobby", &question), "1");
    let found = messages(&mut wire, "lobby");
    assert_eq!(found.len(), 3, "what was before its first start is not answered: {found:?}");
    assert_eq!(messages(&mut wire, "new").len(), 2);
}

#[test]
fn two_bridges_join_rooms_of_two_servers() {
    let (east, west, dir) = (Redis::start(), Redis::start(), directory());
    let path = |name: &str| dir.path().join(name).to_str().expect("UTF-8").to_owned();
    let [there, back] = [directory(), directory()];
    let (from_east, from_west) = (path("east.db"), path("west.db"));
    let _there =
        ready("bridge.py", &["east", &east.url(), &west.url(), "team:*", &from_east], &there);
    let _back =
        ready("bridge.py", &["west", &west.url(), &east.url(), "team:*", &from_west], &back);
    cmd!(east, "CHAT.SEND", "private", "alice", "not this").ok();
    cmd!(east, "CHAT.SEND", "team:a", "alice", "from the east").ok();
    let texts = |redis: &Redis| -> Vec<String> {
        let wire = &mut redis.wire();
        let found = cmd!(wire, "EXISTS", "team:a").int() == 1;
        let found = if found { messages(wire, "team:a") } else { Vec::new() };
        let text = |event: &Value| format!("{} {}", event["meta"]["user"], event["text"]);
        found.iter().map(text).collect()
    };
    let both = |redis: &Redis, expected: &[&str]| {
        eventually("the copies", LATER, || match texts(redis) {
            found if found == expected => Ok(()),
            found => Err(format!("{found:?}")),
        });
    };
    both(&west, &["\"alice\" \"from the east\""]);
    cmd!(west, "CHAT.SEND", "team:a", "bob", "from the west").ok();
    both(&east, &["null \"from the east\"", "\"bob\" \"from the west\""]);
    both(&west, &["\"alice\" \"from the east\"", "null \"from the west\""]);
    assert_eq!(cmd!(west, "EXISTS", "private").int(), 0);
}

#[test]
fn users_who_are_not_online_and_have_not_read_are_pushed_to() {
    let (redis, dir) = (Redis::start(), directory());
    let mut wire = redis.wire();
    let path = dir.path().join("push.db");
    let push = ready("push.py", &[&redis.url(), path.to_str().expect("UTF-8")], &dir);
    for user in ["bob", "carol"] {
        cmd!(wire, "CHAT.JOIN", "lobby", user).ok();
    }
    let await_push = |id: &str| {
        eventually("the push", LATER, || match push.output() {
            output if output.contains(id) => Ok(output),
            output => Err(output + &push.errors()),
        })
    };
    cmd!(wire, "CHAT.PRESENCE", "@bob", "bob", "phone").ok();
    cmd!(wire, "CHAT.SEND", "dm:alice,bob", "alice", "while bob is online").ok();
    let hello = ["CHAT.SEND", "lobby", "alice", "hello", "MENTION", "3", "bob", "carol", "dave"];
    await_push(wire.call(&hello).text());
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "to nobody").ok();
    // A new room is listed after rooms that changed before it was made, so those are read by now.
    await_push(cmd!(wire, "CHAT.SEND", "dm:alice,carol", "alice", "and to carol").text());
    cmd!(wire, "CHAT.PRESENCE", "@bob", "bob", "phone", "OFF").ok();
    let lines = await_push(cmd!(wire, "CHAT.SEND", "dm:alice,bob", "alice", "and offline").text());
    let pushed: Vec<String> = lines
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .map(|line| format!("{} {} {}", line["to"], line["text"], line["unread"]))
        .collect();
    let expected =
        ["\"carol\" \"hello\" 1", "\"carol\" \"and to carol\" 1", "\"bob\" \"and offline\" 2"];
    assert_eq!(pushed, expected);
}

#[test]
fn an_erased_user_is_nowhere() {
    let redis = Redis::with(&["rdbcompression no", "appendonly yes", "chat.presence-log yes"]);
    let mut wire = redis.wire();
    let name = "bob-who-goes";
    for n in 0..1500 {
        cmd!(wire, "CHAT.SEND", "lobby", if n % 2 == 0 { name } else { "alice" }, "mine-or-not")
            .ok();
    }
    let own = "told-by-him";
    cmd!(wire, "CHAT.SEND", "other", name, own).ok();
    cmd!(wire, "CHAT.SEND", "other", "alice", "stays", "MENTION", 1, name).ok();
    cmd!(wire, "CHAT.SEND", "dm:alice,carol", "alice", "psst", "MENTION", 1, name).ok();
    let direct = format!("dm:alice,{name}");
    cmd!(wire, "CHAT.SEND", &direct, name, own).ok();
    cmd!(wire, "CHAT.FOLLOW", "@alice", &direct, "lobby").ok();
    cmd!(wire, "CHAT.MOD", "@alice", "alice", "BAN", name).ok();
    cmd!(wire, "CHAT.ROOM", format!("@{name}"), "SET", "name", own).ok();
    cmd!(wire, "CHAT.PRESENCE", format!("@{name}"), name, "phone").ok();
    assert_eq!(run("erase_user.py", &[&redis.url(), name]), "5 rooms\n");
    assert_eq!(run("erase_user.py", &[&redis.url(), name]), "0 rooms\n");
    redis.save();
    rewrite(&redis);
    let keys = cmd!(wire, "KEYS", "*").texts();
    assert_eq!(keys.len(), 4, "{keys:?}");
    for key in &keys {
        assert_eq!(found(cmd!(wire, "DUMP", key).bytes(), &[name, own]), [""; 0], "{key}");
    }
    let files = found_in_files(redis.dir(), &[name, own, "stays"]);
    assert!(!files.is_empty() && files.iter().all(|word| *word == "stays"), "{files:?}");
    assert_eq!(messages(&mut wire, "lobby").len(), 1000);
}
