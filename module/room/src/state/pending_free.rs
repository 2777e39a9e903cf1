//! What a room has given up and has not freed yet. `lazy_free.rs` fills and empties it.

use crate::state::log::annotations::MessageAnnotations;
use crate::state::presence::presence_table::Presence;

/// Parts of a room that are no longer in use and still hold memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct PendingFree {
    pub(super) presences: Vec<Presence>,
    /// Of messages that are deleted or trimmed. The journal entries of their reactions are found
    /// from here.
    pub(super) annotations: Vec<MessageAnnotations>,
}

impl PendingFree {
    /// Roughly how many bytes they take on the heap.
    pub(crate) fn memory(&self) -> usize {
        let presence = |presence: &Presence| size_of::<Presence>() + presence.memory();
        let annotations = |annotations: &MessageAnnotations| {
            size_of::<MessageAnnotations>() + annotations.reaction_bytes()
        };
        size_of::<PendingFree>()
            + self.presences.iter().map(presence).sum::<usize>()
            + self.annotations.iter().map(annotations).sum::<usize>()
    }

    /// Roughly how many allocations freeing them releases.
    pub(crate) fn free_effort(&self) -> usize {
        self.presences.iter().map(Presence::connections).sum()
    }
}
