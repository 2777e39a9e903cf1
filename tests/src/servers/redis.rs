//! A redis-server with the module loaded, in a directory and on a port of its own.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::clients::reply::Reply;
use crate::clients::wire::Wire;
use crate::cmd;
use crate::documents;
use crate::process::Process;
use crate::servers::clock::Clock;
use crate::servers::store::Store;
use crate::wait::{LATER, eventually};
use crate::{port, servers::artefacts};

mod builds;

/// A server. Stopped, and its data deleted, on drop.
pub struct Redis {
    program: PathBuf,
    settings: Vec<String>,
    module_arguments: String,
    loads_module: bool,
    /// The module's file; `None`: the one under test.
    module: Option<PathBuf>,
    environment: Vec<(OsString, OsString)>,
    port: u16,
    /// The port of the cluster's bus; `None`: it is no node of a cluster.
    bus_port: Option<u16>,
    process: Option<Process>,
    dir: TempDir,
}

impl Redis {
    /// A server that stores nothing on disk.
    pub fn start() -> Redis {
        Redis::with(&[])
    }

    /// A server with further lines of redis.conf, each as one string; `''` is the empty value.
    pub fn with(settings: &[&str]) -> Redis {
        Redis::with_module_arguments(settings, "")
    }

    /// A server that stores every acknowledged write: AOF, synced before each reply.
    pub fn durable() -> Redis {
        Redis::with(&["appendonly yes", "appendfsync always"])
    }

    /// As [`Redis::with`], with arguments after the `loadmodule` line.
    pub fn with_module_arguments(settings: &[&str], arguments: &str) -> Redis {
        let mut redis = Redis::prepare(settings, arguments);
        redis.launch();
        redis
    }

    /// A server without the module, which MODULE LOADEX may load.
    pub fn without_module() -> Redis {
        let mut redis = Redis::prepare(&["enable-module-command yes"], "");
        redis.loads_module = false;
        redis.launch();
        redis
    }

    /// The error output of a server that must refuse to start with these settings.
    ///
    /// # Panics
    /// If it starts, or ends otherwise than with exit code 1, as by a crash.
    pub fn refused(settings: &[&str], arguments: &str) -> String {
        loop {
            let mut redis = Redis::prepare(settings, arguments);
            let mut process = redis.spawn();
            let status = process.wait(LATER);
            let output = process.output();
            assert_eq!(status.code(), Some(1), "{settings:?} {arguments:?}: {status}\n{output}");
            // Another program has taken the port meanwhile.
            if !output.contains("Address already in use") {
                return output;
            }
        }
    }

    /// A replica of `primary` that has caught up.
    pub fn replica(primary: &Redis, settings: &[&str]) -> Redis {
        Redis::replica_through(primary, primary.address(), settings, None)
    }

    /// As [`Redis::replica`], where the primary has another address and the replica may have a
    /// clock of its own.
    pub fn replica_through(
        primary: &Redis,
        address: SocketAddr,
        settings: &[&str],
        clock: Option<&Clock>,
    ) -> Redis {
        let of = format!("replicaof {} {}", address.ip(), address.port());
        let mut lines = vec![of.as_str()];
        lines.extend_from_slice(settings);
        let mut replica = Redis::prepare(&lines, "");
        replica.environment = clock.map(Clock::environment).unwrap_or_default();
        replica.launch();
        replica.catch_up(primary);
        replica
    }

    /// As [`Redis::with`], with a wall clock that can be set.
    pub fn with_clock(settings: &[&str], clock: &Clock) -> Redis {
        let mut redis = Redis::prepare(settings, "");
        redis.environment = clock.environment();
        redis.launch();
        redis
    }

    /// Its wall clock (TIME) in milliseconds.
    #[track_caller]
    pub fn clock_ms(&self) -> u64 {
        let time = cmd!(self, "TIME").texts();
        let part = |n: usize| time[n].parse::<u64>().expect("a number");
        part(0) * 1000 + part(1) / 1000
    }

    /// A server that will be a node of a cluster; [`Redis::begin`] starts it.
    pub(super) fn node(settings: &[&str]) -> Redis {
        let mut redis = Redis::prepare(settings, "");
        redis.bus_port = Some(port::free());
        redis
    }

    fn prepare(settings: &[&str], arguments: &str) -> Redis {
        Redis {
            program: artefacts::redis_server(),
            settings: settings.iter().map(|line| (*line).to_owned()).collect(),
            module_arguments: arguments.to_owned(),
            loads_module: true,
            module: None,
            environment: Vec::new(),
            port: port::free(),
            bus_port: None,
            process: None,
            dir: data_directory(),
        }
    }

    fn spawn(&mut self) -> Process {
        let mut args: Vec<OsString> = Vec::new();
        let port = format!("port {}", self.port);
        let defaults = [
            port.as_str(),
            "bind 127.0.0.1",
            "save ''",
            "appendonly no",
            "enable-debug-command yes",
            "shutdown-timeout 0",
            "repl-diskless-sync-delay 0",
        ];
        let bus = self.bus_port.map(|port| format!("cluster-port {port}"));
        let cluster = bus.as_deref().map(|port| ["cluster-enabled yes", port]);
        let cluster = cluster.into_iter().flatten();
        let settings = self.settings.iter().map(String::as_str);
        for line in defaults.into_iter().chain(cluster).chain(settings) {
            let mut words = line.split(' ');
            args.push(format!("--{}", words.next().unwrap_or_default()).into());
            args.extend(words.map(|word| if word == "''" { "" } else { word }.into()));
        }
        if self.loads_module {
            args.push("--loadmodule".into());
            args.push(self.module.as_deref().unwrap_or_else(|| artefacts::module()).into());
            args.extend(self.module_arguments.split_whitespace().map(OsString::from));
        }
        let name = format!("redis-{}", self.port);
        Process::spawn_in(&name, &self.program, &args, self.dir.path(), &self.environment)
    }

    fn launch(&mut self) {
        self.begin();
        self.wait_up();
    }

    /// Starts its process, without waiting until it answers.
    pub(super) fn begin(&mut self) {
        assert!(self.process.is_none(), "kill or stop it first");
        self.process = Some(self.spawn());
    }

    /// Waits until it answers. False: it has ended.
    #[track_caller]
    fn answers(&mut self) -> bool {
        let address = self.address();
        let process = self.process.as_mut().expect("begun");
        eventually("a server that answers PING", LATER, || {
            if process.ended().is_some() {
                return Ok(false);
            }
            let mut wire = Wire::connect(address).map_err(|error| error.to_string())?;
            let reply = wire.try_call(&["PING"]).map_err(|error| error.to_string())?;
            if reply == Reply::Text("PONG".into()) { Ok(true) } else { Err(format!("{reply:?}")) }
        })
    }

    /// Waits until it answers; takes other ports if its own are not free.
    #[track_caller]
    pub(super) fn wait_up(&mut self) {
        for _ in 0..5 {
            if self.answers() {
                return;
            }
            let process = self.process();
            assert!(process.output().contains("Address already in use"), "redis-server ended");
            // A process outside of this run took a port first.
            self.process = None;
            self.take_other_ports();
            self.begin();
        }
        panic!("no free port");
    }

    /// The next start listens elsewhere.
    pub(super) fn take_other_ports(&mut self) {
        assert!(self.process.is_none(), "kill or stop it first");
        self.port = port::free();
        self.bus_port = self.bus_port.map(|_| port::free());
    }

    /// The port of the cluster's bus.
    ///
    /// # Panics
    /// If it is no node of a cluster.
    pub fn bus_port(&self) -> u16 {
        self.bus_port.expect("a node of a cluster")
    }

    /// Whether it was started and not stopped or killed since.
    pub fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// Kills it (SIGKILL).
    pub fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }

    /// Starts it again: same port, directory, data and settings.
    pub fn restart(&mut self) {
        self.launch();
    }

    /// Shuts it down in an orderly way; it saves according to its settings.
    pub fn stop(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.terminate();
        process.wait(LATER);
    }

    /// The process, for freezing it.
    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("it runs")
    }

    /// Adds a line of redis.conf for the next [`Redis::restart`].
    pub fn set(&mut self, line: &str) {
        self.settings.push(line.to_owned());
    }

    /// Creates the user that `docs/operations.md` gives to relays. Returns the address for it.
    #[track_caller]
    pub fn relay_user(&self) -> String {
        let mut line = vec!["ACL".to_owned(), "SETUSER".to_owned()];
        line.extend(documents::acl_line());
        self.wire().call(&line).ok();
        self.url().replace("redis://", "redis://relay:secret@")
    }

    /// The directory of its files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The address in the form of `--redis`.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// A new connection.
    #[track_caller]
    pub fn wire(&self) -> Wire {
        Wire::connect(self.address()).unwrap_or_else(|error| panic!("no connection: {error}"))
    }

    /// Runs one command on a connection of its own.
    #[track_caller]
    pub fn call<A: AsRef<[u8]>>(&self, args: &[A]) -> Reply {
        self.wire().call(args)
    }

    /// A field of INFO.
    ///
    /// # Panics
    /// If there is no such field.
    #[track_caller]
    pub fn info(&self, section: &str, field: &str) -> String {
        let info = cmd!(self, "INFO", section).text().to_owned();
        let value = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("no {field} in INFO {section}:\n{info}")).to_owned()
    }

    /// Saves everything (SAVE), once no child of the server saves for a replica: a server refuses
    /// it meanwhile, and Redis 8.0 takes longer to notice that such a child has ended.
    #[track_caller]
    pub fn save(&self) {
        self.save_by("SAVE");
    }

    /// Starts to save everything in the background (BGSAVE), at the same condition.
    #[track_caller]
    pub fn begin_save(&self) {
        self.save_by("BGSAVE");
    }

    #[track_caller]
    fn save_by(&self, command: &str) {
        eventually("a save", LATER, || match cmd!(self, command) {
            Reply::Error(line) if line.contains("in progress") => Err(line),
            reply => {
                reply.ok();
                Ok(())
            }
        });
    }

    /// Waits until no append-only file is being rewritten: only then does the next start find a
    /// file that was turned on, or restarted by a replica.
    #[track_caller]
    pub fn wait_rewritten(&self) {
        eventually("the end of the rewrite", LATER, || {
            // All from one reply: between two replies a scheduled rewrite may have begun.
            let info = cmd!(self, "INFO", "persistence").text().to_owned();
            let idle = ["aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0"];
            let idle = idle.iter().all(|line| info.lines().any(|other| other == *line));
            if idle { Ok(()) } else { Err(info) }
        });
        assert_eq!(self.info("persistence", "aof_last_bgrewrite_status"), "ok");
    }

    /// The digest of all its data.
    #[track_caller]
    pub fn digest(&self) -> String {
        cmd!(self, "DEBUG", "DIGEST").text().to_owned()
    }

    /// Waits until this replica has everything that `primary` has at the time of the call.
    #[track_caller]
    pub fn catch_up(&self, primary: &Redis) {
        let goal: u64 =
            primary.info("replication", "master_repl_offset").parse().expect("a number");
        eventually("a replica that has caught up", LATER, || {
            let link = self.info("replication", "master_link_status");
            if link != "up" {
                return Err(format!("link {link}"));
            }
            let here: u64 =
                self.info("replication", "slave_repl_offset").parse().expect("a number");
            if here >= goal { Ok(()) } else { Err(format!("offset {here} of {goal}")) }
        });
    }
}

impl Store for Redis {
    fn wire_to(&self, _: &str) -> Wire {
        self.wire()
    }
}

/// Bytes free in memory below which servers write to the disk.
const MEMORY_FREE: u64 = 4 << 30;

/// A directory for a server's files: in memory where the system has enough of it, because scenarios
/// about persistence wait for many `fsync`, and a shared disk may take seconds for each.
fn data_directory() -> TempDir {
    let free = rustix::fs::statvfs("/dev/shm").map_or(0, |fs| fs.f_bavail * fs.f_frsize);
    let named = tempfile::Builder::new().prefix("chat-redis-").to_owned();
    let in_memory = (free >= MEMORY_FREE).then(|| named.tempdir_in("/dev/shm").ok()).flatten();
    in_memory.unwrap_or_else(|| named.tempdir().expect("a directory"))
}
