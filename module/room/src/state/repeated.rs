//! What a stored event repeats of its message. The journal does not hold it: it is looked up in the
//! message when the event is written, so nothing of a deleted message can come back.

use crate::state::log::journal::{Change, LogEntry, ReactionDetail};
use crate::state::log::message_body::Body;
use crate::state::room::Room;

/// What an event repeats of its target message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeated<'r> {
    /// The newest edit repeats what the message holds now.
    Content {
        text: &'r str,
        meta: Option<&'r str>,
    },
    Reaction(&'r ReactionDetail),
}

impl Room {
    /// What a journal entry repeats of its message: nothing if the message is deleted or older than
    /// message number `visible_from`.
    pub(crate) fn repeated<'r>(
        &'r self,
        entry: &'r LogEntry,
        visible_from: u64,
    ) -> Option<Repeated<'r>> {
        let m = entry.change.annotates().filter(|m| *m >= visible_from)?;
        let message = self.messages.get(m).filter(|message| !message.is_deleted())?;
        match &entry.change {
            Change::React { reaction, .. } => reaction.as_ref().map(Repeated::Reaction),
            Change::Edit { .. } if self.annotations.newest_edit(m) == Some(entry.id.n) => {
                let body = Body::read(message.body).ok()?;
                Some(Repeated::Content { text: body.text, meta: body.meta })
            }
            _ => None,
        }
    }
}
