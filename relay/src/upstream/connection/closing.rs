//! Closes connections that belong together: when one ends, all do.

use std::future::Future;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::upstream::connection::asked::Asked;

/// Closes connections that belong together.
pub(crate) struct Closing {
    closed: watch::Sender<bool>,
    connections: Mutex<Vec<Weak<Asked>>>,
}

impl Closing {
    pub(crate) fn new() -> Arc<Closing> {
        let (closed, connections) = (watch::Sender::new(false), Mutex::new(Vec::new()));
        Arc::new(Closing { closed, connections })
    }

    pub(super) fn add(&self, asked: &Arc<Asked>) {
        self.connections.lock().push(Arc::downgrade(asked));
        if self.is_closed() {
            asked.close();
        }
    }

    /// Closes all. False: they were already closed.
    pub(crate) fn close(&self) -> bool {
        let is_first = !self.closed.send_replace(true);
        let connections = std::mem::take(&mut *self.connections.lock());
        connections.iter().filter_map(Weak::upgrade).for_each(|asked| asked.close());
        is_first
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// The output of `work`. None: they were closed first.
    pub(crate) async fn unless_closed<F: Future>(&self, work: F) -> Option<F::Output> {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => None,
            output = work => Some(output),
        }
    }
}
