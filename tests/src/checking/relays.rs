//! The relays that senders and readers may use; a scenario changes the list while they run.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

/// The relays that clients may use, which may change while they run.
#[derive(Clone, Debug, Default)]
pub struct Relays(Arc<Mutex<Vec<SocketAddr>>>);

impl Relays {
    /// These relays.
    pub fn new(addresses: &[SocketAddr]) -> Relays {
        Relays(Arc::new(Mutex::new(addresses.to_vec())))
    }

    /// Replaces all of them.
    pub fn set(&self, addresses: &[SocketAddr]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = addresses.to_vec();
    }

    /// Any of them.
    pub fn any(&self, random: &mut SmallRng) -> Option<SocketAddr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).choose(random).copied()
    }
}
