//! Applies records: the only way a room changes, the same on every copy.
//!
//! `apply` is deterministic: no clock, no settings, no randomness. It cannot fail, because a record
//! holds what was decided. Only the deadlines of connections differ between copies, as each uses
//! its own monotonic clock. A record that does not fit the room, which takes a damaged file, is
//! applied as far as possible and never panics.

mod erasure;

use chat_protocol::id::Id;

use crate::codec::record::Record;
use crate::codec::record_content::{NewMessage, NewSettings};
use crate::collections::work;
use crate::state::log::journal::{Change, Journal, Left, LogEntry, ReactionDetail, Target};
use crate::state::log::message_body::{Body, Deleted};
use crate::state::nonces::Nonce;
use crate::state::presence::status_counts::{ONLINE, StatusCounts};
use crate::state::room::Room;
use crate::state::sanctions::FOR_EVER;
use crate::state::settings::table::to_json;
use crate::state::users::members::{MemberAction, MemberChange, Membership, Role};
use crate::state::users::unread::uncount;

impl Room {
    /// Whether this record can be applied: it is no event, or an event after the newest one. Any
    /// other event was applied already, or belongs to another history of the room.
    pub fn accepts(&self, record: &Record<'_>) -> bool {
        let last = self.last;
        record.event_id().is_none_or(|id| id.n > last.n && id.ms >= last.ms.max(1))
    }

    /// Applies one record; `monotonic` is the time of this copy's monotonic clock. A record that
    /// the room does not accept changes nothing.
    pub fn apply(&mut self, record: &Record<'_>, monotonic: u64) {
        if !self.accepts(record) {
            return;
        }
        let last = self.last;
        match record {
            Record::Create { ms } => self.created = *ms,
            Record::Message(message) => self.store_message(message),
            Record::Settings(settings) => self.set(settings),
            Record::Join { user, role, by, ms, logged } => {
                self.join(user, *role, *ms);
                if let Some(id) = *logged {
                    self.log_member(
                        id,
                        MemberChange::plain(user, *by, MemberAction::Join, Some(*role)),
                    );
                }
            }
            Record::Leave { id, user, by } => {
                self.leave(user);
                self.log_member(*id, MemberChange::plain(user, *by, MemberAction::Leave, None));
            }
            Record::Role { id, user, role, by } => {
                self.set_role(user, *role);
                self.log_member(
                    *id,
                    MemberChange::plain(user, *by, MemberAction::Role, Some(*role)),
                );
            }
            Record::Moderate { id, change } => {
                let now = self.time_of(*id);
                if let Some(sanctions) = self.sanctions.present_mut() {
                    sanctions.prune(change.user, now);
                }
                self.moderate(*change);
                self.log_member(*id, *change);
            }
            Record::Edit { id, user, message, text, meta } => {
                self.edit(*id, user, *message, text, *meta);
            }
            Record::Delete { id, user, message, reason } => {
                self.delete(*id, user, *message, *reason);
            }
            Record::React { id, user, message, emoji, removed } => {
                self.react(*id, user, *message, emoji, *removed);
            }
            Record::Erase(erasure) => self.erase(erasure),
            Record::Read { user, read } if read.n <= last.n => self.read_up_to(user, *read),
            Record::Read { .. } => {}
            Record::Lead { first, ms } => {
                // Only the next event may be the first: events that exist keep their time.
                if *first == last.n + 1 {
                    self.id_lead.note(*first, *ms);
                }
            }
            Record::Follow { room, since } => {
                self.follows.add(room, *since);
            }
            Record::Unfollow { room } => {
                self.follows.remove(room);
            }
            Record::Trim { messages_from, journal_from, nonces_from } => {
                self.trim(*messages_from, *journal_from, *nonces_from);
            }
            Record::Snapshot { stored } => {
                if let Ok(room) = Room::decode(stored) {
                    *self = room;
                }
            }
            // The caller collects the pieces and replaces the room.
            Record::SnapshotPiece { .. } => {}
            Record::Present { connection, user, ttl, now, status } => {
                let deadline = monotonic.saturating_add(*ttl);
                self.set_presence(connection, user, deadline, *now, *status);
            }
            Record::Beat { ttl, connections } => {
                let deadline = monotonic.saturating_add(*ttl);
                for name in connections {
                    self.presence.set_deadline(name, deadline);
                }
            }
            Record::Seen { ms } => self.last_seen = *ms,
            Record::LogOnline { id, user } => {
                self.logged_online = true;
                self.log(*id, Change::Presence { user: (*user).into(), left: None });
            }
            Record::LogOffline { id, since, user, reason } => {
                self.logged_online = false;
                let left = Some(Left { since: *since, reason: (*reason).into() });
                self.log(*id, Change::Presence { user: (*user).into(), left });
            }
            Record::ForgetOnline => self.logged_online = false,
            Record::Absent { connections } => {
                connections.iter().for_each(|name| self.remove_connection(name));
            }
        }
    }

    fn store_message(&mut self, NewMessage { id, author, body, digest }: &NewMessage<'_>) {
        if let (Some(digest), Some(name)) = (*digest, body.nonce) {
            let user = self.users.acquire(author);
            self.nonces.push(Nonce { user, name: name.into(), id: *id, digest });
        }
        let author = self.users.acquire(author);
        self.advance_last(*id);
        if body.imported.is_some() {
            self.extend_import_run(*id);
        }
        self.count_new(*id, author, body.mentions);
        self.messages.push_written(*id, author, |out| body.write_to(out));
        self.update_range_counts();
    }

    fn set(&mut self, NewSettings { id, by, changes }: &NewSettings<'_>) {
        let own = self.settings.get_or_insert_default();
        changes.iter().for_each(|change| change.put_in(own));
        self.log(*id, Change::Settings { by: (*by).into(), data: to_json(changes).into() });
    }

    fn join(&mut self, user: &str, role: Role, ms: u64) {
        if self.role(user).is_some() {
            return self.set_role(user, role);
        }
        let number = self.users.acquire(user);
        let place = self.members.add(number);
        if let Some(entry) = self.users.get_mut(number) {
            let read = self.last;
            let new = Membership { place, joined: ms, role, read, own: 0, mentions: 0 };
            entry.set_membership(Some(new));
        }
    }

    fn leave(&mut self, user: &str) {
        let Some(number) = self.users.find(user) else { return };
        let Some(entry) = self.users.get_mut(number) else { return };
        let Some(membership) = entry.membership() else { return };
        entry.set_membership(None);
        self.members.remove(membership.place);
        self.users.release(number);
    }

    fn set_role(&mut self, user: &str, role: Role) {
        let Some(entry) = self.users.find(user).and_then(|user| self.users.get_mut(user)) else {
            return;
        };
        let membership = entry.membership().map(|membership| Membership { role, ..membership });
        entry.set_membership(membership);
    }

    fn moderate(&mut self, change: MemberChange<'_>) {
        let until = change.until.unwrap_or(FOR_EVER);
        match change.action {
            MemberAction::Ban => {
                self.sanctions.set(change.user, |sanction| sanction.ban = Some(until))
            }
            MemberAction::Unban => self.sanctions.set(change.user, |sanction| sanction.ban = None),
            MemberAction::Mute => {
                self.sanctions.set(change.user, |sanction| sanction.mute = Some(until))
            }
            MemberAction::Unmute => {
                self.sanctions.set(change.user, |sanction| sanction.mute = None)
            }
            MemberAction::Role => self.set_role(change.user, change.role.unwrap_or(Role::Member)),
            MemberAction::Join | MemberAction::Leave | MemberAction::Kick => {}
        }
        if matches!(change.action, MemberAction::Ban | MemberAction::Kick | MemberAction::Leave) {
            self.leave(change.user);
        }
    }

    fn edit(&mut self, id: Id, user: &str, message: Id, text: &str, meta: Option<&str>) {
        let target = self.target(message);
        if let Some(m) = target.map(|target| target.m)
            && let Some(stored) = self.messages.get(m)
            && let Ok(body) = Body::read(stored.body)
            && body.deleted.is_none()
        {
            let edited = Some(self.time_of(id));
            let body = Body { text, meta: meta.or(body.meta), edited, ..body }.write();
            self.messages.rewrite(m, &body);
        }
        let there = target.is_some();
        let target = target.unwrap_or(Target { id: message, m: 0 });
        self.log(id, Change::Edit { target, user: user.into() });
        if there {
            self.annotations.note_edit(target.m, id.n);
        }
    }

    fn delete(&mut self, id: Id, user: &str, message: Id, reason: Option<&str>) {
        let target = self.target(message);
        if let Some(m) = target.map(|target| target.m)
            && let Some(stored) = self.messages.get(m)
            && let Ok(body) = Body::read(stored.body)
        {
            let by = (self.users.name(stored.author) != user).then_some(user);
            let deleted = Deleted { ms: self.time_of(id), by, reason };
            let tombstone = body.without_content(deleted).write();
            if let (Some(nonce), Some(nonces)) = (body.nonce, self.nonces.present_mut()) {
                nonces.forget_text(stored.author, nonce);
            }
            uncount(&mut self.users, self.import_run, stored);
            if let Some(range_counts) = &mut self.range_counts {
                range_counts.uncount(m, stored, &self.users);
            }
            self.drop_annotations(m);
            self.messages.rewrite(m, &tombstone);
        }
        let target = target.unwrap_or(Target { id: message, m: 0 });
        self.log(id, Change::Delete { target, user: user.into(), reason: reason.map(Box::from) });
    }

    fn react(&mut self, id: Id, user: &str, message: Id, emoji: &str, removed: bool) {
        let (target, prev) = (self.target(message), self.last);
        if let Some(target) = target {
            let number = self.users.acquire(user);
            let changed = match removed {
                true => self.annotations.unreact(target.m, number, emoji),
                false => self.annotations.react(target.m, number, emoji),
            };
            // A stored reaction holds one reference to its user.
            let released = usize::from(removed || !changed) + usize::from(removed && changed);
            (0..released).for_each(|_| self.users.release(number));
        }
        let reaction = target.map(|_| ReactionDetail { user: user.into(), emoji: emoji.into() });
        let target = target.unwrap_or(Target { id: message, m: 0 });
        // First, because a gap in the numbers empties the journal with its earlier reactions.
        self.advance_last(id);
        let earlier =
            reaction.as_ref().map_or(0, |_| self.annotations.note_reaction(target.m, id.n));
        self.journal.push(LogEntry {
            id,
            prev,
            change: Change::React { target, reaction, removed, earlier },
        });
    }

    /// The message with this id, if it is stored and not deleted.
    fn target(&self, id: Id) -> Option<Target> {
        let m = self.messages.find(id)?;
        let alive = self.messages.get(m).is_some_and(|message| !message.is_deleted());
        alive.then_some(Target { id, m })
    }

    /// Removes the annotations of message `m`.
    fn drop_annotations(&mut self, m: u64) {
        let annotations = self.annotations.present_mut();
        if let Some(annotations) = annotations.and_then(|annotations| annotations.remove(m)) {
            self.discard_annotations(annotations);
        }
    }

    fn log_member(&mut self, id: Id, change: MemberChange<'_>) {
        self.log(id, Change::Member(change.into()));
    }

    fn log(&mut self, id: Id, change: Change) {
        let prev = self.last;
        self.advance_last(id);
        self.journal.push(LogEntry { id, prev, change });
    }

    /// Makes `id` the newest id. If its number does not follow the last one, the journal is
    /// emptied, so that no cursor is accepted across the gap.
    fn advance_last(&mut self, id: Id) {
        if id.n != self.last.n + 1 {
            let base = Id { ms: id.ms, n: id.n.saturating_sub(1) };
            self.journal = Journal::starting_after(base).into();
            if let Some(annotations) = self.annotations.present_mut() {
                annotations.forget_events();
            }
        }
        self.last = id;
    }

    fn trim(&mut self, messages_from: u64, journal_from: u64, nonces_from: u64) {
        let messages_from = messages_from.min(self.messages.last() + 1);
        // A journal entry must not outlive its message, so the journal is trimmed first.
        let trimmed_event = messages_from.checked_sub(1).and_then(|m| self.messages.get(m));
        let journal_from = trimmed_event.map_or(0, |message| message.id.n + 1).max(journal_from);
        let base = self.id_at(journal_from.saturating_sub(1).min(self.last.n));
        if let Some(base) = base.filter(|base| *base != self.journal.base()) {
            while let Some(entry) = self.journal.forget(base) {
                work::visit(1);
                if let Some(m) = entry.change.annotates() {
                    self.annotations.forget_event(m, entry.id.n);
                }
            }
        }
        while self.messages.len() > 0 && self.messages.first() < messages_from {
            let m = self.messages.first();
            work::visit(1);
            if let Some(oldest) = self.messages.oldest() {
                let author = oldest.author;
                uncount(&mut self.users, self.import_run, oldest);
                self.drop_annotations(m);
                self.messages.pop_oldest();
                self.users.release(author);
            }
        }
        let oldest_message = self.messages.oldest().map_or(self.last.n + 1, |message| message.id.n);
        self.id_lead.forget_before(oldest_message.min(self.journal.base().n + 1));
        while self.nonces.oldest().is_some_and(|nonce| nonce.id.n < nonces_from) {
            if let Some(nonce) = self.nonces.pop_oldest() {
                work::visit(1);
                self.users.release(nonce.user);
            }
        }
    }

    fn set_presence(
        &mut self,
        name: &str,
        user: &str,
        deadline: u64,
        now: u64,
        status: Option<&str>,
    ) {
        if !self.presence.set_deadline(name, deadline) {
            return self.add_connection(name, user, deadline, now, status.unwrap_or(ONLINE));
        }
        let Some(status) = status else { return };
        let Some(connection) = self.presence.find(name) else { return };
        let before = connection.status;
        let user = connection.user;
        let entry = self.users.get(user);
        let change = |statuses: &mut StatusCounts| {
            statuses.remove(before);
            statuses.take(status, now)
        };
        let changed = entry.and_then(|entry| self.presence.change_statuses(user, entry, change));
        if let Some(status) = changed {
            self.presence.set_status(name, status);
        }
    }

    fn add_connection(&mut self, name: &str, user: &str, deadline: u64, now: u64, status: &str) {
        let user = self.users.acquire(user);
        let Some(entry) = self.users.get_mut(user) else { return };
        self.presence.set_online(user, entry, now);
        let take = |statuses: &mut StatusCounts| statuses.take(status, now);
        let Some(status) = self.presence.change_statuses(user, entry, take) else { return };
        self.presence.insert(&self.users, name, user, status, deadline);
    }

    fn remove_connection(&mut self, name: &str) {
        let Some(connection) = self.presence.remove(&self.users, name) else { return };
        let left = |statuses: &mut StatusCounts| {
            statuses.remove(connection.status);
            statuses.connections()
        };
        let entry = self.users.get(connection.user);
        let left =
            entry.and_then(|entry| self.presence.change_statuses(connection.user, entry, left));
        if left == Some(0) {
            self.presence.set_offline(connection.user, &mut self.users);
        }
        self.users.release(connection.user);
    }
}
