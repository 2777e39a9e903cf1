//! Podman with the store that `.ci/stand-ins` has made, in which the images of deploy/container are
//! built once per run: by their own Dockerfile, on stand-ins for the official images.
//!
//! The compiler and the crates of this machine are mounted where the stand-in of Rust looks for them.
//! Podman keeps what was compiled and every layer, so that a later run builds what has changed.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chat_tests::documents::root;
use chat_tests::tools::{missing_here, run, said, succeed, tool};
use chat_tests::wait::eventually;

/// The images of the Dockerfile that are run.
pub(super) const TARGETS: [&str; 2] = ["redis", "relay"];
/// The stage in which they are compiled. Podman keeps what has a name.
const BUILD: &str = "build";
/// What every container here runs with, as in the Compose file.
const HARDENED: [&str; 4] =
    ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--detach"];
/// How long a container may take to start.
const START: Duration = Duration::from_secs(60);

/// A command of this program with the variables of the store. `None`: something is missing, as was said.
pub(super) fn command(program: &str) -> Option<Command> {
    let variables = tool("images/env");
    if !rustix::process::geteuid().is_root() || !tool("images/.lock").is_file() {
        missing_here("target/tools/images is missing, or this is not root: run .ci/setup test");
        return None;
    }
    if let Ok(why) = std::fs::read_to_string(tool("images/refused")) {
        println!("skipped: no container runs on this machine: {}", why.trim());
        return None;
    }
    let mut command = Command::new("sh");
    let line = format!(". '{}' && exec \"$@\"", variables.display());
    command.args(["-euc", &line, "sh", program]);
    Some(command)
}

/// The turn of a scenario, with the images there: built at the first call. `None`: something is missing,
/// as was said. Podman may give two networks that are made at once the same addresses.
pub(super) fn turn() -> Option<MutexGuard<'static, bool>> {
    static BUILT: Mutex<bool> = Mutex::new(false);
    if std::env::var_os("REDIS_SERVER").is_some() {
        println!("skipped: images are tested with the Redis of Debian");
        return None;
    }
    command("podman")?;
    // The scenario before has failed; it has removed what it started.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if !*built {
        build(BUILD, BUILD, &[]);
        TARGETS.iter().for_each(|target| build(target, target, &[]));
        // Of earlier states of the sources.
        podman(&["image", "prune", "--force"]);
        *built = true;
    }
    Some(built)
}

/// Builds a stage of the Dockerfile with these options, as the image `redis-chat/NAME`.
#[track_caller]
pub(super) fn build(target: &str, name: &str, options: &[&str]) {
    let mut podman = command("podman").expect("Podman is there");
    let rust = run("rustc", &["--print", "sysroot"]);
    let crates = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".cargo"));
    let mounts = [
        format!("--volume={}:/opt/rust:ro", rust.trim()),
        format!("--volume={}:/opt/cargo/registry:ro", crates.join("registry").display()),
    ];
    podman.args(["build", "--quiet", "--pull-never", "--network=host"]).args(mounts);
    podman.args(["--file=deploy/container/Dockerfile", "--target", target]).args(options);
    succeed(podman.args(["--tag", &format!("redis-chat/{name}"), "."]).current_dir(root()));
}

/// Runs Podman to its end and returns what it printed.
#[track_caller]
pub(super) fn podman(words: &[&str]) -> String {
    succeed(command("podman").expect("Podman is there").args(words)).trim().to_owned()
}

/// As [`podman`], of what may fail: the exit code, and all that it said.
#[track_caller]
pub(super) fn try_podman(words: &[&str]) -> (Option<i32>, String) {
    let output = command("podman").expect("Podman is there").args(words).output();
    let output = output.expect("it runs");
    (output.status.code(), said(&output))
}

/// A network whose containers know each other by name. Removed on drop, with all of them.
pub(super) struct Network {
    name: String,
}

impl Network {
    /// A new one; only one scenario has a network of this name.
    #[track_caller]
    pub(super) fn new(name: &str) -> Network {
        // Of a run that was killed.
        try_podman(&["network", "rm", "--force", name]);
        podman(&["network", "create", name]);
        Network { name: name.to_owned() }
    }

    /// Starts a container without rights: `options`, the image, and its arguments.
    #[track_caller]
    pub(super) fn start(&self, name: &str, words: &[&str]) -> Container {
        let named = ["--network", &self.name, "--name", name];
        podman(&[&["run"], &HARDENED[..], &named, words].concat());
        Container::of(name)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        try_podman(&["network", "rm", "--force", &self.name]);
    }
}

/// A container. Removed on drop, with its volumes.
pub(super) struct Container {
    name: String,
}

impl Container {
    /// The container of this name.
    pub(super) fn of(name: &str) -> Container {
        Container { name: name.to_owned() }
    }

    /// Runs a program in it: the exit code, and all that it said.
    #[track_caller]
    pub(super) fn exec(&self, words: &[&str]) -> (Option<i32>, String) {
        try_podman(&[&["exec", &self.name], words].concat())
    }

    /// Runs the health check of its image once.
    #[track_caller]
    pub(super) fn is_healthy(&self) -> Result<(), String> {
        match try_podman(&["healthcheck", "run", &self.name]) {
            (Some(0), _) => Ok(()),
            (code, said) => Err(format!("{code:?} {said}")),
        }
    }

    /// Waits for the health check to succeed.
    #[track_caller]
    pub(super) fn wait_healthy(&self) {
        eventually(&format!("a healthy {}", self.name), START, || {
            self.is_healthy().map_err(|why| format!("{why} {}", self.log()))
        });
    }

    /// All that it has logged.
    #[track_caller]
    pub(super) fn log(&self) -> String {
        try_podman(&["logs", &self.name]).1
    }

    /// What `inspect` says by this template.
    #[track_caller]
    pub(super) fn inspect(&self, template: &str) -> String {
        podman(&["inspect", "--format", template, &self.name])
    }

    /// Its address in the network of this name.
    #[track_caller]
    pub(super) fn address(&self, network: &str) -> std::net::IpAddr {
        let template = format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}");
        self.inspect(&template).parse().expect("an address")
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- {}\n{}", self.name, self.log());
        }
        try_podman(&["rm", "--force", "--volumes", "--time=0", &self.name]);
    }
}
