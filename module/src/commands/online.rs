//! `CHAT.ONLINE room [room …]`
//!
//! Counts the users online in each of at most 1,000 rooms. For personal rooms the counts say which
//! of these users are online. In a cluster all rooms must be in one slot, as for every command with
//! several keys.
//!
//! - Reply: an array of counts; 0 for a room that does not exist.
//! - Errors: only the common ones.
//! - Complexity: O(N), N the rooms named.
//! - Replicates: nothing.

use chat_protocol::names::RoomName;

use crate::args::Args;
use crate::error_reply::ErrorReply;
use crate::redis::{Arg, Call, CommandSpec, Keys};
use crate::serving::entry;
use crate::stored_room::RoomKey;

pub(super) static SPEC: CommandSpec = CommandSpec {
    name: "chat.online",
    entry: entry!(run),
    flags: "readonly fast",
    arity: -2,
    keys: Keys::ReadAll,
    summary: "Counts how many users are online in each of many rooms.",
    complexity: "O(N) with N the rooms named",
    arguments: &[Arg::Keys("room")],
};

fn run(call: &Call<'_>) -> Result<(), ErrorReply> {
    let rooms = Args::after(call, 1).many()?;
    let mut counts = Vec::with_capacity(rooms.len());
    for (at, room) in (1..).zip(rooms) {
        RoomName::parse(room)?;
        let key = RoomKey::open(call, at)?;
        counts.push(key.value().map_or(0, |stored| stored.room.online()));
    }
    call.reply_array(counts.len());
    counts.into_iter().for_each(|count| call.reply_number(count as u64));
    Ok(())
}
