//! A wall clock for one server, which a scenario can set while the server runs.
//!
//! A few lines of C (`fixtures/clock.c`), loaded by `LD_PRELOAD`, replace the time of day.
//! Monotonic clocks are unchanged, as on a machine whose wall clock is set.

use std::ffi::OsString;
use std::fs;

use crate::servers::fixture::Fixture;

/// A clock, initially with the machine's time.
pub struct Clock {
    fixture: Fixture,
}

impl Clock {
    /// A clock that is this far ahead of the machine's (behind, if negative).
    ///
    /// # Panics
    /// If there is no C compiler, `cc`.
    pub fn ahead_ms(offset: i64) -> Clock {
        let clock = Clock { fixture: Fixture::compile("clock") };
        clock.set_ahead_ms(offset);
        clock
    }

    /// Sets it, with immediate effect for all readers.
    pub fn set_ahead_ms(&self, offset: i64) {
        let new = self.fixture.dir().join("new");
        fs::write(&new, offset.to_string()).expect("a file of our own");
        // A reader sees the old file or the new one, never a half-written one.
        fs::rename(new, self.file()).expect("a file of our own");
    }

    /// The environment of a process that uses this clock.
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        let file = self.file().into_os_string();
        let library = self.fixture.library().into_os_string();
        vec![("LD_PRELOAD".into(), library), ("CLOCK_OFFSET_FILE".into(), file)]
    }

    fn file(&self) -> std::path::PathBuf {
        self.fixture.dir().join("offset")
    }
}
