//! A program with the client in Node, and what it prints.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use chat_tests::documents::root;
use chat_tests::wait::{LATER, eventually};
use tempfile::TempDir;

/// The Node that `.ci/setup test` has found or fetched: that of the system may be too old.
pub(super) fn node() -> PathBuf {
    let found = root().join("target/tools/languages/bin/node");
    if found.is_file() { found } else { "node".into() }
}

/// Ends with the test.
pub(super) struct Program {
    child: Child,
    input: ChildStdin,
    dir: TempDir,
}

impl Program {
    /// Starts it in this folder, where what it prints is kept too.
    #[track_caller]
    pub(super) fn start(mut command: Command, dir: TempDir) -> Program {
        let out = |name| std::fs::File::create(dir.path().join(name)).expect("a file");
        command.current_dir(dir.path()).stdin(Stdio::piped()).stdout(out("out")).stderr(out("err"));
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let input = child.stdin.take().expect("an input");
        Program { child, input, dir }
    }

    /// Writes a line to its input.
    #[track_caller]
    pub(super) fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("it reads");
    }

    /// All that it has printed: to `out` or to `err`.
    pub(super) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()
    }

    /// Waits until it has printed this line.
    #[track_caller]
    pub(super) fn prints(&mut self, line: &str) {
        eventually(line, LATER, || {
            let told = self.read("out");
            match self.ended() {
                Some(status) => panic!("it ended with {status}: {told}{}", self.read("err")),
                None if told.lines().any(|one| one == line) => Ok(()),
                None => Err(told + &self.read("err")),
            }
        });
    }

    /// How often it has printed this line.
    pub(super) fn count(&self, line: &str) -> usize {
        self.read("out").lines().filter(|one| *one == line).count()
    }

    /// Its status, once it has ended.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
