//! The users who have a connection to this relay, and what is known of each.
//!
//! The relay receives the personal room of every such user, so an event ends the connections of a
//! user who is suspended or whose token is void, in whatever state they are: logging in, attached,
//! paused. Where events may have been missed, the user is in doubt until the store has been asked
//! again. An answer and an event may arrive in any order: both have an id, and the later one counts.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chat_protocol::id::Id;
use parking_lot::Mutex;

use crate::client::connection::Connection;
use crate::hub::standing::answer::{Refusal, Standing};

/// The users with their connections.
#[derive(Default)]
pub(in crate::hub) struct PresentUsers {
    users: Mutex<HashMap<Arc<str>, Known>>,
    /// How many of them are in doubt. It changes under the lock.
    in_doubt: AtomicUsize,
}

/// One user.
#[derive(Default)]
struct Known {
    connections: Vec<Arc<Connection>>,
    /// As the newest answer or event has it.
    tokens_after: u64,
    /// The id of that event, or the newest one that was in the answer.
    at: Id,
    /// Events may have been missed.
    in_doubt: bool,
}

impl Known {
    fn standing(&self) -> Standing {
        Standing { suspended_until: None, tokens_after: self.tokens_after, at: self.at }
    }
}

/// What an event says about the user of a personal room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Tokens issued before this are void.
    TokensAfter(u64),
    /// The user is suspended until then.
    Suspended(u64),
}

impl PresentUsers {
    /// Adds a connection.
    pub(in crate::hub) fn add(&self, connection: &Arc<Connection>) {
        let mut users = self.users.lock();
        users.entry(connection.user.clone()).or_default().connections.push(connection.clone());
    }

    /// Removes a connection.
    pub(in crate::hub) fn remove(&self, connection: &Connection) {
        let mut users = self.users.lock();
        let Some(known) = users.get_mut(&connection.user) else { return };
        known.connections.retain(|other| other.number != connection.number);
        if known.connections.is_empty() {
            self.set_doubt(known, false);
            users.remove(&connection.user);
        }
    }

    /// Whether the user has a connection.
    pub(in crate::hub) fn contains(&self, user: &str) -> bool {
        self.users.lock().contains_key(user)
    }

    /// The connections of this user.
    pub(super) fn connections(&self, user: &str) -> Vec<Arc<Connection>> {
        self.users.lock().get(user).map(|known| known.connections.clone()).unwrap_or_default()
    }

    /// Events of the user's personal room may have been missed, or its past may be another one.
    pub(in crate::hub) fn doubt(&self, user: &str) {
        if let Some(known) = self.users.lock().get_mut(user) {
            self.set_doubt(known, true);
            known.at = Id::ZERO;
        }
    }

    /// Whether any user is in doubt.
    pub(in crate::hub) fn any_is_in_doubt(&self) -> bool {
        self.in_doubt.load(Ordering::Acquire) > 0
    }

    fn set_doubt(&self, known: &mut Known, in_doubt: bool) {
        match (std::mem::replace(&mut known.in_doubt, in_doubt), in_doubt) {
            (false, true) => _ = self.in_doubt.fetch_add(1, Ordering::Release),
            (true, false) => _ = self.in_doubt.fetch_sub(1, Ordering::Release),
            _ => {}
        }
    }

    /// Whether the user is here and in doubt.
    pub(super) fn is_in_doubt(&self, user: &str) -> bool {
        self.users.lock().get(user).is_some_and(|known| known.in_doubt)
    }

    /// The store has answered. `ends_doubt`: no later event can be missed. Returns the connections
    /// that the answer is about: all of the user, as the events before it will not be looked at.
    pub(super) fn note_answer(
        &self,
        user: &str,
        answer: &Standing,
        ends_doubt: bool,
    ) -> Vec<Arc<Connection>> {
        let mut users = self.users.lock();
        let Some(known) = users.get_mut(user) else { return Vec::new() };
        if ends_doubt {
            self.set_doubt(known, false);
        }
        // A suspension is told without its place.
        if answer.suspended_until.is_some() || answer.at < known.at {
            return Vec::new();
        }
        (known.tokens_after, known.at) = (answer.tokens_after, answer.at);
        known.connections.clone()
    }

    /// An event has arrived. Returns the connections that it may end, and why it does.
    pub(super) fn note_event(
        &self,
        user: &str,
        id: Id,
        change: Change,
    ) -> (Standing, Vec<Arc<Connection>>) {
        let mut users = self.users.lock();
        let Some(known) = users.get_mut(user).filter(|known| id > known.at) else {
            return (Standing::default(), Vec::new());
        };
        let mut standing = known.standing();
        match change {
            Change::TokensAfter(tokens_after) => {
                (known.tokens_after, known.at) = (tokens_after, id);
                standing.tokens_after = tokens_after;
            }
            Change::Suspended(until_ms) => standing.suspended_until = Some(until_ms),
        }
        (standing, known.connections.clone())
    }

    /// Whether the token of this connection is void by what is known. Ask after it was replaced: an
    /// event that came before saw only the token before.
    pub(super) fn check(&self, connection: &Connection) -> Result<(), Refusal> {
        let standing = self.users.lock().get(&connection.user).map(Known::standing);
        standing.unwrap_or_default().admits(connection.identity_of(&connection.user).as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(number: u64, user: &str) -> Arc<Connection> {
        Arc::new(Connection::detached(number, "c".into(), user.into(), 1000))
    }

    fn id(n: u64) -> Id {
        Id { ms: n, n }
    }

    #[test]
    fn the_later_of_an_answer_and_an_event_counts() {
        let users = PresentUsers::default();
        let (one, two) = (connection(1, "bob"), connection(2, "bob"));
        users.add(&one);
        users.add(&two);
        let answer = |tokens_after, n| Standing { tokens_after, at: id(n), ..Standing::default() };
        assert_eq!(users.note_answer("bob", &answer(5, 10), true).len(), 2);
        let event = |n, change| users.note_event("bob", id(n), change).1.len();
        assert_eq!(event(10, Change::TokensAfter(7)), 0, "it was in the answer");
        assert_eq!(event(9, Change::Suspended(0)), 0, "and taken back before it");
        assert_eq!(event(11, Change::TokensAfter(7)), 2);
        let told = users.note_answer("bob", &answer(5, 10), true);
        assert!(told.is_empty());
        assert_eq!(users.users.lock()["bob"].tokens_after, 7, "the answer is older than the event");
        assert_eq!(event(12, Change::Suspended(3)), 2);
        // The history is another one: its ids say nothing about those before.
        users.doubt("bob");
        users.doubt("bob");
        assert!(users.is_in_doubt("bob") && users.any_is_in_doubt());
        users.note_answer("bob", &answer(2, 1), false);
        assert!(users.is_in_doubt("bob"), "only one of them was asked for");
        users.note_answer("bob", &answer(2, 1), true);
        assert_eq!((users.is_in_doubt("bob"), users.users.lock()["bob"].tokens_after), (false, 2));
        assert!(!users.any_is_in_doubt());
        users.doubt("bob");
        assert_eq!(event(2, Change::Suspended(0)), 2);
        users.remove(&one);
        assert!(users.contains("bob"));
        users.remove(&two);
        assert!(!users.contains("bob") && !users.is_in_doubt("bob"));
        assert!(!users.any_is_in_doubt(), "he took his doubt with him");
        assert_eq!(event(99, Change::Suspended(0)), 0, "nobody is here");
    }
}
