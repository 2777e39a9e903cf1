//! `CHAT.BEAT room ttl connection [connection …]`
//!
//! Keeps many connections at once, at most 1000. Reply: the newest id, an array of the connections the room does
//! not know; of a room that is not there `0-0` and all of them. Errors: INVALID. O(N) with N the
//! connections named. Replicates the deadline, to replicas only.

use chat_protocol::names;
use chat_room::decide::presence;

use crate::args::Args;
use crate::clock;
use crate::error_reply::ErrorReply;
use crate::redis::{Arg, Call, CommandSpec, Keys};
use crate::serving::{After, change_at, entry, reply_id};

pub(super) static SPEC: CommandSpec = CommandSpec {
    name: "chat.beat",
    entry: entry!(run),
    flags: "write",
    arity: -4,
    keys: Keys::Write,
    summary: "Keeps many connections in a room and answers which it does not know.",
    complexity: "O(N) with N the connections named",
    arguments: &[Arg::Key("room"), Arg::Number("ttl"), Arg::Texts("connection")],
};

fn run(call: &Call<'_>) -> Result<(), ErrorReply> {
    let mut args = Args::after(call, 2);
    let ttl = args.number("ttl")?;
    let connections = args.many()?.map(names::connection).collect::<Result<Vec<_>, _>>()?;
    change_at(
        call,
        clock::now(),
        |context, decision| presence::beat(context, ttl, connections, decision),
        |unknown, After { room, .. }| {
            call.reply_array(2);
            reply_id(call, room.last());
            call.reply_array(unknown.len());
            unknown.iter().for_each(|name| call.reply_text(name));
        },
    )
}
