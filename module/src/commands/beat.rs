//! `CHAT.BEAT room ttl connection [connection …]`
//!
//! Extends the deadlines of at most 1,000 connections.
//!
//! - Reply: the newest id of the room, and an array of the connections that it does not know. For a
//!   room that does not exist: `0-0` and all of them.
//! - Errors: only the common ones.
//! - Complexity: O(N), N the connections named.
//! - Replicates: the deadlines, to replicas only.

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
    summary: "Extends the deadlines of many connections and returns those the room does not know.",
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
