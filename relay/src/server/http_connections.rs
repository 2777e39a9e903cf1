//! TCP connections that are no WebSockets, or not yet: bounded in number and in time.
//!
//! When there are too many, the oldest is closed: a correct client is done quickly, so the oldest
//! one is the least likely to need its connection. A client that sends a request and does not read
//! the answer is closed by a deadline on writing. Deadlines on reading are hyper's.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{Sleep, sleep};

use crate::metrics::METRICS;

/// The connections that are open now.
#[derive(Debug)]
pub(crate) struct HttpConnections {
    most: usize,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    next: u64,
    /// By age, the oldest first. None: the task has only just started.
    tasks: BTreeMap<u64, Option<AbortHandle>>,
}

/// The entry of one connection, removed when dropped.
struct Place {
    http_connections: Arc<HttpConnections>,
    number: u64,
}

impl HttpConnections {
    /// No connections, and at most `most` at the same time.
    pub(crate) fn new(most: usize) -> Arc<HttpConnections> {
        Arc::new(HttpConnections { most, inside: Mutex::default() })
    }

    /// Serves one connection in a task. The task is aborted if the connection must be closed for
    /// others.
    pub(crate) fn spawn(self: &Arc<Self>, visit: impl Future<Output = ()> + Send + 'static) {
        let number = {
            let mut inside = self.inside.lock();
            while inside.tasks.len() >= self.most {
                inside.close_oldest();
            }
            let number = inside.next;
            inside.next += 1;
            inside.tasks.insert(number, None);
            METRICS.http_connections.set(inside.tasks.len() as f64);
            number
        };
        let place = Place { http_connections: self.clone(), number };
        let task = tokio::spawn(async move {
            let _place = place;
            visit.await;
        });
        // Unless the task has ended or was aborted meanwhile.
        match self.inside.lock().tasks.get_mut(&number) {
            Some(known) => *known = Some(task.abort_handle()),
            None => task.abort(),
        }
    }

    /// Closes the oldest connection, if there is one.
    pub(crate) fn close_oldest(&self) {
        self.inside.lock().close_oldest();
    }
}

impl Inside {
    fn close_oldest(&mut self) {
        if let Some((_, Some(task))) = self.tasks.pop_first() {
            task.abort();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.http_connections.inside.lock();
        inside.tasks.remove(&self.number);
        METRICS.http_connections.set(inside.tasks.len() as f64);
    }
}

/// A socket that fails if the kernel accepts no bytes for too long.
#[derive(Debug)]
pub(super) struct WriteTimeout {
    socket: TokioIo<TcpStream>,
    within: Duration,
    /// When to fail. None: no bytes wait to be written.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl WriteTimeout {
    /// Wraps a socket that must accept bytes within this time whenever there are some to write.
    pub(super) fn new(socket: TcpStream, within: Duration) -> WriteTimeout {
        WriteTimeout { socket: TokioIo::new(socket), within, deadline: None }
    }

    /// The inner socket.
    pub(super) fn into_inner(self) -> TcpStream {
        self.socket.into_inner()
    }

    fn in_time<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let within = self.within;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(within)));
        deadline.as_mut().poll(context).map(|()| Err(ErrorKind::TimedOut.into()))
    }
}

impl Read for WriteTimeout {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl Write for WriteTimeout {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.in_time(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(context);
        self.in_time(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.socket).poll_shutdown(context);
        self.in_time(context, shut)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.in_time(context, written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Notify;
    use tokio::task::yield_now;

    #[tokio::test]
    async fn the_oldest_gives_way_and_who_leaves_gives_back_the_place() {
        let http_connections = HttpConnections::new(3);
        let (done, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let come = |keeps_alive: bool| {
            let (done, go) = (done.clone(), go.clone());
            http_connections.spawn(async move {
                match keeps_alive {
                    true => std::future::pending().await,
                    false => go.notified().await,
                }
                done.fetch_add(1, Ordering::Relaxed);
            });
        };
        let inside = || http_connections.inside.lock().tasks.keys().copied().collect::<Vec<u64>>();
        (0..3).for_each(|_| come(true));
        come(false);
        come(false);
        assert_eq!(inside(), [2, 3, 4], "before any of them has run");
        yield_now().await;
        go.notify_waiters();
        yield_now().await;
        assert_eq!((inside(), done.load(Ordering::Relaxed)), (vec![2], 2));
        http_connections.close_oldest();
        http_connections.close_oldest();
        come(true);
        assert_eq!(inside(), [5]);
    }
}
