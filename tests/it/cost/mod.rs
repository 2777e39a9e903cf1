//! What work costs, in counted instructions: they are the same on a busy machine.

mod callgrind;
mod send;
