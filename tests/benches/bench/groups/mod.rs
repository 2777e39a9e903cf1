//! One file per group of the table.

pub(crate) mod cross;
pub(crate) mod fanout;
pub(crate) mod growth;
pub(crate) mod idle;
pub(crate) mod memory;
pub(crate) mod persistence;
pub(crate) mod presence;
pub(crate) mod send;
pub(crate) mod storm;
pub(crate) mod sync;
