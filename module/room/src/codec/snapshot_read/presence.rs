//! Reads the presence of a stored room.

use chat_protocol::limits::*;
use chat_protocol::names;

use crate::arguments::texts;
use crate::bytes::varint::Malformed;
use crate::codec::snapshot_read::decoder::Decoder;
use crate::state::presence::status_counts::{ONLINE, StatusCounts};

impl<'a> Decoder<'a, '_> {
    /// The number of users; `None`: presence was not stored.
    pub(super) fn begin_presence(&mut self) -> Result<Option<u64>, Malformed> {
        if !self.reader.flag()? {
            return Ok(None);
        }
        // Version 1 stored deadlines. They are too old to matter.
        let is_first = self.progress.version == 1;
        self.room.presence.saved_at = if is_first { self.room.created } else { self.ms()?.max(1) };
        self.progress.next_place = self.next_place()?;
        Ok(Some(self.reader.number()?))
    }

    pub(super) fn present(&mut self) -> Result<(), Malformed> {
        let user = self.person()?;
        let place = self.reader.number()?;
        let since = self.ms()?;
        if self.progress.version == 1 {
            let status = self.status()?;
            self.progress.former.extend(status.map(|status| (user, status.into())));
        }
        let entry = self.room.users.get_mut(user).ok_or(Malformed("unknown user"))?;
        let fits = place < self.progress.next_place;
        if fits && self.room.presence.restore(user, entry, place, since) {
            Ok(())
        } else {
            Err(Malformed("presence out of order"))
        }
    }

    pub(super) fn connection(&mut self) -> Result<(), Malformed> {
        let is_first = self.progress.version == 1;
        let user = self.person()?;
        let deadline = self.ms()?;
        let left = if is_first { TTL_MAX } else { deadline };
        let name = self.reader.name(CONNECTION_NAME_MAX)?;
        names::stored_connection(name.as_bytes()).map_err(|_| Malformed("no connection"))?;
        let (own, set) = if is_first { (None, 0) } else { (self.status()?, self.ms()?) };
        let former = self.progress.former.get(&user).map(|status| &**status);
        let entry = self.room.users.get_mut(user).ok_or(Malformed("unknown user"))?;
        let add = |statuses: &mut StatusCounts| {
            let status = statuses.add(own.or(former).unwrap_or(ONLINE), set);
            (!statuses.are_too_many()).then_some(status)
        };
        let added = self.room.presence.change_statuses(user, entry, add);
        let status = added.ok_or(Malformed("connection of an absent user"))?;
        let status = status.ok_or(Malformed("too many statuses"))?;
        if self.room.presence.insert(&self.room.users, name, user, status, left) {
            Ok(())
        } else {
            Err(Malformed("connection named twice"))
        }
    }

    /// A status other than `online`, if there is one.
    fn status(&mut self) -> Result<Option<&'a str>, Malformed> {
        let status = self.reader.option(STATUS_MAX)?;
        let line = |text: &str| texts::line(text.as_bytes(), STATUS_MAX, "status").is_ok();
        match status.is_none_or(line) {
            true => Ok(status.filter(|status| !status.is_empty())),
            false => Err(Malformed("a status with control characters")),
        }
    }
}
