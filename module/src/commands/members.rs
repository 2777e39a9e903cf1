//! `CHAT.MEMBERS room [CURSOR c] [COUNT n] [PREFIX p] [AS user]`
//!
//! Returns a page of the members in the order of joining. With PREFIX only those whose names begin
//! with it: COUNT then bounds the members examined, so a page may hold fewer, or none, and still
//! have a cursor.
//!
//! - Reply: a cursor or nil, and an array of user, role, time of joining in milliseconds.
//! - Errors: NOROOM, NOTMEMBER, DENIED, BANNED.
//! - Complexity: O(log N + M), N the members, M those examined.
//! - Replicates: nothing.

use chat_protocol::limits::{COUNT_MAX, LIST_DEFAULT};
use chat_protocol::names;
use chat_room::decide::members::answer;
use chat_room::page::count;

use crate::args::{Args, Paging, once};
use crate::error_reply::ErrorReply;
use crate::redis::{Arg, Call, CommandSpec, Keys};
use crate::serving::{entry, read};

pub(super) static SPEC: CommandSpec = CommandSpec {
    name: "chat.members",
    entry: entry!(run),
    flags: "readonly",
    arity: -2,
    keys: Keys::Read,
    summary: "Returns a page of a room's members with their roles, in the order of joining.",
    complexity: "O(log(N)+M) with N the members and M those examined",
    arguments: &[
        Arg::Key("room"),
        Arg::OptionalText("CURSOR", "cursor"),
        Arg::OptionalNumber("COUNT", "count"),
        Arg::OptionalText("PREFIX", "prefix"),
        Arg::OptionalText("AS", "user"),
    ],
};

fn run(call: &Call<'_>) -> Result<(), ErrorReply> {
    let mut args = Args::after(call, 2);
    let (mut prefix, mut paging) = (None, Paging::default());
    while let Some(option) = args.option() {
        match option.as_slice() {
            b"PREFIX" => once(&mut prefix, names::prefix(args.word()?)?)?,
            other if paging.take(other, &mut args)? => {}
            _ => return Err(ErrorReply::SYNTAX),
        }
    }
    let Paging { cursor, count: asked, reader } = paging;
    let count = count(asked, if prefix.is_some() { COUNT_MAX } else { LIST_DEFAULT })?;
    let prefix = prefix.unwrap_or_default();
    read(call, |context| {
        let page = answer(context, cursor, count, prefix, reader)?;
        call.reply_array(2);
        call.reply_option(page.cursor.as_deref());
        call.reply_array(page.items.len());
        for member in page.items {
            call.reply_array(3);
            call.reply_text(member.user);
            call.reply_text(member.role.as_str());
            call.reply_number(member.joined);
        }
        Ok(())
    })
}
