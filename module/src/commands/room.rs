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
//! `CHAT.ROOM_RO room [AS user] [GET field …] | SETTINGS`
//!
//! Describes a room without being a write; with GET only these fields, with SETTINGS only what was set
//! for the room.
//!
//! - Reply: the map of CHAT.ROOM; with GET those of the fields that the room and the reader have; with
//!   SETTINGS a map of fields and words as SET takes them.
//! - Errors: NOROOM, NOTMEMBER, DENIED, BANNED.
//! - Complexity: O(1).
//! - Replicates: nothing.

use chat_protocol::id::Id;
use chat_protocol::limits::FIELDS_MAX;
use chat_protocol::names::Actor;
use chat_room::decide::room::{self, Description, Set, answer, changed_settings, takes_away};
use chat_room::limits::Limits;
use chat_room::{CommandError, Context, Creation, Judging, Role, Room};

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
        Arg::BlockOfMany("GET", "get", &[Arg::Text("field")]),
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
        return describe(call, reader, &[]);
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
    let (mut reader, mut settings, mut wanted) = (None, None, Vec::new());
    while let Some(option) = args.option() {
        match option.as_slice() {
            b"AS" => once(&mut reader, args.user()?)?,
            b"GET" if wanted.is_empty() => {
                wanted.push(args.word()?);
                while args.left() > 0 && !args.next_is(&[b"AS", b"SETTINGS"]) {
                    if wanted.len() >= FIELDS_MAX {
                        return Err(CommandError::invalid("field", "too many").into());
                    }
                    wanted.push(args.word()?);
                }
            }
            b"SETTINGS" => once(&mut settings, ())?,
            _ => return Err(ErrorReply::SYNTAX),
        }
    }
    match (settings, reader) {
        (None, _) => describe(call, reader, &wanted),
        (Some(()), _) if !wanted.is_empty() => {
            Err(CommandError::Syntax("GET and SETTINGS exclude each other").into())
        }
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

/// Describes the room as `reader` may see it: the fields that are `wanted`, or all if none is named.
fn describe(call: &Call<'_>, reader: Option<&str>, wanted: &[&[u8]]) -> Result<(), ErrorReply> {
    read(call, |context| {
        let mut fields = fields(&answer(context, reader)?);
        let is = |word: &&[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if !wanted.iter().all(|word| fields.iter().any(|(name, _)| is(word, name))) {
            return Err(CommandError::invalid("field", "no such field").into());
        }
        if !wanted.is_empty() {
            let others =
                fields.iter_mut().filter(|(name, _)| !wanted.iter().any(|word| is(word, name)));
            others.for_each(|(_, value)| *value = None);
        }
        reply(call, &fields);
        Ok(())
    })
}

/// Describes a room that was just changed.
fn describe_changed(call: &Call<'_>, room: &Room, limits: &Limits, reader: Option<&str>) {
    let Ok(name) = room_name(call) else { return };
    match answer(Context { room, name, now: clock::now(), limits }, reader) {
        Ok(description) => reply(call, &fields(&description)),
        Err(_) => call.reply_nil(),
    }
}

/// The value of a field.
#[derive(Clone, Copy)]
enum Value<'a> {
    Text(&'a str),
    Number(u64),
    Id(Id),
    Nil,
}

/// A field and its value. `None`: the room or the reader has none.
type Field<'a> = (&'static str, Option<Value<'a>>);

/// The fields of the reply in their order.
fn fields<'a>(room: &Description<'a>) -> [Field<'a>; 26] {
    let text = |text| Some(Value::Text(text));
    let number = |number| Some(Value::Number(number));
    let count = |count| Some(Value::Number(count as u64));
    let profile = room.profile.as_ref();
    let role = |role: Option<Role>| role.map_or(Value::Nil, |role| Value::Text(role.as_str()));
    [
        ("room", text(room.room)),
        ("kind", text(room.kind)),
        ("created", number(room.created)),
        ("last", Some(Value::Id(room.last))),
        ("m", number(room.m)),
        ("members", count(room.members)),
        ("online", count(room.online)),
        ("connections", count(room.connections)),
        ("access", text(room.access.as_str())),
        ("topic", text(room.topic)),
        ("description", text(room.description)),
        ("max_text", number(room.max_text)),
        ("history_max", number(room.history_max)),
        ("history_ttl", number(room.history_ttl)),
        ("room_bytes", number(room.room_bytes)),
        ("log_joins", text(yes_or_no(room.log_joins))),
        ("hook", text(yes_or_no(room.hook))),
        ("frozen", text(yes_or_no(room.frozen))),
        ("slow", number(room.slow)),
        ("name", profile.and_then(|profile| text(profile.name))),
        ("avatar", profile.and_then(|profile| text(profile.avatar))),
        ("status", profile.and_then(|profile| text(profile.status))),
        ("last_seen", room.last_seen.map(Value::Number)),
        ("tokens_after", room.tokens_after.map(Value::Number)),
        ("role", room.role.map(role)),
        ("muted_until", room.muted_until.map(Value::Number)),
    ]
}

/// Replies with the fields that have a value.
fn reply(call: &Call<'_>, fields: &[Field<'_>]) {
    let there = || fields.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
    call.reply_map(there().count());
    for (name, value) in there() {
        call.reply_text(name);
        match value {
            Value::Text(text) => call.reply_text(text),
            Value::Number(number) => call.reply_number(number),
            Value::Id(id) => reply_id(call, id),
            Value::Nil => call.reply_nil(),
        }
    }
}

fn yes_or_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}
