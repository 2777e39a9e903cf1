//! nginx, HAProxy or Caddy in front of two relays, run from the files in `deploy/`. Only the
//! addresses in them are replaced.

use std::ffi::OsString;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{CertifiedKey, KeyPair};
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::documents;
use crate::port;
use crate::process::Process;
use crate::servers::relay::Relay;
use crate::wait::{LATER, eventually};

/// A program that balances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Names clients by `X-Forwarded-For`.
    Nginx,
    /// Names clients by the PROXY protocol.
    Haproxy,
    /// Names clients by `X-Forwarded-For`.
    Caddy,
}

/// A running balancer. Stopped on drop.
pub struct Balancer {
    address: SocketAddr,
    tls: Option<Tls>,
    process: Process,
    dir: TempDir,
}

impl Kind {
    /// All.
    pub const ALL: [Kind; 3] = [Kind::Nginx, Kind::Haproxy, Kind::Caddy];

    /// Its file in `deploy/`.
    pub fn file(self) -> &'static str {
        match self {
            Kind::Nginx => "nginx.conf",
            Kind::Haproxy => "haproxy.cfg",
            Kind::Caddy => "Caddyfile",
        }
    }

    /// What the relays behind it must be started with, as its file says.
    pub fn options(self) -> Vec<String> {
        let text = documents::read(&format!("deploy/{}", self.file()));
        let line = text.lines().find_map(|line| line.strip_prefix("#   chat-relay "));
        let line = line.expect("the line `chat-relay …`").trim_end_matches(" …");
        line.split(' ').map(|word| word.replace("127.0.0.1:9081", "127.0.0.1:0")).collect()
    }

    /// The arguments that run it with this file, or only check the file.
    fn arguments(self, file: &Path, dir: &Path, is_check: bool) -> Vec<OsString> {
        let words = match (self, is_check) {
            (Kind::Nginx, false) => "-p DIR -c FILE",
            (Kind::Nginx, true) => "-p DIR -c FILE -t",
            (Kind::Haproxy, false) => "-db -f FILE",
            (Kind::Haproxy, true) => "-c -f FILE",
            (Kind::Caddy, false) => "run --adapter caddyfile --config FILE",
            (Kind::Caddy, true) => "validate --adapter caddyfile --config FILE",
        };
        let word = |word: &str| match word {
            "DIR" => dir.into(),
            "FILE" => file.into(),
            word => OsString::from(word),
        };
        words.split(' ').map(word).collect()
    }

    /// The program.
    #[track_caller]
    fn program(self) -> PathBuf {
        let name = format!("{self:?}").to_lowercase();
        let path = std::env::var_os("PATH").unwrap_or_default();
        // Not every user has the folder of daemons in the path.
        let dirs = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
        let found = dirs.map(|dir| dir.join(&name)).find(|file| file.is_file());
        found.unwrap_or_else(|| panic!("{name} is missing: run `make setup` (or install {name})"))
    }

    /// Its file with these addresses in place of those in it.
    #[track_caller]
    fn configuration(self, clients: SocketAddr, relays: [SocketAddr; 2]) -> String {
        let mut text = documents::read(&format!("deploy/{}", self.file()));
        let [first, second] = relays.map(|relay| relay.to_string());
        let (listen, port) = (clients.to_string(), format!("://:{} {{", clients.port()));
        let mut replaced = vec![("127.0.0.1:8081", &*first), ("127.0.0.1:8082", &*second)];
        match self {
            Kind::Nginx | Kind::Haproxy => replaced.push(("0.0.0.0:8000", &listen)),
            Kind::Caddy => {
                replaced.extend([("://:8000 {", &*port), ("bind 0.0.0.0", "bind 127.0.0.1")])
            }
        }
        for (old, new) in replaced {
            assert!(text.contains(old), "{old} in {}", self.file());
            text = text.replace(old, new);
        }
        text
    }
}

impl Balancer {
    /// A balancer in front of these relays that answers.
    #[track_caller]
    pub fn start(kind: Kind, relays: &[Relay; 2]) -> Balancer {
        Balancer::start_with(kind, relays, None)
    }

    /// As [`Balancer::start`], with the lines for TLS, which are comments in the file.
    #[track_caller]
    pub fn start_with_tls(kind: Kind, relays: &[Relay; 2]) -> Balancer {
        Balancer::start_with(kind, relays, Some(Tls::new()))
    }

    #[track_caller]
    fn start_with(kind: Kind, relays: &[Relay; 2], tls: Option<Tls>) -> Balancer {
        let mut address = SocketAddr::from(([127, 0, 0, 1], port::free()));
        let dir = tempfile::Builder::new().prefix("chat-balancer-").tempdir().expect("a directory");
        let file = dir.path().join(kind.file());
        let mut text = kind.configuration(address, [relays[0].address(), relays[1].address()]);
        if let Some(tls) = &tls {
            address = tls.address;
            text = tls.lines(kind, &text, dir.path());
        }
        std::fs::write(&file, text).expect("a file");
        let program = kind.program();
        let check = Command::new(&program)
            .args(kind.arguments(&file, dir.path(), true))
            .current_dir(dir.path())
            .envs(variables(dir.path()))
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&check.stderr);
        assert!(check.status.success(), "{}: {said}", kind.file());
        let name = format!("{kind:?}").to_lowercase();
        let arguments = kind.arguments(&file, dir.path(), false);
        let variables = variables(dir.path());
        let mut process = Process::spawn_in(&name, &program, &arguments, dir.path(), &variables);
        eventually("a balancer that listens", LATER, || {
            assert!(process.ended().is_none(), "{name} ended: {}", process.errors());
            TcpStream::connect(address).map(drop).map_err(|error| error.to_string())
        });
        Balancer { address, tls, process, dir }
    }

    /// Where clients come in.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate with which it answers, if TLS is on.
    pub fn certificate(&self) -> Option<CertificateDer<'static>> {
        self.tls.as_ref().map(|tls| tls.certified.cert.der().clone())
    }

    /// All that it has written, to its log and to files.
    pub fn written(&self) -> String {
        let mut all = self.process.output() + &self.process.errors();
        let log = self.dir.path().join("access.log");
        all += &std::fs::read_to_string(log).unwrap_or_default();
        all
    }
}

/// What the lines for TLS need.
struct Tls {
    address: SocketAddr,
    certified: CertifiedKey<KeyPair>,
}

impl Tls {
    /// A certificate for `localhost`.
    fn new() -> Tls {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("one");
        Tls { address: SocketAddr::from(([127, 0, 0, 1], port::free())), certified }
    }

    /// The file with its lines for TLS, for certificates that are written to `dir`.
    #[track_caller]
    fn lines(&self, kind: Kind, text: &str, dir: &Path) -> String {
        let (certificate, key) =
            (self.certified.cert.pem(), self.certified.signing_key.serialize_pem());
        let files = [dir.join("chat.pem"), dir.join("chat.key")];
        std::fs::write(&files[0], certificate + &key).expect("a file");
        std::fs::write(&files[1], key).expect("a file");
        let [pem, key] = files.map(|file| file.to_str().expect("UTF-8").to_owned());
        let (listen, port) = (self.address.to_string(), self.address.port());
        let (mut is_on, mut lines) = (false, Vec::new());
        for line in text.lines() {
            let is_comment = line.trim_start().starts_with('#');
            let uncommented = line.replacen("# ", "", 1);
            match is_on && is_comment {
                true => lines.push(uncommented),
                // In place of this line.
                false if is_on && kind == Kind::Caddy => {}
                false => lines.push(line.to_owned()),
            }
            is_on = is_comment && (is_on || line.contains("With TLS"));
        }
        let text = lines.join("\n") + "\n";
        let port = format!("localhost:{port}");
        let replaced: &[(&str, &str)] = match kind {
            Kind::Caddy => &[("chat.example.com:8443", &port)],
            Kind::Nginx | Kind::Haproxy => &[("0.0.0.0:8443", &listen)],
        };
        let files =
            [("/etc/ssl/chat.example.com.pem", &*pem), ("/etc/ssl/chat.example.com.key", &key)];
        let text = files.iter().fold(text, |text, (old, new)| text.replace(old, new));
        replaced.iter().fold(text, |text, (old, new)| {
            assert!(text.contains(old), "{old} in {text}");
            text.replace(old, new)
        })
    }
}

/// Nothing of the user's own folders is read or written.
fn variables(dir: &Path) -> Vec<(OsString, OsString)> {
    let names = ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"];
    names.map(|name| (name.into(), dir.into())).into()
}
