//! `CHAT.ROOM room [SET field value …] [BY actor] [AS user] [NOCREATE] [NOHOOK]`
//!
//! Describes a room; with SET after changing its settings, all of the fields or none. It is a write
//! even without SET: Redis refuses it on replicas and whenever it refuses writes.
//!
//! - Reply: a map.
//! - Errors: NOROOM, NOTMEMBER, DENIED, BANNED, RATELIMIT, TOOBIG; OOM with SET, unless the backend
//!   only takes rights away.
//! - Complexity: O(1); the timer removes what is beyond a lowered bound.
//! - Replicates: the settings and the trim.
//!
//! `CHAT.ROOM_RO room [AS user | SETTINGS]`
//!
//! Describes a room without being a write; with SETTINGS only what was set for the room.
//!
//! - Reply: the map of CHAT.ROOM; with SETTINGS a map of fields and words as SET takes them.
//! - Errors: NOROOM, NOTMEMBER, DENIED, BANNED.
//! - Complexity: O(1).
//! - Replicates: nothing.

use chat_protocol::limits::FIELDS_MAX;
use chat_protocol::names::Actor;
use chat_room::decide::room::{self, Description, Set, answer, changed_settings, takes_away};
use chat_room::limits::Limits;
use chat_room::{CommandError, Context, Creation, Judging, Room};

use crate::args::{Args, once};
use crate::error_reply::ErrorReply;
use crate::redis::{Arg, Call, CommandSpec, Flags, Keys};
use crate::serving::{change, entry, read, reply_id, room_name};
use crate::{clock, config};

pub(super) static ROOM: CommandSpec = CommandSpec {
    name: "chat.room",
    entry: entry!(run_room),
    flags: "write fast",
    arity: -2,
    keys: Keys::Write,
    summary: "Describes a room, and changes its settings.",
    complexity: "O(1)",
    arguments: &[
        Arg::Key("room"),
        Arg::BlockOfMany("SET", "set", &[Arg::Text("field"), Arg::Text("value")]),
        Arg::OptionalText("BY", "actor"),
        Arg::OptionalText("AS", "user"),
        Arg::Flag("NOCREATE", "nocreate"),
        Arg::Flag("NOHOOK", "nohook"),
    ],
};

pub(super) static ROOM_RO: CommandSpec = CommandSpec {
    name: "chat.room_ro",
    entry: entry!(run_room_ro),
    flags: "readonly fast",
    arity: -2,
    keys: Keys::Read,
    summary: "Describes a room, also on replicas and when writes are refused.",
    complexity: "O(1)",
    arguments: &[
        Arg::Key("room"),
        Arg::OptionalText("AS", "user"),
        Arg::Flag("SETTINGS", "settings"),
    ],
};

fn run_room(call: &Call<'_>) -> Result<(), ErrorReply> {
    let mut args = Args::after(call, 2);
    let (mut fields, mut by, mut reader) = (Vec::new(), None, None);
    let (mut creation, mut judging) = (None, None);
    while let Some(option) = args.option() {
        match option.as_slice() {
            b"SET" if fields.is_empty() => {
                fields.push((args.word()?, args.word()?));
                // Field names are not case-sensitive, so no field may be called like an option.
                while args.left() > 0 && !args.next_is(&[b"BY", b"AS", b"NOCREATE", b"NOHOOK"]) {
                    if fields.len() >= FIELDS_MAX {
                        return Err(CommandError::invalid("field", "set twice").into());
                    }
                    fields.push((args.word()?, args.word()?));
                }
            }
            b"BY" => once(&mut by, args.actor()?)?,
            b"AS" => once(&mut reader, args.user()?)?,
            b"NOCREATE" => once(&mut creation, Creation::Refused)?,
            b"NOHOOK" => once(&mut judging, Judging::Missing)?,
            _ => return Err(ErrorReply::SYNTAX),
        }
    }
    if fields.is_empty() {
        if by.is_some() || creation.is_some() || judging.is_some() {
            return Err(ErrorReply::SYNTAX);
        }
        return describe(call, reader);
    }
    // The reply shows the room to the user who changes it.
    if reader.is_some_and(|reader| by != Some(Actor::User(reader))) {
        return Err(CommandError::Syntax("with SET, AS takes the user of BY").into());
    }
    let (creation, judging) = (creation.unwrap_or_default(), judging.unwrap_or_default());
    let set = Set { fields: &fields, by, creation, judging };
    let short = Flags::of(call).is_out_of_memory();
    change(
        call,
        |context, decision| -> Result<(), ErrorReply> {
            if short && !takes_away(context, &set) {
                return Err(ErrorReply::OutOfMemory);
            }
            // A user who may not read the reply gets the error before anything is changed.
            if !context.room.is_blank() {
                answer(context, reader)?;
            }
            Ok(room::set(context, set, decision)?)
        },
        |(), after| describe_changed(call, after.room, &config::limits(), reader),
    )
}

fn run_room_ro(call: &Call<'_>) -> Result<(), ErrorReply> {
    let mut args = Args::after(call, 2);
    let (mut reader, mut settings) = (None, None);
    while let Some(option) = args.option() {
        match option.as_slice() {
            b"AS" => once(&mut reader, args.user()?)?,
            b"SETTINGS" => once(&mut settings, ())?,
            _ => return Err(ErrorReply::SYNTAX),
        }
    }
    match (settings, reader) {
        (None, _) => describe(call, reader),
        (Some(()), None) => read(call, |context| {
            let settings = changed_settings(context)?;
            call.reply_map(settings.len());
            for (field, word) in &settings {
                call.reply_text(field);
                call.reply_text(word);
            }
            Ok(())
        }),
        (Some(()), Some(_)) => Err(CommandError::Syntax("SETTINGS is for the backend").into()),
    }
}

/// Describes the room as `reader` may see it.
fn describe(call: &Call<'_>, reader: Option<&str>) -> Result<(), ErrorReply> {
    read(call, |context| {
        reply(call, &answer(context, reader)?);
        Ok(())
    })
}

/// Describes a room that was just changed.
fn describe_changed(call: &Call<'_>, room: &Room, limits: &Limits, reader: Option<&str>) {
    let Ok(name) = room_name(call) else { return };
    match answer(Context { room, name, now: clock::now(), limits }, reader) {
        Ok(description) => reply(call, &description),
        Err(_) => call.reply_nil(),
    }
}

fn reply(call: &Call<'_>, room: &Description<'_>) {
    let text = |name: &str, value: &str| {
        call.reply_text(name);
        call.reply_text(value);
    };
    let number = |name: &str, value: u64| {
        call.reply_text(name);
        call.reply_number(value);
    };
    let more = room.profile.map_or(0, |_| 5)
        + usize::from(room.role.is_some())
        + usize::from(room.muted_until.is_some());
    call.reply_map(19 + more);
    text("room", room.room);
    text("kind", room.kind);
    number("created", room.created);
    call.reply_text("last");
    reply_id(call, room.last);
    number("m", room.m);
    number("members", room.members as u64);
    number("online", room.online as u64);
    number("connections", room.connections as u64);
    text("access", room.access.as_str());
    text("topic", room.topic);
    text("description", room.description);
    number("max_text", room.max_text);
    number("history_max", room.history_max);
    number("history_ttl", room.history_ttl);
    number("room_bytes", room.room_bytes);
    text("log_joins", yes_or_no(room.log_joins));
    text("hook", yes_or_no(room.hook));
    text("frozen", yes_or_no(room.frozen));
    number("slow", room.slow);
    if let Some(profile) = room.profile {
        text("name", profile.name);
        text("avatar", profile.avatar);
        text("status", profile.status);
    }
    if let Some(last_seen) = room.last_seen {
        number("last_seen", last_seen);
    }
    if let Some(tokens_after) = room.tokens_after {
        number("tokens_after", tokens_after);
    }
    if let Some(role) = room.role {
        call.reply_text("role");
        call.reply_option(role.map(|role| role.as_str()));
    }
    if let Some(until) = room.muted_until {
        number("muted_until", until);
    }
}

fn yes_or_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}
