//! `CHAT.SENT room user nonce`
//!
//! Finds the message that a user sent with a nonce, as a repeated `CHAT.SEND` would, without the
//! text and without being a write. A service that checks texts before they are stored calls
//! this first, so that a repeat of a stored send is answered and not checked again.
//!
//! - Reply: the id of the message, also if it was deleted or trimmed since; nil if the room does
//!   not know the nonce, or does not exist.
//! - Errors: only the common ones.
//! - Complexity: O(1).
//! - Replicates: nothing.

use chat_protocol::names;
use chat_room::decide::send;

use crate::args::Args;
use crate::error_reply::ErrorReply;
use crate::redis::{Arg, Call, CommandSpec, Keys};
use crate::serving::{entry, read, reply_id};

pub(super) static SPEC: CommandSpec = CommandSpec {
    name: "chat.sent",
    entry: entry!(run),
    flags: "readonly fast",
    arity: 4,
    keys: Keys::Read,
    summary: "Returns the id of the message that a user sent with a nonce.",
    complexity: "O(1)",
    arguments: &[Arg::Key("room"), Arg::Text("user"), Arg::Text("nonce")],
};

fn run(call: &Call<'_>) -> Result<(), ErrorReply> {
    let mut args = Args::after(call, 2);
    let (user, nonce) = (args.actor()?, names::nonce(args.word()?)?);
    let id = read(call, |context| Ok(send::sent(context, user, nonce)))?;
    match id {
        Some(id) => reply_id(call, id),
        None => call.reply_nil(),
    }
    Ok(())
}
