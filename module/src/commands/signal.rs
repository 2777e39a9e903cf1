//! `CHAT.SIGNAL room user name [json] [REF id] [BY actor]`
//!
//! Publishes an event nobody stores: typing, or whatever the name says. Reply: 1. The backend's
//! signal `notice` becomes an event of that type; the backend may signal a room that is not there.
//! The name `profile` with BY * tells a room in which the user is present that name, avatar or status
//! have changed, REF the event of the user's personal room that says so: reply 0 if the user is absent.
//! Errors: INVALID, NOROOM, NOTMEMBER, DENIED, BANNED, MUTED, FROZEN, RATELIMIT, TOOBIG. O(1). Replicates nothing.

use chat_room::Refusal;
use chat_room::decide::signal;
use chat_room::names::{self, Actor};

use super::{change, entry};
use crate::args::{Args, once};
use crate::error::Error;
use crate::redis::{Arg, Call, Keys, Spec};

pub(super) static SPEC: Spec = Spec {
    name: "chat.signal",
    entry: entry!(run),
    flags: "write fast",
    arity: -4,
    keys: Keys::Write,
    summary: "Publishes an ephemeral event in a room.",
    complexity: "O(1)",
    arguments: &[
        Arg::Key("room"),
        Arg::Text("user"),
        Arg::Text("name"),
        Arg::OptionalWord("json"),
        Arg::OptionalText("REF", "id"),
        Arg::OptionalText("BY", "actor"),
    ],
};

/// The name of the signal by which the backend tells of a user.
const PROFILE: &str = "profile";

fn run(call: &Call<'_>) -> Result<(), Error> {
    let mut args = Args::after(call, 2);
    let user = args.actor()?;
    let name = names::word(args.word()?, "name")?;
    let is_object = args.left() > 0 && !args.next_is(&[b"REF", b"BY"]);
    let data = if is_object { Some(args.word()?) } else { None };
    let (mut source, mut by) = (None, None);
    while let Some(option) = args.option() {
        match option.as_slice() {
            b"REF" => once(&mut source, args.id()?)?,
            b"BY" => once(&mut by, args.actor()?)?,
            _ => return Err(Error::SYNTAX),
        }
    }
    if let (Some(by), Actor::User(user)) = (by, user) {
        if by != Actor::Backend {
            return Err(Refusal::Denied("backend").into());
        }
        let (PROFILE, Some(data)) = (name, data) else { return Err(Error::SYNTAX) };
        return change(
            call,
            |context, decision| signal::profile(context, user, source, data, decision),
            |told, _| call.reply_number(i64::from(told)),
        );
    }
    if source.is_some() || by.is_some() {
        return Err(Error::SYNTAX);
    }
    change(
        call,
        |context, decision| signal::decide(context, user, name, data, decision),
        |(), _| call.reply_number(1),
    )
}
