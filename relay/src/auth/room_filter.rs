//! The rooms that a token is for.
//!
//! The filter is an upper bound: what passes it is still for the room to decide. One's own personal
//! room always passes. Direct rooms go by `dm` alone, all others by the globs, another user's
//! personal room too.

use chat_protocol::glob;
use chat_protocol::limits::PATTERN_MAX;
use chat_protocol::names::{RoomKind, room_kind};
use serde_json::{Map, Value};

use crate::auth::login_error::LoginError;

/// Globs in a token.
const GLOBS_MAX: usize = 64;

/// Which rooms the bearer may know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomFilter {
    /// `None`: all rooms.
    globs: Option<Box<[Box<str>]>>,
    /// Whether direct rooms are among them.
    direct: bool,
    /// Whether personal rooms are: one's own always, others' if a glob matches.
    personal: bool,
}

impl RoomFilter {
    /// Every room.
    pub const EVERYTHING: RoomFilter = RoomFilter { globs: None, direct: true, personal: true };

    /// Ordinary rooms only.
    pub const ORDINARY: RoomFilter = RoomFilter { globs: None, direct: false, personal: false };

    /// From the members `rooms` and `dm` of the claim `chat`.
    pub(super) fn of_claim(claim: &Map<String, Value>) -> Result<RoomFilter, LoginError> {
        let globs = claim.get("rooms").map(|rooms| globs(rooms, GLOBS_MAX, "rooms")).transpose()?;
        let direct = match claim.get("dm") {
            None => true,
            Some(Value::Bool(direct)) => *direct,
            Some(_) => return Err(LoginError::Claim("dm")),
        };
        Ok(RoomFilter { globs, direct, personal: true })
    }

    /// Whether `user` may know of this room.
    pub fn admits(&self, user: &str, room: &str) -> bool {
        match room_kind(room) {
            Some(RoomKind::Personal(_)) if !self.personal => false,
            Some(RoomKind::Personal(owner)) if owner == user => true,
            Some(RoomKind::Direct(..)) => self.direct,
            _ => self.globs.as_deref().is_none_or(|globs| {
                globs.iter().any(|pattern| glob::matches(pattern.as_bytes(), room.as_bytes()))
            }),
        }
    }

    /// Whether every room passes.
    pub fn is_everything(&self) -> bool {
        *self == RoomFilter::EVERYTHING
    }
}

/// A list of at most `most` globs.
pub(super) fn globs(
    list: &Value,
    most: usize,
    name: &'static str,
) -> Result<Box<[Box<str>]>, LoginError> {
    let list = list.as_array().filter(|list| list.len() <= most).ok_or(LoginError::Claim(name))?;
    let glob = |glob: &Value| {
        let glob = glob.as_str().filter(|glob| glob.len() <= PATTERN_MAX);
        glob.map(Box::from).ok_or(LoginError::Claim(name))
    };
    list.iter().map(glob).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filter(claim: Value) -> Result<RoomFilter, LoginError> {
        RoomFilter::of_claim(claim.as_object().expect("an object"))
    }

    #[test]
    fn the_filter_admits_rooms_by_their_kind() {
        let games = json!({"rooms": ["game-*", "lobby"]});
        let rows: &[(Value, &str, bool, &str)] = &[
            (json!({}), "lobby", true, "no filter"),
            (json!({}), "dm:alice,bob", true, "no filter, direct"),
            (json!({}), "@bob", true, "no filter, a contact"),
            (games.clone(), "game-1", true, "a glob"),
            (games.clone(), "lobby", true, "a name"),
            (games.clone(), "Lobby", false, "another name"),
            (games.clone(), "the-game-1", false, "the whole name"),
            (games.clone(), "@alice", true, "one's own personal room"),
            (games.clone(), "@bob", false, "a contact that no glob matches"),
            (json!({"rooms": ["@bob"]}), "@bob", true, "a contact that one matches"),
            (games, "dm:alice,bob", true, "direct rooms go by dm"),
            (json!({"dm": false}), "dm:alice,bob", false, "no direct rooms"),
            (json!({"dm": false, "rooms": ["*"]}), "dm:alice,bob", false, "whatever the globs say"),
            (json!({"dm": false}), "lobby", true, "ordinary rooms do not go by dm"),
            (json!({"rooms": []}), "lobby", false, "no room at all"),
            (json!({"rooms": []}), "@alice", true, "but one's own"),
        ];
        for (claim, room, expected, why) in rows {
            let found = filter(claim.clone()).expect("a good claim");
            assert_eq!(found.admits("alice", room), *expected, "{why}: {room}");
        }
        assert!(filter(json!({})).expect("good").is_everything());
        assert!(!filter(json!({"dm": false})).expect("good").is_everything());
    }

    #[test]
    fn wrong_filters_are_refused_not_ignored() {
        let rows: &[(Value, &str, &str)] = &[
            (json!({"rooms": "lobby"}), "rooms", "a string"),
            (json!({"rooms": null}), "rooms", "null is not absent: it would let everything in"),
            (json!({"rooms": [7]}), "rooms", "a number in the list"),
            (json!({"rooms": ["x".repeat(PATTERN_MAX + 1)]}), "rooms", "a long glob"),
            (json!({"rooms": vec!["x"; GLOBS_MAX + 1]}), "rooms", "many globs"),
            (json!({"dm": "false"}), "dm", "a string"),
            (json!({"dm": null}), "dm", "null"),
            (json!({"dm": 0}), "dm", "a number"),
        ];
        for (claim, name, why) in rows {
            assert_eq!(filter(claim.clone()), Err(LoginError::Claim(name)), "{why}");
        }
        assert!(filter(json!({"rooms": vec!["x".repeat(PATTERN_MAX); GLOBS_MAX]})).is_ok());
    }
}
