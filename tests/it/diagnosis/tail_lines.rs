//! What `chat-relay tail` prints, and in which form.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use chat_tests::cmd;
use chat_tests::servers::artefacts;
use chat_tests::servers::redis::Redis;
use chat_tests::wait::{LATER, SOON, eventually};
use serde_json::{Value, json};

use super::stage::Tail;

/// What a terminal would act on, in a text that a room takes.
const HOSTILE: &str = "a\u{1b}[2J\u{1b}]0;t\u{7}b\r\nc\u{9b}31md\u{202e}e\u{2028}f\u{7f}";

#[test]
fn events_come_as_they_are_published_ephemeral_ones_too() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let id = cmd!(wire, "CHAT.SEND", "lobby", "alice", "before").text().to_owned();
    let tail = Tail::following(&redis.url(), &["lobby"]);
    let calls: [(&[&str], &str); 6] = [
        (&["CHAT.SEND", "lobby", "alice", "one"], "message"),
        (&["CHAT.SIGNAL", "lobby", "alice", "typing"], "signal"),
        (&["CHAT.SEND", "lobby", "alice", "not kept", "EPHEMERAL"], "message"),
        (&["CHAT.EDIT", "lobby", "alice", &id, "two"], "edit"),
        (&["CHAT.PRESENCE", "lobby", "alice", "desk"], "presence"),
        (&["CHAT.REACT", "lobby", "alice", &id, "+1"], "react"),
    ];
    for (at, (call, kind)) in calls.into_iter().enumerate() {
        assert!(!wire.call(call).is_error(), "{call:?}");
        assert_eq!(tail.await_members(at + 1, "type")[at], kind);
    }
    assert_eq!(tail.ids().len(), 3);
}

#[test]
fn it_begins_where_it_is_told_and_ends_after_enough() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let sent: Vec<String> = (0..5)
        .map(|n| cmd!(wire, "CHAT.SEND", "lobby", "alice", format!("{n}")).text().to_owned())
        .collect();
    let texts = |words: &[&str]| {
        let mut tail = Tail::start(&redis.url(), words);
        assert!(tail.process().wait(LATER).success(), "{}", tail.process().errors());
        let events = tail.events();
        events
            .iter()
            .map(|event| event["text"].as_str().expect("a text").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(texts(&["lobby", "--last", "2", "--count", "2"]), ["3", "4"]);
    assert_eq!(texts(&["lobby", "--last", "9", "--count", "5"]), ["0", "1", "2", "3", "4"]);
    assert_eq!(texts(&["lobby", "--since", &sent[2], "--count", "1"]), ["3"]);
    assert_eq!(texts(&["lobby", "--since", "0-0", "--count", "2"]), ["0", "1"]);
    cmd!(wire, "CHAT.SEND", "news", "bob", "x").ok();
    let tail = Tail::following(&redis.url(), &["lobby", "news", "--last", "1"]);
    cmd!(wire, "CHAT.SEND", "news", "bob", "y").ok();
    cmd!(wire, "CHAT.SEND", "lobby", "bob", "z").ok();
    let found = eventually("two more messages", LATER, || {
        let events = tail.events();
        // Who sends first joins.
        let messages = events.iter().filter(|event| event["type"] == "message");
        let word = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let found: Vec<String> =
            messages.map(|event| word(event, "room") + " " + &word(event, "text")).collect();
        if found.len() == 4 { Ok(found) } else { Err(format!("{found:?}")) }
    });
    let mut rooms = found;
    rooms.sort();
    assert_eq!(rooms, ["lobby 4", "lobby z", "news x", "news y"]);
}

#[test]
fn text_has_a_line_for_people_and_hostile_text_moves_no_cursor() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let id = cmd!(wire, "CHAT.SEND", "lobby", "alice", HOSTILE).text().to_owned();
    cmd!(wire, "CHAT.SIGNAL", "lobby", "alice", "typing", json!({"x": HOSTILE}).to_string()).ok();
    for form in ["json", "text"] {
        let words = ["lobby", "--last", "1", "--count", "2", "--format", form];
        let mut tail = Tail::following(&redis.url(), &words);
        cmd!(wire, "CHAT.SIGNAL", "lobby", "alice", "typing", json!({"x": HOSTILE}).to_string())
            .ok();
        assert!(tail.process().wait(LATER).success());
        let output = tail.process().output();
        assert_eq!(tail.lines().len(), 2, "{output:?}");
        let acts =
            |one: char| one != '\n' && one.is_control() || matches!(one, '\u{202e}' | '\u{2028}');
        assert!(!output.contains(acts), "{output:?}");
        match form {
            "json" => {
                let events = tail.events();
                assert_eq!(events[0]["text"], HOSTILE, "the same text");
                assert_eq!(events[1]["data"]["x"], HOSTILE);
            }
            _ => {
                let line = &tail.lines()[0];
                let words: Vec<&str> = line.splitn(6, ' ').collect();
                assert!(words[0].starts_with("20") && words[0].ends_with('Z'), "{line}");
                assert_eq!(words[1..5], [id.as_str(), "lobby", "message", "alice:"], "{line}");
                assert!(words[5].starts_with(r"a\u001b[2J"), "{line}");
            }
        }
    }
}

#[test]
fn it_ends_quietly_when_nobody_reads_or_it_is_stopped() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    for n in 0..3 {
        cmd!(wire, "CHAT.SEND", "lobby", "alice", format!("{n}")).ok();
    }
    let mut command = Command::new(artefacts::relay());
    let command = command.args(["tail", "lobby", "--last", "3", "--redis", &redis.url()]);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    out.read_line(&mut line).expect("a line");
    assert!(line.contains("\"text\":\"0\""), "{line}");
    // The room is silent: it ends all the same.
    drop(out);
    let status = eventually("its end", LATER, || {
        child.try_wait().expect("our child").ok_or_else(|| "it runs".to_owned())
    });
    assert!(status.success(), "{status}");
    let said = std::io::read_to_string(child.stderr.take().expect("a pipe")).expect("UTF-8");
    let said: Vec<&str> = said.lines().filter(|line| !line.contains("following")).collect();
    assert!(said.is_empty(), "{said:?}");
    let mut tail = Tail::following(&redis.url(), &["lobby"]);
    tail.process().terminate();
    let (code, said) = tail.end();
    assert_eq!((code, said.as_str()), (Some(0), "chat-relay: following lobby\n"));
}

#[test]
fn output_that_nobody_takes_costs_no_memory_and_loses_nothing() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let text = "x".repeat(4000);
    cmd!(wire, "CHAT.SEND", "lobby", "alice", "first").ok();
    let mut command = Command::new(artefacts::relay());
    let command = command.args(["tail", "lobby", "--since", "0-0", "--redis", &redis.url()]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the program");
    // 40 MB, and as much of what is not stored.
    let messages = 10_000;
    for n in 0..messages {
        cmd!(wire, "CHAT.SEND", "lobby", "alice", &text).ok();
        if n % 2 == 0 {
            cmd!(wire, "CHAT.SEND", "lobby", "alice", &text, "EPHEMERAL").ok();
        }
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(kib < 64 << 10, "{kib} KiB");
    let mut numbers = Vec::new();
    for line in BufReader::new(child.stdout.take().expect("a pipe")).lines() {
        let event: Value = serde_json::from_str(&line.expect("UTF-8")).expect("JSON");
        numbers.extend(event["m"].as_u64());
        if numbers.len() == messages + 1 {
            break;
        }
    }
    assert!(numbers.into_iter().eq(1..=messages as u64 + 1), "each once, in order");
    let status = eventually("its end", LATER, || {
        child.try_wait().expect("our child").ok_or_else(|| "it runs".to_owned())
    });
    assert!(status.success(), "{status}");
}

#[test]
fn it_can_be_stopped_while_nobody_takes_its_output() {
    let redis = Redis::start();
    let mut wire = redis.wire();
    let text = "x".repeat(4000);
    for _ in 0..1000 {
        cmd!(wire, "CHAT.SEND", "lobby", "alice", &text).ok();
    }
    let mut command = Command::new(artefacts::relay());
    let command = command.args(["tail", "lobby", "--since", "0-0", "--redis", &redis.url()]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the program");
    let out = child.stdout.take().expect("a pipe");
    eventually("a pipe that is full", SOON, || {
        let waits = rustix::io::ioctl_fionread(&out).expect("a pipe");
        if waits >= 60_000 { Ok(()) } else { Err(format!("{waits} bytes")) }
    });
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&child),
        rustix::process::Signal::TERM,
    )
    .expect("our child");
    let status = eventually("its end", LATER, || {
        child.try_wait().expect("our child").ok_or_else(|| "it runs".to_owned())
    });
    assert!(status.success(), "{status}");
    drop(out);
}
