//! `CHAT.SEND room user text [NONCE k] [KIND w] [META json] [REPLY id] [MENTION n user …]
//! [EPHEMERAL]`
//!
//! Checks, joins on the first send to an open room, stores, counts and publishes. Reply: the id; nil
//! if EPHEMERAL. A repeat with the same nonce replies the first id and does nothing. Errors:
//! INVALID, NOMSG, NOTMEMBER, DENIED, BANNED, MUTED, FROZEN, RATELIMIT, TOOBIG. O(1). Replicates: what makes the
//! room and the member, the message, the trim.

use chat_room::decide::send::{self, Send};
use chat_room::names;

use super::{change, entry, reply_id};
use crate::args::{Args, once};
use crate::error::Error;
use crate::info::{self, COUNTERS};
use crate::redis::{Arg, Call, Keys, Spec};

pub(super) static SPEC: Spec = Spec {
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
    ],
};

fn run(call: &Call<'_>) -> Result<(), Error> {
    let send = parse(&mut Args::after(call, 2))?;
    let nonce = send.nonce.is_some();
    change(
        call,
        |context| {
            let decision = send::decide(context, send)?;
            if nonce && decision.steps.is_empty() {
                info::count(&COUNTERS.nonce_hits, 1);
            }
            Ok(decision)
        },
        |id, _| match id {
            Some(id) => reply_id(call, id),
            None => call.reply_nil(),
        },
    )
}

fn parse<'c>(args: &mut Args<'c>) -> Result<Send<'c>, Error> {
    let user = args.actor()?;
    let text = args.word()?;
    let (mut nonce, mut kind, mut meta, mut reply, mut mentions) = (None, None, None, None, None);
    let mut ephemeral = None;
    while let Some(option) = args.option() {
        match option.as_slice() {
            b"NONCE" => once(&mut nonce, names::nonce(args.word()?)?)?,
            b"KIND" => once(&mut kind, send::kind(args.word()?)?)?,
            b"META" => once(&mut meta, args.word()?)?,
            b"REPLY" => once(&mut reply, args.word()?)?,
            b"MENTION" => {
                let count = send::mention_count(args.number("mention")?)?;
                let users = (0..count).map(|_| args.user()).collect::<Result<Vec<_>, _>>()?;
                once(&mut mentions, users)?;
            }
            b"EPHEMERAL" => once(&mut ephemeral, ())?,
            _ => return Err(Error::SYNTAX),
        }
    }
    Ok(Send {
        user,
        text,
        nonce,
        kind,
        meta,
        reply,
        mentions: mentions.unwrap_or_default(),
        ephemeral: ephemeral.is_some(),
    })
}
