//! Free ports of 127.0.0.1.
//!
//! Ports are below the range that the kernel uses for outgoing connections, so that a killed server
//! finds its own port free again, and no port is used twice within a run.

use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::Mutex;

use rand::Rng;

static TAKEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// A port on which nothing listens.
pub fn free() -> u16 {
    let mut taken = TAKEN.lock().expect("no panic while locked");
    let taken = taken.get_or_insert_default();
    loop {
        let port = rand::rng().random_range(10_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && taken.insert(port) {
            return port;
        }
    }
}
