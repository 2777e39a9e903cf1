//! Options that narrow what a command may do: for users whose tokens allow less than the store would,
//! and where a service judges what users write.

use super::Command;

impl Command {
    /// `… NOCREATE`, of `CHAT.SEND`, `CHAT.JOIN` and `CHAT.ROOM … SET`: refused if there is no room.
    pub(crate) fn without_creating(mut self) -> Command {
        self.cmd.arg("NOCREATE");
        self
    }

    /// `… NOHOOK`, of `CHAT.SEND`, `CHAT.EDIT`, `CHAT.SIGNAL` with data and `CHAT.ROOM … SET`: refused with
    /// `DENIED hook` if the room wants it judged.
    pub(crate) fn without_hook(mut self) -> Command {
        self.cmd.arg("NOHOOK");
        self
    }

    /// `… OWN`, of `CHAT.EDIT` and `CHAT.DELETE`: refused if it is another user's message.
    pub(crate) fn own_only(mut self) -> Command {
        self.cmd.arg("OWN");
        self
    }
}
