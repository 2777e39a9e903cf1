//! CHAT.CHANGES: which rooms of a server have changed.

mod blocking;
mod listing;
