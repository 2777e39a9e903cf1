//! Names of rooms in given slots.

use std::collections::BTreeSet;

use chat_protocol::slot::slot_of;

/// The slot of a room.
pub fn slot(room: &str) -> u16 {
    slot_of(room.as_bytes())
}

/// The first names `<prefix>0`, `<prefix>1` … whose slots are among `slots`.
///
/// # Panics
/// If `slots` is empty.
pub fn names(prefix: &str, slots: &BTreeSet<u16>, count: usize) -> Vec<String> {
    assert!(!slots.is_empty(), "a node without slots has no rooms");
    let all = (0_u32..).map(|n| format!("{prefix}{n}"));
    all.filter(|name| slots.contains(&slot(name))).take(count).collect()
}
