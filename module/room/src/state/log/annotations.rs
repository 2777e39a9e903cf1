//! Annotations of messages: reactions, and which later events repeat their content.
//!
//! Few messages have annotations, so they are kept apart from the messages, by message number. A
//! deletion finds every event that repeats content of the message from here.

use std::collections::BTreeMap;

use chat_protocol::limits::EMOJIS_MAX;

use crate::bytes::allocation::{allocated, of_text, of_tree};
use crate::collections::work;
use crate::state::log::journal::Journal;
use crate::state::log::reaction_users::ReactionUsers;
use crate::state::numbers::UserNumber;
use crate::state::users::user_table::Users;

/// The annotations of all messages of a room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Annotations {
    by_message: BTreeMap<u64, MessageAnnotations>,
    /// Bytes of all reactions.
    reaction_bytes: usize,
}

/// Bytes of an entry of the map.
const ENTRY: usize = size_of::<u64>() + size_of::<MessageAnnotations>();
/// The mean number of entries in a node of the map. Mostly newer messages are annotated, so keys
/// grow.
const FILLED: usize = 6;

/// The annotations of one message.
#[derive(Clone, Debug, Default)]
pub(crate) struct MessageAnnotations {
    /// In the order in which each emoji was first used.
    pub(crate) reactions: Vec<Reaction>,
    /// The number of the newest edit in the journal; 0: none.
    newest_edit: u64,
    /// The number of the newest reaction event in the journal, which links to the earlier ones; 0:
    /// none.
    newest_reaction: u64,
}

/// The reactions to a message with one emoji.
#[derive(Clone, Debug)]
pub(crate) struct Reaction {
    pub(crate) emoji: Box<str>,
    /// In the order of reacting; never empty.
    pub(crate) users: ReactionUsers,
}

impl MessageAnnotations {
    /// Bytes of its reactions.
    pub(crate) fn reaction_bytes(&self) -> usize {
        let own = |reaction: &Reaction| of_text(&reaction.emoji) + reaction.users.memory();
        allocated(self.reactions.capacity() * size_of::<Reaction>())
            + self.reactions.iter().map(own).sum::<usize>()
    }
}

impl MessageAnnotations {
    /// Empties one reaction event, or releases one user who reacted. The message is gone. False:
    /// nothing was left.
    pub(crate) fn free_next(&mut self, journal: &mut Journal, users: &mut Users) -> bool {
        if self.newest_reaction > 0 {
            self.newest_reaction = journal.empty_reaction(self.newest_reaction).unwrap_or(0);
            return true;
        }
        let Some(reaction) = self.reactions.last_mut() else { return false };
        match reaction.users.pop() {
            Some(user) => users.release(user),
            None => drop(self.reactions.pop()),
        }
        true
    }
}

impl Annotations {
    /// Bytes as the setting `room_bytes` counts them.
    #[inline]
    pub(crate) fn bytes(&self) -> u64 {
        (self.by_message.len() * 2 * ENTRY + self.reaction_bytes) as u64
    }

    /// Bytes it takes on the heap.
    pub(crate) fn memory(&self) -> usize {
        of_tree(self.by_message.len(), ENTRY, FILLED) + self.reaction_bytes
    }

    /// Bytes of the annotations of message `m`.
    pub(crate) fn bytes_of(&self, m: u64) -> u64 {
        self.get(m).map_or(0, |annotations| (2 * ENTRY + annotations.reaction_bytes()) as u64)
    }

    /// How many messages are annotated.
    pub(crate) fn len(&self) -> usize {
        self.by_message.len()
    }

    pub(crate) fn get(&self, m: u64) -> Option<&MessageAnnotations> {
        self.by_message.get(&m)
    }

    /// Whether any of messages `from..to` has reactions.
    pub(crate) fn any_reacted(&self, from: u64, to: u64) -> bool {
        let annotations = self.by_message.range(from..to.max(from));
        annotations.into_iter().any(|(_, annotations)| !annotations.reactions.is_empty())
    }

    /// The reactions to message `m`.
    pub(crate) fn reactions(&self, m: u64) -> &[Reaction] {
        self.get(m).map_or(&[], |annotations| &annotations.reactions)
    }

    /// Whether this user has reacted with this emoji.
    pub(crate) fn has_reacted(&self, m: u64, user: UserNumber, emoji: &str) -> bool {
        let same = |reaction: &&Reaction| *reaction.emoji == *emoji;
        self.reactions(m).iter().find(same).is_some_and(|reaction| reaction.users.contains(user))
    }

    /// The number of the newest edit of message `m` in the journal.
    pub(crate) fn newest_edit(&self, m: u64) -> Option<u64> {
        self.get(m).map(|annotations| annotations.newest_edit).filter(|n| *n > 0)
    }

    /// Notes that event `n` is the newest edit of message `m`.
    pub(crate) fn note_edit(&mut self, m: u64, n: u64) {
        self.by_message.entry(m).or_default().newest_edit = n;
    }

    /// Notes that event `n` is the newest reaction event on message `m`. Returns the number of the
    /// previous one; 0: none.
    pub(crate) fn note_reaction(&mut self, m: u64, n: u64) -> u64 {
        std::mem::replace(&mut self.by_message.entry(m).or_default().newest_reaction, n)
    }

    /// Notes that event `n`, the oldest one on message `m`, was removed from the journal.
    pub(crate) fn forget_event(&mut self, m: u64, n: u64) {
        let Some(annotations) = self.by_message.get_mut(&m) else { return };
        for newest in [&mut annotations.newest_edit, &mut annotations.newest_reaction] {
            if *newest == n {
                *newest = 0;
            }
        }
        self.drop_if_bare(m);
    }

    /// Notes that the journal was emptied.
    pub(crate) fn forget_events(&mut self) {
        self.by_message.retain(|_, annotations| {
            (annotations.newest_edit, annotations.newest_reaction) = (0, 0);
            !annotations.reactions.is_empty()
        });
    }

    /// Adds a reaction. False: it exists already, or the message has too many different emoji.
    pub(crate) fn react(&mut self, m: u64, user: UserNumber, emoji: &str) -> bool {
        let annotations = self.by_message.entry(m).or_default();
        let before = annotations.reaction_bytes();
        let reactions = &mut annotations.reactions;
        let kinds = reactions.len();
        match reactions.iter_mut().find(|reaction| *reaction.emoji == *emoji) {
            Some(reaction) if reaction.users.contains(user) => return false,
            Some(reaction) => reaction.users.push(user),
            None if kinds >= EMOJIS_MAX => return false,
            None => {
                reactions.reserve_exact(1);
                reactions.push(Reaction { emoji: emoji.into(), users: vec![user].into() });
            }
        }
        self.reaction_bytes = self.reaction_bytes + annotations.reaction_bytes() - before;
        true
    }

    /// Restores a stored emoji with its users. False: the emoji exists already, or there are too
    /// many.
    pub(crate) fn restore(&mut self, m: u64, emoji: &str, users: Vec<UserNumber>) -> bool {
        let annotations = self.by_message.entry(m).or_default();
        let before = annotations.reaction_bytes();
        let reactions = &mut annotations.reactions;
        let new = reactions.iter().all(|reaction| *reaction.emoji != *emoji);
        let new = new && reactions.len() < EMOJIS_MAX;
        if new {
            reactions.reserve_exact(1);
            reactions.push(Reaction { emoji: emoji.into(), users: users.into() });
        }
        self.reaction_bytes = self.reaction_bytes + annotations.reaction_bytes() - before;
        new
    }

    /// Whether the emoji that was restored last is this one.
    pub(crate) fn is_last(&self, m: u64, emoji: &str) -> bool {
        let last = self.by_message.last_key_value().filter(|(last, _)| **last == m);
        let reaction = last.and_then(|(_, annotations)| annotations.reactions.last());
        reaction.is_some_and(|reaction| *reaction.emoji == *emoji)
    }

    /// Restores more users of the last emoji of message `m`.
    pub(crate) fn extend(&mut self, m: u64, users: Vec<UserNumber>) {
        let Some(annotations) = self.by_message.get_mut(&m) else { return };
        let before = annotations.reaction_bytes();
        if let Some(reaction) = annotations.reactions.last_mut() {
            users.into_iter().for_each(|user| reaction.users.push(user));
        }
        self.reaction_bytes = self.reaction_bytes + annotations.reaction_bytes() - before;
    }

    /// Removes a reaction. False: it does not exist.
    pub(crate) fn unreact(&mut self, m: u64, user: UserNumber, emoji: &str) -> bool {
        let Some(annotations) = self.by_message.get_mut(&m) else { return false };
        let before = annotations.reaction_bytes();
        let found = annotations.reactions.iter_mut().find(|reaction| *reaction.emoji == *emoji);
        let Some(reaction) = found else { return false };
        if !reaction.users.remove(user) {
            return false;
        }
        annotations.reactions.retain(|reaction| !reaction.users.is_empty());
        self.reaction_bytes = self.reaction_bytes + annotations.reaction_bytes() - before;
        self.drop_if_bare(m);
        true
    }

    /// Removes and returns the annotations of message `m`.
    #[inline]
    pub(crate) fn remove(&mut self, m: u64) -> Option<MessageAnnotations> {
        // Measured: a look-up in an empty map is not free, and the map is empty in most rooms.
        if self.by_message.is_empty() { None } else { self.remove_present(m) }
    }

    fn remove_present(&mut self, m: u64) -> Option<MessageAnnotations> {
        let annotations = self.by_message.remove(&m)?;
        self.reaction_bytes -= annotations.reaction_bytes();
        Some(annotations)
    }

    /// The messages with reactions, by number.
    pub(crate) fn reacted(&self) -> impl Iterator<Item = (u64, &[Reaction])> {
        let all = self.by_message.iter().inspect(|_| work::visit(1));
        let all = all.map(|(m, annotations)| (*m, annotations.reactions.as_slice()));
        all.filter(|(_, reactions)| !reactions.is_empty())
    }

    fn drop_if_bare(&mut self, m: u64) {
        let bare = |annotations: &MessageAnnotations| {
            annotations.reactions.is_empty()
                && annotations.newest_edit == 0
                && annotations.newest_reaction == 0
        };
        if self.by_message.get(&m).is_some_and(bare) {
            self.remove(m);
        }
    }
}
