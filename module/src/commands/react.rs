//! `CHAT.REACT room user id emoji [REMOVE]`
//!
//! Adds the user's emoji to a message, or with REMOVE takes it back.
//!
//! - Reply: 1 if anything changed, else 0.
//! - Errors: NOROOM, NOMSG, NOTMEMBER, DENIED, BANNED, MUTED, FROZEN, RATELIMIT.
//! - Complexity: O(log N), N the messages of the room and the users who reacted so.
//! - Replicates: the reaction and the trim.

use chat_protocol::names;
use chat_room::decide::react::{self, Reaction};

use crate::args::{Args, once};
use crate::error_reply::ErrorReply;
use crate::redis::{Arg, Call, CommandSpec, Keys};
use crate::serving::{change, entry};

pub(super) static SPEC: CommandSpec = CommandSpec {
    name: "chat.react",
    entry: entry!(run),
    flags: "write deny-oom fast",
    arity: -5,
    keys: Keys::Write,
    summary: "Adds an emoji to a message, or takes it back.",
    complexity: "O(log(N)) with N the messages of the room and the users who reacted so",
    arguments: &[
        Arg::Key("room"),
        Arg::Text("user"),
        Arg::Text("id"),
        Arg::Text("emoji"),
        Arg::Flag("REMOVE", "remove"),
    ],
};

fn run(call: &Call<'_>) -> Result<(), ErrorReply> {
    let mut args = Args::after(call, 2);
    let (user, id, emoji) = (args.actor()?, args.word()?, names::emoji(args.word()?)?);
    let mut remove = None;
    while let Some(option) = args.option() {
        match option.as_slice() {
            b"REMOVE" => once(&mut remove, ())?,
            _ => return Err(ErrorReply::SYNTAX),
        }
    }
    let reaction = if remove.is_some() { Reaction::Remove } else { Reaction::Add };
    change(
        call,
        |context, decision| react::decide(context, user, id, emoji, reaction, decision),
        |changed, _| call.reply_number(u64::from(changed)),
    )
}
