//! A fresh Debian with Redis, of the file that `.ci/setup test` makes by debootstrap. Programs run in
//! it by chroot(8), which needs root; ports are those of this machine.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use chat_tests::process::Process;
use chat_tests::tools::{missing_here, run, tool};
use tempfile::TempDir;

/// What the work of apt and dpkg leaves behind, whatever is installed.
const OF_APT: [&str; 4] = ["./var/cache/", "./var/log/", "./var/lib/apt/", "./var/lib/dpkg/lock"];

/// A folder with a whole system. Removed on drop.
pub(super) struct FreshRoot {
    dir: TempDir,
}

impl FreshRoot {
    /// A new one. `None`: something is missing, as was said.
    pub(super) fn unpack() -> Option<FreshRoot> {
        let archive = tool("debian/root.tar");
        if !rustix::process::geteuid().is_root() {
            missing_here("chroot needs root");
            return None;
        }
        if !archive.is_file() {
            missing_here("target/tools/debian/root.tar is missing: run .ci/setup test as root");
            return None;
        }
        let dir = tempfile::Builder::new().prefix("chat-debian-").tempdir().expect("a directory");
        let path = dir.path().to_str().expect("UTF-8");
        run("tar", &["-xf", archive.to_str().expect("UTF-8"), "-C", path]);
        Some(FreshRoot { dir })
    }

    /// Where a path of the system is on this machine.
    pub(super) fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside.trim_start_matches('/'))
    }

    pub(super) fn read(&self, inside: &str) -> String {
        fs::read_to_string(self.path(inside)).unwrap_or_else(|error| panic!("{inside}: {error}"))
    }

    pub(super) fn write(&self, inside: &str, text: &str) {
        fs::write(self.path(inside), text).unwrap_or_else(|error| panic!("{inside}: {error}"));
    }

    /// Runs a command line of the shell in it, as root, to its end; returns what it printed.
    #[track_caller]
    pub(super) fn shell(&self, line: &str) -> String {
        let line = format!("export DEBIAN_FRONTEND=noninteractive; {line}");
        run("chroot", &[self.dir.path().to_str().expect("UTF-8"), "sh", "-euc", &line])
    }

    /// Starts a program in it as the user, in the folder, with no other variables than these.
    #[track_caller]
    pub(super) fn start(
        &self,
        user: &str,
        folder: &str,
        variables: &[String],
        program: &[String],
        logs: &Path,
    ) -> Process {
        let user = format!("--userspec={user}:{user}");
        let mut arguments: Vec<OsString> = vec![user.into(), self.dir.path().into()];
        arguments.extend(["env", "-i", "-C", folder].map(Into::into));
        arguments.extend(variables.iter().chain(program).map(Into::into));
        let name = program[0].rsplit('/').next().unwrap_or_default();
        Process::spawn(name, Path::new("chroot"), &arguments, logs)
    }

    /// Every path in it, without those of apt's own work.
    pub(super) fn paths(&self) -> BTreeSet<String> {
        let found = self.shell("cd / && find . -path ./proc -prune -o -print");
        let is_kept = |path: &&str| !OF_APT.iter().any(|start| path.starts_with(start));
        found.lines().filter(is_kept).map(str::to_owned).collect()
    }
}
