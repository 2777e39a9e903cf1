//! Forwarders to HTTP services, and receivers whose answers a scenario makes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use chat_tests::cmd;
use chat_tests::process::Process;
use chat_tests::servers::artefacts;
use chat_tests::servers::http_server::{HttpServer, Request, Response};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::get;
use chat_tests::wait::{LATER, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(super) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A request that has arrived.
#[derive(Clone)]
pub(super) struct Arrived {
    pub(super) request: Request,
    pub(super) events: Vec<Value>,
    pub(super) is_accepted: bool,
    pub(super) at: Instant,
}

/// What a receiver answers to these events: a status, and more lines of the head.
type Rule = dyn Fn(&[Value]) -> Response + Send + Sync;

/// A receiver.
pub(super) struct Receiver {
    server: HttpServer,
    rule: Arc<Mutex<Arc<Rule>>>,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// It has the events.
pub(super) fn taken(_: &[Value]) -> Response {
    Response::Whole(204, Vec::new())
}

/// An answer with this status line and header.
pub(super) fn with_header(status: &str, header: &str) -> Response {
    let head = format!("HTTP/1.1 {status}\r\n{header}\r\nContent-Length: 0\r\n\r\n");
    Response::Raw(head.into_bytes())
}

/// Whether an event of this room is among them.
pub(super) fn has_room(events: &[Value], room: &str) -> bool {
    events.iter().any(|event| event["room"] == room)
}

impl Receiver {
    /// A receiver that takes everything.
    pub(super) fn start() -> Receiver {
        let rule: Arc<Rule> = Arc::new(taken);
        let (rule, arrived) = (Arc::new(Mutex::new(rule)), Arc::new(Mutex::new(Vec::new())));
        let (answer, log) = (rule.clone(), arrived.clone());
        let server = HttpServer::start(move |request| {
            let rule = locked(&answer).clone();
            let at = Instant::now();
            let body: Value = serde_json::from_str(&request.body).expect("JSON");
            let events = body["events"].as_array().expect("events").clone();
            let response = rule(&events);
            let is_accepted = matches!(response, Response::Whole(200..=299, _));
            let request = request.clone();
            locked(&log).push(Arrived { request, events, is_accepted, at });
            response
        });
        Receiver { server, rule, arrived }
    }

    /// Changes what it answers.
    pub(super) fn answers(&self, rule: impl Fn(&[Value]) -> Response + Send + Sync + 'static) {
        *locked(&self.rule) = Arc::new(rule);
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/events", self.server.port())
    }

    /// Every request that it has read.
    pub(super) fn arrived(&self) -> Vec<Arrived> {
        locked(&self.arrived).clone()
    }

    /// The events that it has taken, by room, in the order in which they came.
    pub(super) fn taken(&self) -> BTreeMap<String, Vec<Value>> {
        let mut rooms: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for event in self.arrived().into_iter().filter(|a| a.is_accepted).flat_map(|a| a.events) {
            let room = event["room"].as_str().expect("a room").to_owned();
            rooms.entry(room).or_default().push(event);
        }
        rooms
    }

    /// Waits until a room's events have been taken: these ids, each once and in this order.
    #[track_caller]
    pub(super) fn wait_taken(&self, room: &str, ids: &[String]) {
        eventually(&format!("the events of {room}"), LATER, || {
            let found = self.taken().remove(room).unwrap_or_default();
            let found: Vec<String> = found.iter().map(id).collect();
            if found == ids { Ok(()) } else { Err(format!("{found:?}, not {ids:?}")) }
        });
    }
}

/// An event's id.
pub(super) fn id(event: &Value) -> String {
    event["id"].as_str().unwrap_or_default().to_owned()
}

/// The ids of all events that a room has stored.
pub(super) fn stored(redis: &Redis, room: &str) -> Vec<String> {
    let events = cmd!(redis, "CHAT.SYNC", room, "0-0").list()[2].texts();
    events.iter().map(|event| id(&serde_json::from_str(event).expect("JSON"))).collect()
}

/// Sends a message, and returns its id.
pub(super) fn send(redis: &Redis, room: &str, text: &str) -> String {
    cmd!(redis, "CHAT.SEND", room, "alice", text).text().to_owned()
}

/// A forwarder `f` of a Redis: its files, and one process at a time.
pub(super) struct Forwarder {
    url: String,
    dir: TempDir,
    /// Processes so far: each has its own output.
    runs: AtomicUsize,
}

/// A process that runs.
pub(super) struct Running {
    pub(super) process: Process,
    ops: SocketAddr,
}

impl Forwarder {
    /// A forwarder that has been created.
    #[track_caller]
    pub(super) fn created(url: &str, from: &str) -> Forwarder {
        let dir = tempfile::Builder::new().prefix("chat-forward-").tempdir().expect("a directory");
        let forwarder = Forwarder { url: url.to_owned(), dir, runs: AtomicUsize::new(0) };
        forwarder.write_secrets(&[SECRET]);
        let output =
            forwarder.call(&["create", "f", "--to", "http://127.0.0.1:1/", "--from", from]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        forwarder
    }

    pub(super) fn secret_file(&self) -> PathBuf {
        self.dir.path().join("secrets")
    }

    pub(super) fn write_secrets(&self, secrets: &[&str]) {
        std::fs::write(self.secret_file(), secrets.join("\n")).expect("a file");
    }

    /// Runs an action to its end.
    pub(super) fn call(&self, words: &[&str]) -> Output {
        let mut command = Command::new(artefacts::relay());
        command.arg("forward").args(words).args(["--redis", &self.url]);
        command.output().expect("it runs")
    }

    /// Sends again what was given up.
    pub(super) fn redrive(&self, receiver: &Receiver) -> (Option<i32>, String) {
        let file = self.secret_file();
        let file = file.to_str().expect("a path");
        let words = ["redrive", "f", "--to", &receiver.url(), "--secret-file", file];
        let output = self.call(&words);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// A process with these further options, whether it is active or not.
    #[track_caller]
    pub(super) fn run_to(&self, to: &str, options: &[&str]) -> Running {
        let name = format!("forward-{}", self.runs.fetch_add(1, Ordering::Relaxed));
        let fixed = ["forward", "run", "f", "--redis", &self.url, "--to", to];
        let ops = ["--listen-ops", "127.0.0.1:0", "--secret-file"];
        let file = self.secret_file().into_os_string();
        let words = fixed.iter().chain(&ops).map(OsString::from);
        let args: Vec<OsString> =
            words.chain([file]).chain(options.iter().map(OsString::from)).collect();
        let mut process = Process::spawn(&name, artefacts::relay(), &args, self.dir.path());
        let prefix = "metrics and health on ";
        let ops = eventually("its port", LATER, || {
            assert!(process.ended().is_none(), "it ended: {}", process.errors());
            let output = process.output();
            let address = output.lines().rev().find_map(|line| line.strip_prefix(prefix));
            address.and_then(|address| address.parse().ok()).ok_or(output)
        });
        Running { process, ops }
    }

    /// A process that is active.
    #[track_caller]
    pub(super) fn run(&self, receiver: &Receiver, options: &[&str]) -> Running {
        let running = self.run_to(&receiver.url(), options);
        running.wait_says(200, "active");
        running
    }
}

impl Running {
    /// The answer of `/readyz`.
    pub(super) fn readiness(&self) -> (u16, String) {
        get(self.ops, "/readyz").expect("an answer")
    }

    /// Waits until `/readyz` answers so.
    #[track_caller]
    pub(super) fn wait_says(&self, status: u16, words: &str) {
        eventually(&format!("{status} {words}"), LATER, || match self.readiness() {
            (found, said) if found == status && said.contains(words) => Ok(()),
            found => Err(format!("{found:?}")),
        });
    }

    /// A number of `/metrics`.
    #[track_caller]
    pub(super) fn metric(&self, name: &str) -> f64 {
        let (_, text) = get(self.ops, "/metrics").expect("an answer");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name}: {text}"))
    }

    /// Ends it by SIGTERM.
    #[track_caller]
    pub(super) fn stop(mut self) {
        self.process.terminate();
        assert!(self.process.wait(LATER).success(), "{}", self.process.errors());
    }
}

/// The folder of PyPI's `standardwebhooks`, which `.ci/setup test` fetches.
pub(super) fn library() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/standardwebhooks");
    assert!(folder.join("standardwebhooks").is_dir(), "it is missing: run .ci/setup test");
    folder
}

const VERIFY: &str = "
import json, sys
from standardwebhooks import Webhook
for line in sys.stdin:
    request = json.loads(line)
    Webhook(request['secret']).verify(request['body'], request['headers'])
";

/// Whether the independent library accepts these requests, each under its secret. Errors: what it
/// says.
pub(super) fn verify(requests: &[(Arrived, &str)]) -> Result<(), String> {
    let mut python = Command::new("python3");
    python.args(["-c", VERIFY]).env("PYTHONPATH", library());
    python.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut python = python.spawn().expect("python3");
    let mut input = python.stdin.take().expect("a pipe");
    for (arrived, secret) in requests {
        let headers = arrived.request.head.lines().filter_map(|line| line.split_once(": "));
        let headers: BTreeMap<String, &str> =
            headers.map(|(name, value)| (name.to_lowercase(), value)).collect();
        let line = json!({"secret": secret, "headers": headers, "body": arrived.request.body});
        if writeln!(input, "{line}").is_err() {
            break;
        }
    }
    drop(input);
    let output = python.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

/// A header of a request.
pub(super) fn header(arrived: &Arrived, name: &str) -> String {
    let lines = arrived.request.head.lines().filter_map(|line| line.split_once(": "));
    let found = lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.to_owned()).unwrap_or_default()
}
