//! `CHAT.WHO room [CURSOR c] [COUNT n] [AS user]`
//!
//! Returns a page of the users online, in the order in which they came online.
//!
//! - Reply: a cursor or nil, the number of users, the number of connections, and an array of user,
//!   status, connections, since when in milliseconds.
//! - Errors: NOROOM, NOTMEMBER, DENIED, BANNED.
//! - Complexity: O(log N + M), N the users online, M those returned.
//! - Replicates: nothing.

use chat_protocol::limits::LIST_DEFAULT;
use chat_room::decide::who::answer;
use chat_room::page::count;

use crate::args::{Args, PAGED, Paging};
use crate::error_reply::ErrorReply;
use crate::redis::{Call, CommandSpec, Keys};
use crate::serving::{entry, read};

pub(super) static SPEC: CommandSpec = CommandSpec {
    name: "chat.who",
    entry: entry!(run),
    flags: "readonly",
    arity: -2,
    keys: Keys::Read,
    summary: "Returns who is in a room now, with status and connections.",
    complexity: "O(log(N)+M) with N the users online and M those answered",
    arguments: PAGED,
};

fn run(call: &Call<'_>) -> Result<(), ErrorReply> {
    let Paging { cursor, count: asked, reader } = Paging::read(Args::after(call, 2))?;
    let count = count(asked, LIST_DEFAULT)?;
    read(call, |context| {
        let who = answer(context, cursor, count, reader)?;
        call.reply_array(4);
        call.reply_option(who.page.cursor.as_deref());
        call.reply_number(who.users as u64);
        call.reply_number(who.connections as u64);
        call.reply_array(who.page.items.len());
        for present in who.page.items {
            call.reply_array(4);
            call.reply_text(present.user);
            call.reply_text(present.status);
            call.reply_number(u64::from(present.connections));
            call.reply_number(present.since);
        }
        Ok(())
    })
}
