//! Programs of this machine and those that `.ci/setup test` fetches.

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::documents::root;

/// A file or folder of `target/tools`, which `.ci/setup test` fills.
pub fn tool(path: &str) -> PathBuf {
    root().join("target/tools").join(path)
}

/// Says why a scenario is skipped: something is missing. Where `CI` is set, nothing may be.
pub fn missing_here(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{why}");
    println!("skipped: {why}");
}

/// Runs a program in the root of the repository to its end and returns its standard output.
///
/// # Panics
/// If it fails, with all that it said.
#[track_caller]
pub fn run(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    succeed(command.args(arguments).current_dir(root()))
}

/// As [`run`], of a command with a folder and variables of its own.
///
/// # Panics
/// If it fails, with all that it said.
#[track_caller]
pub fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = said(&output);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// All that a program said.
pub fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}
