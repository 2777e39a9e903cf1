//! `CHAT.EDIT room user id text [META json] [OWN] [NOHOOK]`
//!
//! Replaces the text of a message, and its meta if META is given. Authors may edit their own
//! messages within `chat.edit-window`, owner and moderators every message; with OWN only the author
//! may.
//!
//! - Reply: the id of the edit event.
//! - Errors: NOROOM, NOMSG, NOTMEMBER, DENIED, BANNED, MUTED, FROZEN, RATELIMIT, TOOBIG.
//! - Complexity: O(log N), N the messages of the room.
//! - Replicates: the edit and the trim.

use chat_room::Judging;
use chat_room::decide::edit::{self, Edit, MessageScope};

use crate::args::{Args, once};
use crate::error_reply::ErrorReply;
use crate::redis::{Arg, Call, CommandSpec, Keys};
use crate::serving::{change, entry, reply_id};

pub(super) static SPEC: CommandSpec = CommandSpec {
    name: "chat.edit",
    entry: entry!(run),
    flags: "write deny-oom fast",
    arity: -5,
    keys: Keys::Write,
    summary: "Replaces the text of a message.",
    complexity: "O(log(N)) with N the messages of the room",
    arguments: &[
        Arg::Key("room"),
        Arg::Text("user"),
        Arg::Text("id"),
        Arg::Text("text"),
        Arg::OptionalText("META", "json"),
        Arg::Flag("OWN", "own"),
        Arg::Flag("NOHOOK", "nohook"),
    ],
};

fn run(call: &Call<'_>) -> Result<(), ErrorReply> {
    let mut args = Args::after(call, 2);
    let (user, id, text) = (args.actor()?, args.word()?, args.word()?);
    let (mut meta, mut whose, mut judging) = (None, None, None);
    while let Some(option) = args.option() {
        match option.as_slice() {
            b"META" => once(&mut meta, args.word()?)?,
            b"OWN" => once(&mut whose, MessageScope::Own)?,
            b"NOHOOK" => once(&mut judging, Judging::Missing)?,
            _ => return Err(ErrorReply::SYNTAX),
        }
    }
    let (whose, judging) = (whose.unwrap_or_default(), judging.unwrap_or_default());
    let edit = Edit { user, id, text, meta, whose, judging };
    change(
        call,
        |context, decision| edit::edit(context, edit, decision),
        |id, _| reply_id(call, id),
    )
}
