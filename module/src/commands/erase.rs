//! `CHAT.ERASE room user [CURSOR c] [COUNT n] [KEEP BAN]`
//!
//! Erases what a user left in the room, for the backend: the user's messages become tombstones,
//! reactions, mentions, membership, presence, nonces, bans and mutes go, and where a name must stay,
//! `erased-` and 16 random hexadecimal digits take its place. COUNT bounds the messages, nonces and
//! journal entries that one call examines; the caller repeats it with the cursor of the reply. With
//! KEEP BAN a ban stays, and the name with it.
//!
//! - Reply: a cursor, or nil when the walk is complete, and how much this call changed.
//! - Errors: only the common ones; `INVALID room` for a room whose name has the user's.
//! - Complexity: O(log N + M), N the messages of the room, M those examined.
//! - Replicates: the part that was erased, if there is one.

use chat_protocol::limits::COUNT_MAX;
use chat_room::decide::erase::{self, Erase, Keep};
use chat_room::page::count;

use crate::args::{Args, once};
use crate::error_reply::ErrorReply;
use crate::redis::{Arg, Call, CommandSpec, Keys, random_number};
use crate::serving::{change, entry};

pub(super) static SPEC: CommandSpec = CommandSpec {
    name: "chat.erase",
    entry: entry!(run),
    flags: "write",
    arity: -3,
    keys: Keys::Write,
    summary: "Erases a part of what a user left in the room.",
    complexity: "O(log(N)+M) with N the messages of the room and M those examined",
    arguments: &[
        Arg::Key("room"),
        Arg::Text("user"),
        Arg::OptionalText("CURSOR", "cursor"),
        Arg::OptionalNumber("COUNT", "count"),
        Arg::OptionalText("KEEP", "ban"),
    ],
};

fn run(call: &Call<'_>) -> Result<(), ErrorReply> {
    let mut args = Args::after(call, 2);
    let user = args.stored_user()?;
    let (mut cursor, mut asked, mut keep) = (None, None, None);
    while let Some(option) = args.option() {
        match option.as_slice() {
            b"CURSOR" => once(&mut cursor, args.word()?)?,
            b"COUNT" => once(&mut asked, args.number("count")?)?,
            b"KEEP" if args.next_is(&[b"BAN"]) => {
                args.word()?;
                once(&mut keep, Keep::Ban)?;
            }
            _ => return Err(ErrorReply::SYNTAX),
        }
    }
    let count = count(asked, COUNT_MAX)?;
    let (keep, alias) = (keep.unwrap_or_default(), random_number());
    let erase = Erase { user, cursor, count, keep, alias };
    change(
        call,
        |context, decision| erase::decide(context, erase, decision),
        |erased, _| {
            call.reply_array(2);
            call.reply_option(erased.cursor.as_deref());
            call.reply_number(erased.changed);
        },
    )
}
