//! `CHAT.READ room user id`
//!
//! Moves a member's read cursor, only forward, to an event that the room knows. Publishes a `read`
//! event if the room has at most `chat.receipts-max` members.
//!
//! - Reply: the cursor, and the number of unread messages.
//! - Errors: NOROOM, NOMSG, NOTMEMBER, DENIED, BANNED.
//! - Complexity: O(log N + M), N the messages, M those skipped or those still unread, whichever are
//!   fewer, at most some thousands.
//! - Replicates: the cursor.
//!
//! `CHAT.UNREAD room user [user …]`
//!
//! Counts the unread messages and mentions of at most 1,000 users.
//!
//! - Reply: for each user an array of unread messages, unread mentions, cursor, newest id; nil for
//!   a user who is not a member.
//! - Errors: NOROOM.
//! - Complexity: O(U log N), U the users named, N the messages.
//! - Replicates: nothing.

use chat_protocol::id::Id;
use chat_protocol::names;
use chat_room::Room;
use chat_room::decide::read;

use crate::args::Args;
use crate::error_reply::ErrorReply;
use crate::redis::{Arg, Call, CommandSpec, Keys};
use crate::serving::{change, entry, read as read_room, reply_id, room_name};
use crate::{clock, config};

pub(super) static READ: CommandSpec = CommandSpec {
    name: "chat.read",
    entry: entry!(run_read),
    flags: "write",
    arity: 4,
    keys: Keys::Write,
    summary: "Moves a member's read cursor forward.",
    complexity: "O(log(N)+M) with N the messages, M those skipped or still unread, at most some thousands",
    arguments: &[Arg::Key("room"), Arg::Text("user"), Arg::Text("id")],
};

pub(super) static UNREAD: CommandSpec = CommandSpec {
    name: "chat.unread",
    entry: entry!(run_unread),
    flags: "readonly fast",
    arity: -3,
    keys: Keys::Read,
    summary: "Counts how many messages and mentions members have not read.",
    complexity: "O(U*log(N)) with U the users named, N the messages of the room",
    arguments: &[Arg::Key("room"), Arg::Texts("user")],
};

fn run_read(call: &Call<'_>) -> Result<(), ErrorReply> {
    let mut args = Args::after(call, 2);
    let (user, id) = (args.user()?, args.id()?);
    change(
        call,
        |context, decision| read::read(context, user, id, decision),
        |(), after| reply_read_state(call, after.room, user),
    )
}

fn reply_read_state(call: &Call<'_>, room: &Room, user: &str) {
    let limits = config::limits();
    let state = room_name(call).ok().and_then(|name| {
        let context = chat_room::Context { room, name, now: clock::now(), limits: &limits };
        read::read_state(context, user)
    });
    call.reply_array(2);
    reply_id(call, state.map_or(Id::ZERO, |state| state.cursor));
    call.reply_number(state.map_or(0, |state| state.unread.messages));
}

fn run_unread(call: &Call<'_>) -> Result<(), ErrorReply> {
    let users = Args::after(call, 2).many()?.map(names::user).collect::<Result<Vec<_>, _>>()?;
    read_room(call, |context| {
        let states = read::read_states(context, &users)?;
        call.reply_array(states.len());
        for state in states {
            let Some(state) = state else {
                call.reply_nil();
                continue;
            };
            call.reply_array(4);
            call.reply_number(state.unread.messages);
            call.reply_number(state.unread.mentions);
            reply_id(call, state.cursor);
            reply_id(call, state.last);
        }
        Ok(())
    })
}
