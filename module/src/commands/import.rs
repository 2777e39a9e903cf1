//! `CHAT.IMPORT room user ts text AT m [KIND w] [META json] [REPLY id]`
//!
//! Stores a message of the past, for the backend. It becomes message number `m` of the room: the
//! number after the newest message's. A number that the room has given already changes nothing, so
//! an import that was cut off begins again anywhere. The id is given as for every event; `ts` is
//! stored beside it and is what readers see. The room is created if there is none.
//!
//! - Reply: the id of message `m`; nil if it is no longer stored.
//! - Errors: `INVALID at`, `INVALID ts`, NOMSG, NOTMEMBER, DENIED, TOOBIG.
//! - Complexity: O(log N), N the messages of the room.
//! - Replicates: the record that creates the room, the message, the trim.

use chat_room::decide::import::{self, Import};
use chat_room::decide::send;

use crate::args::{Args, once};
use crate::error_reply::ErrorReply;
use crate::redis::{Arg, Call, CommandSpec, Keys};
use crate::serving::{change, entry, reply_id};

pub(super) static SPEC: CommandSpec = CommandSpec {
    name: "chat.import",
    entry: entry!(run),
    flags: "write deny-oom fast",
    arity: -7,
    keys: Keys::Write,
    summary: "Stores a message of the past under the next number of the room.",
    complexity: "O(log(N)) with N the messages of the room",
    arguments: &[
        Arg::Key("room"),
        Arg::Text("user"),
        Arg::Number("ts"),
        Arg::Text("text"),
        Arg::OptionalNumber("AT", "number"),
        Arg::OptionalText("KIND", "kind"),
        Arg::OptionalText("META", "json"),
        Arg::OptionalText("REPLY", "id"),
    ],
};

fn run(call: &Call<'_>) -> Result<(), ErrorReply> {
    let mut args = Args::after(call, 2);
    let (user, ts, text) = (args.actor()?, args.number("ts")?, args.word()?);
    let (mut at, mut kind, mut meta, mut reply) = (None, None, None, None);
    while let Some(option) = args.option() {
        match option.as_slice() {
            b"AT" => once(&mut at, args.number("at")?)?,
            b"KIND" => once(&mut kind, send::kind(args.word()?)?)?,
            b"META" => once(&mut meta, args.word()?)?,
            b"REPLY" => once(&mut reply, args.id()?)?,
            _ => return Err(ErrorReply::SYNTAX),
        }
    }
    let Some(m) = at else { return Err(ErrorReply::SYNTAX) };
    let import = Import { user, ts, text, m, kind, meta, reply };
    change(
        call,
        |context, decision| import::decide(context, import, decision),
        |id, _| match id {
            Some(id) => reply_id(call, id),
            None => call.reply_nil(),
        },
    )
}
