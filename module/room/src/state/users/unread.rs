//! Unread counts of members, kept up to date so that asking costs O(log N).
//!
//! Unread are the messages after the read cursor, without deleted ones and the member's own. The
//! list of messages knows how many are not deleted. Each membership counts the member's own
//! messages and the mentions: one more with every message, one fewer when one is deleted or
//! trimmed, computed anew when the cursor moves.

use chat_protocol::id::Id;

use crate::collections::work;
use crate::state::log::message_body::{Body, Mentions};
use crate::state::log::message_run::Message;
use crate::state::numbers::UserNumber;
use crate::state::room::{PENDING_TRIM_MAX, Room};
use crate::state::users::import_run::ImportRun;
use crate::state::users::range_counts::{LONG, PartialCount, RANGE};
use crate::state::users::user_table::Users;

/// The unread counts of a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// Messages of others.
    pub messages: u64,
    /// Those of them that mention the user.
    pub mentions: u64,
}

impl Room {
    /// The unread counts of member `user` among the messages from number `visible_from` on.
    /// Complexity: O(log N), and at most a few thousand messages are visited.
    pub(crate) fn unread(&self, user: UserNumber, visible_from: u64) -> Option<Unread> {
        let membership = self.users.get(user)?.membership()?;
        let (from, end) =
            (self.first_after(self.import_run.moved(membership.read)), self.messages.last() + 1);
        let visible_from = visible_from.min(end).max(from);
        let (gone, left) = (visible_from - from, end.saturating_sub(visible_from));
        if left < gone.min(PENDING_TRIM_MAX) {
            // Nearly all of it is expired: count the few that are visible.
            let (own, mentions) = self.count_of(user, visible_from, end);
            let messages = self.messages.alive_from(visible_from).saturating_sub(own.into());
            return Some(Unread { messages, mentions: mentions.into() });
        }
        // Expired messages are subtracted. Usually there are few, as they are soon removed. There
        // are more right after a shorter `history_ttl` was set, or while nothing removes them. Then
        // those that no range count covers stay counted until they are removed.
        let rest: u64 =
            self.partial_count(user, from, visible_from).rest.iter().map(|(a, b)| b - a).sum();
        let affordable = rest <= PENDING_TRIM_MAX.max(3 * RANGE);
        let visible_from =
            if affordable { visible_from } else { visible_from.min(from + PENDING_TRIM_MAX) };
        let (own, mentions) = self.count_of(user, from, visible_from);
        let (own, mentions) =
            (membership.own.saturating_sub(own), membership.mentions.saturating_sub(mentions));
        let messages = self.messages.alive_from(visible_from).saturating_sub(own.into());
        Some(Unread { messages, mentions: mentions.into() })
    }

    /// Counts a message that is about to be stored.
    pub(crate) fn count_new(&mut self, id: Id, author: UserNumber, mentions: Mentions<'_>) {
        let run = self.import_run;
        recount(&mut self.users, run, id, author, mentions, |count| count.saturating_add(1));
    }

    /// Moves the read cursors of members without unread messages to the imported message `id`,
    /// which is about to be stored. Complexity: O(1); O(M), M the members, if the message before
    /// was not imported.
    pub(crate) fn extend_import_run(&mut self, id: Id) {
        let newest = self.messages.newest().map_or(0, |message| message.id.n);
        if newest == 0 || newest != self.import_run.to.n {
            self.end_import_run();
            self.import_run.from = newest;
        }
        self.import_run.to = id;
    }

    /// Stores the cursors that the run has moved.
    fn end_import_run(&mut self) {
        let run = std::mem::take(&mut self.import_run);
        if run == ImportRun::default() {
            return;
        }
        for (_, user) in self.members.from(0) {
            work::visit(1);
            let Some(entry) = self.users.get_mut(user) else { continue };
            let Some(mut membership) = entry.membership() else { continue };
            membership.read = run.moved(membership.read);
            entry.set_membership(Some(membership));
        }
    }

    /// Moves the read cursor of a member forward. Visits the skipped messages or those still
    /// unread, whichever are fewer, and at most a few thousand, see `range_counts.rs`.
    pub(crate) fn read_up_to(&mut self, user: &str, read: Id) {
        let Some(number) = self.users.find(user) else { return };
        let membership = self.users.get(number).and_then(|entry| entry.membership());
        let before = membership.map_or(read, |membership| self.import_run.moved(membership.read));
        let Some(mut membership) = membership.filter(|_| before.n < read.n) else { return };
        let (from, to) = (self.first_after(before), self.first_after(read));
        let end = self.messages.last() + 1;
        (membership.own, membership.mentions) = if end - to <= to - from {
            self.count_of(number, to, end)
        } else {
            let (own, mentions) = self.count_of(number, from, to);
            (membership.own.saturating_sub(own), membership.mentions.saturating_sub(mentions))
        };
        membership.read = read;
        if let Some(entry) = self.users.get_mut(number) {
            entry.set_membership(Some(membership));
        }
    }

    /// The number of the first message after event `id`.
    fn first_after(&self, id: Id) -> u64 {
        self.messages.partition(|other| other.n <= id.n)
    }

    /// How many of messages `from..to` the user wrote, and how many others mention the user. Visits
    /// the messages of at most three ranges of a long history.
    fn count_of(&self, user: UserNumber, from: u64, to: u64) -> (u32, u32) {
        let name = self.users.name(user);
        let PartialCount { rest, mut own, mut mentions } = self.partial_count(user, from, to);
        let rest = rest.into_iter().filter(|(from, to)| from < to);
        let messages = rest.flat_map(|(from, to)| self.messages.range(from, to));
        for message in messages.filter(|message| !message.is_deleted()) {
            if message.author == user {
                own += 1;
            } else {
                let mentioned = Body::mentioned(message.body).names().any(|other| other == name);
                mentions += u32::from(mentioned);
            }
        }
        (own, mentions)
    }

    /// The counts of `user` in messages `from..to`, as far as range counts cover them.
    pub(crate) fn partial_count(&self, user: UserNumber, from: u64, to: u64) -> PartialCount {
        let from = from.max(self.messages.first());
        let to = to.min(self.messages.last() + 1).max(from);
        match &self.range_counts {
            Some(range_counts) => range_counts.count(user, from, to),
            None => PartialCount::uncovered(from, to),
        }
    }

    /// Updates the range counts after a message was stored. Once per range it visits the messages
    /// of one range.
    #[inline]
    pub(crate) fn update_range_counts(&mut self) {
        if self.messages.len() as u64 >= LONG {
            self.extend_range_counts();
        }
    }

    #[cold]
    #[inline(never)]
    fn extend_range_counts(&mut self) {
        self.range_counts.get_or_insert_default().count_next(&self.messages, &self.users);
    }
}

/// Subtracts a message that is about to be deleted or trimmed.
pub(crate) fn uncount(users: &mut Users, run: ImportRun, message: Message<'_>) {
    if !message.is_deleted() {
        let mentions = Body::mentioned(message.body);
        recount(users, run, message.id, message.author, mentions, |count| count.saturating_sub(1));
    }
}

/// Changes the counts of the author of a message and of those it mentions, if it is after their
/// cursor.
fn recount(
    users: &mut Users,
    run: ImportRun,
    Id { n, .. }: Id,
    author: UserNumber,
    mentions: Mentions<'_>,
    change: impl Fn(u32) -> u32,
) {
    if let Some(entry) = users.get_mut(author) {
        entry.recount(|counted| {
            if run.is_after(n, counted.read) {
                counted.own = change(counted.own);
            }
        });
    }
    for name in mentions.names() {
        let Some(user) = users.find(name).filter(|user| *user != author) else { continue };
        if let Some(entry) = users.get_mut(user) {
            entry.recount(|counted| {
                if run.is_after(n, counted.read) {
                    counted.mentions = change(counted.mentions);
                }
            });
        }
    }
}
