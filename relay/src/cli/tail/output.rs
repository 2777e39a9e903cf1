//! Standard output, which may be slow, stuck or gone.
//!
//! A thread writes, because a pipe that nobody reads stops whoever writes to it: links to Redis are kept
//! and signals are heard meanwhile. It has a bounded number of pages to write.

use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::sync::{mpsc, oneshot};

/// Pages that wait to be written.
const PAGES_MAX: usize = 4;
/// How long a reader may take to read the rest once this process is to end.
const END_WITHIN: Duration = Duration::from_secs(1);

/// See the documentation of this file.
pub(super) struct Output {
    pages: Option<mpsc::Sender<String>>,
    end: oneshot::Receiver<io::Result<()>>,
}

impl Output {
    /// Begins to write.
    pub(super) fn start() -> Output {
        let (sender, mut pages) = mpsc::channel::<String>(PAGES_MAX);
        let (ended, end) = oneshot::channel();
        std::thread::spawn(move || {
            let mut out = io::stdout().lock();
            let mut write = || {
                while let Some(page) = pages.blocking_recv() {
                    out.write_all(page.as_bytes())?;
                    out.flush()?;
                }
                Ok(())
            };
            // An error: nobody wants to know any more.
            let _ = ended.send(write());
        });
        Output { pages: Some(sender), end }
    }

    /// Writes lines, once the ones before are written but for a few pages. False: they cannot be.
    pub(super) async fn write(&self, lines: String) -> bool {
        match &self.pages {
            Some(pages) if !lines.is_empty() => pages.send(lines).await.is_ok(),
            _ => true,
        }
    }

    /// Writes the rest, as far as somebody reads it. Errors: why it could not be written. That nobody
    /// reads any more is none.
    pub(super) async fn finish(mut self) -> Result<(), String> {
        drop(self.pages.take());
        match tokio::time::timeout(END_WITHIN, self.end).await {
            Ok(Ok(Err(error))) if error.kind() != ErrorKind::BrokenPipe => {
                Err(format!("standard output: {error}"))
            }
            _ => Ok(()),
        }
    }
}

/// Returns once nobody can read standard output any more; never if it is no pipe. Without this the end
/// of a reader would show only at the next line, which may be long in coming.
pub(super) async fn reader_is_gone() {
    let (gone, is_gone) = oneshot::channel();
    std::thread::spawn(move || {
        let out = io::stdout();
        // Nothing is asked for: what is the matter with a file is said all the same.
        let mut asked = [PollFd::new(&out, PollFlags::empty())];
        let said = loop {
            match poll(&mut asked, None) {
                Err(Errno::INTR) => {}
                _ => break asked.iter().any(|one| one.revents().contains(PollFlags::ERR)),
            }
        };
        // An error: nobody wants to know any more.
        let _ = gone.send(said);
    });
    if !matches!(is_gone.await, Ok(true)) {
        std::future::pending().await
    }
}
