//! The command line: flags alone serve, a subcommand does something else and ends.
//!
//! Each subcommand is a file of its own: its arguments and what it does.

mod check;
mod doctor;
mod forward;
mod invocation;
mod printable;
mod probe;
mod process;
mod tail;
mod token;
mod transfer;

pub use invocation::Invocation;
