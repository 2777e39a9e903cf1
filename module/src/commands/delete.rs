//! `CHAT.DELETE room user id [REASON s] [OWN]`
//!
//! Deletes a message for good: its texts, meta and reactions leave memory, replicas, the next RDB
//! file and the next rewritten append-only file. A tombstone stays: id, author, who deleted it,
//! when, why. Authors may delete their own messages, owner and moderators every message; with OWN
//! only the author may.
//!
//! - Reply: the id of the delete event.
//! - Errors: NOROOM, NOMSG, NOTMEMBER, DENIED, BANNED, RATELIMIT, TOOBIG.
//! - Complexity: O(log N), N the messages of the room; the memory of reactions is freed later, in
//!   slices.
//! - Replicates: the deletion and the trim.

use chat_protocol::limits::REASON_MAX;
use chat_room::decide::edit::{self, Delete, MessageScope};
use chat_room::texts;

use crate::args::{Args, once};
use crate::error_reply::ErrorReply;
use crate::redis::{Arg, Call, CommandSpec, Keys};
use crate::serving::{change, entry, reply_id};

pub(super) static SPEC: CommandSpec = CommandSpec {
    name: "chat.delete",
    entry: entry!(run),
    flags: "write fast",
    arity: -4,
    keys: Keys::Write,
    summary: "Deletes a message for good.",
    complexity: "O(log(N)) with N the messages of the room; what reactions took is freed later",
    arguments: &[
        Arg::Key("room"),
        Arg::Text("user"),
        Arg::Text("id"),
        Arg::OptionalText("REASON", "reason"),
        Arg::Flag("OWN", "own"),
    ],
};

fn run(call: &Call<'_>) -> Result<(), ErrorReply> {
    let mut args = Args::after(call, 2);
    let (user, id) = (args.actor()?, args.word()?);
    let (mut reason, mut whose) = (None, None);
    while let Some(option) = args.option() {
        match option.as_slice() {
            b"REASON" => once(&mut reason, texts::line(args.word()?, REASON_MAX, "reason")?)?,
            b"OWN" => once(&mut whose, MessageScope::Own)?,
            _ => return Err(ErrorReply::SYNTAX),
        }
    }
    let delete = Delete { user, id, reason, whose: whose.unwrap_or_default() };
    change(
        call,
        |context, decision| edit::delete(context, delete, decision),
        |id, _| reply_id(call, id),
    )
}
