//! Reads the stored form of a room. The reader trusts nothing: a room that it accepts fulfils every
//! invariant that the rest of the core relies on.
//!
//! The form arrives in pieces of whole items, and no piece is kept: [`Loader`] remembers its
//! position. Versions before the third arrive as one piece.

mod decoder;
mod journal;
mod parts;
mod presence;

use std::collections::HashSet;

use chat_protocol::id::Id;

use crate::bytes::varint::{Malformed, Reader};
use crate::codec::snapshot_read::decoder::{Decoder, NAMES_IN_PLACE, Progress, Section};
use crate::codec::snapshot_write::VERSION;
use crate::state::room::Room;

/// The oldest version that this release reads.
const OLDEST: u8 = 1;
/// Reads a stored room piece by piece.
#[derive(Debug, Default)]
pub struct Loader {
    room: Room,
    progress: Progress,
}

impl Loader {
    /// Reads the next piece. Errors: bytes that this crate does not write; no further piece may be
    /// read then.
    pub fn read(&mut self, piece: &[u8]) -> Result<(), Malformed> {
        let Loader { room, progress } = self;
        let mut decoder = Decoder { reader: Reader::new(piece), room, progress };
        while !decoder.reader.is_empty() {
            decoder.step()?;
        }
        Ok(())
    }

    /// Whether the form is complete.
    pub fn is_complete(&self) -> bool {
        let Progress { section, left, .. } = self.progress;
        section == Section::End || (section == Section::Connections && left == 0)
    }

    /// The room. Call [`Room::restore_deadlines`] before it is used. Errors: the form is incomplete.
    pub fn finish(self) -> Result<Room, Malformed> {
        if !self.is_complete() {
            return Err(Malformed("ends early"));
        }
        let mut room = self.room;
        check_presence(&mut room)?;
        Ok(room)
    }
}

impl Room {
    /// Reads a whole stored form. Call [`Room::restore_deadlines`] before the room is used. Errors:
    /// no writer of this crate writes such a form.
    pub fn decode(stored: &[u8]) -> Result<Room, Malformed> {
        let mut loader = Loader::default();
        loader.read(stored)?;
        loader.finish()
    }
}

/// Checks, after the last connection, that every user online has a connection.
fn check_presence(room: &mut Room) -> Result<(), Malformed> {
    // The reference that listing a user took is that user's first connection's.
    let listed: Vec<_> = room.presence.arrivals.from(0).map(|(_, user)| user).collect();
    for user in listed {
        let online = room.users.get(user).and_then(|entry| room.presence.online(user, entry));
        if online.is_none_or(|online| online.statuses.connections() == 0) {
            return Err(Malformed("present without a connection"));
        }
        room.users.release(user);
    }
    Ok(())
}

impl Decoder<'_, '_> {
    /// Reads one item, or the header of the next section.
    fn step(&mut self) -> Result<(), Malformed> {
        if self.progress.left == 0 {
            return self.begin_section();
        }
        self.progress.left -= 1;
        match self.progress.section {
            Section::Members => self.member(),
            Section::Sanctions => self.sanction(),
            Section::Messages => self.message(),
            Section::Reactions => self.reactions(),
            Section::Journal => self.journal_entry(),
            Section::Nonces => self.nonce(),
            Section::Follows => self.follow(),
            Section::Presence => self.present(),
            Section::Connections => self.connection(),
            Section::Start | Section::Header | Section::End => Ok(()),
        }
    }

    fn begin_section(&mut self) -> Result<(), Malformed> {
        let version = self.progress.version;
        let (section, left) = match self.progress.section {
            Section::Start => {
                self.start()?;
                (Section::Header, 0)
            }
            Section::Header => {
                self.progress.next_place = self.next_place()?;
                (Section::Members, self.reader.number()?)
            }
            Section::Members => {
                self.room.members.restore_next(self.progress.next_place);
                (Section::Sanctions, if version >= 2 { self.reader.number()? } else { 0 })
            }
            Section::Sanctions => (Section::Messages, self.begin_messages()?),
            Section::Messages => {
                (Section::Reactions, if version >= 2 { self.reader.number()? } else { 0 })
            }
            Section::Reactions => (Section::Journal, self.begin_journal()?),
            Section::Journal => {
                self.end_journal()?;
                self.progress.before = Id::ZERO;
                (Section::Nonces, self.reader.number()?)
            }
            Section::Nonces => (Section::Follows, self.reader.number()?),
            Section::Follows => {
                if version >= 2 {
                    self.room.last_seen = self.ms()?;
                }
                if version >= 5 {
                    self.room.logged_online = self.reader.flag()?;
                }
                match self.begin_presence()? {
                    Some(users) => (Section::Presence, users),
                    None => (Section::End, 0),
                }
            }
            Section::Presence => {
                self.room.presence.arrivals.restore_next(self.progress.next_place);
                (Section::Connections, self.reader.number()?)
            }
            Section::Connections | Section::End => return Err(Malformed("more after the end")),
        };
        (self.progress.section, self.progress.left) = (section, left);
        Ok(())
    }

    /// The part before all sections.
    fn start(&mut self) -> Result<(), Malformed> {
        let version = self.reader.byte()?;
        match version {
            ..OLDEST => return Err(Malformed("unknown version")),
            OLDEST..=VERSION => {}
            _ => return Err(Malformed::LATER),
        }
        self.progress.version = version;
        if version < NAMES_IN_PLACE {
            let count = self.reader.count()?;
            let mut seen = HashSet::new();
            for _ in 0..count {
                let name = self.user_name()?;
                if !seen.insert(name) {
                    return Err(Malformed("a user named twice"));
                }
                self.progress.table.push(name.into());
            }
        }
        self.header()
    }
}
