//! The position of a loader, and how it reads what all parts of a stored room share: users, ids,
//! times.

use std::collections::{HashMap, HashSet};

use chat_protocol::id::Id;
use chat_protocol::limits::USER_NAME_MAX;
use chat_protocol::names;

use crate::bytes::varint::{Malformed, Reader};
use crate::codec::fields::read_id;
use crate::state::numbers::{END, UserNumber};
use crate::state::room::Room;

/// The first version with a user's name where the user is first named. Earlier versions begin with
/// all names.
pub(super) const NAMES_IN_PLACE: u8 = 3;

/// The position of a loader.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) version: u8,
    pub(super) section: Section,
    /// Items of the section that have not been read.
    pub(super) left: u64,
    /// Versions before the third: all users.
    pub(super) table: Vec<Box<str>>,
    /// The users named so far, in the order of their names in the form.
    pub(super) named: Vec<UserNumber>,
    /// The next place in the order of the section.
    pub(super) next_place: u64,
    /// The last event of the section so far.
    pub(super) before: Id,
    /// The next message to compare with the journal.
    pub(super) m: u64,
    /// The users of the last item of reactions.
    pub(super) reacted: HashSet<UserNumber>,
    /// Version 1 had one status per user.
    pub(super) former: HashMap<UserNumber, Box<str>>,
}

/// The section that is being read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Section {
    #[default]
    Start,
    Header,
    Members,
    Sanctions,
    Messages,
    Reactions,
    Journal,
    Nonces,
    Follows,
    Presence,
    Connections,
    End,
}

/// A loader while it reads a piece.
pub(super) struct Decoder<'a, 'r> {
    pub(super) reader: Reader<'a>,
    pub(super) room: &'r mut Room,
    pub(super) progress: &'r mut Progress,
}

impl<'a> Decoder<'a, '_> {
    pub(super) fn next_place(&mut self) -> Result<u64, Malformed> {
        let next = self.reader.number()?;
        if next < END { Ok(next) } else { Err(Malformed("place out of bounds")) }
    }

    pub(super) fn ms(&mut self) -> Result<u64, Malformed> {
        let ms = self.reader.number()?;
        if ms < END { Ok(ms) } else { Err(Malformed("time beyond all clocks")) }
    }

    pub(super) fn id(&mut self) -> Result<Id, Malformed> {
        read_id(&mut self.reader)
    }

    pub(super) fn user_name(&mut self) -> Result<&'a str, Malformed> {
        let name = self.reader.name(USER_NAME_MAX)?;
        names::stored_user(name.as_bytes()).map_err(|_| Malformed("no user"))
    }

    /// A user, with one more reference to them.
    pub(super) fn user(&mut self) -> Result<UserNumber, Malformed> {
        let unknown = Malformed("unknown user");
        let number = usize::try_from(self.reader.number()?).map_err(|_| unknown)?;
        let Some(at) = number.checked_sub(1) else { return Ok(UserNumber::BACKEND) };
        if self.progress.version < NAMES_IN_PLACE {
            let name = self.progress.table.get(at).ok_or(unknown)?;
            return Ok(self.room.users.acquire(name));
        }
        if let Some(user) = self.progress.named.get(at) {
            self.room.users.add_reference(*user);
            return Ok(*user);
        }
        if at > self.progress.named.len() {
            return Err(unknown);
        }
        let name = self.user_name()?;
        if self.room.users.find(name).is_some() {
            return Err(Malformed("a user named twice"));
        }
        let user = self.room.users.acquire(name);
        self.progress.named.push(user);
        Ok(user)
    }

    /// Like [`Decoder::user`], but without the backend.
    pub(super) fn person(&mut self) -> Result<UserNumber, Malformed> {
        match self.user()? {
            UserNumber::BACKEND => Err(Malformed("the backend is not a user")),
            user => Ok(user),
        }
    }
}
