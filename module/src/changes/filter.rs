//! Which changed rooms a reader wants.

use chat_protocol::glob::Pattern;
use chat_protocol::names::{RoomKind, RoomName};
use chat_room::CommandError;

/// Which rooms a reader wants.
pub(crate) struct Filter {
    pub(crate) pattern: Option<Pattern>,
    pub(crate) kinds: Kinds,
}

impl Filter {
    /// Whether the reader wants a room of this name. No command takes a name that is not valid, so no
    /// reader wants such a room.
    pub(super) fn takes(&self, name: &[u8]) -> bool {
        let Ok(room) = RoomName::parse(name) else { return false };
        let is_wanted = match room.kind {
            RoomKind::Ordinary => self.kinds.ordinary,
            RoomKind::Direct(..) => self.kinds.direct,
            RoomKind::Personal(_) => self.kinds.personal,
        };
        is_wanted && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(name))
    }
}

/// Kinds of rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kinds {
    ordinary: bool,
    direct: bool,
    personal: bool,
}

impl Kinds {
    pub(crate) const ALL: Kinds = Kinds { ordinary: true, direct: true, personal: true };

    /// Reads names of kinds with commas between them. Errors: `INVALID kinds`.
    pub(crate) fn parse(list: &[u8]) -> Result<Kinds, CommandError> {
        let mut kinds = Kinds { ordinary: false, direct: false, personal: false };
        for word in list.split(|byte| *byte == b',') {
            match word {
                b"ordinary" => kinds.ordinary = true,
                b"direct" => kinds.direct = true,
                b"personal" => kinds.personal = true,
                _ => return Err(CommandError::invalid("kinds", "ordinary, direct, personal")),
            }
        }
        Ok(kinds)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic fails the test")]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_pattern_both_decide() {
        let filter = |kinds: &[u8], pattern: &[u8]| Filter {
            pattern: Some(Pattern::parse(pattern).unwrap()),
            kinds: Kinds::parse(kinds).unwrap(),
        };
        let names: [&[u8]; 6] =
            [b"lobby", b"@alice", b"dm:alice,bob", b"dm:forward:x", b"", b"\xff"];
        let taken = |filter: &Filter| {
            let taken = names.iter().filter(|name| filter.takes(name));
            taken.map(|name| std::str::from_utf8(name).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(taken(&filter(b"ordinary", b"*")), ["lobby"]);
        assert_eq!(taken(&filter(b"personal,direct", b"*a*")), ["@alice", "dm:alice,bob"]);
        assert_eq!(taken(&Filter { pattern: None, kinds: Kinds::ALL }).len(), 3);
        for wrong in [&b""[..], b"ordinary,", b"Ordinary", b"ordinary personal", b"*"] {
            assert!(Kinds::parse(wrong).is_err(), "{}", wrong.escape_ascii());
        }
    }
}
