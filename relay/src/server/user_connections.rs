//! The connections of each user, the oldest first, bounded by `--max-connections-per-user`.
//!
//! If there are too many, the oldest is closed: a user who opens the page once more needs the new
//! socket, and forgotten sockets are older.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use chat_protocol::close_code;
use parking_lot::Mutex;

use crate::client::connection::{Connection, End};

/// The connections of all users; empty if there is no limit.
pub(super) struct UserConnections {
    /// 0: no limit.
    most: usize,
    users: Mutex<HashMap<Arc<str>, VecDeque<Arc<Connection>>>>,
}

/// A connection among those of its user. It stops counting when this is dropped.
pub(super) struct Counted {
    all: Arc<UserConnections>,
    connection: Arc<Connection>,
}

impl UserConnections {
    /// None yet, and at most `most` of one user.
    pub(super) fn new(most: usize) -> Arc<UserConnections> {
        Arc::new(UserConnections { most, users: Mutex::default() })
    }

    /// Counts a connection, and closes the oldest ones of its user that are too many.
    pub(super) fn count(self: &Arc<Self>, connection: &Arc<Connection>) -> Option<Counted> {
        if self.most == 0 {
            return None;
        }
        let mut replaced = Vec::new();
        {
            let mut users = self.users.lock();
            let own = users.entry(connection.user.clone()).or_default();
            own.push_back(connection.clone());
            while own.len() > self.most {
                replaced.extend(own.pop_front());
            }
        }
        for oldest in replaced {
            oldest.end(End::Close(close_code::REPLACED));
        }
        Some(Counted { all: self.clone(), connection: connection.clone() })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut users = self.all.users.lock();
        let Some(own) = users.get_mut(&self.connection.user) else { return };
        own.retain(|other| other.number != self.connection.number);
        if own.is_empty() {
            users.remove(&self.connection.user);
        }
    }
}
