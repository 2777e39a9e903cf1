//! What a connection is in and who is at its other end: its rooms, its user's identity and status.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Connection;
use crate::auth::{Identity, Proof, Scope};

impl Connection {
    /// The names of the connection's rooms.
    pub(crate) fn rooms(&self) -> Vec<Arc<str>> {
        self.rooms.lock().clone()
    }

    /// Whether the connection is in the room of this name.
    pub(crate) fn is_in(&self, room: &str) -> bool {
        self.rooms.lock().iter().any(|known| **known == *room)
    }

    /// Adds a room, unless the connection is in it.
    pub(crate) fn add_room(&self, room: &Arc<str>) {
        let mut rooms = self.rooms.lock();
        if !rooms.contains(room) {
            rooms.reserve_exact(1);
            rooms.push(room.clone());
        }
    }

    /// Removes a room, if the connection is in it.
    pub(crate) fn remove_room(&self, room: &str) {
        self.rooms.lock().retain(|known| **known != *room);
    }

    /// Removes and returns all rooms.
    pub(crate) fn take_rooms(&self) -> Vec<Arc<str>> {
        std::mem::take(&mut *self.rooms.lock())
    }

    /// What the user's token says; `None`: there are no tokens.
    pub(crate) fn identity(&self) -> Option<Arc<Identity>> {
        self.identity.lock().clone()
    }

    /// What the token of this user says. The backend may act as a user by a token that is not the
    /// user's.
    pub(crate) fn identity_of(&self, user: &str) -> Option<Arc<Identity>> {
        self.identity().filter(|identity| *identity.user == *user)
    }

    /// Whether the user's token is for this room: its bearer may know what happens there.
    pub(crate) fn may_know(&self, room: &str) -> bool {
        self.identity().is_none_or(|identity| {
            identity.scopes.has(Scope::Read) && identity.rooms.admits(&self.user, room)
        })
    }

    /// Whether the user is a guest, who is present nowhere.
    pub(crate) fn is_guest(&self) -> bool {
        self.identity().is_some_and(|identity| identity.proof == Proof::Guest)
    }

    /// Replaces what the user's token says.
    pub(crate) fn set_identity(&self, identity: Arc<Identity>) {
        *self.identity.lock() = Some(identity);
    }

    /// Whether the store has admitted the user with this token. If not, each request asks.
    pub(crate) fn is_admitted(&self) -> bool {
        self.admitted.load(Ordering::Relaxed)
    }

    /// The store has admitted the user, or must be asked again.
    pub(crate) fn set_admitted(&self, admitted: bool) {
        self.admitted.store(admitted, Ordering::Relaxed);
    }

    /// The user's chosen status on this connection.
    pub(crate) fn status(&self) -> Option<Box<str>> {
        self.status.lock().clone()
    }

    /// Sets the status that the next presence command carries.
    pub(crate) fn set_status(&self, status: &str) {
        *self.status.lock() = Some(status.into());
    }
}
