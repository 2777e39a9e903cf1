//! The arguments of a command: a cursor over them, keywords, glob patterns.

pub mod args;
pub mod glob;
pub mod keyword;
