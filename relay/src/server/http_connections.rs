//! TCP connections that are no WebSockets, or not yet: bounded in number and in time.
//!
//! When there are too many, the oldest is closed: a correct client is done quickly, so the oldest
//! one is the least likely to need its connection. A client that sends a request and does not read
//! the answer is closed by a deadline on writing. Deadlines on reading are hyper's. A connection that
//! carries a stream of events stays open, so it is taken out here and counted as sockets are.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, yield_now};
use tokio::time::{Sleep, sleep};

use crate::client::connection::NOTSENT_LOWAT;
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

/// One connection, as its requests know it.
#[derive(Debug)]
pub(crate) struct HttpConnection {
    all: Arc<HttpConnections>,
    number: u64,
    is_stream: AtomicBool,
    closed: Notify,
}

/// Takes a connection out of the list when it is dropped.
struct Place(Arc<HttpConnection>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.all.remove(self.0.number);
    }
}

impl HttpConnection {
    /// Serves the connection in a task, which is aborted if it must be closed for others.
    pub(crate) fn spawn(self: Arc<Self>, visit: impl Future<Output = ()> + Send + 'static) {
        let place = Place(self.clone());
        let task = tokio::spawn(async move {
            let _place = place;
            visit.await;
        });
        // Unless the task has ended or was aborted meanwhile.
        match self.all.inside.lock().tasks.get_mut(&self.number) {
            Some(known) => *known = Some(task.abort_handle()),
            None => task.abort(),
        }
    }

    /// The response to the current request is a stream: from now on the connection does not give way
    /// to others. Returns what ends it; `None`: it has just been ended.
    pub(crate) async fn become_stream(&self) -> Option<AbortHandle> {
        let handle = loop {
            // None: the task has only just started.
            let known = self.all.inside.lock().tasks.get(&self.number)?.clone();
            match known {
                Some(handle) => break handle,
                None => yield_now().await,
            }
        };
        self.all.remove(self.number)?;
        self.is_stream.store(true, Ordering::Relaxed);
        Some(handle)
    }

    /// Waits until the socket of the connection is closed. Only one task may.
    pub(crate) async fn closed(&self) {
        self.closed.notified().await;
    }
}

impl HttpConnections {
    /// No connections, and at most `most` at the same time.
    pub(crate) fn new(most: usize) -> Arc<HttpConnections> {
        Arc::new(HttpConnections { most, inside: Mutex::default() })
    }

    /// Serves one connection in a task. The task is aborted if the connection must be closed for
    /// others.
    pub(crate) fn spawn(self: &Arc<Self>, visit: impl Future<Output = ()> + Send + 'static) {
        self.enter().spawn(visit);
    }

    /// A place for a connection that is served by [`HttpConnection::spawn`].
    pub(crate) fn enter(self: &Arc<Self>) -> Arc<HttpConnection> {
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
        let (is_stream, closed) = (AtomicBool::new(false), Notify::new());
        Arc::new(HttpConnection { all: self.clone(), number, is_stream, closed })
    }

    /// Closes the oldest connection, if there is one.
    pub(crate) fn close_oldest(&self) {
        self.inside.lock().close_oldest();
    }

    fn remove(&self, number: u64) -> Option<Option<AbortHandle>> {
        let mut inside = self.inside.lock();
        let removed = inside.tasks.remove(&number);
        METRICS.http_connections.set(inside.tasks.len() as f64);
        removed
    }
}

impl Inside {
    fn close_oldest(&mut self) {
        if let Some((_, Some(task))) = self.tasks.pop_first() {
            task.abort();
        }
    }
}

/// A client of a stream that acknowledges or takes nothing for this long is gone.
const STREAM_TIMEOUT: Duration = Duration::from_secs(30);

/// A socket that fails if the kernel accepts no bytes for too long.
#[derive(Debug)]
pub(super) struct WriteTimeout {
    socket: TokioIo<TcpStream>,
    within: Duration,
    /// When to fail. None: no bytes wait to be written.
    deadline: Option<Pin<Box<Sleep>>>,
    connection: Open,
    is_stream: bool,
}

/// Says when the socket is closed.
#[derive(Debug)]
struct Open(Arc<HttpConnection>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.closed.notify_one();
    }
}

impl WriteTimeout {
    /// Wraps the socket of a connection. It must accept bytes within this time whenever there are some
    /// to write.
    pub(super) fn new(
        socket: TcpStream,
        within: Duration,
        connection: Arc<HttpConnection>,
    ) -> WriteTimeout {
        let (socket, connection) = (TokioIo::new(socket), Open(connection));
        WriteTimeout { socket, within, deadline: None, connection, is_stream: false }
    }

    /// The inner socket.
    pub(super) fn into_inner(self) -> TcpStream {
        self.socket.into_inner()
    }

    /// Before the first bytes of a stream are written.
    fn become_stream(&mut self) {
        self.is_stream = true;
        self.within = STREAM_TIMEOUT;
        // On a system without these options, the system's own bounds apply.
        let socket = socket2::SockRef::from(self.socket.inner());
        let _ = socket.set_tcp_user_timeout(Some(STREAM_TIMEOUT));
        let _ = socket.set_tcp_notsent_lowat(NOTSENT_LOWAT);
    }

    fn before_writing(&mut self) {
        if !self.is_stream && self.connection.0.is_stream.load(Ordering::Relaxed) {
            self.become_stream();
        }
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
        self.before_writing();
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
        self.before_writing();
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
