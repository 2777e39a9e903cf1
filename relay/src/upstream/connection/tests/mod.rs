//! Tests of the connection.

// The task, over a stream in memory.
mod asking;
// Which answer belongs to which command.
mod matching;
// Bytes to items.
mod reading;
// A real server that unsubscribes on its own.
mod unsubscribing;
