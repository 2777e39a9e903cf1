//! Free ports of 127.0.0.1.
//!
//! Taken from below the range that the kernel gives to outgoing connections, so that a killed
//! server finds its own port free again, and never twice within a run.

use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::Mutex;

use rand::Rng;

static TAKEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// A port nobody listens on.
pub fn free() -> u16 {
    let mut taken = TAKEN.lock().expect("nobody panics here");
    let taken = taken.get_or_insert_default();
    loop {
        let port = rand::rng().random_range(10_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && taken.insert(port) {
            return port;
        }
    }
}
