//! Where the frames of a connection go: to its own socket, or to a task that drains the outbox.
//!
//! Without a socket nothing can be read, and there is nothing to wait for: who drains the outbox has
//! the client's connection and its end.

use std::future::pending;
use std::io::{self, IoSlice};

use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send};
use tokio::io::{Interest, Ready};
use tokio::net::TcpStream;

use crate::client::outbox::{Outbox, SLICES};

/// Whether a read that does not fill its space has emptied the socket, and new bytes cause a new event:
/// so it is with epoll and kqueue, and tokio's own reads rely on it.
const KNOWS_EMPTY: bool =
    cfg!(any(target_os = "linux", target_os = "android", target_os = "macos"));

/// The other end of a connection.
#[derive(Debug)]
pub(crate) enum Sink {
    /// The socket, which is written directly.
    Socket(TcpStream),
    /// A task that takes the frames out of the outbox.
    Drained,
}

impl Sink {
    /// Reads what has arrived. If that does not fill the space, the socket is empty: the next attempt
    /// does not ask the kernel before new bytes have come.
    pub(crate) fn try_read(&self, space: &mut [u8]) -> io::Result<usize> {
        let Sink::Socket(socket) = self else { return Err(io::ErrorKind::WouldBlock.into()) };
        let mut last = None;
        let read = socket.try_io(Interest::READABLE, || {
            let (_, bytes) = recv(socket, &mut *space, RecvFlags::empty())?;
            if !KNOWS_EMPTY || bytes == 0 || bytes == space.len() {
                return Ok(bytes);
            }
            // Says to tokio that the socket was empty when this attempt began, or is since: what
            // comes from now on makes it readable again.
            last = Some(bytes);
            Err(io::ErrorKind::WouldBlock.into())
        });
        last.map_or(read, Ok)
    }

    /// Waits until there is something to read.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    /// Waits for either.
    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match self {
            Sink::Socket(socket) => socket.ready(interest).await,
            Sink::Drained => pending().await,
        }
    }

    /// Waits until the kernel accepts bytes again.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        match self {
            Sink::Socket(socket) => socket.writable().await,
            Sink::Drained => pending().await,
        }
    }

    /// Ends the socket, although others still hold the connection.
    pub(crate) fn shutdown(&self) {
        if let Sink::Socket(socket) = self {
            let _ = rustix::net::shutdown(socket, Shutdown::Both);
        }
    }
}

/// Writes as much of the outbox as the kernel accepts now. Returns the number of bytes.
pub(super) fn write_front(socket: &TcpStream, outbox: &Outbox) -> io::Result<usize> {
    if let Some(frame) = outbox.only() {
        // Directly, without tokio's own check of readiness: while we are not blocked, the socket is
        // ready. If the kernel disagrees, tokio must learn it, so the second attempt goes through
        // tokio.
        return send(socket, frame, SendFlags::NOSIGNAL).or_else(|_| socket.try_write(frame));
    }
    let mut slices = [IoSlice::new(&[]); SLICES];
    let filled = outbox.slices(&mut slices);
    socket.try_write_vectored(&slices[..filled])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_takes_no_more_memory_than_alone() {
        assert_eq!(size_of::<Sink>(), size_of::<TcpStream>());
    }
}
