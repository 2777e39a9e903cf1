//! The room's side of a `CHAT.SYNC`: the position to ask from, and what to do with the answer.

use crate::room::room::Room;

impl Room {}
