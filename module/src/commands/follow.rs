//! `CHAT.FOLLOW @user room [room …]`, `CHAT.UNFOLLOW @user room [room …]` and
//! `CHAT.FOLLOWS @user [CURSOR c] [COUNT n]`
//!
//! The user's own list of rooms, kept in their personal room. One call names at most 1000 rooms. Replies: how many changed; a cursor
//! or nil and an array of room, since, by room name. Errors: INVALID. O(log N) per room named.

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
    summary: "Answers a page of a user's own list of rooms.",
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
    // The list may hold names from before.
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
