//! Collects what a server pushes to a connection: a thread that reads until the end.

use std::net::Shutdown;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::clients::reply::Reply;
use crate::clients::wire::Wire;

/// A connection that is only read from. Ends when dropped.
pub struct Listener<T> {
    seen: Arc<Mutex<Vec<T>>>,
    socket: std::net::TcpStream,
    reader: Option<JoinHandle<()>>,
}

impl<T: Clone + Send + 'static> Listener<T> {
    /// Collects what `parse` returns for each reply on this connection.
    pub fn on(mut wire: Wire, parse: fn(&Reply) -> Option<T>) -> Listener<T> {
        let socket = wire.socket().try_clone().expect("a second handle");
        socket.set_read_timeout(None).expect("a socket option");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let reader = std::thread::spawn({
            let seen = Arc::clone(&seen);
            move || {
                while let Ok(reply) = wire.receive() {
                    if let Some(one) = parse(&reply) {
                        seen.lock().unwrap_or_else(PoisonError::into_inner).push(one);
                    }
                }
            }
        });
        Listener { seen, socket, reader: Some(reader) }
    }

    /// Everything so far.
    pub fn all(&self) -> Vec<T> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<T> Drop for Listener<T> {
    fn drop(&mut self) {
        // An error means that the server closed first.
        let _ = self.socket.shutdown(Shutdown::Both);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}
