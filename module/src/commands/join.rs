//! `CHAT.JOIN room user [ROLE r] [BY actor] [NOCREATE]`
//!
//! Makes a user a member, or gives a member another role. Creates the room if it does not exist,
//! except with NOCREATE. Publishes a `member` event.
//!
//! - Reply: 1 if anything changed, else 0.
//! - Errors: NOROOM (with NOCREATE), NOTMEMBER, DENIED, BANNED, RATELIMIT.
//! - Complexity: O(log N), N the members.
//! - Replicates: the records that create the room, the member, the event.
//!
//! `CHAT.LEAVE room user`
//!
//! Ends a user's membership. Publishes a `member` event.
//!
//! - Reply: 1 if anything changed, else 0, also if the room does not exist.
//! - Errors: DENIED.
//! - Complexity: O(log N), N the members.
//! - Replicates: the end of the membership, the event.

use chat_room::decide::join::{self, Join};
use chat_room::{Creation, Role};

use crate::args::{Args, once};
use crate::error_reply::ErrorReply;
use crate::redis::{Arg, Call, CommandSpec, Keys};
use crate::serving::{change, entry};

pub(super) static JOIN: CommandSpec = CommandSpec {
    name: "chat.join",
    entry: entry!(run_join),
    flags: "write deny-oom fast",
    arity: -3,
    keys: Keys::Write,
    summary: "Makes a user a member of a room, and creates the room if it does not exist.",
    complexity: "O(log(N)) with N the members",
    arguments: &[
        Arg::Key("room"),
        Arg::Text("user"),
        Arg::OptionalText("ROLE", "role"),
        Arg::OptionalText("BY", "actor"),
        Arg::Flag("NOCREATE", "nocreate"),
    ],
};

pub(super) static LEAVE: CommandSpec = CommandSpec {
    name: "chat.leave",
    entry: entry!(run_leave),
    flags: "write fast",
    arity: 3,
    keys: Keys::Write,
    summary: "Ends a user's membership of a room.",
    complexity: "O(log(N)) with N the members",
    arguments: &[Arg::Key("room"), Arg::Text("user")],
};

fn run_join(call: &Call<'_>) -> Result<(), ErrorReply> {
    let mut args = Args::after(call, 2);
    let user = args.user()?;
    let (mut role, mut by, mut creation) = (None, None, None);
    while let Some(option) = args.option() {
        match option.as_slice() {
            b"ROLE" => once(&mut role, Role::parse(args.word()?)?)?,
            b"BY" => once(&mut by, args.actor()?)?,
            b"NOCREATE" => once(&mut creation, Creation::Refused)?,
            _ => return Err(ErrorReply::SYNTAX),
        }
    }
    let join = Join { user, role, by, creation: creation.unwrap_or_default() };
    change(
        call,
        |context, decision| join::join(context, join, decision),
        |changed, _| call.reply_number(i64::from(changed)),
    )
}

fn run_leave(call: &Call<'_>) -> Result<(), ErrorReply> {
    let user = Args::after(call, 2).stored_user()?;
    change(
        call,
        |context, decision| join::leave(context, user, decision),
        |changed, _| call.reply_number(i64::from(changed)),
    )
}
