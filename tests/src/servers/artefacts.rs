//! What is tested: the module and the relay, as `cargo build --release` makes them.
//!
//! Built once per run. `CHAT_MODULE` and `CHAT_RELAY` name finished files instead; `REDIS_SERVER`
//! names another server that loads the module. Scenarios of upgrades begin with `OLD_MODULE` and
//! `OLD_RELAY`, by default the same build: `make upgrade-test` sets them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// `libchat.so`.
pub fn module() -> &'static Path {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| artefact("CHAT_MODULE", "libchat.so"))
}

/// The program `chat-relay`.
pub fn relay() -> &'static Path {
    static RELAY: OnceLock<PathBuf> = OnceLock::new();
    RELAY.get_or_init(|| artefact("CHAT_RELAY", "chat-relay"))
}

/// The module before an upgrade.
pub fn old_module() -> &'static Path {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| given("OLD_MODULE").unwrap_or_else(|| module().into()))
}

/// The relay before an upgrade.
pub fn old_relay() -> &'static Path {
    static RELAY: OnceLock<PathBuf> = OnceLock::new();
    RELAY.get_or_init(|| given("OLD_RELAY").unwrap_or_else(|| relay().into()))
}

/// The server program: `redis-server` of the path, or what `REDIS_SERVER` names: a program, or a
/// path, which may begin at the root of the repository.
pub fn redis_server() -> PathBuf {
    let Some(given) = std::env::var_os("REDIS_SERVER").map(PathBuf::from) else {
        return "redis-server".into();
    };
    let from_root = root().join(&given);
    if from_root.is_file() { from_root } else { given }
}

/// A file of the folder `deploy/`.
pub fn deployed(name: &str) -> PathBuf {
    root().join("deploy").join(name)
}

/// The installed server, if there is one; otherwise the one under test.
pub fn installed_server() -> PathBuf {
    let installed = Command::new("redis-server").arg("--version").output();
    if installed.is_ok() { "redis-server".into() } else { redis_server() }
}

fn artefact(variable: &str, file: &str) -> PathBuf {
    given(variable).unwrap_or_else(|| {
        let path = release().join(file);
        assert!(path.is_file(), "cargo build --release left no {}", path.display());
        path
    })
}

/// The finished file that a variable names.
fn given(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from)?;
    assert!(path.is_file(), "{variable}={} is no file", path.display());
    Some(path.canonicalize().expect("an existing file has an absolute path"))
}

/// The root of the repository.
fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().expect("the workspace is there")
}

/// The directory of the release build, after building.
fn release() -> &'static Path {
    static RELEASE: OnceLock<PathBuf> = OnceLock::new();
    RELEASE.get_or_init(|| {
        let root = root();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["build", "--release", "--quiet", "-p", "chat", "-p", "chat-relay"])
            .current_dir(&root)
            .status()
            .expect("cargo runs");
        assert!(status.success(), "cargo build --release failed");
        let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
        root.join(target).join("release")
    })
}
