//! The documents against real servers and relays: examples run, tables are compared.

// docs/commands.md.
mod commands;
// Runs the redis-cli sessions of a document.
mod session;
