//! Settings that are one word of a few.

use clap::ValueEnum;

/// What clients see of messages that wait for Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Offline {
    /// Nothing.
    None,
    /// This relay's clients see them at once, marked `"local":true`.
    Local,
}

/// Whether users see the presence of other users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Contacts {
    /// All users see who is online.
    Open,
    /// No user does.
    Deny,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}
