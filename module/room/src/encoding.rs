//! The stored form of a room: what RDB, DUMP, snapshots in the append-only file and the digest see.
//!
//! It begins with a version byte; every stored version loads in every later release. It is
//! canonical: copies with equal content have equal bytes, whatever numbers their users bear. How it
//! is read is in `decoding.rs`.

use crate::id::Id;
use crate::journal::{About, Change, Fact, Reacted, Repeated};
use crate::record::write_member;
use crate::room::{Now, Room};
use crate::statuses::ONLINE;
use crate::users::UserNumber;
use crate::varint;

/// The version this release writes.
pub const VERSION: u8 = 3;

/// No clock of ours has shown this millisecond (the year 6429), and no room has had so many events,
/// messages or guests; what is larger is damage.
pub(crate) const END: u64 = 1 << 47;

/// What of a room is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it, at this time: for RDB and DUMP.
    Everything(Now),
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
        self.encode_sanctions(out);
        self.encode_messages(out, &mut users);
        self.encode_reactions(out, &mut users);
        self.encode_journal(out);
        self.encode_nonces(out, &mut users);
        varint::put(out, self.follows.len() as u64);
        for (room, since) in &self.follows {
            varint::put_bytes(out, room.as_bytes());
            varint::put(out, *since);
        }
        varint::put(out, self.last_seen);
        match part {
            Part::Everything(now) => self.encode_presence(out, &mut users, now),
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
            let membership = self.users.get(user).and_then(|entry| entry.membership());
            let (joined, role) = membership.map_or((0, 0), |m| (m.joined, m.role as u64));
            [users.number(user), place, joined, role].iter().for_each(|n| varint::put(out, *n));
            put_id(out, membership.map_or(Id::ZERO, |membership| membership.read));
        }
    }

    fn encode_sanctions(&self, out: &mut Vec<u8>) {
        let put_until = |out: &mut Vec<u8>, until: Option<u64>| {
            varint::put(out, until.map_or(0, |until| until.saturating_add(1)));
        };
        varint::put(out, self.sanctions.len() as u64);
        for (user, sanction) in self.sanctions.iter() {
            varint::put_bytes(out, user.as_bytes());
            put_until(out, sanction.ban);
            put_until(out, sanction.mute);
        }
    }

    fn encode_reactions(&self, out: &mut Vec<u8>, users: &mut UserTable) {
        varint::put(out, self.touched.reacted().count() as u64);
        for (m, reactions) in self.touched.reacted() {
            varint::put(out, m);
            varint::put(out, reactions.len() as u64);
            for reaction in reactions {
                varint::put_bytes(out, reaction.emoji.as_bytes());
                varint::put(out, reaction.users.len() as u64);
                reaction.users.iter().for_each(|user| varint::put(out, users.number(*user)));
            }
        }
    }

    fn encode_messages(&self, out: &mut Vec<u8>, users: &mut UserTable) {
        varint::put(out, self.messages.first());
        varint::put(out, self.messages.len() as u64);
        for message in self.messages.iter() {
            put_id(out, message.id);
            varint::put(out, users.number(message.author));
            varint::put_bytes(out, message.body);
        }
    }

    fn encode_journal(&self, out: &mut Vec<u8>) {
        put_id(out, self.journal.base());
        varint::put(out, self.journal.fact_count() as u64);
        let facts = self.journal.facts_from(0);
        facts.for_each(|fact| put_fact(out, fact, self.repeated(fact, 0)));
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

    fn encode_presence(&self, out: &mut Vec<u8>, users: &mut UserTable, now: Now) {
        out.push(1);
        varint::put(out, now.ms);
        varint::put(out, self.presence.order.next());
        varint::put(out, self.presence.users() as u64);
        for (place, user) in self.presence.order.from(0) {
            let online = self.users.get(user).and_then(|entry| self.presence.online(entry));
            varint::put(out, users.number(user));
            varint::put(out, place);
            varint::put(out, online.map_or(0, |online| online.since()));
        }
        varint::put(out, self.presence.connections() as u64);
        for connection in self.presence.iter() {
            varint::put(out, users.number(connection.user));
            varint::put(out, connection.deadline().saturating_sub(now.steady_ms));
            varint::put_bytes(out, connection.name.as_bytes());
            let entry = self.users.get(connection.user);
            let statuses = entry.and_then(|e| self.presence.online(e)).map(|o| &o.statuses);
            let status = statuses.map_or(ONLINE, |statuses| statuses.name(connection.status));
            let set = statuses.map_or(0, |statuses| statuses.set(connection.status));
            varint::put_option(out, (status != ONLINE).then_some(status));
            varint::put(out, set);
        }
    }
}

fn put_id(out: &mut Vec<u8>, id: Id) {
    varint::put(out, id.ms);
    varint::put(out, id.n);
}

fn put_fact(out: &mut Vec<u8>, fact: &Fact, repeated: Option<Repeated<'_>>) {
    let put = |out: &mut Vec<u8>, tag: u8| {
        out.push(tag);
        put_id(out, fact.id);
        put_id(out, fact.prev);
    };
    match &fact.change {
        Change::Settings { by, data } => {
            put(out, 1);
            varint::put_bytes(out, by.as_bytes());
            varint::put_bytes(out, data.as_bytes());
        }
        Change::Member(member) => {
            put(out, 5);
            write_member(out, member.change());
        }
        Change::Edit { about, user } => {
            put(out, 6);
            put_about(out, *about);
            varint::put_bytes(out, user.as_bytes());
            out.push(u8::from(repeated.is_some()));
            if let Some(Repeated::Content { text, meta }) = repeated {
                varint::put_bytes(out, text.as_bytes());
                varint::put_option(out, meta);
            }
        }
        Change::Delete { about, user, reason } => {
            put(out, 7);
            put_about(out, *about);
            varint::put_bytes(out, user.as_bytes());
            varint::put_option(out, reason.as_deref());
        }
        Change::React { about, removed, .. } => {
            put(out, 8);
            put_about(out, *about);
            out.push(u8::from(*removed));
            out.push(u8::from(repeated.is_some()));
            if let Some(Repeated::Reaction(Reacted { user, emoji })) = repeated {
                varint::put_bytes(out, user.as_bytes());
                varint::put_bytes(out, emoji.as_bytes());
            }
        }
    }
}

fn put_about(out: &mut Vec<u8>, about: About) {
    put_id(out, about.id);
    varint::put(out, about.m);
}
