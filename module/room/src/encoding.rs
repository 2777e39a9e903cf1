//! The stored form of a room: what RDB, DUMP, snapshots in the append-only file and the digest see.
//!
//! It begins with a version byte; every stored version loads in every later release. It is
//! canonical: copies with equal content have equal bytes, whatever numbers their users bear. The
//! loader trusts nothing: what it accepts upholds every promise the rest of the core relies on.

use std::collections::{HashMap, HashSet};

use crate::id::Id;
use crate::journal::{Change, Entry, Fact, Journal};
use crate::json;
use crate::limits::*;
use crate::members::Membership;
use crate::messages::{Body, Message, Messages};
use crate::names::{self, RoomName};
use crate::nonces::Nonce;
use crate::presence::{ONLINE, Online, Statuses};
use crate::record::{read_id, read_role, read_who};
use crate::room::Room;
use crate::settings::{Setting, Settings};
use crate::users::UserNumber;
use crate::varint::{self, Malformed, Reader};

/// The version this release writes.
pub const VERSION: u8 = 2;

/// The oldest version this release reads.
const OLDEST: u8 = 1;

/// No clock of ours has shown this millisecond (the year 6429), and no room has had so many events,
/// messages or guests; what is larger is damage.
pub(crate) const END: u64 = 1 << 47;

/// What of a room is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it: for RDB and DUMP.
    Everything,
    /// Without presence: for the append-only file and the digest.
    Durable,
}

/// Numbers users in the order in which they are first named, so the bytes are canonical.
struct UserTable {
    /// New number by the room's own number; 0: the backend, or not named yet.
    numbers: Vec<u64>,
    named: Vec<UserNumber>,
}

impl UserTable {
    fn number(&mut self, user: UserNumber) -> u64 {
        if user == UserNumber::BACKEND {
            return 0;
        }
        let at = user.0 as usize;
        if self.numbers.len() <= at {
            self.numbers.resize(at + 1, 0);
        }
        match self.numbers.get_mut(at) {
            Some(number) if *number == 0 => {
                self.named.push(user);
                *number = self.named.len() as u64;
                *number
            }
            Some(number) => *number,
            None => 0,
        }
    }
}

impl Room {
    /// The stored form.
    pub fn encode(&self, part: Part) -> Vec<u8> {
        let mut users = UserTable { numbers: Vec::new(), named: Vec::new() };
        let mut body = Vec::with_capacity(256 + self.messages.body_bytes());
        let out = &mut body;
        varint::put(out, self.created);
        put_id(out, self.last);
        let settings = self.settings().changed();
        varint::put(out, settings.len() as u64);
        settings.iter().for_each(|setting| setting.write(out));
        self.encode_members(out, &mut users);
        self.encode_messages(out, &mut users);
        self.encode_journal(out);
        self.encode_nonces(out, &mut users);
        varint::put(out, self.follows.len() as u64);
        for (room, since) in &self.follows {
            varint::put_bytes(out, room.as_bytes());
            varint::put(out, *since);
        }
        varint::put(out, self.last_seen);
        match part {
            Part::Everything => self.encode_presence(out, &mut users),
            Part::Durable => out.push(0),
        }

        let mut stored = Vec::with_capacity(body.len() + 16 + users.named.len() * 16);
        stored.push(VERSION);
        varint::put(&mut stored, users.named.len() as u64);
        for user in users.named {
            varint::put_bytes(&mut stored, self.users.name(user).as_bytes());
        }
        stored.extend_from_slice(&body);
        stored
    }

    fn encode_members(&self, out: &mut Vec<u8>, users: &mut UserTable) {
        varint::put(out, self.members.next());
        varint::put(out, self.members.len() as u64);
        for (place, user) in self.members.from(0) {
            let membership = self.users.get(user).and_then(|entry| entry.membership);
            let (joined, role) = membership.map_or((0, 0), |m| (m.joined, m.role as u64));
            [users.number(user), place, joined, role].iter().for_each(|n| varint::put(out, *n));
        }
    }

    fn encode_messages(&self, out: &mut Vec<u8>, users: &mut UserTable) {
        varint::put(out, self.messages.first());
        varint::put(out, self.messages.len() as u64);
        for message in self.messages.iter() {
            put_id(out, message.id);
            varint::put(out, users.number(message.author));
            varint::put_bytes(out, &message.body);
        }
    }

    fn encode_journal(&self, out: &mut Vec<u8>) {
        put_id(out, self.journal.base());
        varint::put(out, self.journal.len() as u64);
        for entry in self.journal.iter() {
            match entry {
                Entry::Message(m) => {
                    out.push(0);
                    varint::put(out, *m);
                }
                Entry::Fact(fact) => {
                    put_fact(out, fact);
                }
            }
        }
    }

    fn encode_nonces(&self, out: &mut Vec<u8>, users: &mut UserTable) {
        varint::put(out, self.nonces.len() as u64);
        for nonce in self.nonces.iter() {
            varint::put(out, users.number(nonce.user));
            put_id(out, nonce.id);
            out.extend_from_slice(&nonce.digest.to_le_bytes());
            varint::put_bytes(out, nonce.name.as_bytes());
        }
    }

    fn encode_presence(&self, out: &mut Vec<u8>, users: &mut UserTable) {
        out.push(1);
        varint::put(out, self.presence.order.next());
        varint::put(out, self.presence.users() as u64);
        for (place, user) in self.presence.order.from(0) {
            let online = self.users.get(user).and_then(|entry| entry.online.as_ref());
            varint::put(out, users.number(user));
            varint::put(out, place);
            varint::put(out, online.map_or(0, |online| online.since));
        }
        varint::put(out, self.presence.connections() as u64);
        for connection in self.presence.iter() {
            varint::put(out, users.number(connection.user));
            varint::put(out, connection.deadline);
            varint::put_bytes(out, connection.name.as_bytes());
            let entry = self.users.get(connection.user);
            let statuses = entry.and_then(|entry| entry.online.as_ref()).map(|o| &o.statuses);
            let status = statuses.map_or(ONLINE, |statuses| statuses.name(connection.status));
            let set = statuses.map_or(0, |statuses| statuses.set(connection.status));
            varint::put_option(out, (status != ONLINE).then_some(status));
            varint::put(out, set);
        }
    }

    /// Reads a stored form. Errors: whatever a writer of ours would not have written.
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
        decoder.messages()?;
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
            let entry = self.room.users.get_mut(user).ok_or(Malformed("unknown user"))?;
            let once = entry.membership.replace(Membership { place, joined, role }).is_none();
            if !once || place >= next || !self.room.members.restore(place, user) {
                return Err(Malformed("members out of order"));
            }
        }
        self.room.members.restore_next(next);
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
            Body::read(body)?.check()?;
            if id.n <= before.n
                || id.ms < before.ms
                || id > self.room.last
                || id.n > self.room.last.n
            {
                return Err(Malformed("messages out of order"));
            }
            before = id;
            messages.push(Message { id, author, body: body.into() });
        }
        self.room.messages = messages;
        Ok(())
    }

    fn journal(&mut self) -> Result<(), Malformed> {
        let out_of_order = Malformed("journal out of order");
        let base = self.id()?;
        let mut journal = Journal::starting_after(base);
        let mut before = base;
        for _ in 0..self.reader.count()? {
            let tag = self.reader.byte()?;
            let (entry, id) = if tag == 0 {
                let m = self.reader.number()?;
                let message = self.room.messages.get(m).ok_or(out_of_order)?;
                (Entry::Message(m), message.id)
            } else {
                let fact = self.fact(tag)?;
                let id = fact.id;
                (Entry::Fact(Box::new(fact)), id)
            };
            if id.n != before.n + 1 || id.ms < before.ms {
                return Err(out_of_order);
            }
            before = id;
            journal.push(entry);
        }
        if before != self.room.last {
            return Err(out_of_order);
        }
        self.room.journal = journal;
        Ok(())
    }

    fn fact(&mut self, tag: u8) -> Result<Fact, Malformed> {
        let (id, prev) = (self.id()?, self.id()?);
        let reader = &mut self.reader;
        let change = match tag {
            1 => {
                let by = actor(reader.name(USER_NAME_MAX)?)?.into();
                let data = reader.text(OBJECT_MAX * 2)?;
                if !json::is_object(data) {
                    return Err(Malformed("settings are no JSON object"));
                }
                Change::Settings { by, data: data.into() }
            }
            2..=4 => {
                let (user, by) = read_who(reader)?;
                let by = by.map(actor).transpose()?.map(Box::from);
                let user = actor(user)?.into();
                match tag {
                    2 => Change::Join { user, by, role: read_role(reader)? },
                    3 => Change::Leave { user, by },
                    _ => Change::Role { user, by, role: read_role(reader)? },
                }
            }
            _ => return Err(Malformed("unknown fact")),
        };
        Ok(Fact { id, prev, change })
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
            let online = Online { place, since, statuses: Statuses::default() };
            let once = entry.online.replace(Box::new(online)).is_none();
            if !once || place >= next || !self.room.presence.order.restore(place, user) {
                return Err(Malformed("presence out of order"));
            }
        }
        self.room.presence.order.restore_next(next);
        for _ in 0..self.reader.count()? {
            let user = self.person()?;
            let deadline = self.ms()?;
            let name = self.reader.name(CONNECTION_NAME_MAX)?;
            names::connection(name.as_bytes()).map_err(|_| Malformed("no connection"))?;
            let (status, set) = match self.version {
                1 => (former.get(&user).copied(), 0),
                _ => (self.status()?, self.ms()?),
            };
            let entry = self.room.users.get_mut(user).ok_or(Malformed("unknown user"))?;
            let online = entry.online.as_mut().ok_or(Malformed("connection of an absent user"))?;
            let status = online.statuses.add(status.unwrap_or(ONLINE), set);
            if online.statuses.are_too_many() {
                return Err(Malformed("too many statuses"));
            }
            if !self.room.presence.insert(name, user, status, deadline) {
                return Err(Malformed("connection named twice"));
            }
        }
        // The reference that listing a user took is that user's first connection's.
        let listed: Vec<_> = self.room.presence.order.from(0).map(|(_, user)| user).collect();
        for user in listed {
            let online = self.room.users.get(user).and_then(|entry| entry.online.as_ref());
            if online.is_none_or(|online| online.statuses.connections() == 0) {
                return Err(Malformed("present without a connection"));
            }
            self.room.users.release(user);
        }
        Ok(())
    }
}

/// A user, or the backend.
fn actor(name: &str) -> Result<&str, Malformed> {
    names::Actor::parse(name.as_bytes()).map_err(|_| Malformed("no actor"))?;
    Ok(name)
}

fn put_id(out: &mut Vec<u8>, id: Id) {
    varint::put(out, id.ms);
    varint::put(out, id.n);
}

fn put_fact(out: &mut Vec<u8>, fact: &Fact) {
    let put = |out: &mut Vec<u8>, tag: u8| {
        out.push(tag);
        put_id(out, fact.id);
        put_id(out, fact.prev);
    };
    let who = |out: &mut Vec<u8>, user: &str, by: &Option<Box<str>>| {
        varint::put_bytes(out, user.as_bytes());
        varint::put_option(out, by.as_deref());
    };
    match &fact.change {
        Change::Settings { by, data } => {
            put(out, 1);
            varint::put_bytes(out, by.as_bytes());
            varint::put_bytes(out, data.as_bytes());
        }
        Change::Join { user, by, role } => {
            put(out, 2);
            who(out, user, by);
            varint::put(out, *role as u64);
        }
        Change::Leave { user, by } => {
            put(out, 3);
            who(out, user, by);
        }
        Change::Role { user, by, role } => {
            put(out, 4);
            who(out, user, by);
            varint::put(out, *role as u64);
        }
    }
}
