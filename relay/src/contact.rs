//! Contacts: the users whose personal rooms a connection watches. The rules for names are in
//! `chat_protocol::names`; they keep hostile names out of the subscription list and the logs.

use chat_protocol::names::{RoomKind, room_kind};

/// The other user whose personal room this is: for `user` a contact.
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
