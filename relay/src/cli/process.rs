//! What subcommands have in common as processes: how they fail, and how they are stopped.

use std::io::Write;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Writes a line to standard error.
pub(super) fn say(words: &str) {
    // An error: nobody reads it any more.
    let _ = writeln!(std::io::stderr(), "chat-relay: {words}");
}

/// Says why on standard error. Exit code 2: wrong flags; 1: it could not be done.
pub(super) fn fail(code: u8, why: &str) -> ExitCode {
    say(why);
    ExitCode::from(code)
}

/// Becomes true at the first SIGTERM or SIGINT. A second one ends the process at once.
pub(super) fn stopped() -> Result<watch::Receiver<bool>, String> {
    let said = |error: std::io::Error| error.to_string();
    let mut terminate = signal(SignalKind::terminate()).map_err(said)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(said)?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        for _ in 0..2 {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if sender.send_replace(true) {
                std::process::exit(1);
            }
        }
    });
    Ok(receiver)
}
