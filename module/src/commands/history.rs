//! `CHAT.HISTORY room [BEFORE id | AFTER id | AROUND id] [COUNT n] [BYTES n] [AS user]`
//!
//! Returns a page of messages as they are now, oldest first; the newest page unless a place is
//! named.
//!
//! - Reply: the newest id of the room, an array of events, and 1 if there are more messages in that
//!   direction, else 0.
//! - Errors: NOROOM, NOTMEMBER, DENIED, BANNED.
//! - Complexity: O(log N + M), N the messages stored, M those returned.
//! - Replicates: nothing.

use chat_protocol::limits::PAGE_DEFAULT;
use chat_room::decide::history::{Anchor, answer};
use chat_room::page::{PageSize, bytes, count};

use crate::args::{Args, Paging, once};
use crate::error_reply::ErrorReply;
use crate::redis::{Arg, Call, CommandSpec, Keys};
use crate::serving::{entry, read, reply_events, reply_id};

pub(super) static SPEC: CommandSpec = CommandSpec {
    name: "chat.history",
    entry: entry!(run),
    flags: "readonly",
    arity: -2,
    keys: Keys::Read,
    summary: "Returns a page of a room's messages as they are now, oldest first.",
    complexity: "O(log(N)+M) with N the messages stored and M those answered",
    arguments: &[
        Arg::Key("room"),
        Arg::OneOf(
            "anchor",
            &[
                Arg::OptionalText("BEFORE", "before"),
                Arg::OptionalText("AFTER", "after"),
                Arg::OptionalText("AROUND", "around"),
            ],
        ),
        Arg::OptionalNumber("COUNT", "count"),
        Arg::OptionalNumber("BYTES", "bytes"),
        Arg::OptionalText("AS", "user"),
    ],
};

fn run(call: &Call<'_>) -> Result<(), ErrorReply> {
    let mut args = Args::after(call, 2);
    let (mut anchor, mut most, mut paging) = (None, None, Paging::default());
    while let Some(option) = args.option() {
        match option.as_slice() {
            b"BEFORE" => once(&mut anchor, Anchor::Before(args.id()?))?,
            b"AFTER" => once(&mut anchor, Anchor::After(args.id()?))?,
            b"AROUND" => once(&mut anchor, Anchor::Around(args.id()?))?,
            b"BYTES" => once(&mut most, args.number("bytes")?)?,
            b"CURSOR" => return Err(ErrorReply::SYNTAX),
            other if paging.take(other, &mut args)? => {}
            _ => return Err(ErrorReply::SYNTAX),
        }
    }
    let size = PageSize { count: count(paging.count, PAGE_DEFAULT)?, bytes: bytes(most)? };
    let anchor = anchor.unwrap_or(Anchor::Newest);
    let page = read(call, |context| Ok(answer(context, anchor, size, paging.reader)?))?;
    call.reply_array(3);
    reply_id(call, page.last);
    reply_events(call, &page.events);
    call.reply_number(i64::from(page.more));
    Ok(())
}
