//! `CHAT.READ room user id` and `CHAT.UNREAD room user [user …]`
//!
//! READ moves a member's cursor, only forward, to an event the room knows, and tells the room if it
//! has at most `chat.receipts-max` members. Reply: the cursor, how many messages are unread. Errors:
//! INVALID, NOROOM, NOMSG, NOTMEMBER, DENIED, BANNED. O(log N + M) with N the messages and M those
//! skipped, or those still unread, whichever are fewer, at most some thousands. Replicates the cursor.
//!
//! UNREAD replies for each of at most 1000 users unread, mentions, cursor, newest id, or nil for who is no member.
//! Errors: INVALID, NOROOM. O(U log N) with U the users named.

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
    entry: entry!(run),
    flags: "write",
    arity: 4,
    keys: Keys::Write,
    summary: "Moves a member's read cursor forward.",
    complexity: "O(log(N)+M) with N the messages, M those skipped or still unread, at most some thousands",
    arguments: &[Arg::Key("room"), Arg::Text("user"), Arg::Text("id")],
};

pub(super) static UNREAD: CommandSpec = CommandSpec {
    name: "chat.unread",
    entry: entry!(unread),
    flags: "readonly fast",
    arity: -3,
    keys: Keys::Read,
    summary: "Answers how many messages and mentions members have not read.",
    complexity: "O(U*log(N)) with U the users named, N the messages of the room",
    arguments: &[Arg::Key("room"), Arg::Texts("user")],
};

fn run(call: &Call<'_>) -> Result<(), ErrorReply> {
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

fn unread(call: &Call<'_>) -> Result<(), ErrorReply> {
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
