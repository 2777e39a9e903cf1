//! `CHAT.SIGNAL room user name [json [NOHOOK] [FROM user]]`
//!
//! Publishes an ephemeral event that is not stored: typing, or anything else that the name says.
//! The backend's signal `notice` becomes an event of that type, and the backend may signal a room
//! that does not exist. With FROM the backend signals for a user, and the room refuses it if that
//! user is banned there; in a personal room: blocked.
//!
//! - Reply: 1.
//! - Errors: NOROOM, NOTMEMBER, DENIED, BANNED, MUTED, FROZEN, RATELIMIT, TOOBIG.
//! - Complexity: O(1).
//! - Replicates: nothing.

use chat_protocol::names;
use chat_room::Judging;
use chat_room::decide::signal::{self, Signal};

use crate::args::{Args, once};
use crate::error_reply::ErrorReply;
use crate::redis::{Arg, Call, CommandSpec, Keys};
use crate::serving::{change, entry};

pub(super) static SPEC: CommandSpec = CommandSpec {
    name: "chat.signal",
    entry: entry!(run),
    flags: "write fast",
    arity: -4,
    keys: Keys::Write,
    summary: "Publishes an ephemeral event in a room.",
    complexity: "O(1)",
    arguments: &[
        Arg::Key("room"),
        Arg::Text("user"),
        Arg::Text("name"),
        Arg::OptionalWord("json"),
        Arg::Flag("NOHOOK", "nohook"),
        Arg::OptionalText("FROM", "from"),
    ],
};

fn run(call: &Call<'_>) -> Result<(), ErrorReply> {
    let mut args = Args::after(call, 2);
    let user = args.actor()?;
    let name = names::word(args.word()?, "name")?;
    let data = if args.left() > 0 { Some(args.word()?) } else { None };
    let (mut judging, mut from) = (None, None);
    while let Some(option) = args.option() {
        match option.as_slice() {
            b"NOHOOK" => once(&mut judging, Judging::Missing)?,
            b"FROM" => once(&mut from, args.stored_user()?)?,
            _ => return Err(ErrorReply::SYNTAX),
        }
    }
    let signal = Signal { user, name, data, judging: judging.unwrap_or_default(), from };
    change(
        call,
        |context, decision| signal::decide(context, signal, decision),
        |(), _| call.reply_number(1),
    )
}
