//! A server that plays a primary: it sends a replica a dump and then any commands.

use std::io::{self, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use crate::clients::reply::{Reply, write_command};
use crate::clients::wire::Command;

/// A primary of one replica at a time. Ends when dropped.
pub struct FakePrimary {
    address: SocketAddr,
    replica: Arc<Mutex<Option<TcpStream>>>,
}

impl FakePrimary {
    /// A primary that begins with this RDB file.
    pub fn start(rdb: Vec<u8>) -> FakePrimary {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let replica = Arc::new(Mutex::new(None));
        std::thread::spawn({
            let replica = Arc::clone(&replica);
            move || {
                for stream in listener.incoming().flatten() {
                    // An error means that the replica is gone.
                    let _ = serve(stream, &rdb, &replica);
                }
            }
        });
        FakePrimary { address, replica }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether a replica has received the dump.
    pub fn has_replica(&self) -> bool {
        self.lock().is_some()
    }

    /// Sends a command to the replica.
    ///
    /// # Panics
    /// If no replica is connected.
    pub fn send(&self, command: &Command) {
        let mut out = Vec::new();
        write_command(&mut out, command);
        let mut replica = self.lock();
        let stream = replica.as_mut().expect("a replica is connected");
        stream.write_all(&out).expect("the replica reads");
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<TcpStream>> {
        self.replica.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FakePrimary {
    fn drop(&mut self) {
        if let Some(stream) = self.lock().take() {
            // An error means that the replica was gone first.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Answers a replica's handshake, then only reads.
fn serve(mut stream: TcpStream, rdb: &[u8], replica: &Mutex<Option<TcpStream>>) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let words = Reply::read(&mut reader)?.texts();
        match words.first().map(|word| word.to_ascii_uppercase()).as_deref() {
            Some("PING") => stream.write_all(b"+PONG\r\n")?,
            Some("REPLCONF") if words.get(1).is_some_and(|word| word == "ACK") => {}
            Some("PSYNC") => {
                write!(stream, "+FULLRESYNC {} 0\r\n${}\r\n", "a".repeat(40), rdb.len())?;
                stream.write_all(rdb)?;
                let stream = stream.try_clone()?;
                *replica.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
            }
            _ => stream.write_all(b"+OK\r\n")?,
        }
    }
}
