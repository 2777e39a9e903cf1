//! Admitting WebSocket connections: not while draining, and not beyond the limits of the relay and
//! of one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use chat_protocol::close_code::{self, CloseCode};
use parking_lot::Mutex;

use crate::metrics::METRICS;
use crate::server::client_address::of_one_client;

/// Counts the admitted connections.
pub(super) struct Admissions {
    max: usize,
    /// 0: no limit.
    max_per_address: usize,
    stopping: AtomicBool,
    draining: AtomicBool,
    admitted: AtomicUsize,
    addresses: Mutex<HashMap<IpAddr, usize>>,
}

/// An admitted connection. It stops counting when this is dropped.
pub(super) struct Admission {
    admissions: Arc<Admissions>,
    peer: IpAddr,
}

impl Admissions {
    /// Nothing admitted yet.
    pub(super) fn new(max: usize, max_per_address: usize) -> Arc<Admissions> {
        Arc::new(Admissions {
            max,
            max_per_address,
            stopping: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            admitted: AtomicUsize::new(0),
            addresses: Mutex::default(),
        })
    }

    /// Notes that the relay is about to stop. Connections are still admitted.
    pub(super) fn announce_stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        METRICS.draining.set(1.0);
    }

    /// Whether the relay is about to stop.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Admits no further connection: the relay drains.
    pub(super) fn close(&self) {
        self.announce_stop();
        self.draining.store(true, Ordering::Relaxed);
    }

    /// How many connections are admitted now.
    pub(super) fn count(&self) -> usize {
        self.admitted.load(Ordering::Relaxed)
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Admits a WebSocket connection from this address. Error: the close code to refuse it with.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Admission, CloseCode> {
        if self.is_draining() {
            return Err(close_code::DRAIN);
        }
        let peer = of_one_client(peer);
        let mut addresses = self.addresses.lock();
        let from_peer = addresses.entry(peer).or_default();
        let limit = self.max_per_address;
        if limit > 0 && *from_peer >= limit {
            return Err(close_code::ADDRESS);
        }
        if self.admitted.fetch_add(1, Ordering::Relaxed) >= self.max {
            self.admitted.fetch_sub(1, Ordering::Relaxed);
            if *from_peer == 0 {
                addresses.remove(&peer);
            }
            return Err(close_code::FULL);
        }
        *from_peer += 1;
        Ok(Admission { admissions: self.clone(), peer })
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.admissions.admitted.fetch_sub(1, Ordering::Relaxed);
        let mut addresses = self.admissions.addresses.lock();
        if let Some(count) = addresses.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&self.peer);
            }
        }
    }
}
