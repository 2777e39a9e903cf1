//! What a room has given up and has not freed yet. `lazy_free.rs` fills and empties it.

use crate::state::log::annotations::MessageAnnotations;
use crate::state::presence::presence_table::Presence;

/// The leftovers of a room.
#[derive(Clone, Debug, Default)]
pub(crate) struct PendingFree {
    pub(super) presences: Vec<Presence>,
    /// Of messages that are deleted or trimmed. The events of their reactions are found from here.
    pub(super) annotations: Vec<MessageAnnotations>,
}

impl PendingFree {
    /// Bytes they take on the heap, near enough.
    pub(crate) fn memory(&self) -> usize {
        let presence = |presence: &Presence| size_of::<Presence>() + presence.memory();
        let annotations = |annotations: &MessageAnnotations| {
            size_of::<MessageAnnotations>() + annotations.reaction_bytes()
        };
        size_of::<PendingFree>()
            + self.presences.iter().map(presence).sum::<usize>()
            + self.annotations.iter().map(annotations).sum::<usize>()
    }

    /// How many allocations it takes to free them, near enough.
    pub(crate) fn free_effort(&self) -> usize {
        self.presences.iter().map(Presence::connections).sum()
    }
}
