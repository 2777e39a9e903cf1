//! How far it is, in one line that is written anew, on a terminal only.

use std::io::{IsTerminal, Stderr, Write, stderr};
use std::time::{Duration, Instant};

/// The time between two writes.
const EVERY: Duration = Duration::from_millis(200);

/// The line.
pub(super) struct Progress<W: Write = Stderr> {
    /// `None`: nobody looks.
    out: Option<W>,
    written: Option<Instant>,
}

impl Progress {
    /// The line on standard error, if that is a terminal.
    pub(super) fn on_terminal() -> Progress {
        let out = stderr();
        Progress { out: out.is_terminal().then_some(out), written: None }
    }
}

impl<W: Write> Progress<W> {
    /// Writes the line if the last one is old enough.
    pub(super) fn show(&mut self, line: impl FnOnce() -> String) {
        let Some(out) = &mut self.out else { return };
        if self.written.is_none_or(|written| written.elapsed() >= EVERY) {
            self.written = Some(Instant::now());
            let _ = write!(out, "\r{}\x1b[K", line());
            let _ = out.flush();
        }
    }
}

impl<W: Write> Drop for Progress<W> {
    fn drop(&mut self) {
        if let (Some(out), Some(_)) = (&mut self.out, self.written) {
            let _ = write!(out, "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_written_seldom_and_removed_at_the_end() {
        let mut written = Vec::new();
        let mut progress = Progress { out: Some(&mut written), written: None };
        progress.show(|| "1 message".to_owned());
        progress.show(|| panic!("too soon"));
        drop(progress);
        assert_eq!(written, b"\r1 message\x1b[K\r\x1b[K");
        let mut nobody: Progress<Vec<u8>> = Progress { out: None, written: None };
        nobody.show(|| panic!("nobody looks"));
    }
}
