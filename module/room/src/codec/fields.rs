//! The fields that records and snapshots share: how they are read and checked, and how a change of
//! membership is written.

use chat_protocol::id::Id;
use chat_protocol::limits::*;
use chat_protocol::names::{self, RoomName};

use crate::arguments::texts;
use crate::bytes::varint::{self, Malformed, Reader};
use crate::state::numbers::{END, PLAUSIBLE_END};
use crate::state::users::members::{MemberAction, MemberChange, Role};

pub(super) fn write_member(out: &mut Vec<u8>, change: MemberChange<'_>) {
    let MemberChange { user, by, action, role, reason, until } = change;
    varint::put(out, action as u64);
    varint::put_bytes(out, user.as_bytes());
    varint::put_option(out, by);
    varint::put(out, role.map_or(0, |role| role as u64 + 1));
    varint::put_option(out, reason);
    varint::put(out, until.map_or(0, |until| until.saturating_add(1)));
}

pub(super) fn read_id(reader: &mut Reader<'_>) -> Result<Id, Malformed> {
    let id = Id { ms: reader.number()?, n: reader.number()? };
    if id.ms < END && id.n < END { Ok(id) } else { Err(Malformed("id out of bounds")) }
}

/// The id of a new event, with a number such as RESTORE accepts.
pub(super) fn read_event_id(reader: &mut Reader<'_>) -> Result<Id, Malformed> {
    let id = read_id(reader)?;
    if id.n < PLAUSIBLE_END { Ok(id) } else { Err(Malformed("event number out of bounds")) }
}

pub(super) fn read_ms(reader: &mut Reader<'_>) -> Result<u64, Malformed> {
    let ms = reader.number()?;
    if ms < END { Ok(ms) } else { Err(Malformed("time beyond all clocks")) }
}

pub(super) fn read_user<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Malformed> {
    let name = reader.name(USER_NAME_MAX)?;
    names::stored_user(name.as_bytes()).map_err(|_| Malformed("no user"))
}

/// A user, or the backend.
pub(super) fn read_actor<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Malformed> {
    check_actor(reader.name(USER_NAME_MAX)?)
}

fn check_actor(name: &str) -> Result<&str, Malformed> {
    names::Actor::stored(name.as_bytes()).map_err(|_| Malformed("no actor"))?;
    Ok(name)
}

pub(super) fn read_connection<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Malformed> {
    let name = reader.name(CONNECTION_NAME_MAX)?;
    names::stored_connection(name.as_bytes()).map_err(|_| Malformed("no connection"))
}

pub(super) fn read_room<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Malformed> {
    let name = reader.name(ROOM_NAME_MAX)?;
    RoomName::stored(name.as_bytes()).map_err(|_| Malformed("no room can be named so"))?;
    Ok(name)
}

/// A short text for people, or none.
pub(super) fn read_line<'a>(
    reader: &mut Reader<'a>,
    max: usize,
) -> Result<Option<&'a str>, Malformed> {
    let text = reader.option(max)?;
    let line = |text: &str| texts::line(text.as_bytes(), max, "text").is_ok();
    if text.is_none_or(line) { Ok(text) } else { Err(Malformed("a text with control characters")) }
}

/// A short text for people.
pub(super) fn read_text_line<'a>(
    reader: &mut Reader<'a>,
    max: usize,
) -> Result<&'a str, Malformed> {
    let text = reader.text(max)?;
    match texts::line(text.as_bytes(), max, "text") {
        Ok(_) => Ok(text),
        Err(_) => Err(Malformed("a text with control characters")),
    }
}

pub(super) fn read_role(reader: &mut Reader<'_>) -> Result<Role, Malformed> {
    let number = usize::try_from(reader.number()?).unwrap_or(usize::MAX);
    Role::ALL.get(number).copied().ok_or(Malformed("unknown role"))
}

/// A user, or the backend, or nobody.
pub(super) fn read_optional_actor<'a>(
    reader: &mut Reader<'a>,
) -> Result<Option<&'a str>, Malformed> {
    reader.option(USER_NAME_MAX)?.map(check_actor).transpose()
}

/// A user, and the actor who changes something about them, if it is another one.
pub(super) fn read_who<'a>(
    reader: &mut Reader<'a>,
) -> Result<(&'a str, Option<&'a str>), Malformed> {
    Ok((read_user(reader)?, read_optional_actor(reader)?))
}

pub(super) fn read_member<'a>(reader: &mut Reader<'a>) -> Result<MemberChange<'a>, Malformed> {
    let action = usize::try_from(reader.number()?).unwrap_or(usize::MAX);
    let action = MemberAction::ALL.get(action).copied().ok_or(Malformed("unknown action"))?;
    let (user, by) = read_who(reader)?;
    let role = match usize::try_from(reader.number()?).unwrap_or(usize::MAX).checked_sub(1) {
        None => None,
        Some(role) => Some(Role::ALL.get(role).copied().ok_or(Malformed("unknown role"))?),
    };
    let reason = read_line(reader, REASON_MAX)?;
    let until = read_until(reader)?;
    Ok(MemberChange { user, by, action, role, reason, until })
}

/// A time or none, written as 0 for none, else as the time plus one.
pub(super) fn read_until(reader: &mut Reader<'_>) -> Result<Option<u64>, Malformed> {
    Ok(read_ms(reader)?.checked_sub(1))
}
