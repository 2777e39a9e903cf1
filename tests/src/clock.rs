//! A wall clock for one server, which a scenario can set while the server runs.
//!
//! A few lines of C (`fixtures/clock.c`) stand between the server and the time of day, put there
//! by `LD_PRELOAD`. Timers by monotonic clocks go on undisturbed, as on a machine whose clock is
//! set.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A clock. Starts with the machine's time.
pub struct Clock {
    dir: TempDir,
}

impl Clock {
    /// A clock that is this far ahead of the machine's (behind, if negative).
    ///
    /// # Panics
    /// If there is no C compiler, `cc`.
    pub fn ahead_ms(offset: i64) -> Clock {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/clock.c");
        let clock = Clock { dir: tempfile::tempdir().expect("a directory") };
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O2", "-o"]).arg(clock.library()).arg(source);
        let status = compiler.status().expect("a C compiler named cc (.ci/setup installs it)");
        assert!(status.success(), "cc does not compile fixtures/clock.c");
        clock.set_ahead_ms(offset);
        clock
    }

    /// Sets it, at once and for whoever looks.
    pub fn set_ahead_ms(&self, offset: i64) {
        let new = self.dir.path().join("new");
        fs::write(&new, offset.to_string()).expect("a file of our own");
        // A reader sees the old file or the new one, never half of one.
        fs::rename(new, self.file()).expect("a file of our own");
    }

    /// The environment of a process that goes by this clock.
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        let file = self.file().into_os_string();
        vec![("LD_PRELOAD".into(), self.library()), ("CLOCK_OFFSET_FILE".into(), file)]
    }

    fn library(&self) -> OsString {
        self.dir.path().join("clock.so").into_os_string()
    }

    fn file(&self) -> std::path::PathBuf {
        self.dir.path().join("offset")
    }
}
