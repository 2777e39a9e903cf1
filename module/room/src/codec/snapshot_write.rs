//! Writes the stored form of a room, for RDB, DUMP, snapshots in the append-only file and the
//! digest.
//!
//! The form begins with a version byte; every stored version loads in every later release. It is
//! canonical: copies with equal content have equal bytes, whichever numbers their users have. It is
//! written and read in pieces, so that no process holds all of it: a header and then items, section
//! after section. A user's name is written where the user is first named. `snapshot_read.rs` reads
//! it.

use std::ops::Bound;

use chat_protocol::id::Id;

use crate::bytes::varint;
use crate::codec::fields::write_member;
use crate::state::log::journal::{Change, Left, LogEntry, ReactionDetail, Target};
use crate::state::numbers::UserNumber;
use crate::state::presence::status_counts::ONLINE;
use crate::state::repeated::Repeated;
use crate::state::room::{Now, Room};

/// The version that this release writes.
pub const VERSION: u8 = 5;

/// The part of a room to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Everything, at this time: for RDB and DUMP.
    Everything(Now),
    /// Without presence: for the append-only file and the digest.
    Durable,
}

/// Bytes after which a piece takes no further item. An item takes a few hundred bytes, or as many
/// as the longest message.
pub(crate) const PIECE: usize = 64 * 1024;
/// Reactions with the same emoji that are written as one item.
pub(crate) const REACTION_USERS: usize = 256;

/// Writes the stored form piece by piece. A piece ends behind an item. Only the written bytes
/// decide where, so that equal rooms have equal pieces.
struct Writer<'w> {
    piece: Vec<u8>,
    sink: &'w mut dyn FnMut(&[u8]),
    users: UserNames,
}

/// How users are written.
enum UserNames {
    /// By name the first time, then by number, counted from 1; 0 is the backend.
    Once {
        /// The written number by the room's own number; 0: not named yet.
        numbers: Vec<u32>,
        named: u32,
    },
    /// By name each time, which takes no memory. This form cannot be read.
    Always,
}

impl Writer<'_> {
    fn number(&mut self, number: u64) {
        varint::put(&mut self.piece, number);
    }

    fn id(&mut self, id: Id) {
        put_id(&mut self.piece, id);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        varint::put_bytes(&mut self.piece, bytes);
    }

    fn user(&mut self, room: &Room, user: UserNumber) {
        if user == UserNumber::BACKEND {
            return self.piece.push(0);
        }
        if let UserNames::Once { numbers, named } = &mut self.users {
            let Some(number) = numbers.get_mut(user.0 as usize) else { return };
            if *number > 0 {
                return varint::put(&mut self.piece, (*number).into());
            }
            *named += 1;
            *number = *named;
            varint::put(&mut self.piece, (*named).into());
        }
        varint::put_bytes(&mut self.piece, room.users.name(user).as_bytes());
    }

    /// Ends an item, and the piece if it is full.
    fn end_item(&mut self) {
        if self.piece.len() >= PIECE {
            (self.sink)(&self.piece);
            self.piece.clear();
        }
    }
}

impl Room {
    /// The stored form as one piece.
    pub fn encode(&self, part: Part) -> Vec<u8> {
        let mut stored = Vec::new();
        self.save(part, &mut |piece| stored.extend_from_slice(piece));
        stored
    }

    /// Passes the stored form to `sink`, piece by piece; a piece has at most 64 KiB and an item.
    pub fn save(&self, part: Part, sink: &mut dyn FnMut(&[u8])) {
        // Reserved at once, because a list that grows exists twice for a moment.
        let numbers = vec![0; self.users.numbers()];
        self.write(part, UserNames::Once { numbers, named: 0 }, sink);
    }

    /// Passes bytes to `sink` that are equal for rooms of equal content without presence, and only
    /// for those.
    pub fn digest(&self, sink: &mut dyn FnMut(&[u8])) {
        self.write(Part::Durable, UserNames::Always, sink);
    }

    fn write(&self, part: Part, users: UserNames, sink: &mut dyn FnMut(&[u8])) {
        // Most rooms are small, and a piece of a large room is soon full.
        let expected = 256 + self.messages.body_bytes() + self.messages.len() * 24;
        let piece = Vec::with_capacity(expected.min(PIECE + PIECE / 4));
        let out = &mut Writer { piece, sink, users };
        self.write_header(out);
        self.write_members(out);
        self.write_sanctions(out);
        self.write_messages(out);
        self.write_reactions(out);
        self.write_journal(out);
        self.write_nonces(out);
        out.number(self.follows.len() as u64);
        for (room, since) in self.follows.from(Bound::Unbounded) {
            out.bytes(room.as_bytes());
            out.number(since);
            out.end_item();
        }
        out.number(self.last_seen);
        out.piece.push(u8::from(self.logged_online));
        match part {
            Part::Everything(now) => self.write_presence(out, now),
            Part::Durable => out.piece.push(0),
        }
        (out.sink)(&out.piece);
    }

    fn write_header(&self, out: &mut Writer<'_>) {
        out.piece.push(VERSION);
        out.number(self.created);
        out.id(self.last);
        let settings = self.settings().changed();
        out.number(settings.len() as u64);
        settings.iter().for_each(|setting| setting.write(&mut out.piece));
        let leads = self.id_lead.list();
        out.number(leads.len() as u64);
        for (first, ms) in leads {
            out.number(*first);
            out.number(*ms);
        }
        out.end_item();
    }

    fn write_members(&self, out: &mut Writer<'_>) {
        out.number(self.members.next());
        out.number(self.members.len() as u64);
        for (place, user) in self.members.from(0) {
            let membership = self.users.get(user).and_then(|entry| entry.membership());
            let (joined, role) = membership.map_or((0, 0), |m| (m.joined, m.role as u64));
            out.user(self, user);
            [place, joined, role].into_iter().for_each(|number| out.number(number));
            out.id(membership.map_or(Id::ZERO, |membership| self.import_run.moved(membership.read)));
            out.end_item();
        }
    }

    fn write_sanctions(&self, out: &mut Writer<'_>) {
        let until = |until: Option<u64>| until.map_or(0, |until| until.saturating_add(1));
        out.number(self.sanctions.len() as u64);
        for (user, sanction) in self.sanctions.iter() {
            out.bytes(user.as_bytes());
            out.number(until(sanction.ban));
            out.number(until(sanction.mute));
            out.end_item();
        }
    }

    fn write_messages(&self, out: &mut Writer<'_>) {
        out.number(self.messages.first());
        out.number(self.messages.len() as u64);
        for message in self.messages.iter() {
            out.id(message.id);
            out.user(self, message.author);
            out.bytes(message.body);
            out.end_item();
        }
    }

    fn write_reactions(&self, out: &mut Writer<'_>) {
        let reactions = || {
            self.annotations.reacted().flat_map(|(m, list)| list.iter().map(move |one| (m, one)))
        };
        let items = reactions().map(|(_, reaction)| reaction.users.len().div_ceil(REACTION_USERS));
        out.number(items.sum::<usize>() as u64);
        for (m, reaction) in reactions() {
            let mut all = reaction.users.iter();
            loop {
                let users: Vec<UserNumber> = all.by_ref().take(REACTION_USERS).collect();
                if users.is_empty() {
                    break;
                }
                out.number(m);
                out.bytes(reaction.emoji.as_bytes());
                out.number(users.len() as u64);
                users.iter().for_each(|user| out.user(self, *user));
                out.end_item();
            }
        }
    }

    fn write_journal(&self, out: &mut Writer<'_>) {
        out.id(self.journal.base());
        out.number(self.journal.entry_count() as u64);
        for entry in self.journal.entries_from(0) {
            put_entry(&mut out.piece, entry, self.repeated(entry, 0));
            out.end_item();
        }
    }

    fn write_nonces(&self, out: &mut Writer<'_>) {
        out.number(self.nonces.len() as u64);
        for nonce in self.nonces.iter() {
            out.user(self, nonce.user);
            out.id(nonce.id);
            out.piece.extend_from_slice(&nonce.digest.to_le_bytes());
            out.bytes(nonce.name.as_bytes());
            out.end_item();
        }
    }

    fn write_presence(&self, out: &mut Writer<'_>, now: Now) {
        out.piece.push(1);
        out.number(now.ms);
        out.number(self.presence.arrivals.next());
        out.number(self.presence.users() as u64);
        for (place, user) in self.presence.arrivals.from(0) {
            let online = self.users.get(user).and_then(|entry| self.presence.online(user, entry));
            out.user(self, user);
            out.number(place);
            out.number(online.map_or(0, |online| online.since()));
            out.end_item();
        }
        out.number(self.presence.connections() as u64);
        for connection in self.presence.iter() {
            out.user(self, connection.user);
            out.number(connection.deadline().saturating_sub(now.monotonic_ms));
            out.bytes(connection.name.as_bytes());
            let entry = self.users.get(connection.user);
            let statuses =
                entry.and_then(|e| self.presence.online(connection.user, e)).map(|o| &o.statuses);
            let status = statuses.map_or(ONLINE, |statuses| statuses.name(connection.status));
            let set = statuses.map_or(0, |statuses| statuses.set(connection.status));
            varint::put_option(&mut out.piece, (status != ONLINE).then_some(status));
            out.number(set);
            out.end_item();
        }
    }
}

fn put_id(out: &mut Vec<u8>, id: Id) {
    varint::put(out, id.ms);
    varint::put(out, id.n);
}

fn put_entry(out: &mut Vec<u8>, entry: &LogEntry, repeated: Option<Repeated<'_>>) {
    let put = |out: &mut Vec<u8>, tag: u8| {
        out.push(tag);
        put_id(out, entry.id);
        put_id(out, entry.prev);
    };
    match &entry.change {
        Change::Settings { by, data } => {
            put(out, 1);
            varint::put_bytes(out, by.as_bytes());
            varint::put_bytes(out, data.as_bytes());
        }
        Change::Member(member) => {
            put(out, 5);
            write_member(out, member.change());
        }
        Change::Edit { target, user } => {
            put(out, 6);
            put_target(out, *target);
            varint::put_bytes(out, user.as_bytes());
            out.push(u8::from(repeated.is_some()));
            if let Some(Repeated::Content { text, meta }) = repeated {
                varint::put_bytes(out, text.as_bytes());
                varint::put_option(out, meta);
            }
        }
        Change::Delete { target, user, reason } => {
            put(out, 7);
            put_target(out, *target);
            varint::put_bytes(out, user.as_bytes());
            varint::put_option(out, reason.as_deref());
        }
        Change::React { target, removed, .. } => {
            put(out, 8);
            put_target(out, *target);
            out.push(u8::from(*removed));
            out.push(u8::from(repeated.is_some()));
            if let Some(Repeated::Reaction(ReactionDetail { user, emoji })) = repeated {
                varint::put_bytes(out, user.as_bytes());
                varint::put_bytes(out, emoji.as_bytes());
            }
        }
        Change::Presence { user, left } => {
            put(out, 10);
            varint::put_bytes(out, user.as_bytes());
            out.push(u8::from(left.is_some()));
            if let Some(Left { since, reason }) = left {
                varint::put(out, *since);
                varint::put_bytes(out, reason.as_bytes());
            }
        }
        Change::Erase { user, alias, up_to } => {
            put(out, 9);
            varint::put_bytes(out, user.as_bytes());
            out.extend_from_slice(&alias.to_le_bytes());
            put_id(out, *up_to);
        }
    }
}

fn put_target(out: &mut Vec<u8>, target: Target) {
    put_id(out, target.id);
    varint::put(out, target.m);
}
