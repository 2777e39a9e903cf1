//! `CHAT.SANCTIONS room [CURSOR c] [COUNT n] [AS user]`
//!
//! Returns a page of the banned and muted users, by name; in a personal room, the users whom its
//! user blocks. Only moderators, the user of a personal room and the backend may ask. COUNT bounds
//! the entries examined; entries that have ended are left out, so a page may hold fewer.
//!
//! - Reply: a cursor or nil, and an array of user, end of the ban, end of the mute: each nil, 0 for
//!   ever, or milliseconds since the epoch.
//! - Errors: NOROOM, NOTMEMBER, DENIED, BANNED.
//! - Complexity: O(log N + M), N the sanctioned users, M those examined.
//! - Replicates: nothing.

use chat_protocol::limits::LIST_DEFAULT;
use chat_room::decide::sanctions::answer;
use chat_room::page::count;

use crate::args::{Args, PAGED, Paging};
use crate::error_reply::ErrorReply;
use crate::redis::{Call, CommandSpec, Keys};
use crate::serving::{entry, read};

pub(super) static SPEC: CommandSpec = CommandSpec {
    name: "chat.sanctions",
    entry: entry!(run),
    flags: "readonly",
    arity: -2,
    keys: Keys::Read,
    summary: "Returns a page of the users who are banned or muted in a room.",
    complexity: "O(log(N)+M) with N the sanctioned users and M those examined",
    arguments: PAGED,
};

fn run(call: &Call<'_>) -> Result<(), ErrorReply> {
    let Paging { cursor, count: asked, reader } = Paging::read(Args::after(call, 2))?;
    let count = count(asked, LIST_DEFAULT)?;
    read(call, |context| {
        let page = answer(context, cursor, count, reader)?;
        let until = |until: Option<u64>| match until {
            Some(until) => call.reply_number(until),
            None => call.reply_nil(),
        };
        call.reply_array(2);
        call.reply_option(page.cursor.as_deref());
        call.reply_array(page.items.len());
        for sanctioned in page.items {
            call.reply_array(3);
            call.reply_text(sanctioned.user);
            until(sanctioned.ban);
            until(sanctioned.mute);
        }
        Ok(())
    })
}
