//! The messages of a room, by message number.
//!
//! Neighbouring messages are kept together in a run (`message_run.rs`), with all their bodies in
//! one allocation. So a message takes 24 bytes beside its body and no allocation of its own, and a
//! room of millions of messages never moves them all at once. Rewriting a message moves the bytes
//! of its run and overwrites the old ones.

use chat_protocol::id::Id;

use crate::collections::chunked_deque::ChunkedDeque;
use crate::collections::relocator::Relocator;
use crate::collections::work;
use crate::state::log::message_body::Body;
use crate::state::log::message_run::{Head, Message, RUN_CAPACITY, Run};
use crate::state::log::tombstones::Tombstones;
use crate::state::numbers::UserNumber;

/// The stored messages of a room: numbers `first` to `last` without holes.
#[derive(Clone, Debug)]
pub(crate) struct Messages {
    /// The oldest run may still hold removed messages.
    runs: ChunkedDeque<Run>,
    first: u64,
    last: u64,
    body_bytes: usize,
    /// Bytes that all runs but the newest take on the heap.
    run_bytes: usize,
    /// The deleted ones.
    tombstones: Tombstones,
}

impl Default for Messages {
    fn default() -> Self {
        Messages::starting_at(1)
    }
}

impl Messages {
    /// No messages yet; the next one has number `first`.
    pub(crate) fn starting_at(first: u64) -> Self {
        let (runs, tombstones) = (ChunkedDeque::default(), Tombstones::default());
        Messages {
            runs,
            first,
            last: first.saturating_sub(1),
            body_bytes: 0,
            run_bytes: 0,
            tombstones,
        }
    }

    pub(crate) fn len(&self) -> usize {
        (self.last + 1 - self.first) as usize
    }

    /// The number of the oldest message kept, or of the next one.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The number of the newest message; `first - 1` if there is none.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    pub(crate) fn get(&self, m: u64) -> Option<Message<'_>> {
        if m < self.first || m > self.last {
            return None;
        }
        let run = self.runs.get(self.run_of(m))?;
        run.get((m - run.first) as usize)
    }

    pub(crate) fn oldest(&self) -> Option<Message<'_>> {
        let run = self.runs.front()?;
        run.get((self.first - run.first) as usize)
    }

    /// Adds the newest message.
    pub(crate) fn push(&mut self, Message { id, author, body }: Message<'_>) {
        self.push_written(id, author, |out| out.extend_from_slice(body));
        if Body::is_deleted(body) {
            self.tombstones.insert(self.last);
        }
    }

    /// Adds the newest message, which is not deleted. `write` appends its body.
    pub(crate) fn push_written(
        &mut self,
        id: Id,
        author: UserNumber,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        self.last += 1;
        if self.runs.back().is_none_or(Run::is_full) {
            self.begin_run();
        }
        if let Some(run) = self.runs.back_mut() {
            let start = run.bytes.len();
            write(&mut run.bytes);
            let end = run.bytes.len();
            self.body_bytes += end - start;
            run.heads.push(Head { id, author, end: end as u32 });
        }
    }

    /// Begins a run, with the capacity that the previous one needed.
    fn begin_run(&mut self) {
        let (mut heads, mut bytes) = (Vec::new(), Vec::new());
        if let Some(before) = self.runs.back_mut() {
            before.bytes.shrink_to_fit();
            heads.reserve_exact(before.heads.len());
            bytes.reserve_exact(before.bytes.len().min(RUN_CAPACITY));
            self.run_bytes += before.memory();
        }
        self.runs.push_back(Run { first: self.last, heads, bytes });
    }

    /// Removes the oldest message.
    pub(crate) fn pop_oldest(&mut self) {
        let Some(length) = self.oldest().map(|message| message.body.len()) else { return };
        self.body_bytes -= length;
        if let Some(run) = self.runs.front_mut() {
            let at = (self.first - run.first) as usize;
            run.erase(at);
            if at + 1 == run.heads.len()
                && let Some(run) = self.runs.pop_front()
                && self.runs.len() > 0
            {
                self.run_bytes -= run.memory();
            }
        }
        self.first += 1;
        self.tombstones.forget_before(self.first);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Message<'_>> {
        self.range(self.first, self.last + 1)
    }

    /// Messages of numbers `from..to`.
    pub(crate) fn range(&self, from: u64, to: u64) -> impl Iterator<Item = Message<'_>> {
        let (from, to) = (from.max(self.first), to.min(self.last + 1));
        let runs = self.runs.iter_from(self.run_of(from));
        runs.take_while(move |run| run.first < to).flat_map(move |run| {
            let end = (to - run.first).min(run.heads.len() as u64) as usize;
            let start = (from.saturating_sub(run.first) as usize).min(end);
            (start..end).inspect(|_| work::visit(1)).filter_map(move |at| run.get(at))
        })
    }

    /// The number of the first message whose id does not satisfy `before`; ids only grow.
    pub(crate) fn partition(&self, before: impl Fn(Id) -> bool) -> u64 {
        let head = |run: &Run| run.heads.first().is_some_and(|head| before(head.id));
        let after = self.runs.partition_point(head);
        let Some(run) = after.checked_sub(1).and_then(|at| self.runs.get(at)) else {
            return self.first;
        };
        let at = run.heads.partition_point(|head| before(head.id)) as u64;
        (run.first + at).max(self.first)
    }

    /// The number of the first message that does not satisfy `before`. Unlike [`Messages::partition`]
    /// it reads the messages, not only their ids.
    pub(crate) fn partition_messages(&self, before: impl Fn(Message<'_>) -> bool) -> u64 {
        // The oldest run may hold removed messages, whose bodies are overwritten.
        let start = |run: &Run| self.first.saturating_sub(run.first) as usize;
        let after = self.runs.partition_point(|run| run.get(start(run)).is_some_and(&before));
        let Some(run) = after.checked_sub(1).and_then(|at| self.runs.get(at)) else {
            return self.first;
        };
        let (mut low, mut high) = (start(run), run.heads.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match run.get(middle).is_some_and(&before) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        run.first + low as u64
    }

    /// The newest message, if it is stored.
    pub(crate) fn newest(&self) -> Option<Message<'_>> {
        self.get(self.last)
    }

    /// The number of the message with exactly this id.
    pub(crate) fn find(&self, id: Id) -> Option<u64> {
        let m = self.partition(|other| other < id);
        self.get(m).filter(|message| message.id == id).map(|_| m)
    }

    /// Replaces the body of message `m`.
    pub(crate) fn rewrite(&mut self, m: u64, body: &[u8]) {
        if self.get(m).is_none() {
            return;
        }
        let at = self.run_of(m);
        let is_newest = at + 1 == self.runs.len();
        let Some(run) = self.runs.get_mut(at) else { return };
        let memory = run.memory();
        let before = run.rewrite((m - run.first) as usize, body);
        if !is_newest {
            run.shrink();
            self.run_bytes = self.run_bytes + run.memory() - memory;
        }
        self.body_bytes = self.body_bytes + body.len() - before;
        if Body::is_deleted(body) {
            self.tombstones.insert(m);
        }
    }

    /// Gives message `m` to another author; returns the author before.
    pub(crate) fn set_author(&mut self, m: u64, author: UserNumber) -> Option<UserNumber> {
        self.get(m)?;
        let at = self.run_of(m);
        let run = self.runs.get_mut(at)?;
        let head = run.heads.get_mut((m - run.first) as usize)?;
        Some(std::mem::replace(&mut head.author, author))
    }

    /// How many messages from number `m` on are not deleted.
    pub(crate) fn alive_from(&self, m: u64) -> u64 {
        let m = m.max(self.first);
        (self.last + 1).saturating_sub(m).saturating_sub(self.tombstones.count_from(m))
    }

    /// Bytes of all messages.
    #[inline]
    pub(crate) fn bytes(&self) -> u64 {
        (self.body_bytes + self.len() * size_of::<Head>()) as u64
    }

    /// Bytes of all bodies.
    pub(crate) fn body_bytes(&self) -> usize {
        self.body_bytes
    }

    /// Bytes it takes on the heap.
    pub(crate) fn memory(&self) -> usize {
        self.runs.memory()
            + self.tombstones.memory()
            + self.run_bytes
            + self.runs.back().map_or(0, Run::memory)
    }

    /// How many runs there are.
    pub(crate) fn runs(&self) -> usize {
        self.runs.len()
    }

    /// Shows the allocations of run number `at` to the relocator.
    pub(crate) fn relocate(&mut self, at: usize, relocator: &mut impl Relocator) {
        if let Some(run) = self.runs.get_mut(at) {
            relocator.list(&mut run.heads);
            relocator.list(&mut run.bytes);
        }
    }

    /// The index of the run that holds message `m`, if one does. Most callers ask for the newest or
    /// the oldest message.
    fn run_of(&self, m: u64) -> usize {
        let in_oldest = |run: &Run| m < run.first + run.heads.len() as u64;
        match (self.runs.back(), self.runs.front()) {
            (Some(run), _) if run.first <= m => self.runs.len() - 1,
            (_, Some(run)) if in_oldest(run) => 0,
            _ => self.runs.partition_point(|run| run.first <= m).saturating_sub(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::state::log::message_body::Deleted;

    fn tombstone(reason: &str) -> Vec<u8> {
        Body::tombstone(1, Deleted { ms: 1, by: None, reason: Some(reason) }).write()
    }

    proptest! {
        #[test]
        fn runs_are_one_list(steps in proptest::collection::vec((0..5_u8, 0..400_usize), 1..400)) {
            let mut messages = Messages::starting_at(7);
            let mut model: BTreeMap<u64, (Id, Vec<u8>)> = BTreeMap::new();
            let mut n = 0;
            for (step, size) in steps {
                let some = model.keys().nth(size % model.len().max(1)).copied();
                match (step, some) {
                    (0 | 1, _) => {
                        n += 1 + size as u64 % 3;
                        let id = Id { ms: n * 10, n };
                        let body = vec![0; size * 20];
                        messages.push(Message { id, author: UserNumber(3), body: &body });
                        model.insert(messages.last(), (id, body));
                    }
                    (2, Some(m)) => {
                        let body = if size % 2 == 0 { tombstone("r") } else { vec![1; size] };
                        let gone = Body::is_deleted(&model[&m].1);
                        if !gone {
                            messages.rewrite(m, &body);
                            model.insert(m, (model[&m].0, body));
                        }
                    }
                    (3, Some(_)) => {
                        messages.pop_oldest();
                        model.pop_first();
                    }
                    _ => {}
                }
                prop_assert_eq!(messages.len(), model.len());
                let bytes: usize = model.values().map(|(_, body)| body.len()).sum();
                prop_assert_eq!(messages.body_bytes(), bytes);
                let runs: usize = messages.runs.iter_from(0).map(Run::memory).sum();
                let newest = messages.runs.back().map_or(0, Run::memory);
                prop_assert_eq!(messages.run_bytes, runs - newest);
            }
            let all: Vec<_> = messages.iter().map(|one| (one.id, one.body.to_vec())).collect();
            prop_assert_eq!(&all, &model.values().cloned().collect::<Vec<_>>());
            for (m, (id, body)) in &model {
                prop_assert_eq!(messages.get(*m).map(|one| (one.id, one.body)), Some((*id, &body[..])));
                prop_assert_eq!(messages.find(*id), Some(*m));
                prop_assert_eq!(messages.find(Id { ms: id.ms + 1, ..*id }), None);
                let alive = model.range(m..).filter(|(_, (_, body))| !Body::is_deleted(body)).count();
                prop_assert_eq!(messages.alive_from(*m), alive as u64);
                prop_assert_eq!(messages.range(*m, m + 2).count(), model.range(m..&(m + 2)).count());
            }
            prop_assert!(messages.get(messages.first() - 1).is_none());
            prop_assert!(messages.get(messages.last() + 1).is_none());
        }
    }

    #[test]
    fn a_replaced_or_removed_body_is_overwritten() {
        let mut messages = Messages::default();
        for n in 1..=3 {
            let body = b"a secret text";
            messages.push(Message { id: Id { ms: n, n }, author: UserNumber(0), body });
        }
        messages.rewrite(2, b"x");
        messages.pop_oldest();
        let run = messages.runs.front_mut().expect("a run");
        let spare = run.bytes.capacity() - run.bytes.len();
        run.bytes.resize(run.bytes.len() + spare, 9);
        let kept = run.bytes.windows(8).filter(|window| window == b"a secret").count();
        assert_eq!(kept, 1, "only the third");
    }
}
