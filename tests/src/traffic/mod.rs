//! Random commands, damaged payloads and records that no primary sends.

pub mod commands;
pub mod noise;
pub mod payload;
pub mod records;
