//! A chat-relay process.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use tempfile::TempDir;

use crate::clients::client::Client;
use crate::port;
use crate::process::Process;
use crate::servers::artefacts;
use crate::servers::redis::Redis;
use crate::wait::{LATER, SOON, eventually};

/// A relay. Stopped on drop.
pub struct Relay {
    address: SocketAddr,
    ops_address: Option<SocketAddr>,
    process: Process,
    _dir: TempDir,
}

impl Relay {
    /// A relay for `redis` that is ready.
    #[track_caller]
    pub fn start(name: &str, redis: &Redis) -> Relay {
        let relay = Relay::with(name, &redis.url(), &[]);
        relay.wait_ready();
        relay
    }

    /// Two relays for `redis` that are ready.
    #[track_caller]
    pub fn pair(redis: &Redis) -> [Relay; 2] {
        Relay::pair_with(redis, &[])
    }

    /// Two relays for `redis`, with further options, that know each other's address and are ready.
    #[track_caller]
    pub fn pair_with(redis: &Redis, options: &[&str]) -> [Relay; 2] {
        let addresses = [port::free(), port::free()].map(|port| format!("127.0.0.1:{port}"));
        let urls = addresses.iter().map(|address| format!("ws://{address}")).collect::<Vec<_>>();
        let urls = urls.join(",");
        let both = [&["--relay-url", urls.as_str()], options].concat();
        let [first, second] = &addresses;
        let relays = [("r1", first), ("r2", second)]
            .map(|(name, address)| Relay::listening(name, address, &redis.url(), &both, &[]));
        relays.iter().for_each(Relay::wait_ready);
        relays
    }

    /// A relay with further options that listens; whether it is ready depends on its Redis.
    #[track_caller]
    pub fn with(name: &str, url: &str, options: &[&str]) -> Relay {
        Relay::listening(name, "127.0.0.1:0", url, options, &[])
    }

    /// As [`Relay::with`], at this address.
    #[track_caller]
    pub fn at(name: &str, address: &str, url: &str, options: &[&str]) -> Relay {
        Relay::listening(name, address, url, options, &[])
    }

    /// As [`Relay::with`], with environment variables.
    #[track_caller]
    pub fn with_variables(
        name: &str,
        url: &str,
        options: &[&str],
        variables: &[(OsString, OsString)],
    ) -> Relay {
        Relay::listening(name, "127.0.0.1:0", url, options, variables)
    }

    /// As [`Relay::with`], of another build.
    #[track_caller]
    pub fn of_program(program: &Path, name: &str, url: &str, options: &[&str]) -> Relay {
        Relay::listening_of(program, name, "127.0.0.1:0", url, options, &[])
    }

    #[track_caller]
    fn listening(
        name: &str,
        address: &str,
        url: &str,
        options: &[&str],
        variables: &[(OsString, OsString)],
    ) -> Relay {
        Relay::listening_of(artefacts::relay(), name, address, url, options, variables)
    }

    #[track_caller]
    fn listening_of(
        program: &Path,
        name: &str,
        address: &str,
        url: &str,
        options: &[&str],
        variables: &[(OsString, OsString)],
    ) -> Relay {
        let dir = tempfile::Builder::new().prefix("chat-relay-").tempdir().expect("a directory");
        let fixed = ["--listen", address, "--redis", url, "--name", name];
        let auth: &[&str] = if options.contains(&"--auth") { &[] } else { &["--auth", "none"] };
        let all = fixed.iter().chain(auth).chain(options);
        let args: Vec<OsString> = all.map(OsString::from).collect();
        let mut process = Process::spawn_in(name, program, &args, dir.path(), variables);
        let address = eventually("the line `listening on`", LATER, || {
            let output = process.output();
            let address = output.lines().find_map(|line| line.strip_prefix("listening on "));
            assert!(process.ended().is_none(), "{name} ended: {}", process.errors());
            address.and_then(|text| text.trim().parse().ok()).ok_or(output)
        });
        let output = process.output();
        let mut lines = output.lines();
        let ops_address = lines.find_map(|line| line.strip_prefix("metrics and health on "));
        let ops_address = ops_address.map(|text| text.parse().expect("an address"));
        Relay { address, ops_address, process, _dir: dir }
    }

    /// The words of those defaults whose option is not among `options`.
    pub(super) fn without<'a>(defaults: &[[&'a str; 2]], options: &[&str]) -> Vec<&'a str> {
        defaults.iter().filter(|[name, _]| !options.contains(name)).flatten().copied().collect()
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of `--listen-ops`, or its only address.
    pub fn ops_address(&self) -> SocketAddr {
        self.ops_address.unwrap_or(self.address)
    }

    /// A new client.
    #[track_caller]
    pub fn connect(&self, user: &str) -> Client {
        Client::connect(self.address, user)
    }

    /// The process, for stopping it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// GET of a path: the status and the body. Status 0: no HTTP response.
    pub fn get(&self, path: &str) -> (u16, String) {
        get(self.address, path).unwrap_or((0, String::new()))
    }

    /// GET of a path at the address of `--listen-ops`.
    pub fn get_ops(&self, path: &str) -> (u16, String) {
        get(self.ops_address(), path).unwrap_or((0, String::new()))
    }

    /// The sum of a metric's lines (over its labels) in `/metrics`; `None` if there is none.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let (_, body) = self.get_ops("/metrics");
        let value = |line: &str| {
            let rest = line.strip_prefix(name)?;
            let is_whole_name = rest.starts_with([' ', '{']);
            is_whole_name.then(|| rest.rsplit(' ').next()?.parse::<f64>().ok()).flatten()
        };
        let values: Vec<f64> = body.lines().filter_map(value).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// Waits until `/readyz` answers 200.
    #[track_caller]
    pub fn wait_ready(&self) {
        eventually("a relay that is ready", LATER, || match self.get_ops("/readyz") {
            (200, _) => Ok(()),
            other => Err(format!("{other:?}")),
        });
    }

    /// Waits until `/readyz` answers with this status and these words.
    #[track_caller]
    pub fn wait_for_answer(&self, status: u16, words: &str) {
        eventually(words, LATER, || match self.get("/readyz") {
            (found, body) if found == status && body.contains(words) => Ok(()),
            other => Err(format!("{other:?}")),
        });
    }

    /// Waits until `/readyz` answers anything but 200.
    #[track_caller]
    pub fn wait_unready(&self) {
        eventually("a relay that is not ready", LATER, || match self.get("/readyz") {
            (200, _) => Err("it says that it is ready".into()),
            _ => Ok(()),
        });
    }
}

/// GET over a connection of its own: the status and the body.
///
/// # Errors
/// There is no connection, or it broke.
pub fn get(address: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SOON))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    Ok((status, body.to_owned()))
}
