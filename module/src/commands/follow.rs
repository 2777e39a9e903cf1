//! `CHAT.FOLLOW @user room [room …]`
//!
//! Adds at most 1,000 rooms to the user's own list of rooms, which is kept in the personal room of
//! the user.
//!
//! - Reply: the number of rooms added.
//! - Errors: only the common ones.
//! - Complexity: O(M log N), M the rooms named, N those in the list.
//! - Replicates: the change.
//!
//! `CHAT.UNFOLLOW @user room [room …]`
//!
//! Removes at most 1,000 rooms from the list.
//!
//! - Reply: the number of rooms removed.
//! - Errors: only the common ones.
//! - Complexity: O(M log N), as above.
//! - Replicates: the change.
//!
//! `CHAT.FOLLOWS @user [CURSOR c] [COUNT n]`
//!
//! Returns a page of the list, by name of the room.
//!
//! - Reply: a cursor or nil, and an array of room, since when in milliseconds.
//! - Errors: only the common ones.
//! - Complexity: O(log N + M), N the rooms in the list, M those returned.
//! - Replicates: nothing.

use chat_protocol::error_code::Invalid;
use chat_protocol::limits::LIST_DEFAULT;
use chat_protocol::names::RoomName;
use chat_room::decide::follow;
use chat_room::page::count;

use crate::args::{Args, Paging};
use crate::error_reply::ErrorReply;
use crate::redis::{Arg, Call, CommandSpec, Keys};
use crate::serving::{After, change, entry, read};

pub(super) static FOLLOW: CommandSpec = CommandSpec {
    name: "chat.follow",
    entry: entry!(run_follow),
    flags: "write deny-oom fast",
    arity: -3,
    keys: Keys::Write,
    summary: "Adds rooms to a user's own list.",
    complexity: "O(M*log(N)) with M the rooms named and N those in the list",
    arguments: &[Arg::Key("personal"), Arg::Texts("room")],
};

pub(super) static UNFOLLOW: CommandSpec = CommandSpec {
    name: "chat.unfollow",
    entry: entry!(run_unfollow),
    flags: "write fast",
    arity: -3,
    keys: Keys::Write,
    summary: "Removes rooms from a user's own list.",
    complexity: "O(M*log(N)) with M the rooms named and N those in the list",
    arguments: &[Arg::Key("personal"), Arg::Texts("room")],
};

pub(super) static FOLLOWS: CommandSpec = CommandSpec {
    name: "chat.follows",
    entry: entry!(run_follows),
    flags: "readonly",
    arity: -2,
    keys: Keys::Read,
    summary: "Returns a page of a user's own list of rooms.",
    complexity: "O(log(N)+M) with N the rooms in the list and M those answered",
    arguments: &[
        Arg::Key("personal"),
        Arg::OptionalText("CURSOR", "cursor"),
        Arg::OptionalNumber("COUNT", "count"),
    ],
};

fn run_follow(call: &Call<'_>) -> Result<(), ErrorReply> {
    let rooms = rooms(call, RoomName::parse)?;
    let reply = |changed: u64, _: After<'_>| call.reply_number(changed);
    change(call, |context, decision| follow::follow(context, rooms, decision), reply)
}

fn run_unfollow(call: &Call<'_>) -> Result<(), ErrorReply> {
    // The list may hold names that older rules allowed.
    let rooms = rooms(call, RoomName::stored)?;
    let reply = |changed: u64, _: After<'_>| call.reply_number(changed);
    change(call, |context, decision| follow::unfollow(context, rooms, decision), reply)
}

fn run_follows(call: &Call<'_>) -> Result<(), ErrorReply> {
    let Paging { cursor, count: asked, reader } = Paging::read(Args::after(call, 2))?;
    if reader.is_some() {
        return Err(ErrorReply::SYNTAX);
    }
    let count = count(asked, LIST_DEFAULT)?;
    read(call, |context| {
        let page = follow::answer(context, cursor, count)?;
        call.reply_array(2);
        call.reply_option(page.cursor.as_deref());
        call.reply_array(page.items.len());
        for follow in page.items {
            call.reply_array(2);
            call.reply_text(follow.room);
            call.reply_number(follow.since);
        }
        Ok(())
    })
}

fn rooms<'c>(
    call: &Call<'c>,
    parse: fn(&'c [u8]) -> Result<RoomName<'c>, Invalid>,
) -> Result<Vec<RoomName<'c>>, ErrorReply> {
    Ok(Args::after(call, 2).many()?.map(parse).collect::<Result<Vec<_>, _>>()?)
}
