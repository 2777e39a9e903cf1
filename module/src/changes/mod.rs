//! Reading which rooms have changed, at once or when something changes.

mod filter;
mod page;
mod waiters;

pub(crate) use self::filter::{Filter, Kinds};
pub(crate) use self::page::{Request, reply};
pub(crate) use self::waiters::{HANDLERS, has_place, wait};
