//! `CHAT.SYNC room id [COUNT n] [AS user]`
//!
//! What a reader has missed since its cursor. Reply: whether the cursor is known, the newest id, an
//! array of events, whether there are more. An unknown cursor, or a room that is not there, is no
//! error: recovered is 0 and the reader reloads. Errors: INVALID, NOTMEMBER, DENIED, BANNED. O(COUNT).

use chat_room::decide::count;
use chat_room::decide::sync::answer;
use chat_room::limits::COUNT_MAX;

use super::{entry, read, reply_events, reply_id};
use crate::args::{Args, Paging};
use crate::error::Error;
use crate::info::{self, COUNTERS};
use crate::redis::{Arg, Call, Keys, Spec};

pub(super) static SPEC: Spec = Spec {
    name: "chat.sync",
    entry: entry!(run),
    flags: "readonly",
    arity: -3,
    keys: Keys::Read,
    summary: "Answers the events a reader has missed since its cursor, or that it must reload.",
    complexity: "O(M) with M the events answered",
    arguments: &[
        Arg::Key("room"),
        Arg::Text("id"),
        Arg::OptionalNumber("COUNT", "count"),
        Arg::OptionalText("AS", "user"),
    ],
};

fn run(call: &Call<'_>) -> Result<(), Error> {
    let mut args = Args::after(call, 2);
    let cursor = args.id()?;
    let paging = Paging::read(args)?;
    if paging.cursor.is_some() {
        return Err(Error::SYNTAX);
    }
    let count = count(paging.count, COUNT_MAX)?;
    let sync = read(call, |context| Ok(answer(context, cursor, count, paging.reader)?))?;
    let counter = if sync.recovered { &COUNTERS.syncs_recovered } else { &COUNTERS.syncs_refused };
    info::count(counter, 1);
    call.reply_array(4);
    call.reply_number(i64::from(sync.recovered));
    reply_id(call, sync.last);
    reply_events(call, &sync.events);
    call.reply_number(i64::from(sync.more));
    Ok(())
}
