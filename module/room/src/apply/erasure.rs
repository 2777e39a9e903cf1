//! Erases a part of what a user left in the room: the user's messages become tombstones, reactions
//! and mentions go, and where a name must stay, the alias takes its place.
//!
//! The journal is removed at the end, because its entries name the user: a reader with an older
//! position loads the room anew. So nobody who was away keeps what was erased.

use crate::codec::record_content::{End, Erasure};
use crate::collections::work;
use crate::state::log::annotations::Reaction;
use crate::state::log::journal::Change;
use crate::state::log::message_body::{Body, Deleted, Mentions};
use crate::state::numbers::UserNumber;
use crate::state::room::Room;
use crate::state::sanctions::Sanction;
use crate::state::users::alias::alias_name;
use crate::state::users::unread::uncount;

/// The user who is erased, and the alias.
#[derive(Clone, Copy)]
struct Names<'n> {
    user: &'n str,
    number: UserNumber,
    alias: &'n str,
    /// When it is erased, milliseconds since the epoch.
    ms: u64,
}

impl Room {
    pub(super) fn erase(&mut self, erasure: &Erasure<'_>) {
        let Erasure { id, user, alias, up_to, messages, nonces, journal_from, end } = *erasure;
        // First, so that no counts of a member need to be kept right.
        self.leave(user);
        // Keeps the number while the last reference to the user may go.
        let number = self.users.acquire(user);
        let alias_text = alias_name(alias);
        let names = Names { user, number, alias: &alias_text, ms: self.time_of(id) };
        let first = messages.0.max(self.messages.first());
        for m in first..messages.1.min(self.messages.last() + 1) {
            work::visit(1);
            self.erase_message(m, names);
        }
        self.erase_nonces(nonces, names);
        self.users.release(number);
        self.log(id, Change::Erase { user: user.into(), alias, up_to });
        match end {
            End::None => self.trim(0, journal_from, 0),
            End::All | End::ButBan => {
                self.sanctions.set(user, |held| {
                    let ban = held.ban.filter(|_| end == End::ButBan);
                    *held = Sanction { ban, mute: None };
                });
                self.trim(0, self.last.n + 1, 0);
            }
        }
    }

    fn erase_message(&mut self, m: u64, names: Names<'_>) {
        let Some(stored) = self.messages.get(m) else { return };
        let author = stored.author;
        let own = author == names.number;
        if !own && !stored.is_deleted() {
            self.erase_reactions(m, names);
            return self.erase_mention(m, names);
        }
        let Ok(body) = Body::read(stored.body) else { return };
        let deleted = match body.deleted {
            None => Deleted { ms: names.ms, by: None, reason: None },
            Some(deleted) if own => Deleted { reason: None, ..deleted },
            // The user deleted another one's message, perhaps with a reason.
            Some(deleted) if deleted.by == Some(names.user) => {
                Deleted { by: Some(names.alias), reason: None, ..deleted }
            }
            Some(_) => return,
        };
        let tombstone = body.without_content(deleted).write();
        if body.deleted.is_none() {
            uncount(&mut self.users, self.import_run, stored);
            if let Some(range_counts) = &mut self.range_counts {
                range_counts.uncount(m, stored, &self.users);
            }
            self.drop_annotations(m);
        }
        self.messages.rewrite(m, &tombstone);
        if own {
            let alias = self.users.acquire(names.alias);
            if let Some(before) = self.messages.set_author(m, alias) {
                self.users.release(before);
            }
        }
    }

    fn erase_reactions(&mut self, m: u64, names: Names<'_>) {
        let reacted = |reaction: &&Reaction| reaction.users.contains(names.number);
        let emoji: Vec<Box<str>> = self
            .annotations
            .reactions(m)
            .iter()
            .filter(reacted)
            .map(|reaction| reaction.emoji.clone())
            .collect();
        for emoji in emoji {
            if self.annotations.unreact(m, names.number, &emoji) {
                self.users.release(names.number);
            }
        }
    }

    fn erase_mention(&mut self, m: u64, names: Names<'_>) {
        let Some(stored) = self.messages.get(m) else { return };
        if Body::mentioned(stored.body).names().all(|name| name != names.user) {
            return;
        }
        let Ok(body) = Body::read(stored.body) else { return };
        let replaced = |name| if name == names.user { names.alias } else { name };
        let mentioned: Vec<&str> = body.mentions.names().map(replaced).collect();
        let mut buffer = Vec::new();
        let mentions = Mentions::write(&mentioned, &mut buffer);
        let body = Body { mentions, ..body }.write();
        self.messages.rewrite(m, &body);
    }

    fn erase_nonces(&mut self, (from, to): (u64, u64), names: Names<'_>) {
        for at in self.nonces.before(from)..self.nonces.before(to.max(from)) {
            work::visit(1);
            if self.nonces.get(at).is_some_and(|nonce| nonce.user == names.number) {
                let alias = self.users.acquire(names.alias);
                if let Some(before) = self.nonces.disown(at, alias) {
                    self.users.release(before);
                }
            }
        }
    }
}
