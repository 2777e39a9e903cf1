//! What Sentinels are asked.

use crate::upstream::commands::{Command, about_room, about_user, keyless};

/// `SUBSCRIBE +switch-master`
pub(in crate::upstream) fn subscribe_to_switches() -> Command {
    keyless(about_room("SUBSCRIBE", "+switch-master"))
}

/// `SENTINEL GET-MASTER-ADDR-BY-NAME name`
pub(in crate::upstream) fn primary(name: &str) -> Command {
    keyless(about_user("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name))
}

/// `SENTINEL SENTINELS name`
pub(in crate::upstream) fn others(name: &str) -> Command {
    keyless(about_user("SENTINEL", "SENTINELS", name))
}
