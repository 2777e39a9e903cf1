//! Options that narrow what a command may do, for users whose tokens allow less than the store would.

use super::Command;

impl Command {
    /// `… NOCREATE`, of `CHAT.SEND`, `CHAT.JOIN` and `CHAT.ROOM … SET`: refused if there is no room.
    pub(crate) fn without_creating(mut self) -> Command {
        self.cmd.arg("NOCREATE");
        self
    }

    /// `… OWN`, of `CHAT.EDIT` and `CHAT.DELETE`: refused if it is another user's message.
    pub(crate) fn own_only(mut self) -> Command {
        self.cmd.arg("OWN");
        self
    }
}
