//! Compiles a few lines of C, where nothing else will do, into a library that another process
//! loads.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A compiled library and its directory, which is deleted on drop.
pub struct Fixture {
    dir: TempDir,
}

impl Fixture {
    /// Compiles `fixtures/<name>.c`.
    ///
    /// # Panics
    /// If there is no C compiler, `cc`, or it fails.
    pub fn compile(name: &str) -> Fixture {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/{name}.c"));
        let fixture = Fixture { dir: tempfile::tempdir().expect("a directory") };
        let mut compiler = Command::new("cc");
        compiler
            .args(["-shared", "-fPIC", "-O2", "-o"])
            .arg(fixture.library())
            .arg(source)
            .arg("-ldl");
        let status = compiler.status().expect("a C compiler named cc (.ci/setup installs it)");
        assert!(status.success(), "cc does not compile fixtures/{name}.c");
        fixture
    }

    /// The path of the library.
    pub fn library(&self) -> PathBuf {
        self.dir.path().join("fixture.so")
    }

    /// A directory for further files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}
