//! Containers that never move more than a bounded part of themselves, and the counting of work and
//! memory that all of them share.

pub(crate) mod chunked_deque;
pub(crate) mod chunked_vec;
pub(crate) mod linear_hash;
pub(crate) mod relocator;
pub mod work;
