//! Where the frames of a connection go: to its own socket, or to a task that drains the outbox.
//!
//! Without a socket nothing can be read, and there is nothing to wait for: who drains the outbox has
//! the client's connection and its end.

use std::future::pending;
use std::io;

use bytes::BufMut;
use rustix::net::Shutdown;
use tokio::net::TcpStream;

/// The other end of a connection.
#[derive(Debug)]
pub(crate) enum Sink {
    /// The socket, which is written directly.
    Socket(TcpStream),
    /// A task that takes the frames out of the outbox.
    Drained,
}

impl Sink {
    /// Reads what has arrived.
    pub(crate) fn try_read_buf(&self, buffer: &mut impl BufMut) -> io::Result<usize> {
        match self {
            Sink::Socket(socket) => socket.try_read_buf(buffer),
            Sink::Drained => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Waits until there is something to read.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        match self {
            Sink::Socket(socket) => socket.readable().await,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_takes_no_more_memory_than_alone() {
        assert_eq!(size_of::<Sink>(), size_of::<TcpStream>());
    }
}
