//! The nodes that own slots: each has a link that is kept open and proven.
//!
//! `nodes` knows them all, and who owns what (`node_map`, `slots`); `following` keeps this up to
//! date with what `topology/` finds. A `node` tries to open its link (`attempts`) and proves it
//! (`probe`); `surroundings` is what it sees of the rest. `renewal` replaces links when the password
//! changes. `overview` tells the rest of the relay how all nodes are.

pub(super) mod attempts;
pub(super) mod following;
pub(super) mod node;
pub(super) mod node_map;
pub(super) mod nodes;
pub(super) mod overview;
pub(super) mod probe;
pub(super) mod renewal;
pub(super) mod slots;
pub(super) mod surroundings;
