//! `chat-relay check`: what is wrong with these settings, without serving.
//!
//! It prints one line for each finding. The exit code is 0 if a relay with these settings works, 1
//! if it does not.

use std::io::Write;
use std::process::ExitCode;

use crate::config::Args;

pub(super) const NAME: &str = "check";
pub(super) const ABOUT: &str = "Checks these settings without serving; exit code 1 after an error";

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Ok,
    Error,
}

/// Prints all findings.
pub(super) fn run(args: Args) -> ExitCode {
    let findings = match args.check() {
        Ok(_) => vec![(Level::Ok, "settings: consistent".to_owned())],
        Err(mistakes) => mistakes.into_iter().map(|why| (Level::Error, why)).collect(),
    };
    let mut out = std::io::stdout().lock();
    for (level, text) in &findings {
        let word = match level {
            Level::Ok => "ok",
            Level::Error => "error",
        };
        let _ = writeln!(out, "{word:<8}{text}");
    }
    let has_error = findings.iter().any(|(level, _)| *level == Level::Error);
    if has_error { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
