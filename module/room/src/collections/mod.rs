//! Containers that never move more than a bounded part of themselves in one step, and the counter
//! of work that they share.

pub(crate) mod chunked_deque;
pub(crate) mod chunked_vec;
pub(crate) mod linear_hash;
pub(crate) mod ordered_map;
pub(crate) mod rare;
pub(crate) mod relocator;
pub mod work;
