//! Reading a setting as CHAT.ROOM … SET names it: a field and a value, both words.

use chat_protocol::id;
use chat_protocol::limits::*;

use super::{Access, Setting};
use crate::arguments::keyword::Keyword;
use crate::arguments::texts;
use crate::command_error::CommandError;
use crate::state::limits::*;

impl<'a> Setting<'a> {
    /// Reads `field value` as CHAT.ROOM … SET takes them, at `now` in milliseconds since the epoch.
    /// Errors: `INVALID field`, `INVALID <field>`, `TOOBIG`.
    pub(crate) fn parse(field: &[u8], value: &'a [u8], now: u64) -> Result<Self, CommandError> {
        let field = Keyword::lower(field);
        match field.as_slice() {
            b"access" => match Keyword::lower(value).as_slice() {
                b"open" => Ok(Setting::Access(Access::Open)),
                b"members" => Ok(Setting::Access(Access::Members)),
                _ => Err(CommandError::invalid("access", "open or members")),
            },
            b"topic" => texts::visible_line(value, TOPIC_MAX, "topic")
                .map(|text| Setting::Topic(text.into())),
            b"description" => texts::line(value, DESCRIPTION_MAX, "description")
                .map(|text| Setting::Description(text.into())),
            b"max_text" => narrow(value, "max_text", MAX_TEXT_MIN, MAX_TEXT_MAX).map(Self::MaxText),
            b"history_max" => narrow(value, "history_max", HISTORY_MAX_MIN, HISTORY_MAX_MAX)
                .map(Setting::HistoryMax),
            b"room_bytes" => {
                narrow(value, "room_bytes", ROOM_BYTES_MIN, ROOM_BYTES_MAX).map(Setting::RoomBytes)
            }
            b"history_ttl" => {
                narrow(value, "history_ttl", 1, HISTORY_TTL_MAX).map(Setting::HistoryTtl)
            }
            b"log_joins" => yes_or_no(value, "log_joins").map(Setting::LogJoins),
            b"frozen" => yes_or_no(value, "frozen").map(Setting::Frozen),
            b"slow" if value == b"0" => Ok(Setting::Slow(None)),
            b"slow" => narrow(value, "slow", 1, SLOW_MAX).map(Setting::Slow),
            b"name" => texts::display_name(value).map(|text| Setting::Name(text.into())),
            b"avatar" => {
                texts::line(value, AVATAR_MAX, "avatar").map(|text| Setting::Avatar(text.into()))
            }
            b"status" => texts::line(value, PROFILE_STATUS_MAX, "status")
                .map(|text| Setting::Status(text.into())),
            b"tokens_after" => tokens_after(value, now).map(Setting::TokensAfter),
            _ => Err(CommandError::invalid("field", "no setting of a room has this name")),
        }
    }
}

/// A number in bounds, or `default` to follow the server.
fn narrow(
    value: &[u8],
    what: &'static str,
    min: u64,
    max: u64,
) -> Result<Option<u64>, CommandError> {
    if value.eq_ignore_ascii_case(b"default") {
        return Ok(None);
    }
    let number = id::parse_integer(value).filter(|number| (min..=max).contains(number));
    number.map(Some).ok_or(CommandError::invalid(what, "a number within its bounds, or default"))
}

/// A time in milliseconds since the epoch, `now`, or `0` to take it back.
fn tokens_after(value: &[u8], now: u64) -> Result<Option<u64>, CommandError> {
    match value {
        b"0" => Ok(None),
        _ if value.eq_ignore_ascii_case(b"now") => Ok(Some(now)),
        _ => {
            let sane = TOKENS_AFTER_MIN..=TOKENS_AFTER_MAX;
            let ms = id::parse_integer(value).filter(|ms| sane.contains(ms));
            ms.map(Some).ok_or(CommandError::invalid("tokens_after", "milliseconds, now, or 0"))
        }
    }
}

fn yes_or_no(value: &[u8], what: &'static str) -> Result<bool, CommandError> {
    match Keyword::lower(value).as_slice() {
        b"yes" => Ok(true),
        b"no" => Ok(false),
        _ => Err(CommandError::invalid(what, "yes or no")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::varint::Reader;
    use crate::state::settings::{Settings, to_json};

    #[test]
    fn settings_are_read_checked_and_told() {
        let table: &[(&str, &str, Result<&str, &str>)] = &[
            ("access", "members", Ok("{\"access\":\"members\"}")),
            ("ACCESS", "Open", Ok("{\"access\":\"open\"}")),
            ("access", "closed", Err("INVALID access")),
            ("topic", "a \"b\"", Ok("{\"topic\":\"a \\\"b\\\"\"}")),
            ("topic", "a\nb", Err("INVALID topic")),
            ("description", "", Ok("{\"description\":\"\"}")),
            ("max_text", "100", Ok("{\"max_text\":100}")),
            ("max_text", "default", Ok("{\"max_text\":null}")),
            ("max_text", "0", Err("INVALID max_text")),
            ("history_max", "-1", Err("INVALID history_max")),
            ("history_ttl", "0", Err("INVALID history_ttl")),
            ("room_bytes", "1048576", Ok("{\"room_bytes\":1048576}")),
            ("room_bytes", "1000", Err("INVALID room_bytes")),
            ("log_joins", "yes", Ok("{\"log_joins\":true}")),
            ("frozen", "1", Err("INVALID frozen")),
            ("slow", "5000", Ok("{\"slow\":5000}")),
            ("slow", "0", Ok("{\"slow\":null}")),
            ("slow", "-1", Err("INVALID slow")),
            ("name", "Alice \u{2615}", Ok("{\"name\":\"Alice \u{2615}\"}")),
            ("avatar", "a\tb", Err("INVALID avatar")),
            ("status", "on holiday", Ok("{\"status\":\"on holiday\"}")),
            ("tokens_after", "1795225200001", Ok("{\"tokens_after\":1795225200001}")),
            ("tokens_after", "1000000000000", Ok("{\"tokens_after\":1000000000000}")),
            ("tokens_after", "NOW", Ok("{\"tokens_after\":1795225200000}")),
            ("tokens_after", "0", Ok("{\"tokens_after\":0}")),
            ("tokens_after", "1795225200", Err("INVALID tokens_after")),
            ("tokens_after", "999999999999", Err("INVALID tokens_after")),
            ("tokens_after", "140737488355328", Err("INVALID tokens_after")),
            ("tokens_after", "1795225200001.5", Err("INVALID tokens_after")),
            ("tokens_after", "default", Err("INVALID tokens_after")),
            ("tokens_after", "", Err("INVALID tokens_after")),
            ("colour", "red", Err("INVALID field")),
        ];
        for (field, value, expected) in table {
            match (Setting::parse(field.as_bytes(), value.as_bytes(), 1_795_225_200_000), expected)
            {
                (Ok(setting), Ok(json)) => {
                    let mut written = Vec::new();
                    setting.write(&mut written);
                    let mut reader = Reader::new(&written);
                    assert_eq!(Setting::read(&mut reader).as_ref(), Ok(&setting));
                    assert!(reader.is_empty());
                    let mut settings = Settings::default();
                    setting.put_in(&mut settings);
                    assert!(setting.is_in(&settings));
                    assert_eq!(to_json(&[setting]), *json);
                }
                (Err(error), Err(start)) => assert!(error.to_string().starts_with(start)),
                (found, _) => panic!("{field} {value}: {found:?}"),
            }
        }
    }
}
