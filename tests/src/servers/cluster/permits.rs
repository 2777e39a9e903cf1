//! How many servers of clusters run at the same time: scenarios run side by side, and a machine of
//! two cores holds the promised times of a failover only with few of them.

use std::sync::{Condvar, Mutex, PoisonError};

/// Servers of all clusters together: two clusters of three primaries with a replica each.
const SERVERS: usize = 12;

static FREE: Mutex<usize> = Mutex::new(SERVERS);
static RETURNED: Condvar = Condvar::new();

/// The right to run some servers, until dropped.
pub(super) struct Permit(usize);

impl Permit {
    /// Waits until so many servers may run; a cluster that is larger than all there is runs alone.
    pub(super) fn wait_for(servers: usize) -> Permit {
        let servers = servers.min(SERVERS);
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        while *free < servers {
            free = RETURNED.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= servers;
        Permit(servers)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *FREE.lock().unwrap_or_else(PoisonError::into_inner) += self.0;
        RETURNED.notify_all();
    }
}
