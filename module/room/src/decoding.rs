//! Reading the stored form of a room. It trusts nothing: what it accepts upholds every promise the
//! rest of the core relies on.

mod journal;

use std::collections::{HashMap, HashSet};

use crate::body::Body;
use crate::encoding::{END, VERSION};
use crate::id::Id;
use crate::limits::*;
use crate::members::Membership;
use crate::messages::{Message, Messages};
use crate::names::{self, RoomName};
use crate::nonces::Nonce;
use crate::record::{read_id, read_role};
use crate::room::Room;
use crate::sanctions::Sanction;
use crate::settings::{Setting, Settings};
use crate::statuses::ONLINE;
use crate::users::UserNumber;
use crate::varint::{Malformed, Reader};

/// The oldest version this release reads.
const OLDEST: u8 = 1;

impl Room {
    /// Reads a stored form. The room sleeps until [`Room::wake`]. Errors: whatever a writer of ours would not have written.
    pub fn decode(stored: &[u8]) -> Result<Room, Malformed> {
        let mut reader = Reader::new(stored);
        let version = reader.byte()?;
        if !(OLDEST..=VERSION).contains(&version) {
            return Err(Malformed("unknown version"));
        }
        let mut room = Room::default();
        let count = reader.count()?;
        let mut names = Vec::with_capacity(count.min(1024));
        let mut seen = HashSet::new();
        for _ in 0..count {
            let name = reader.name(USER_NAME_MAX)?;
            if names::user(name.as_bytes()).is_err() || !seen.insert(name) {
                return Err(Malformed("no user, or named twice"));
            }
            names.push(name);
        }
        let mut decoder = Decoder { version, reader, names, room: &mut room };
        decoder.header()?;
        decoder.members()?;
        if version >= 2 {
            decoder.sanctions()?;
        }
        decoder.messages()?;
        if version >= 2 {
            decoder.reactions()?;
        }
        decoder.journal()?;
        decoder.nonces()?;
        decoder.follows()?;
        decoder.presence()?;
        if !decoder.reader.is_empty() {
            return Err(Malformed("more after the end"));
        }
        Ok(room)
    }
}

struct Decoder<'a, 'r> {
    version: u8,
    reader: Reader<'a>,
    names: Vec<&'a str>,
    room: &'r mut Room,
}

impl<'a> Decoder<'a, '_> {
    /// A number of the table, with one more reference to its user.
    fn user(&mut self) -> Result<UserNumber, Malformed> {
        match usize::try_from(self.reader.number()?) {
            Ok(0) => Ok(UserNumber::BACKEND),
            Ok(number) => {
                let name = self.names.get(number - 1).ok_or(Malformed("unknown user"))?;
                Ok(self.room.users.refer(name))
            }
            Err(_) => Err(Malformed("unknown user")),
        }
    }

    /// Like [`Decoder::user`], but the backend is not one.
    fn person(&mut self) -> Result<UserNumber, Malformed> {
        match self.user()? {
            UserNumber::BACKEND => Err(Malformed("the backend is not a user")),
            user => Ok(user),
        }
    }

    fn next_place(&mut self) -> Result<u64, Malformed> {
        let next = self.reader.number()?;
        if next < END { Ok(next) } else { Err(Malformed("place out of bounds")) }
    }

    fn ms(&mut self) -> Result<u64, Malformed> {
        let ms = self.reader.number()?;
        if ms < END { Ok(ms) } else { Err(Malformed("time beyond all clocks")) }
    }

    fn id(&mut self) -> Result<Id, Malformed> {
        let id = read_id(&mut self.reader)?;
        if id.ms < END && id.n < END { Ok(id) } else { Err(Malformed("id out of bounds")) }
    }

    fn header(&mut self) -> Result<(), Malformed> {
        self.room.created = self.ms()?;
        self.room.last = self.id()?;
        if self.room.created == 0 || (self.room.last.n == 0) != (self.room.last.ms == 0) {
            return Err(Malformed("not a made room"));
        }
        for _ in 0..self.reader.count()? {
            let setting = Setting::read(&mut self.reader)?;
            setting.put_in(self.room.settings.get_or_insert_with(Box::<Settings>::default));
        }
        Ok(())
    }

    fn members(&mut self) -> Result<(), Malformed> {
        let next = self.next_place()?;
        for _ in 0..self.reader.count()? {
            let user = self.person()?;
            let place = self.reader.number()?;
            let joined = self.ms()?;
            let role = read_role(&mut self.reader)?;
            // Version 1 kept no cursors: everything was read.
            let read = if self.version == 1 { self.room.last } else { self.id()? };
            if read.n > self.room.last.n {
                return Err(Malformed("a cursor beyond the last event"));
            }
            let entry = self.room.users.get_mut(user).ok_or(Malformed("unknown user"))?;
            let once = {
                let membership = Membership { place, joined, role, read, own: 0, mentions: 0 };
                let once = entry.membership().is_none();
                entry.set_membership(Some(membership));
                once
            };
            if !once || place >= next || !self.room.members.restore(place, user) {
                return Err(Malformed("members out of order"));
            }
        }
        self.room.members.restore_next(next);
        Ok(())
    }

    fn sanctions(&mut self) -> Result<(), Malformed> {
        for _ in 0..self.reader.count()? {
            let user = self.reader.name(USER_NAME_MAX)?;
            names::user(user.as_bytes()).map_err(|_| Malformed("no user"))?;
            let (ban, mute) = (self.until()?, self.until()?);
            if (ban, mute) == (None, None) {
                return Err(Malformed("an empty sanction"));
            }
            self.room.sanctions.set(user, |sanction| *sanction = Sanction { ban, mute });
        }
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

    fn reactions(&mut self) -> Result<(), Malformed> {
        for _ in 0..self.reader.count()? {
            let m = self.reader.number()?;
            let alive = self.room.messages.get(m).is_some_and(|message| !message.is_deleted());
            if !alive {
                return Err(Malformed("a reaction to no message"));
            }
            let kinds = self.reader.count()?;
            if kinds > EMOJIS_MAX {
                return Err(Malformed("too many reactions"));
            }
            for _ in 0..kinds {
                let emoji = self.reader.name(EMOJI_MAX)?;
                names::emoji(emoji.as_bytes()).map_err(|_| Malformed("no emoji"))?;
                let count = self.reader.count()?;
                // Looking for a user among very many takes as long, so the list is checked as a set.
                let mut seen = HashSet::new();
                let mut users = Vec::with_capacity(count);
                for _ in 0..count {
                    let user = self.user()?;
                    if !seen.insert(user) {
                        return Err(Malformed("reacted twice"));
                    }
                    users.push(user);
                }
                if users.is_empty() || !self.room.touched.restore(m, emoji, users) {
                    return Err(Malformed("reactions out of order"));
                }
            }
        }
        Ok(())
    }

    fn messages(&mut self) -> Result<(), Malformed> {
        let first = self.reader.number()?;
        if first == 0 || first >= END {
            return Err(Malformed("message number out of bounds"));
        }
        let mut messages = Messages::starting_at(first);
        let mut before = Id::ZERO;
        for _ in 0..self.reader.count()? {
            let id = self.id()?;
            let author = self.user()?;
            let body = self.reader.bytes()?;
            let parts = Body::read(body)?;
            parts.check()?;
            if id.n <= before.n
                || id.ms < before.ms
                || id > self.room.last
                || id.n > self.room.last.n
            {
                return Err(Malformed("messages out of order"));
            }
            before = id;
            if parts.deleted.is_none() {
                self.room.count_new(id, author, parts.mentions);
            }
            messages.push(Message { id, author, body });
        }
        self.room.messages = messages;
        Ok(())
    }

    fn nonces(&mut self) -> Result<(), Malformed> {
        let mut before = 0;
        for _ in 0..self.reader.count()? {
            let user = self.user()?;
            let id = self.id()?;
            let digest = self.reader.fixed()?;
            let name = self.reader.name(NONCE_MAX)?;
            names::nonce(name.as_bytes()).map_err(|_| Malformed("no nonce"))?;
            let name = name.into();
            if id.n <= before || id.n > self.room.last.n {
                return Err(Malformed("nonces out of order"));
            }
            before = id.n;
            self.room.nonces.push(Nonce { user, name, id, digest });
        }
        Ok(())
    }

    fn follows(&mut self) -> Result<(), Malformed> {
        for _ in 0..self.reader.count()? {
            let room = self.reader.name(ROOM_NAME_MAX)?;
            RoomName::parse(room.as_bytes()).map_err(|_| Malformed("no room can be named so"))?;
            let since = self.ms()?;
            if self.room.follows.insert(room.into(), since).is_some() {
                return Err(Malformed("room followed twice"));
            }
        }
        if self.version >= 2 {
            self.room.last_seen = self.ms()?;
        }
        Ok(())
    }

    /// A status other than `online`, if there is one.
    fn status(&mut self) -> Result<Option<&'a str>, Malformed> {
        let status = self.reader.option(STATUS_MAX)?;
        let line = |text: &str| names::line(text.as_bytes(), STATUS_MAX, "status").is_ok();
        match status.is_none_or(line) {
            true => Ok(status.filter(|status| !status.is_empty())),
            false => Err(Malformed("a status with control characters")),
        }
    }

    fn presence(&mut self) -> Result<(), Malformed> {
        if !self.reader.flag()? {
            return Ok(());
        }
        // Version 1 kept deadlines: none of that age matters any more.
        let saved_at = if self.version == 1 { self.room.created } else { self.ms()?.max(1) };
        let next = self.next_place()?;
        // Version 1 had one status per user.
        let mut former: HashMap<UserNumber, &str> = HashMap::new();
        for _ in 0..self.reader.count()? {
            let user = self.person()?;
            let place = self.reader.number()?;
            let since = self.ms()?;
            if self.version == 1 {
                let status = self.status()?;
                former.extend(status.map(|status| (user, status)));
            }
            let entry = self.room.users.get_mut(user).ok_or(Malformed("unknown user"))?;
            if place >= next || !self.room.presence.restore(user, entry, place, since) {
                return Err(Malformed("presence out of order"));
            }
        }
        self.room.presence.order.restore_next(next);
        for _ in 0..self.reader.count()? {
            let user = self.person()?;
            let deadline = self.ms()?;
            let left = if self.version == 1 { TTL_MAX } else { deadline };
            let name = self.reader.name(CONNECTION_NAME_MAX)?;
            names::connection(name.as_bytes()).map_err(|_| Malformed("no connection"))?;
            let (status, set) = match self.version {
                1 => (former.get(&user).copied(), 0),
                _ => (self.status()?, self.ms()?),
            };
            let entry = self.room.users.get_mut(user).ok_or(Malformed("unknown user"))?;
            let online = self.room.presence.online_mut(entry);
            let online = online.ok_or(Malformed("connection of an absent user"))?;
            let status = online.statuses.add(status.unwrap_or(ONLINE), set);
            if online.statuses.are_too_many() {
                return Err(Malformed("too many statuses"));
            }
            if !self.room.presence.insert(name, user, status, left) {
                return Err(Malformed("connection named twice"));
            }
        }
        self.room.presence.saved_at = saved_at;
        // The reference that listing a user took is that user's first connection's.
        let listed: Vec<_> = self.room.presence.order.from(0).map(|(_, user)| user).collect();
        for user in listed {
            let online = self.room.users.get(user);
            let online = online.and_then(|entry| self.room.presence.online(entry));
            if online.is_none_or(|online| online.statuses.connections() == 0) {
                return Err(Malformed("present without a connection"));
            }
            self.room.users.release(user);
        }
        Ok(())
    }
}
