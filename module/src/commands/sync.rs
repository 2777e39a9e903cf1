//! `CHAT.SYNC room id [COUNT n] [BYTES n] [AS user]`
//!
//! Returns the durable events after a reader's cursor. An unknown cursor, or a room that does not
//! exist, is not an error: recovered is 0, and the reader must reload.
//!
//! - Reply: recovered 1 or 0, the newest id of the room, an array of events, and 1 if there are
//!   more, else 0.
//! - Errors: NOTMEMBER, DENIED, BANNED.
//! - Complexity: O(M), M the events returned.
//! - Replicates: nothing.

use chat_protocol::limits::COUNT_MAX;
use chat_room::decide::sync::answer;
use chat_room::page::{PageSize, bytes, count};

use crate::args::{Args, Paging, once};
use crate::error_reply::ErrorReply;
use crate::info::{self, COUNTERS};
use crate::redis::{Arg, Call, CommandSpec, Keys};
use crate::serving::{entry, read, reply_events, reply_id};

pub(super) static SPEC: CommandSpec = CommandSpec {
    name: "chat.sync",
    entry: entry!(run),
    flags: "readonly",
    arity: -3,
    keys: Keys::Read,
    summary: "Returns the events a reader has missed since its cursor, or that it must reload.",
    complexity: "O(M) with M the events answered",
    arguments: &[
        Arg::Key("room"),
        Arg::Text("id"),
        Arg::OptionalNumber("COUNT", "count"),
        Arg::OptionalNumber("BYTES", "bytes"),
        Arg::OptionalText("AS", "user"),
    ],
};

fn run(call: &Call<'_>) -> Result<(), ErrorReply> {
    let mut args = Args::after(call, 2);
    let cursor = args.id()?;
    let (mut most, mut paging) = (None, Paging::default());
    while let Some(option) = args.option() {
        match option.as_slice() {
            b"BYTES" => once(&mut most, args.number("bytes")?)?,
            b"CURSOR" => return Err(ErrorReply::SYNTAX),
            other if paging.take(other, &mut args)? => {}
            _ => return Err(ErrorReply::SYNTAX),
        }
    }
    let size = PageSize { count: count(paging.count, COUNT_MAX)?, bytes: bytes(most)? };
    let sync = read(call, |context| Ok(answer(context, cursor, size, paging.reader)?))?;
    let counter = if sync.recovered { &COUNTERS.syncs_recovered } else { &COUNTERS.syncs_refused };
    info::count(counter, 1);
    call.reply_array(4);
    call.reply_number(i64::from(sync.recovered));
    reply_id(call, sync.last);
    reply_events(call, &sync.events);
    call.reply_number(i64::from(sync.more));
    Ok(())
}
