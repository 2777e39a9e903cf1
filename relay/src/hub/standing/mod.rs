//! Standing: what the store says of a user as a whole, whatever the room.
//!
//! The backend can suspend a user and can void tokens that were issued before a time. Both are kept in
//! the user's personal room, so one `CHAT.ROOM_RO @user AS user` answers both (`answer`).
//!
//! - A user with a connection to this relay (`users`): the relay receives the personal room, asks at
//!   login and wherever events may have been missed, and an event ends connections at once
//!   (`sockets`).
//! - What has no connection asks before it acts (`gate`), by an answer of the last second (`kept`).

mod answer;
pub(crate) mod gate;
mod kept;
pub(crate) mod sockets;
mod users;

pub(crate) use answer::{Refusal, Standing};
pub(in crate::hub) use kept::KeptAnswers;
pub(in crate::hub) use users::PresentUsers;
