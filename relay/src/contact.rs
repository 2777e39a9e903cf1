//! Contacts: the users whose personal rooms a connection subscribes to for their presence.

use chat_protocol::names::{RoomKind, room_kind};

/// The owner of a personal room, if that is not `user`: then the owner is a contact of `user`.
pub(crate) fn contact<'a>(room: &'a str, user: &str) -> Option<&'a str> {
    match room_kind(room) {
        Some(RoomKind::Personal(owner)) if owner != user => Some(owner),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_personal_rooms_of_others_are_contacts() {
        let rows = [("@bob", Some("bob")), ("@alice", None), ("lobby", None), ("@", None)];
        for (room, expected) in rows {
            assert_eq!(contact(room, "alice"), expected, "{room}");
        }
    }
}
