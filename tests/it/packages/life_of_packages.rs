//! The packages that `.ci/packages` builds: installed in a fresh Debian, used as docs/install.md says,
//! upgraded while they run, and removed without a trace.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use chat_tests::clients::client::Client;
use chat_tests::clients::wire::Wire;
use chat_tests::documents::root;
use chat_tests::port;
use chat_tests::process::Process;
use chat_tests::servers::artefacts;
use chat_tests::servers::relay::get;
use chat_tests::tools::{missing_here, run, tool};
use chat_tests::wait::{LATER, eventually};
use serde_json::json;
use tempfile::TempDir;

use super::fresh_root::FreshRoot;

const UNIT: &str = "/usr/lib/systemd/system/chat-relay@.service";
/// The most that `systemd-analyze security` may count against the unit, of 100.
const EXPOSURE_MAX: &str = "15";

/// Builds the packages as this version. `None`: the tools are missing.
fn build(version: &str) -> Option<TempDir> {
    let tools = tool("packages/bin");
    if !["cargo-deb", "cargo-about"].iter().all(|tool| tools.join(tool).is_file()) {
        missing_here("cargo-deb or cargo-about is missing: run .ci/setup packages");
        return None;
    }
    let dir = tempfile::Builder::new().prefix("chat-packages-").tempdir().expect("a directory");
    run(".ci/packages", &[dir.path().to_str().expect("UTF-8"), version]);
    let check = format!("cd {} && sha256sum --check --strict SHA256SUMS", dir.path().display());
    let checked = run("sh", &["-euc", &check]);
    assert_eq!(checked.lines().filter(|line| line.ends_with(": OK")).count(), 3, "{checked}");
    Some(dir)
}

/// Installs both packages of the folder, as apt does without asking.
#[track_caller]
fn install(debian: &FreshRoot, packages: &Path) {
    let copy = format!("cp {}/*.deb {}", packages.display(), debian.path("/tmp").display());
    run("sh", &["-euc", &copy]);
    debian.shell("apt-get install --yes /tmp/*.deb && rm /tmp/*.deb");
}

/// What systemd would start for `chat-relay@1`, by the unit's own lines.
struct Relay1 {
    user: String,
    folder: String,
    variables: Vec<String>,
    command: Vec<String>,
}

impl Relay1 {
    fn of(debian: &FreshRoot) -> Relay1 {
        let unit = debian.read(UNIT).replace("%i", "1");
        let value = |key: &str| {
            let line = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_else(|| panic!("{key} in the unit")).to_owned()
        };
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let mut variables = words(&value("Environment"));
        // The later one counts.
        variables.extend(words(&debian.read(value("EnvironmentFile").trim_start_matches('-'))));
        let command = words(&value("ExecStart"));
        Relay1 { user: value("User"), folder: value("WorkingDirectory"), variables, command }
    }

    #[track_caller]
    fn start(&self, debian: &FreshRoot, address: SocketAddr, logs: &Path) -> Process {
        let mut process =
            debian.start(&self.user, &self.folder, &self.variables, &self.command, logs);
        eventually("a relay that is ready", LATER, || {
            assert!(process.ended().is_none(), "it ended: {}", process.errors());
            match get(address, "/readyz") {
                Ok((200, _)) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        process
    }
}

#[track_caller]
fn start_redis(debian: &FreshRoot, port: u16, logs: &Path) -> Process {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut command = "/usr/bin/redis-server /etc/redis/redis.conf --daemonize no --appendonly yes"
        .split(' ')
        .map(str::to_owned)
        .collect::<Vec<_>>();
    command.extend(["--port".to_owned(), port.to_string(), "--logfile".to_owned(), String::new()]);
    let mut process = debian.start("redis", "/", &[], &command, logs);
    eventually("Redis", LATER, || {
        assert!(process.ended().is_none(), "it ended: {}{}", process.output(), process.errors());
        let mut wire = Wire::connect(address).map_err(|error| error.to_string())?;
        let reply = wire.try_call(&["PING"]).map_err(|error| error.to_string())?;
        let reply = format!("{reply:?}");
        if reply.contains("PONG") { Ok(()) } else { Err(reply) }
    });
    process
}

/// The users and groups of the system.
fn accounts(debian: &FreshRoot) -> [String; 4] {
    ["passwd", "shadow", "group", "gshadow"].map(|file| debian.read(&format!("/etc/{file}")))
}

/// The texts in the room, by Redis.
#[track_caller]
fn texts(port: u16) -> String {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut wire = Wire::connect(address).expect("Redis listens");
    format!("{:?}", wire.call(&["CHAT.HISTORY", "lobby"]))
}

/// What an operator does after the packages are there, but for the ports, which are free ones.
fn set_up(debian: &FreshRoot, redis: u16, [clients, ops]: [SocketAddr; 2]) {
    let conf = debian.read("/etc/redis/redis.conf");
    debian.write("/etc/redis/redis.conf", &format!("{conf}\ninclude /etc/redis-chat/chat.conf\n"));
    debian.shell(
        "umask 027 && head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \\n' >/etc/chat-relay/chat.secret \
         && chgrp chat-relay /etc/chat-relay/chat.secret",
    );
    let settings = debian.read("/etc/chat-relay/relay.toml");
    let address = "redis://127.0.0.1:6379";
    assert!(settings.contains(address), "{settings}");
    let settings = settings.replace(address, &format!("redis://127.0.0.1:{redis}"));
    debian.write("/etc/chat-relay/relay.toml", &settings);
    let own = format!("CHAT_RELAY_LISTEN={clients}\nCHAT_RELAY_LISTEN_OPS={ops}\n");
    debian.write("/etc/chat-relay/1.env", &own);
}

#[test]
fn packages_install_serve_upgrade_and_leave_no_trace() {
    if std::env::var_os("REDIS_SERVER").is_some() {
        println!("skipped: the packages are tested with the Redis of Debian");
        return;
    }
    let Some(debian) = FreshRoot::unpack() else { return };
    let written = || {
        [artefacts::module(), artefacts::relay()]
            .map(|file| file.metadata().and_then(|of| of.modified()).expect("a file"))
    };
    let built = written();
    let Some(old) = build("0.0.9-1") else { return };
    let Some(new) = build(concat!(env!("CARGO_PKG_VERSION"), "-1")) else { return };
    assert_eq!(written(), built, "packages are made of what `make build` has left");
    let untouched = debian.read("/etc/redis/redis.conf");
    let (before, accounts_before) = (debian.paths(), accounts(&debian));

    install(&debian, old.path());
    assert_eq!(debian.read("/etc/redis/redis.conf"), untouched);
    for (built, inside) in [
        (artefacts::module(), "/usr/lib/redis/modules/libchat.so"),
        (artefacts::relay(), "/usr/bin/chat-relay"),
    ] {
        let [built, installed] =
            [built, &debian.path(inside)].map(|file| file.metadata().expect("a file").len());
        assert!(installed < built, "{inside} is stripped: {installed} of {built} bytes");
    }
    let folder = debian.shell("stat -c '%U %G %a' /etc/chat-relay");
    assert_eq!(folder.trim(), "root chat-relay 750");
    debian.shell(
        "bash -c '. /usr/share/bash-completion/completions/chat-relay && complete -p chat-relay'",
    );
    let pages = ["", "-check", "-doctor", "-tail", "-token"].map(|end| format!("chat-relay{end}"));
    for page in pages {
        debian.shell(&format!("gunzip -t /usr/share/man/man1/{page}.1.gz"));
    }
    for package in ["chat-relay", "redis-chat-module"] {
        debian.shell(&format!("gunzip -t /usr/share/doc/{package}/changelog*.gz"));
        let licences = debian.read(&format!("/usr/share/doc/{package}/licences.txt"));
        assert!(licences.contains("Apache License") && licences.contains("serde"), "{package}");
    }

    let redis_port = port::free();
    let addresses =
        [port::free(), port::free()].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    set_up(&debian, redis_port, addresses);
    let edited = debian.read("/etc/chat-relay/relay.toml");
    let logs = tempfile::tempdir().expect("a directory");
    let mut redis = start_redis(&debian, redis_port, logs.path());
    let unit = Relay1::of(&debian);
    let mut relay = unit.start(&debian, addresses[1], logs.path());
    let token = "chat-relay token --config relay.toml --user alice";
    let token = debian.shell(&format!("cd /etc/chat-relay && {token}"));
    let alice = Client::connect_with_token(addresses[0], "alice", token.trim());
    assert_eq!(alice.hello["relay"], "1", "its name is that of the instance");
    alice.ok(json!({"op": "send", "room": "lobby", "text": "of the old packages"}));

    install(&debian, new.path());
    let versions = debian.shell("dpkg-query -W -f '${Version} ' chat-relay redis-chat-module");
    assert_eq!(
        versions.trim(),
        concat!(env!("CARGO_PKG_VERSION"), "-1 ", env!("CARGO_PKG_VERSION"), "-1")
    );
    assert_eq!(debian.read("/etc/chat-relay/relay.toml"), edited, "the operator's settings stay");
    alice.ok(json!({"op": "send", "room": "lobby", "text": "during the upgrade"}));
    for process in [&mut relay, &mut redis] {
        process.terminate();
        let status = process.wait(Duration::from_secs(60));
        assert_eq!(status.code(), Some(0), "{status}");
    }
    drop((relay, redis));
    let mut redis = start_redis(&debian, redis_port, logs.path());
    let mut relay = Relay1::of(&debian).start(&debian, addresses[1], logs.path());
    let alice = Client::connect_with_token(addresses[0], "alice", token.trim());
    alice.ok(json!({"op": "send", "room": "lobby", "text": "of the new packages"}));
    let found = texts(redis_port);
    for text in ["of the old packages", "during the upgrade", "of the new packages"] {
        assert!(found.contains(text), "{text}: {found}");
    }
    drop(alice);
    relay.kill();
    redis.kill();

    debian.shell("apt-get remove --yes chat-relay redis-chat-module");
    assert!(!debian.path("/usr/bin/chat-relay").exists());
    assert_eq!(debian.read("/etc/chat-relay/relay.toml"), edited, "until the purge");
    debian.shell("apt-get purge --yes chat-relay redis-chat-module");
    debian.write("/etc/redis/redis.conf", &untouched);
    debian.shell("rm -rf /var/lib/redis/*");
    let after = debian.paths();
    let (left, lost) = (after.difference(&before), before.difference(&after));
    assert_eq!((left.collect::<Vec<_>>(), lost.collect::<Vec<_>>()), (vec![], vec![]));
    assert_eq!(accounts(&debian), accounts_before);
}

#[test]
fn systemd_takes_the_unit_and_finds_little_exposed() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return missing_here("systemd-analyze is missing: install systemd");
    }
    let dir = tempfile::tempdir().expect("a directory");
    let unit = dir.path().join("chat-relay@.service");
    let text = std::fs::read_to_string(root().join("packaging/relay/chat-relay@.service"));
    // What it names must be there: the program is not installed on this machine.
    let text = text.expect("the unit").replace("/usr/bin/chat-relay", "/bin/true");
    std::fs::write(&unit, text.replace("Documentation=", "#")).expect("written");
    let unit = unit.to_str().expect("UTF-8");
    let verified =
        Command::new("systemd-analyze").args(["verify", unit]).output().expect("it runs");
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && !said.contains("chat-relay"), "{said}");
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    run("systemd-analyze", &["security", "--offline=true", "--no-pager", &threshold, unit]);
}
