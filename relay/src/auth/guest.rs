//! Guests: those who have shown no credential, where they are let in.
//!
//! For the store all of them are one user. They may look at ordinary rooms, and nothing else.

use crate::auth::identity::{Identity, Proof};
use crate::auth::room_filter::RoomFilter;
use crate::auth::scopes::Scopes;
use crate::auth::watch_filter::WatchFilter;

/// The user that all guests are.
pub(crate) const GUEST: &str = "guest";

/// Whether no credential may prove this name where guests are let in: it could be taken for a guest.
pub(crate) fn is_guest_name(user: &str) -> bool {
    user.strip_prefix(GUEST).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

impl Identity {
    /// A guest.
    pub fn guest() -> Identity {
        Identity {
            user: GUEST.into(),
            proof: Proof::Guest,
            issued_at: None,
            expires_at: None,
            scopes: Scopes::GUEST,
            rooms: RoomFilter::ORDINARY,
            watch: WatchFilter::default(),
            meta: None,
            name: None,
            picture: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::scopes::Scope;

    #[test]
    fn names_of_guests_are_theirs() {
        for name in ["guest", "guest-", "guest-7", "guest-of-alice"] {
            assert!(is_guest_name(name), "{name}");
        }
        for name in ["guests", "Guest", "aguest", "guest7", "gues", "", "guest_1"] {
            assert!(!is_guest_name(name), "{name}");
        }
    }

    #[test]
    fn a_guest_looks_at_ordinary_rooms() {
        let guest = Identity::guest();
        assert!(guest.scopes.has(Scope::View));
        for scope in [Scope::Read, Scope::Send, Scope::Create, Scope::Moderate, Scope::Backend] {
            assert!(!guest.scopes.has(scope), "{scope:?}");
        }
        assert!(guest.rooms.admits(GUEST, "lobby"));
        for room in ["@guest", "@alice", "dm:alice,guest", "dm:alice,bob"] {
            assert!(!guest.rooms.admits(GUEST, room), "{room}");
        }
        assert_eq!(guest.time_left(u64::MAX), None);
    }
}
