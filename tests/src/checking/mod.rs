//! What a room holds, what its events amount to, and whether anything was lost or repeated.

/// A user who asks for everything else.
mod asker;
/// Senders and readers under faults, and the verdict.
pub mod change_reader;
pub mod changes;
pub mod checker;
/// What faults did to those who used the relays.
pub mod effects;
/// Killed relays, Redis and subscriptions.
pub mod faults;
/// Messages as a client derives them from events.
pub mod fold;
/// The verdict.
mod judge;
/// MONITOR, parsed.
pub mod monitor;
/// Who is online, by reply and by events.
pub mod people;
/// A reader by sockets that reconnects and records what it receives.
pub mod reader;
/// The relays that senders and readers may use.
pub mod relays;
/// A sender that repeats.
mod sender;
/// Which words a server still stores.
pub mod stored_words;
/// A reader by streams of events over HTTP.
pub mod stream_reader;
/// A subscriber of room channels.
pub mod subscriber;
/// Everything that a room answers, for comparing two servers.
pub mod view;
/// Presence as a user sees it.
pub mod witness;
