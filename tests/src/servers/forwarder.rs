//! A `chat-relay forward` process.

use std::ffi::OsString;

use tempfile::TempDir;

use crate::port;
use crate::process::Process;
use crate::servers::artefacts;
use crate::servers::relay::get;
use crate::wait::{LATER, eventually};

/// A forwarder. Killed on drop.
pub struct Forwarder {
    args: Vec<OsString>,
    process: Process,
    dir: TempDir,
    ops: std::net::SocketAddr,
}

impl Forwarder {
    /// Runs `forward create`. Returns the exit code and what it has written.
    #[track_caller]
    pub fn create(redis: &str, to: &str, more: &[&str]) -> (Option<i32>, String) {
        let dir = tempfile::tempdir().expect("a directory");
        let all = ["forward", "create", "test", "--redis", redis, "--to", to];
        let args: Vec<OsString> = all.iter().chain(more).map(OsString::from).collect();
        let mut process = Process::spawn("create", artefacts::relay(), &args, dir.path());
        let status = process.wait(LATER);
        (status.code(), process.output() + &process.errors())
    }

    /// Runs `forward run`.
    #[track_caller]
    pub fn run(redis: &str, to: &str, more: &[&str]) -> Forwarder {
        let dir = tempfile::tempdir().expect("a directory");
        let ops = std::net::SocketAddr::from(([127, 0, 0, 1], port::free()));
        let listen = ops.to_string();
        let all = ["forward", "run", "test", "--redis", redis, "--to", to, "--listen-ops", &listen];
        let args: Vec<OsString> = all.iter().chain(more).map(OsString::from).collect();
        let process = Process::spawn("forward", artefacts::relay(), &args, dir.path());
        Forwarder { args, process, dir, ops }
    }

    /// Kills it (SIGKILL) and starts it again.
    #[track_caller]
    pub fn kill_and_restart(&mut self) {
        self.process.kill();
        self.process = Process::spawn("forward", artefacts::relay(), &self.args, self.dir.path());
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The body and status of `/readyz`, once it answers.
    #[track_caller]
    pub fn readyz(&self) -> (u16, String) {
        eventually("an answer to /readyz", LATER, || {
            get(self.ops, "/readyz").map_err(|why| why.to_string())
        })
    }

    /// All metrics, once it answers.
    #[track_caller]
    pub fn metrics(&self) -> String {
        let answer = || get(self.ops, "/metrics").map_err(|why| why.to_string());
        eventually("an answer to /metrics", LATER, answer).1
    }

    /// A metric, once it answers.
    #[track_caller]
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.metrics();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name}: {text}"))
    }

    /// Waits until it forwards.
    #[track_caller]
    pub fn await_active(&self) {
        eventually("an active forwarder", LATER, || match self.metric("chat_forward_active") {
            1.0 => Ok(()),
            _ => Err(self.readyz().1),
        });
    }
}
