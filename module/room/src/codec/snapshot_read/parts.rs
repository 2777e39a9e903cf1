//! Reads the parts of a stored room item by item: header, members, sanctions, messages, reactions,
//! nonces, followed rooms.

use chat_protocol::id::Id;
use chat_protocol::limits::*;
use chat_protocol::names::{self, RoomName};

use crate::bytes::varint::Malformed;
use crate::codec::fields::read_role;
use crate::codec::snapshot_read::decoder::Decoder;
use crate::state::log::message_body::Body;
use crate::state::log::message_run::Message;
use crate::state::log::messages::Messages;
use crate::state::nonces::Nonce;
use crate::state::numbers::END;
use crate::state::sanctions::Sanction;
use crate::state::settings::table::{Setting, Settings};
use crate::state::users::members::Membership;

impl Decoder<'_, '_> {
    pub(super) fn header(&mut self) -> Result<(), Malformed> {
        self.room.created = self.ms()?;
        self.room.last = self.id()?;
        if self.room.created == 0 || (self.room.last.n == 0) != (self.room.last.ms == 0) {
            return Err(Malformed("not a made room"));
        }
        for _ in 0..self.reader.count()? {
            let setting = Setting::read(&mut self.reader)?;
            setting.put_in(self.room.settings.get_or_insert_with(Box::<Settings>::default));
        }
        let leads = if self.progress.version >= 4 { self.reader.count()? } else { 0 };
        for _ in 0..leads {
            let (first, ms) = (self.reader.number()?, self.ms()?);
            if first > self.room.last.n + 1 || !self.room.id_lead.note(first, ms) {
                return Err(Malformed("leads of ids out of order"));
            }
        }
        Ok(())
    }

    pub(super) fn member(&mut self) -> Result<(), Malformed> {
        let user = self.person()?;
        let place = self.reader.number()?;
        let joined = self.ms()?;
        let role = read_role(&mut self.reader)?;
        // Version 1 kept no cursors: everything was read.
        let read = if self.progress.version == 1 { self.room.last } else { self.id()? };
        if read.n > self.room.last.n {
            return Err(Malformed("a cursor beyond the last event"));
        }
        let entry = self.room.users.get_mut(user).ok_or(Malformed("unknown user"))?;
        let once = entry.membership().is_none();
        let membership = Membership { place, joined, role, read, own: 0, mentions: 0 };
        entry.set_membership(Some(membership));
        let fits = once && place < self.progress.next_place;
        if fits && self.room.members.restore(place, user) {
            Ok(())
        } else {
            Err(Malformed("members out of order"))
        }
    }

    pub(super) fn sanction(&mut self) -> Result<(), Malformed> {
        let user = self.user_name()?;
        let (ban, mute) = (self.until()?, self.until()?);
        if (ban, mute) == (None, None) {
            return Err(Malformed("an empty sanction"));
        }
        self.room.sanctions.set(user, |sanction| *sanction = Sanction { ban, mute });
        Ok(())
    }

    fn until(&mut self) -> Result<Option<u64>, Malformed> {
        let until = self.reader.number()?.checked_sub(1);
        if until.is_none_or(|until| until < END) {
            Ok(until)
        } else {
            Err(Malformed("time beyond all clocks"))
        }
    }

    pub(super) fn begin_messages(&mut self) -> Result<u64, Malformed> {
        let first = self.reader.number()?;
        if first == 0 || first >= END {
            return Err(Malformed("message number out of bounds"));
        }
        self.room.messages = Messages::starting_at(first).into();
        self.progress.before = Id::ZERO;
        self.reader.number()
    }

    pub(super) fn message(&mut self) -> Result<(), Malformed> {
        let id = self.id()?;
        let author = self.user()?;
        let body = self.reader.bytes()?;
        let parts = Body::read(body)?;
        parts.check()?;
        let (before, last) = (self.progress.before, self.room.last);
        if id.n <= before.n || id.ms < before.ms || id > last || id.n > last.n {
            return Err(Malformed("messages out of order"));
        }
        self.progress.before = id;
        if parts.deleted.is_none() {
            self.room.count_new(id, author, parts.mentions);
        }
        self.room.messages.push(Message { id, author, body });
        self.room.update_range_counts();
        Ok(())
    }

    /// Users who reacted to one message with one emoji, or further ones of them. Version 2 has all
    /// reactions to a message in one item.
    pub(super) fn reactions(&mut self) -> Result<(), Malformed> {
        let m = self.reader.number()?;
        let alive = self.room.messages.get(m).is_some_and(|message| !message.is_deleted());
        if !alive {
            return Err(Malformed("a reaction to no message"));
        }
        let kinds = if self.progress.version == 2 { self.reader.count()? } else { 1 };
        (0..kinds).try_for_each(|_| self.reaction(m))
    }

    fn reaction(&mut self, m: u64) -> Result<(), Malformed> {
        let emoji = self.reader.name(EMOJI_MAX)?;
        names::stored_emoji(emoji.as_bytes()).map_err(|_| Malformed("no emoji"))?;
        let count = self.reader.count()?;
        let more = self.progress.version > 2 && self.room.annotations.is_last(m, emoji);
        if !more {
            self.progress.reacted.clear();
        }
        let mut users = Vec::with_capacity(count);
        for _ in 0..count {
            let user = self.user()?;
            // A search in a long list takes long for each user, so a set finds the users named
            // twice.
            if !self.progress.reacted.insert(user) {
                return Err(Malformed("reacted twice"));
            }
            users.push(user);
        }
        let out_of_order = Err(Malformed("reactions out of order"));
        match (users.is_empty(), more) {
            (true, _) => out_of_order,
            (false, true) => {
                self.room.annotations.extend(m, users);
                Ok(())
            }
            (false, false) if self.room.annotations.restore(m, emoji, users) => Ok(()),
            (false, false) => out_of_order,
        }
    }

    pub(super) fn nonce(&mut self) -> Result<(), Malformed> {
        let user = self.user()?;
        let id = self.id()?;
        let digest = self.reader.fixed()?;
        let name = self.reader.name(NONCE_MAX)?;
        names::nonce(name.as_bytes()).map_err(|_| Malformed("no nonce"))?;
        let name = name.into();
        if id.n <= self.progress.before.n || id.n > self.room.last.n {
            return Err(Malformed("nonces out of order"));
        }
        self.progress.before = id;
        self.room.nonces.push(Nonce { user, name, id, digest });
        Ok(())
    }

    pub(super) fn follow(&mut self) -> Result<(), Malformed> {
        let room = self.reader.name(ROOM_NAME_MAX)?;
        RoomName::stored(room.as_bytes()).map_err(|_| Malformed("no room can be named so"))?;
        let since = self.ms()?;
        match self.room.follows.add(room, since) {
            true => Ok(()),
            false => Err(Malformed("room followed twice")),
        }
    }
}
