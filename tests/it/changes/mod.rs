//! CHAT.CHANGES: which rooms of a server have changed.

mod blocking;
mod every_event;
mod listing;
