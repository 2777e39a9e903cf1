//! The task of a connection: it owns the stream, writes what is asked, and hands out what comes.
//!
//! Each turn does whatever can be done at once: writing, reading, ending calls whose time is over.
//! There is one timer for the connection, not one per call: it is set for the call that is over first,
//! and stays set when that call is answered.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep_until};
use tracing::{debug, warn};

use crate::upstream::connection::asked::{Asked, Closed};
use crate::upstream::connection::closing::Closing;
use crate::upstream::connection::in_flight::{InFlight, Purpose};
use crate::upstream::connection::receiver::Receiver;
use crate::upstream::connection::reply_reader::{Item, ReplyReader};

/// A larger buffer is given back once it is written.
const KEEP_MAX: usize = 256 << 10;

/// The task that owns the stream.
pub(super) struct Task<S, P> {
    stream: S,
    asked: Arc<Asked>,
    closing: Arc<Closing>,
    reader: ReplyReader,
    in_flight: InFlight,
    pushes: P,
    /// What is being written, and how much of it has been.
    writing: Vec<u8>,
    written: usize,
    flushed: bool,
    /// Wakes when a call may be over.
    overdue: Option<Pin<Box<Sleep>>>,
}

impl<S, P> Drop for Task<S, P> {
    /// However the task ends, a panic included, nobody waits for it any longer.
    fn drop(&mut self) {
        self.asked.close();
        self.closing.close();
    }
}

/// Why a connection ended.
enum End {
    Closed,
    Lost(std::io::Error),
    Broken(Box<dyn std::error::Error + Send + Sync>),
}

impl<S, P> Task<S, P>
where
    S: AsyncRead + AsyncWrite + Unpin,
    P: Receiver,
{
    pub(super) fn new(
        stream: S,
        purpose: Purpose,
        asked: Arc<Asked>,
        closing: Arc<Closing>,
        pushes: P,
    ) -> Task<S, P> {
        Task {
            stream,
            asked,
            closing,
            reader: ReplyReader::default(),
            in_flight: InFlight::new(purpose),
            pushes,
            writing: Vec::new(),
            written: 0,
            flushed: true,
            overdue: None,
        }
    }

    /// Runs until the connection ends.
    pub(super) async fn run(mut self) {
        let end = std::future::poll_fn(|context| match self.turn(context) {
            Ok(()) => Poll::Pending,
            Err(end) => Poll::Ready(end),
        });
        match end.await {
            End::Closed => {}
            End::Lost(error) => debug!(source = "upstream", "a connection ended: {error}"),
            End::Broken(error) => warn!(source = "upstream", "a connection is given up: {error}"),
        }
    }

    /// Does what can be done now.
    fn turn(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        self.write(context)?;
        let known = self.in_flight.len();
        let read = self.read(context);
        self.pushes.caught_up();
        read?;
        if known >= self.asked.limits().calls {
            self.asked.note_space(&self.in_flight);
        }
        self.end_overdue(context);
        Ok(())
    }

    /// Writes what is asked until there is nothing more, or the socket is full.
    fn write(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        loop {
            let taken = self.asked.take(&mut self.in_flight, &mut self.writing, context);
            taken.map_err(|Closed| End::Closed)?;
            while self.written < self.writing.len() {
                let bytes = &self.writing[self.written..];
                match Pin::new(&mut self.stream).poll_write(context, bytes) {
                    Poll::Ready(Ok(0)) => {
                        return Err(End::Lost(std::io::ErrorKind::WriteZero.into()));
                    }
                    Poll::Ready(Ok(count)) => self.written += count,
                    Poll::Ready(Err(error)) => return Err(End::Lost(error)),
                    Poll::Pending => return Ok(()),
                }
                self.flushed = false;
            }
            if !self.flushed {
                match Pin::new(&mut self.stream).poll_flush(context) {
                    Poll::Ready(Ok(())) => self.flushed = true,
                    Poll::Ready(Err(error)) => return Err(End::Lost(error)),
                    Poll::Pending => return Ok(()),
                }
            }
            if self.writing.is_empty() {
                return Ok(());
            }
            self.written = 0;
            if self.writing.capacity() > KEEP_MAX {
                self.writing = Vec::new();
            } else {
                self.writing.clear();
            }
        }
    }

    /// Reads until the socket is empty.
    fn read(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        loop {
            match pin!(self.stream.read_buf(self.reader.space())).poll(context) {
                Poll::Ready(Ok(0)) => {
                    return Err(End::Lost(std::io::ErrorKind::UnexpectedEof.into()));
                }
                Poll::Ready(Ok(_)) => self.pass_on()?,
                Poll::Ready(Err(error)) => return Err(End::Lost(error)),
                Poll::Pending => return Ok(()),
            }
        }
    }

    /// Hands out everything that is complete.
    fn pass_on(&mut self) -> Result<(), End> {
        loop {
            match self.reader.next_item() {
                Ok(Some(Item::Reply(reply))) => {
                    self.in_flight.reply(reply).map_err(|error| End::Broken(error.into()))?;
                }
                Ok(Some(Item::Push(push))) => {
                    self.in_flight.push(&push);
                    self.pushes.push(push);
                }
                Ok(None) => return Ok(()),
                Err(error) => return Err(End::Broken(error.into())),
            }
        }
    }

    /// Ends calls whose time is over. Sets the timer if something is in flight.
    fn end_overdue(&mut self, context: &mut Context<'_>) {
        while let Some(soonest) = self.in_flight.soonest() {
            let overdue = match &mut self.overdue {
                // It was polled when it was set, and wakes this task by itself.
                Some(overdue) if !overdue.is_elapsed() && overdue.deadline() <= soonest => return,
                Some(overdue) => {
                    overdue.set(sleep_until(soonest));
                    overdue
                }
                None => self.overdue.insert(Box::pin(sleep_until(soonest))),
            };
            if overdue.as_mut().poll(context).is_pending() {
                return;
            }
            self.in_flight.end_overdue(Instant::now());
        }
    }
}
