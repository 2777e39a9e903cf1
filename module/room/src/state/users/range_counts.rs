//! Counts of the messages and mentions of each member, per range of a long history.
//!
//! A read cursor may move over half a million messages, and the unread counts are then computed
//! anew. A room with few messages visits them. A longer one keeps, for each range of some thousand
//! messages, the number of messages per author and of mentions per user: at most six bytes per
//! message, far less if few users write much. So only the two ends, which are not whole ranges, are
//! visited.
//!
//! Only members are counted: the cursor of a user who joins later is after the range. The counts
//! hold user numbers; a member's number is valid as long as the membership.

use std::collections::VecDeque;

use crate::state::log::message_body::Body;
use crate::state::log::message_run::Message;
use crate::state::log::messages::Messages;
use crate::state::numbers::UserNumber;
use crate::state::users::user_table::Users;

/// Messages of a range. Few in tests, so that these have many ranges.
pub(crate) const RANGE: u64 = if cfg!(test) { 16 } else { 4096 };
/// A room with at least this many messages keeps range counts: more messages than it keeps by
/// default.
pub(crate) const LONG: u64 = 3 * RANGE;

/// The range counts of a room.
#[derive(Clone, Debug, Default)]
pub(crate) struct RangeCounts {
    /// Each range begins where the previous one ends.
    ranges: VecDeque<CountedRange>,
}

/// The counts of messages `first..end`, without deleted ones.
#[derive(Clone, Debug)]
struct CountedRange {
    first: u64,
    end: u64,
    own: Counts,
    mentions: Counts,
}

/// A number per user.
#[derive(Clone, Debug, Default)]
struct Counts {
    /// In ascending order.
    users: Box<[UserNumber]>,
    counts: Box<[u16]>,
}

impl Counts {
    /// Counts how often each member occurs in `found`.
    fn of(mut found: Vec<UserNumber>, users: &Users) -> Counts {
        found.sort_unstable();
        let is_member =
            |user: UserNumber| users.get(user).is_some_and(|entry| entry.membership().is_some());
        let same = found.chunk_by(|a, b| a == b).filter_map(|same| Some((*same.first()?, same)));
        let members = same.filter(|(user, _)| is_member(*user));
        let (users, counts): (Vec<_>, Vec<_>) = members
            .map(|(user, same)| (user, same.len().min(usize::from(u16::MAX)) as u16))
            .unzip();
        Counts { users: users.into(), counts: counts.into() }
    }

    fn get(&self, user: UserNumber) -> u16 {
        let at = self.users.binary_search(&user).ok();
        at.and_then(|at| self.counts.get(at)).copied().unwrap_or(0)
    }

    fn decrease(&mut self, user: UserNumber) {
        let at = self.users.binary_search(&user).ok();
        if let Some(count) = at.and_then(|at| self.counts.get_mut(at)) {
            *count = count.saturating_sub(1);
        }
    }

    fn memory(&self) -> usize {
        self.users.len() * (size_of::<UserNumber>() + size_of::<u16>())
    }
}

/// The counts of one user in some messages, as far as whole ranges cover them.
pub(crate) struct PartialCount {
    /// The messages that are not covered and must be visited.
    pub(crate) rest: [(u64, u64); 2],
    pub(crate) own: u32,
    pub(crate) mentions: u32,
}

impl PartialCount {
    /// Messages `from..to`, none of them covered.
    pub(crate) fn uncovered(from: u64, to: u64) -> PartialCount {
        PartialCount { rest: [(from, to), (to, to)], own: 0, mentions: 0 }
    }
}

impl RangeCounts {
    /// Counts the next range of `messages`, if it is complete.
    pub(super) fn count_next(&mut self, messages: &Messages, users: &Users) {
        while self.ranges.front().is_some_and(|oldest| oldest.end <= messages.first()) {
            self.ranges.pop_front();
        }
        let closed = self.ranges.back().map_or(0, |newest| newest.end);
        let first = closed.max(messages.first());
        let end = first + RANGE;
        if end <= messages.last() + 1 {
            self.ranges.push_back(count_range(first, end, messages, users));
        }
    }

    /// Subtracts message `m`, which is about to be deleted.
    pub(crate) fn uncount(&mut self, m: u64, message: Message<'_>, users: &Users) {
        let at = self.ranges.partition_point(|range| range.end <= m);
        let Some(range) = self.ranges.get_mut(at).filter(|range| range.first <= m) else {
            return;
        };
        range.own.decrease(message.author);
        mentioned(message, users).for_each(|user| range.mentions.decrease(user));
    }

    /// The counts of `user` in messages `from..to`, all of which must be stored: its own messages,
    /// and those of others that mention it.
    pub(crate) fn count(&self, user: UserNumber, from: u64, to: u64) -> PartialCount {
        let start = self.ranges.partition_point(|range| range.first < from);
        let mut partial_count = PartialCount::uncovered(from, to);
        for range in self.ranges.range(start..).take_while(|range| range.end <= to) {
            let [(_, before), (after, _)] = &mut partial_count.rest;
            *before = range.first.min(*before);
            *after = range.end;
            partial_count.own += u32::from(range.own.get(user));
            partial_count.mentions += u32::from(range.mentions.get(user));
        }
        partial_count
    }

    /// Bytes they take on the heap.
    pub(crate) fn memory(&self) -> usize {
        let counts = |range: &CountedRange| range.own.memory() + range.mentions.memory();
        self.ranges.capacity() * size_of::<CountedRange>()
            + self.ranges.iter().map(counts).sum::<usize>()
    }
}

fn count_range(first: u64, end: u64, messages: &Messages, users: &Users) -> CountedRange {
    let (mut own, mut mentions) = (Vec::with_capacity(RANGE as usize), Vec::new());
    for message in messages.range(first, end).filter(|message| !message.is_deleted()) {
        own.push(message.author);
        mentions.extend(mentioned(message, users));
    }
    let (own, mentions) = (Counts::of(own, users), Counts::of(mentions, users));
    CountedRange { first, end, own, mentions }
}

/// The users of the room that a message mentions, except its author.
fn mentioned<'m>(message: Message<'m>, users: &'m Users) -> impl Iterator<Item = UserNumber> + 'm {
    let known = Body::mentioned(message.body).names().filter_map(|name| users.find(name));
    known.filter(move |user| *user != message.author)
}

#[cfg(test)]
mod tests {
    use chat_protocol::id::Id;
    use proptest::prelude::*;

    use super::*;
    use crate::codec::record::Record;
    use crate::codec::record_content::NewMessage;
    use crate::state::log::message_body::{Mentions, TEXT};
    use crate::state::room::Room;
    use crate::state::users::members::Role;

    const USERS: [&str; 5] = ["ann", "ben", "cem", "dora", "eve"];

    fn id(n: u64) -> Id {
        Id { ms: 1_000 + n, n }
    }

    fn apply(room: &mut Room, record: &Record<'_>) {
        room.apply(record, 1);
    }

    /// The unread counts of a member, found by visiting all messages.
    fn visit_all(room: &Room, user: &str) -> (u64, u64) {
        let number = room.users.find(user).expect("a user");
        let read = room.users.get(number).and_then(|entry| entry.membership()).expect("one").read;
        let (mut own, mut mentions) = (0, 0);
        let unread = room.messages.iter().filter(|message| message.id.n > read.n);
        for message in unread.filter(|message| !message.is_deleted()) {
            let mentioned = Body::mentioned(message.body).names().any(|name| name == user);
            own += u64::from(message.author == number);
            mentions += u64::from(message.author != number && mentioned);
        }
        (own, mentions)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn unread_counts_are_exact_for_any_length_of_history(
            steps in proptest::collection::vec((0..20_u8, 0..USERS.len(), 0..1_000_u64), 1..900),
        ) {
            let mut room = Room::default();
            apply(&mut room, &Record::Create { ms: 5 });
            for (kind, who, dice) in steps {
                let (user, other) = (USERS[who], USERS[dice as usize % USERS.len()]);
                let n = room.last.n + 1;
                let m = room.messages.first() + dice % (room.messages.len() as u64).max(1);
                let some = room.messages.get(m).map(|message| message.id);
                match kind {
                    0..14 => {
                        let mut buffer = Vec::new();
                        let names: &[&str] = if dice % 3 == 0 { &[other, "zoe"] } else { &[] };
                        let mentions = Mentions::write(names, &mut buffer);
                        let body = Body {
                            since_previous: 1,
                            kind: TEXT,
                            text: "hi",
                            meta: None,
                            reply: None,
                            mentions,
                            nonce: None,
                            edited: None,
                            deleted: None,
                            imported: None,
                        };
                        let message = NewMessage { id: id(n), author: user, body, digest: None };
                        apply(&mut room, &Record::Message(message));
                    }
                    14 => {
                        let role = Role::Member;
                        apply(&mut room, &Record::Join { user, role, by: None, ms: 5, logged: None });
                    }
                    15 if dice % 4 == 0 => {
                        apply(&mut room, &Record::Leave { id: id(n), user, by: None });
                    }
                    16 => {
                        if let Some(message) = some {
                            let gone = Record::Delete { id: id(n), user, message, reason: None };
                            apply(&mut room, &gone);
                        }
                    }
                    17 if dice % 8 == 0 => {
                        let messages_from = room.messages.first() + dice % 50;
                        let trim = Record::Trim { messages_from, journal_from: 0, nonces_from: 0 };
                        apply(&mut room, &trim);
                    }
                    18.. => {
                        if let Some(read) = some {
                            apply(&mut room, &Record::Read { user, read });
                        }
                    }
                    _ => {}
                }
                for user in USERS.iter().filter(|user| room.role(user).is_some()) {
                    let entry = room.users.by_name(user);
                    let counted = entry.and_then(|entry| entry.membership()).expect("a member");
                    let (own, mentions) = visit_all(&room, user);
                    let counted = (u64::from(counted.own), u64::from(counted.mentions));
                    prop_assert_eq!(counted, (own, mentions), "of {}", user);
                }
            }
            // However far the cursor moves, few messages are visited.
            let (first, end) = (room.messages.first(), room.messages.last() + 1);
            for from in first..end {
                for to in [from, from + (end - from) / 2, end] {
                    let partial = room.partial_count(UserNumber(0), from, to);
                    let rest: u64 = partial.rest.iter().map(|(from, to)| to - from).sum();
                    prop_assert!(rest <= LONG + RANGE, "{rest} of {}", to - from);
                }
            }
        }
    }
}
