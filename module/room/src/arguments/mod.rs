//! The arguments of a command: a cursor over them, keywords, texts.

pub mod args;
pub(crate) mod keyword;
pub mod texts;
