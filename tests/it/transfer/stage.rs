//! The program, the files that it writes, and files that it reads.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use aws_lc_rs::digest::{SHA256, digest};
use chat_tests::servers::artefacts;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A directory with a file.
pub(super) struct Rooms {
    _dir: TempDir,
    pub(super) path: PathBuf,
}

impl Rooms {
    /// A file that is not there yet.
    pub(super) fn new() -> Rooms {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("rooms.ndjson");
        Rooms { _dir: dir, path }
    }

    /// A file with these lines between the first and the last, as docs/transfer.md describes it.
    pub(super) fn of(lines: impl IntoIterator<Item = Value>) -> Rooms {
        let rooms = Rooms::new();
        let mut text = format!("{}\n", json!({"export": {"version": 1}}));
        for line in lines {
            writeln!(text, "{line}").expect("memory");
        }
        let sha256 = hex(&text);
        writeln!(text, "{}", json!({"end": {"sha256": sha256}})).expect("memory");
        std::fs::write(&rooms.path, text).expect("writable");
        rooms
    }

    /// Every room of the file with its lines. A message is called by its place among those of the
    /// room, as ids differ from server to server.
    pub(super) fn read(&self) -> BTreeMap<String, Vec<Value>> {
        let text = std::fs::read_to_string(&self.path).expect("readable");
        let mut rooms: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let (mut name, mut places) = (String::new(), BTreeMap::new());
        for line in text.lines() {
            let mut line: Value = serde_json::from_str(line).expect("JSON");
            if let Some(room) = line.get("room") {
                name = room["name"].as_str().expect("a name").to_owned();
                places.clear();
                assert!(!rooms.contains_key(&name), "{name} twice");
            }
            if let Some(message) = line.get_mut("message") {
                let place = places.len();
                places.insert(message["id"].take().to_string(), place);
                if let Some(reply) = message.get("reply") {
                    message["reply"] = json!(places.get(&reply.to_string()));
                }
            }
            if line.get("export").is_none() && line.get("end").is_none() {
                rooms.entry(name.clone()).or_default().push(line);
            }
        }
        rooms
    }
}

fn hex(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The program with these arguments.
pub(super) fn program(what: &str, url: &str, file: &Path) -> Command {
    let mut command = Command::new(artefacts::relay());
    command.args([what, "--redis", url]).arg(file);
    command
}

/// Runs it.
pub(super) fn run(what: &str, url: &str, file: &Path) -> Output {
    program(what, url, file).output().expect("it runs")
}

/// Runs it. Returns what it prints.
#[track_caller]
pub(super) fn succeeds(what: &str, url: &str, file: &Path) -> String {
    let output = run(what, url, file);
    let (out, err) = (&output.stdout, &output.stderr);
    let (out, err) = (String::from_utf8_lossy(out), String::from_utf8_lossy(err));
    assert!(output.status.success(), "{out}{err}");
    assert!(err.is_empty(), "progress is for terminals: {err}");
    out.into_owned()
}

/// Runs it. It ends early, and says why.
#[track_caller]
pub(super) fn fails(what: &str, url: &str, file: &Path, why: &str) {
    let output = run(what, url, file);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(why), "not {why:?}: {said}");
}

/// A line for a room.
pub(super) fn room(name: &str) -> Value {
    json!({"room": {"name": name}})
}

/// A line for a message.
pub(super) fn message(user: &str, ts: u64, text: &str) -> Value {
    json!({"message": {"user": user, "ts": ts, "text": text}})
}
