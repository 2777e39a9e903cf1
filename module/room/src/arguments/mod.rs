//! The arguments of a command: a cursor over them, keywords, glob patterns.

pub mod args;
pub(crate) mod glob;
pub(crate) mod keyword;
pub mod texts;
