//! What only `chat-relay check` and `doctor` ask, about settings, clocks and the state of a server. A
//! relay's own user need not be allowed to run these commands.

use super::{Command, keyless};

/// `TIME`
pub(in crate::upstream) fn time() -> Command {
    keyless(redis::cmd("TIME"))
}

/// `CONFIG GET name`
pub(in crate::upstream) fn config_get(name: &str) -> Command {
    let mut command = redis::cmd("CONFIG");
    command.arg("GET").arg(name);
    keyless(command)
}

/// `INFO section`
pub(in crate::upstream) fn info(section: &str) -> Command {
    let mut command = redis::cmd("INFO");
    command.arg(section);
    keyless(command)
}
