//! `CHAT.PRESENCE room user connection [TTL ms] [STATUS s]`
//! `CHAT.PRESENCE room user connection OFF [REASON s]`
//!
//! The heartbeat of one connection: adds it, or extends its deadline; OFF ends it. Publishes a
//! `presence` event when the user's first connection opens, the last one closes, or the status shown
//! changes. Creates the user's own personal room if it does not exist, but no other room.
//!
//! - Reply: the number of users online, and the newest id of the room.
//! - Errors: NOROOM, NOTMEMBER, DENIED, BANNED, TOOBIG, OOM (for a new connection).
//! - Complexity: O(log N), N the users online.
//! - Replicates: the connection, to replicas only; the record that creates a personal room.

use chat_protocol::limits::{REASON_MAX, STATUS_MAX};
use chat_protocol::names;
use chat_room::decide::presence::{self, Presence};
use chat_room::texts;

use crate::args::{Args, once};
use crate::clock;
use crate::error_reply::ErrorReply;
use crate::redis::{Arg, Call, CommandSpec, Flags, Keys};
use crate::serving::{After, change_at, entry, reply_id};

pub(super) static SPEC: CommandSpec = CommandSpec {
    name: "chat.presence",
    entry: entry!(run),
    flags: "write fast",
    arity: -4,
    keys: Keys::Write,
    summary: "Adds or extends one connection of a user, or ends it.",
    complexity: "O(log(N)) with N the users online",
    arguments: &[
        Arg::Key("room"),
        Arg::Text("user"),
        Arg::Text("connection"),
        Arg::OptionalNumber("TTL", "milliseconds"),
        Arg::OptionalText("STATUS", "status"),
        Arg::Flag("OFF", "off"),
        Arg::OptionalText("REASON", "reason"),
    ],
};

fn run(call: &Call<'_>) -> Result<(), ErrorReply> {
    let mut args = Args::after(call, 2);
    let user = args.user()?;
    let connection = names::connection(args.word()?)?;
    let (mut ttl, mut status, mut off, mut reason) = (None, None, None, None);
    while let Some(option) = args.option() {
        match option.as_slice() {
            b"TTL" => once(&mut ttl, args.number("ttl")?)?,
            b"STATUS" => once(&mut status, texts::line(args.word()?, STATUS_MAX, "status")?)?,
            b"OFF" => once(&mut off, ())?,
            b"REASON" => once(&mut reason, texts::line(args.word()?, REASON_MAX, "reason")?)?,
            _ => return Err(ErrorReply::SYNTAX),
        }
    }
    let going = off.is_some();
    if going && (ttl.is_some() || status.is_some()) || !going && reason.is_some() {
        return Err(ErrorReply::SYNTAX);
    }
    let short = !going && Flags::of(call).is_out_of_memory();
    change_at(
        call,
        clock::now(),
        |context, decision| {
            if going {
                return Ok(presence::disconnect(context, user, connection, reason, decision)?);
            }
            if short && presence::is_new(context, connection) {
                return Err(ErrorReply::OutOfMemory);
            }
            let presence = Presence { user, connection, ttl, status };
            Ok(presence::connect(context, presence, decision)?)
        },
        |(), After { room, .. }| {
            call.reply_array(2);
            call.reply_number(room.online() as u64);
            reply_id(call, room.last());
        },
    )
}
