//! `CHAT.SEND room user text [NONCE k] [KIND w] [META json] [REPLY id] [MENTION n user …]
//! [EPHEMERAL] [NOCREATE] [NOHOOK] [NOTICES]`
//!
//! Checks, stores, counts and publishes a message. The first message to an open room makes its
//! sender a member; the first message to a room that does not exist creates the room, except with
//! NOCREATE. A second send with the same nonce replies with the first id and does nothing else.
//! With EPHEMERAL the message is published and not stored. With NOHOOK a room that has the setting
//! `hook` refuses it, because no service has judged it. With NOTICES the reply also names the users
//! who are to get a notice of it.
//!
//! - Reply: the id of the message; nil with EPHEMERAL; with NOTICES an array of the id and an array
//!   of users.
//! - Errors: NOROOM (with NOCREATE or EPHEMERAL), NOMSG, NOTMEMBER, DENIED, BANNED, MUTED, FROZEN,
//!   RATELIMIT, TOOBIG.
//! - Complexity: O(1).
//! - Replicates: the records that create the room and the member, the message, the trim.

use chat_protocol::names;
use chat_room::decide::send::{self, Send};
use chat_room::{CommandError, Creation, Judging};

use crate::args::{Args, once};
use crate::error_reply::ErrorReply;
use crate::info::{self, COUNTERS};
use crate::redis::{Arg, Call, CommandSpec, Keys};
use crate::serving::{change, entry, reply_id};

pub(super) static SPEC: CommandSpec = CommandSpec {
    name: "chat.send",
    entry: entry!(run),
    flags: "write deny-oom fast",
    arity: -4,
    keys: Keys::Write,
    summary: "Stores a message in a room and publishes it, once per nonce.",
    complexity: "O(1)",
    arguments: &[
        Arg::Key("room"),
        Arg::Text("user"),
        Arg::Text("text"),
        Arg::OptionalText("NONCE", "nonce"),
        Arg::OptionalText("KIND", "kind"),
        Arg::OptionalText("META", "json"),
        Arg::OptionalText("REPLY", "id"),
        Arg::Block("MENTION", "mention", &[Arg::Number("count"), Arg::Texts("mentioned")]),
        Arg::Flag("EPHEMERAL", "ephemeral"),
        Arg::Flag("NOCREATE", "nocreate"),
        Arg::Flag("NOHOOK", "nohook"),
        Arg::Flag("NOTICES", "notices"),
    ],
};

fn run(call: &Call<'_>) -> Result<(), ErrorReply> {
    let mut mentions = Vec::new();
    let mut args = Args::after(call, 2);
    let mut send = Send::plain(args.actor()?, args.word()?);
    let mut form = Form::Id;
    if args.left() > 0 {
        form = options(&mut send, args, &mut mentions)?;
    }
    let nonce = send.nonce.is_some();
    change(
        call,
        |context, decision| {
            let id = send::decide(context, &send, decision)?;
            if nonce && decision.steps.is_empty() {
                info::count(&COUNTERS.nonce_hits, 1);
            }
            let recipients = match (form, id) {
                (Form::IdAndRecipients, Some(id)) => {
                    Some(send::recipients(context, &send, id, decision))
                }
                _ => None,
            };
            Ok::<_, CommandError>((id, recipients))
        },
        |(id, recipients), after| {
            if recipients.is_some() {
                call.reply_array(2);
            }
            match (id, after.events.last_id()) {
                (None, _) => call.reply_nil(),
                (Some(_), Some(written)) => call.reply_bytes(written),
                (Some(id), None) => reply_id(call, id),
            }
            if let Some(recipients) = recipients {
                call.reply_array(recipients.len());
                recipients.iter().for_each(|user| call.reply_bytes(user.as_bytes()));
            }
        },
    )
}

/// What the reply holds.
#[derive(Clone, Copy)]
enum Form {
    Id,
    /// NOTICES.
    IdAndRecipients,
}

/// Reads the options. The mentioned users are written to `buffer`. Returns the form of the reply.
fn options<'c>(
    send: &mut Send<'c>,
    mut args: Args<'c>,
    buffer: &'c mut Vec<u8>,
) -> Result<Form, ErrorReply> {
    let (mut mentioned, mut ephemeral, mut creation, mut judging) = (None, None, None, None);
    let mut form = None;
    while let Some(option) = args.option() {
        match option.as_slice() {
            b"NONCE" => once(&mut send.nonce, names::nonce(args.word()?)?)?,
            b"KIND" => once(&mut send.kind, send::kind(args.word()?)?)?,
            b"META" => once(&mut send.meta, args.word()?)?,
            b"REPLY" => once(&mut send.reply, args.word()?)?,
            b"MENTION" => {
                let count = send::mention_count(args.number("mention")?)?;
                let users = (0..count).map(|_| args.user()).collect::<Result<Vec<_>, _>>()?;
                once(&mut mentioned, users)?;
            }
            b"EPHEMERAL" => once(&mut ephemeral, ())?,
            b"NOCREATE" => once(&mut creation, Creation::Refused)?,
            b"NOHOOK" => once(&mut judging, Judging::Missing)?,
            b"NOTICES" => once(&mut form, Form::IdAndRecipients)?,
            _ => return Err(ErrorReply::SYNTAX),
        }
    }
    if let Some(users) = mentioned {
        send.mentions = send::mentions(&users, buffer);
    }
    send.ephemeral = ephemeral.is_some();
    send.creation = creation.unwrap_or_default();
    send.judging = judging.unwrap_or_default();
    Ok(form.unwrap_or(Form::Id))
}
