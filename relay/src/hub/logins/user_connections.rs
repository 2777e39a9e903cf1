//! The connections of each user, the oldest first, bounded by `--max-connections-per-user`.
//!
//! If there are too many, the oldest is closed: a user who opens the page once more needs the new
//! socket, and forgotten sockets are older. Whom the store has not admitted yet takes no place of
//! those whom it has: otherwise a void token could close the sockets of its user.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use chat_protocol::close_code;
use parking_lot::Mutex;

use crate::client::connection::{Connection, End};

/// The connections of all users; empty if there is no limit.
pub(crate) struct UserConnections {
    /// 0: no limit.
    most: usize,
    users: Mutex<HashMap<Arc<str>, VecDeque<Arc<Connection>>>>,
}

/// A connection among those of its user. It stops counting when this is dropped.
pub(crate) struct Counted {
    all: Arc<UserConnections>,
    connection: Arc<Connection>,
}

impl UserConnections {
    /// None yet, and at most `most` of one user.
    pub(crate) fn new(most: usize) -> Arc<UserConnections> {
        Arc::new(UserConnections { most, users: Mutex::default() })
    }

    /// Counts a connection that is not admitted yet.
    pub(crate) fn count(self: &Arc<Self>, connection: &Arc<Connection>) -> Option<Counted> {
        if self.most == 0 {
            return None;
        }
        let mut users = self.users.lock();
        users.entry(connection.user.clone()).or_default().push_back(connection.clone());
        drop(users);
        self.close_surplus(&connection.user);
        Some(Counted { all: self.clone(), connection: connection.clone() })
    }

    /// Closes the oldest connections of this user, if those that are admitted, or those that are
    /// not, are too many. To be called when one has been admitted.
    pub(crate) fn close_surplus(&self, user: &str) {
        if self.most == 0 {
            return;
        }
        let own = self.users.lock().get(user).cloned().unwrap_or_default();
        let mut places = [self.most; 2];
        for connection in own.iter().rev().filter(|connection| connection.ended().is_none()) {
            let left = &mut places[usize::from(connection.is_admitted())];
            match left.checked_sub(1) {
                Some(fewer) => *left = fewer,
                None => connection.end(End::Close(close_code::REPLACED)),
            }
        }
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
