//! `CHAT.MOD room actor KICK|BAN|UNBAN|MUTE|UNMUTE|ROLE user [role] [FOR ms] [REASON s]`
//!
//! Ends a user's presence and membership (KICK), keeps a user out (BAN), forbids a user to write
//! (MUTE), or gives a role. In a personal room its user blocks another user with BAN; the backend
//! ends the sockets of the room's user with KICK and suspends the user with BAN.
//!
//! - Reply: 1 if anything changed, else 0.
//! - Errors: NOROOM, NOTMEMBER, DENIED, BANNED, TOOBIG; OOM for BAN, MUTE and ROLE of a user whom
//!   the room does not know, but not for the backend's BAN and MUTE.
//! - Complexity: O(1); KICK and BAN of a user who is online O(N log N), N the connections of the
//!   user.
//! - Replicates: the change and the trim.

use chat_protocol::limits::REASON_MAX;
use chat_room::decide::moderate::{self, Action, Moderate};
use chat_room::{Role, texts};

use crate::args::{Args, once};
use crate::error_reply::ErrorReply;
use crate::redis::{Arg, Call, CommandSpec, Flags, Keys};
use crate::serving::{change, entry};

pub(super) static SPEC: CommandSpec = CommandSpec {
    name: "chat.mod",
    entry: entry!(run),
    flags: "write",
    arity: -5,
    keys: Keys::Write,
    summary: "Kicks, bans, mutes, or gives a role.",
    complexity: "O(1); KICK and BAN O(N*log(N)) with N the connections of the user",
    arguments: &[
        Arg::Key("room"),
        Arg::Text("actor"),
        Arg::Text("action"),
        Arg::Text("user"),
        Arg::OptionalWord("role"),
        Arg::OptionalNumber("FOR", "milliseconds"),
        Arg::OptionalText("REASON", "reason"),
    ],
};

fn run(call: &Call<'_>) -> Result<(), ErrorReply> {
    let mut args = Args::after(call, 2);
    let (actor, word, user) = (args.actor()?, args.word()?, args.stored_user()?);
    let action = match Action::parse(word) {
        Some(action) => action,
        None if word.eq_ignore_ascii_case(b"ROLE") => Action::Role(Role::parse(args.word()?)?),
        None => return Err(ErrorReply::SYNTAX),
    };
    let (mut duration, mut reason) = (None, None);
    while let Some(option) = args.option() {
        match option.as_slice() {
            b"FOR" if matches!(action, Action::Ban | Action::Mute) => {
                once(&mut duration, args.number("for")?)?;
            }
            b"REASON" => once(&mut reason, texts::line(args.word()?, REASON_MAX, "reason")?)?,
            _ => return Err(ErrorReply::SYNTAX),
        }
    }
    let moderate = Moderate { actor, action, user, duration, reason };
    change(
        call,
        |context, decision| -> Result<bool, ErrorReply> {
            if moderate::grows(context, &moderate) && Flags::of(call).is_out_of_memory() {
                return Err(ErrorReply::OutOfMemory);
            }
            Ok(moderate::decide(context, moderate, decision)?)
        },
        |changed, _| call.reply_number(u64::from(changed)),
    )
}
