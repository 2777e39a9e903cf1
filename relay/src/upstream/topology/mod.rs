//! Who is primary of what: by what clusters say of themselves (`topology`, `cluster_view`), or by
//! what Sentinels say (`sentinel`). `survey` finds the primaries once, for `chat-relay check`.

pub(super) mod cluster_view;
pub(super) mod sentinel;
pub(super) mod survey;
pub(super) mod topology;
