//! Random commands, damaged payloads and records that no primary sends.

/// Random sensible commands, which fill rooms.
pub mod commands;
/// Random senseless commands.
pub mod noise;
/// DUMP payloads with a correct checksum.
pub mod payload;
/// CHAT.APPLY records written by hand.
pub mod records;
