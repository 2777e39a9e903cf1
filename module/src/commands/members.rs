//! `CHAT.MEMBERS room [CURSOR c] [COUNT n] [AS user]`
//!
//! Who belongs to the room, in the order of joining. Reply: a cursor or nil, an array of user, role,
//! joined. Errors: INVALID, NOROOM, NOTMEMBER, DENIED, BANNED. O(log N + COUNT).

use chat_room::decide::count;
use chat_room::decide::members::answer;
use chat_room::limits::LIST_DEFAULT;

use super::{PAGED, entry, read};
use crate::args::{Args, Paging};
use crate::error::Error;
use crate::redis::{Call, Keys, Spec};

pub(super) static SPEC: Spec = Spec {
    name: "chat.members",
    entry: entry!(run),
    flags: "readonly",
    arity: -2,
    keys: Keys::Read,
    summary: "Answers a page of a room's members with their roles, in the order of joining.",
    complexity: "O(log(N)+M) with N the members and M those answered",
    arguments: PAGED,
};

fn run(call: &Call<'_>) -> Result<(), Error> {
    let Paging { cursor, count: asked, reader } = Paging::read(Args::after(call, 2))?;
    let count = count(asked, LIST_DEFAULT)?;
    read(call, |context| {
        let page = answer(context, cursor, count, reader)?;
        call.reply_array(2);
        call.reply_option(page.cursor.as_deref());
        call.reply_array(page.items.len());
        for member in page.items {
            call.reply_array(3);
            call.reply_text(member.user);
            call.reply_text(member.role.as_str());
            call.reply_number(member.joined);
        }
        Ok(())
    })
}
