//! A primary, its replicas and the Sentinels that watch them, by the files in `deploy/`.

use std::ffi::OsString;
use std::net::SocketAddr;

use tempfile::TempDir;

use crate::clients::reply::Reply;
use crate::clients::wire::Wire;
use crate::process::Process;
use crate::servers::artefacts;
use crate::servers::redis::Redis;
use crate::wait::{LATER, eventually};
use crate::{cmd, documents, port};

/// The name of the primary in `deploy/sentinel.conf`.
pub const NAME: &str = "chat";

/// Milliseconds without an answer after which a primary counts as away, here.
const DOWN_AFTER_MS: u32 = 1000;

/// One primary and its replicas, which have caught up. They store nothing on disk; the other settings
/// are those of `deploy/replicated.conf`, and `settings`.
pub fn replicated(replicas: usize, settings: &[&str]) -> (Redis, Vec<Redis>) {
    let file = format!("include {}", documents::root().join("deploy/replicated.conf").display());
    let mut lines = vec![file.as_str(), "appendonly no"];
    lines.extend_from_slice(settings);
    let primary = Redis::with(&lines);
    let replicas: Vec<Redis> = (0..replicas).map(|_| Redis::replica(&primary, &lines)).collect();
    eventually("a primary that knows its replicas", LATER, || {
        match primary.info("replication", "connected_slaves").parse::<usize>() {
            Ok(known) if replicas.len() == known => Ok(()),
            known => Err(format!("{known:?}")),
        }
    });
    (primary, replicas)
}

/// One Sentinel. Ended, and its file deleted, on drop.
pub struct Sentinel {
    port: u16,
    process: Option<Process>,
    dir: TempDir,
}

impl Sentinel {
    /// A Sentinel that watches this primary; `quorum` of them must agree that it is away. `settings`
    /// are further lines of its file.
    #[track_caller]
    pub fn watching(primary: SocketAddr, quorum: usize, settings: &[&str]) -> Sentinel {
        let port = port::free();
        let shown = documents::read("deploy/sentinel.conf");
        let mut text = String::new();
        for line in shown.lines() {
            match line.split(' ').take(2).collect::<Vec<_>>()[..] {
                ["bind", _] => text.push_str("bind 127.0.0.1"),
                ["port", _] => text.push_str(&format!("port {port}")),
                ["sentinel", "monitor"] => text.push_str(&format!(
                    "sentinel monitor {NAME} {} {} {quorum}",
                    primary.ip(),
                    primary.port()
                )),
                ["sentinel", "down-after-milliseconds"] => text
                    .push_str(&format!("sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}")),
                _ => text.push_str(line),
            }
            text.push('\n');
        }
        for line in settings {
            text.push_str(line);
            text.push('\n');
        }
        let dir = tempfile::Builder::new().prefix("chat-sentinel-").tempdir();
        let dir = dir.expect("a directory");
        std::fs::write(dir.path().join("sentinel.conf"), text).expect("written");
        let mut sentinel = Sentinel { port, process: None, dir };
        sentinel.start();
        sentinel
    }

    /// Starts it, with what its file holds.
    #[track_caller]
    pub fn start(&mut self) {
        let args = ["sentinel.conf", "--sentinel"].map(OsString::from);
        let name = format!("sentinel-{}", self.port);
        let mut process = Process::spawn(&name, &artefacts::redis_server(), &args, self.dir.path());
        eventually("a Sentinel that answers", LATER, || {
            assert!(process.ended().is_none(), "{name} ended: {}", process.output());
            let mut wire = Wire::connect(self.address()).map_err(|error| error.to_string())?;
            match wire.try_call(&["PING"]).map_err(|error| error.to_string())? {
                Reply::Text(_) => Ok(()),
                reply => Err(format!("{reply:?}")),
            }
        });
        self.process = Some(process);
    }

    /// Kills it (SIGKILL).
    pub fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }

    /// The process, for freezing it.
    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("it runs")
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Runs one command on a connection of its own.
    #[track_caller]
    pub fn call<A: AsRef<[u8]>>(&self, args: &[A]) -> Reply {
        let wire = Wire::connect(self.address());
        wire.unwrap_or_else(|error| panic!("no connection: {error}")).call(args)
    }

    /// The primary that it names, if it answers.
    pub fn primary(&self) -> Result<SocketAddr, String> {
        let mut wire = Wire::connect(self.address()).map_err(|error| error.to_string())?;
        let question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME];
        let reply = wire.try_call(&question).map_err(|error| error.to_string())?;
        let [host, port] = &reply.texts()[..] else { return Err(format!("{reply:?}")) };
        format!("{host}:{port}").parse().map_err(|_| format!("{reply:?}"))
    }

    /// A field of what it knows of the primary.
    #[track_caller]
    fn field(&self, name: &str) -> String {
        let fields = cmd!(self, "SENTINEL", "MASTER", NAME).texts();
        let at = fields.iter().position(|field| field == name);
        let at = at.unwrap_or_else(|| panic!("no {name} in {fields:?}"));
        fields[at + 1].clone()
    }
}

/// Sentinels that know each other and the replicas of one primary.
pub struct Sentinels(pub Vec<Sentinel>);

impl Sentinels {
    /// Three Sentinels, of which two must agree, with `settings` as further lines of their files.
    #[track_caller]
    pub fn three(primary: &Redis, replicas: usize, settings: &[&str]) -> Sentinels {
        let address = primary.address();
        let three = (0..3).map(|_| Sentinel::watching(address, 2, settings)).collect();
        let sentinels = Sentinels(three);
        for sentinel in &sentinels.0 {
            eventually("Sentinels that know each other and the replicas", LATER, || {
                let known = ["num-other-sentinels", "num-slaves"].map(|name| sentinel.field(name));
                if known == ["2".to_owned(), replicas.to_string()] {
                    return Ok(());
                }
                Err(format!("{known:?}"))
            });
        }
        sentinels
    }

    /// The address in the form of `--redis`.
    pub fn url(&self) -> String {
        let addresses: Vec<String> = self.0.iter().map(|each| each.address().to_string()).collect();
        format!("redis+sentinel://{}/{NAME}", addresses.join(","))
    }

    /// Waits until a Sentinel names another primary than `old`. Returns its address.
    #[track_caller]
    pub fn switched_from(&self, old: SocketAddr) -> SocketAddr {
        eventually("a Sentinel that names another primary", LATER, || {
            let named = self.0.iter().filter_map(|sentinel| sentinel.primary().ok());
            named.into_iter().find(|named| *named != old).ok_or_else(|| "none".into())
        })
    }

    /// Waits until these Sentinels name this primary.
    #[track_caller]
    pub fn wait_agreed(&self, numbers: &[usize], primary: SocketAddr) {
        for number in numbers {
            eventually("Sentinels that agree", LATER, || match self.0[*number].primary() {
                Ok(named) if named == primary => Ok(()),
                other => Err(format!("{other:?}")),
            });
        }
    }
}
