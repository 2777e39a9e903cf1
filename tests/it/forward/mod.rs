//! `chat-relay forward`: events to a stream of a Redis.

// Rooms of a cluster.
mod clusters;
// Processes and servers are killed, frozen, replaced.
mod once;
// What a stream with these events looks like, and who writes rooms.
mod stage;
// Streams with groups, filters, mistakes.
mod stream;
