//! Standing: what the store says of a user as a whole, whatever the room.
//!
//! The backend can suspend a user and can void tokens that were issued before a time. Both are kept in
//! the user's personal room, so one `CHAT.ROOM_RO @user AS user` answers both (`answer`). What has no
//! socket asks before it acts (`gate`), and an answer is kept for less than a second (`kept`).

mod answer;
pub(crate) mod gate;
mod kept;

pub(crate) use answer::{Refusal, Standing};
pub(in crate::hub) use kept::KeptAnswers;
