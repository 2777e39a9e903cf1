//! What only `chat-relay check` asks, to compare settings and clocks. A relay's own user need not be
//! allowed to run these commands.

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

/// `INFO replication`
pub(in crate::upstream) fn replication() -> Command {
    let mut command = redis::cmd("INFO");
    command.arg("replication");
    keyless(command)
}
