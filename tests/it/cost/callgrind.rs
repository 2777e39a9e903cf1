//! A relay whose instructions and allocations valgrind's callgrind counts.
//! (<https://valgrind.org/docs/manual/cl-manual.html>)

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use chat_tests::servers::artefacts;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use tempfile::TempDir;

/// Functions that allocate: of the relay's allocator, and of the C library.
const ALLOCATING: [&str; 8] = [
    "mi_malloc_aligned",
    "mi_zalloc_aligned",
    "mi_realloc_aligned",
    "malloc",
    "calloc",
    "realloc",
    "posix_memalign",
    "aligned_alloc",
];

/// Why nothing can be counted here. None: it can.
pub(super) fn missing() -> Option<String> {
    let is_set = |name: &std::ffi::OsStr| {
        name.to_str().is_some_and(|name| name.starts_with("CARGO_PROFILE_RELEASE_"))
    };
    if let Some((name, _)) = std::env::vars_os().find(|(name, _)| is_set(name)) {
        return Some(format!("{} is set: the relay is not built as shipped", name.display()));
    }
    let version = Command::new("valgrind").arg("--version").output();
    version.is_err().then(|| "valgrind is not installed".to_owned())
}

/// The relay.
pub(super) struct Counted {
    pub(super) relay: Relay,
    profile: PathBuf,
    _dir: TempDir,
}

/// What was counted.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) instructions: f64,
    pub(super) allocations: f64,
}

impl Counted {
    /// A relay with one thread that is ready. Nothing is counted yet.
    pub(super) fn start(redis: &Redis) -> Counted {
        let dir = tempfile::tempdir().expect("a directory");
        let (script, profile) = (dir.path().join("counted"), dir.path().join("profile"));
        let text = format!(
            "#!/bin/sh\nexec valgrind -q --tool=callgrind --instr-atstart=no \
             --callgrind-out-file='{}' '{}' \"$@\"\n",
            profile.display(),
            artefacts::relay().display()
        );
        std::fs::write(&script, text).expect("a file");
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&script, executable).expect("our file");
        let relay = Relay::of_program(&script, "counted", &redis.url(), &["--threads", "1"]);
        relay.wait_ready();
        Counted { relay, profile, _dir: dir }
    }

    /// What the relay does during `work`.
    pub(super) fn count(&mut self, work: impl FnOnce()) -> Counts {
        self.tell("instrumentation on");
        work();
        self.tell("instrumentation off");
        self.tell("dump");
        let mut first = self.profile.clone().into_os_string();
        first.push(".1");
        read(Path::new(&first))
    }

    fn tell(&mut self, order: &str) {
        let told = Command::new("vgdb")
            .arg(format!("--pid={}", self.relay.process().id()))
            .args(order.split(' '))
            .output()
            .expect("vgdb comes with valgrind");
        assert!(told.status.success(), "{order}: {}", String::from_utf8_lossy(&told.stderr));
    }
}

/// Reads a profile. (<https://valgrind.org/docs/manual/cl-format.html>)
fn read(profile: &Path) -> Counts {
    let text = std::fs::read_to_string(profile).expect("callgrind wrote it");
    let (mut names, mut called) = (HashMap::new(), "");
    let (mut instructions, mut allocations) = (0.0, 0.0);
    for line in text.lines() {
        if let Some(total) = line.strip_prefix("totals: ") {
            instructions = total.trim().parse().expect("a number");
        } else if let Some(calls) = line.strip_prefix("calls=") {
            let count = calls.split(' ').next().and_then(|count| count.parse::<f64>().ok());
            if ALLOCATING.contains(&called) {
                allocations += count.expect("a number");
            }
        } else if let Some((kind @ ("fn" | "cfn"), function)) = line.split_once('=') {
            // A name follows its number where it occurs first.
            let (number, name) = function.split_once(' ').unwrap_or((function, ""));
            let name = *names.entry(number).or_insert(name);
            if kind == "cfn" {
                called = name;
            }
        }
    }
    Counts { instructions, allocations }
}
