//! The program `chat-relay tail`, and what it has printed.

use std::ffi::OsString;

use chat_tests::checking::view::sync;
use chat_tests::clients::wire::Wire;
use chat_tests::process::Process;
use chat_tests::servers::artefacts;
use chat_tests::wait::{LATER, eventually};
use serde_json::Value;
use tempfile::TempDir;

/// A running tail. Killed on drop.
pub(super) struct Tail {
    process: Process,
    _dir: TempDir,
}

impl Tail {
    /// Starts it.
    #[track_caller]
    pub(super) fn start(url: &str, words: &[&str]) -> Tail {
        let dir = tempfile::tempdir().expect("a directory");
        let fixed = ["tail", "--redis", url];
        let args: Vec<OsString> = fixed.iter().chain(words).map(OsString::from).collect();
        let process = Process::spawn("tail", artefacts::relay(), &args, dir.path());
        Tail { process, _dir: dir }
    }

    /// Starts it and waits until it misses nothing any more.
    #[track_caller]
    pub(super) fn following(url: &str, words: &[&str]) -> Tail {
        let mut tail = Tail::start(url, words);
        eventually("a tail that follows", LATER, || {
            assert!(tail.process.ended().is_none(), "it ended: {}", tail.process.errors());
            let errors = tail.process.errors();
            if errors.contains("chat-relay: following ") { Ok(()) } else { Err(errors) }
        });
        tail
    }

    /// The process.
    pub(super) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Waits for its end. Returns the exit code, and what it has said on standard error.
    #[track_caller]
    pub(super) fn end(mut self) -> (Option<i32>, String) {
        (self.process.wait(LATER).code(), self.process.errors())
    }

    /// Every line.
    pub(super) fn lines(&self) -> Vec<String> {
        self.process.output().lines().map(str::to_owned).collect()
    }

    /// Every whole line, parsed.
    #[track_caller]
    pub(super) fn events(&self) -> Vec<Value> {
        let output = self.process.output();
        let whole = output.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// Waits until there are so many lines, and returns what `member` is in each.
    #[track_caller]
    pub(super) fn await_members(&self, count: usize, member: &str) -> Vec<String> {
        let found = eventually("lines", LATER, || {
            let events = self.events();
            if events.len() >= count { Ok(events) } else { Err(format!("{events:?}")) }
        });
        found.iter().map(|event| event[member].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The ids of the durable events, in order.
    #[track_caller]
    pub(super) fn ids(&self) -> Vec<String> {
        let events = self.events();
        events.iter().filter_map(|event| Some(event["id"].as_str()?.to_owned())).collect()
    }

    /// Waits until it has printed exactly the durable events of the room, each once, in order.
    #[track_caller]
    pub(super) fn await_all(&self, wire: &mut Wire, room: &str) {
        let expected = events_of(wire, room);
        eventually("all events", LATER, || match self.ids().len() {
            found if found >= expected.len() => Ok(()),
            found => Err(format!("{found} of {}", expected.len())),
        });
        assert_eq!(self.ids(), expected);
        let events = self.events();
        assert!(events.iter().all(|event| event["type"] != "lost"), "{events:?}");
    }
}

/// The ids of all durable events of a room.
#[track_caller]
fn events_of(wire: &mut Wire, room: &str) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), "0-0".to_owned());
    loop {
        let answer = sync(wire, room, &after, &["COUNT", "1000"]);
        assert!(answer.recovered, "{room}");
        all.extend(answer.ids().into_iter().map(str::to_owned));
        after = all.last().cloned().unwrap_or(after);
        if !answer.more {
            return all;
        }
    }
}

/// Runs it to its end. Returns the exit code and what it has said on standard error.
#[track_caller]
pub(super) fn fails(url: &str, words: &[&str]) -> (Option<i32>, String) {
    Tail::start(url, words).end()
}
