//! `chat-relay export` and `chat-relay import`: rooms to a file and back.

// From and to the shards of a cluster.
mod clusters;
// What an import keeps of a long history.
mod kept;
// Files and rooms of which nothing is imported.
mod refused;
// Imports that are cut off and run again.
mod resumed;
// What comes back on another server, and what does not.
mod rooms;
// The program, and files as tables.
mod stage;
