//! The kinds of value that a setting of a room can have: how a value is read from a command and
//! from bytes, and how it is kept and written. `table.rs` gives each setting its kind and its rule.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use chat_protocol::id::parse_integer;
use chat_protocol::limits::PROFILE_NAME_MAX;

use crate::arguments::keyword::Keyword;
use crate::arguments::texts;
use crate::bytes::allocation::of_text;
use crate::bytes::json;
use crate::bytes::varint::{self, Malformed, Reader};
use crate::command_error::CommandError;

/// One kind of value.
pub(crate) trait Kind {
    /// A value that borrows from the command or the record that names it.
    type Value<'a>;
    /// The value as the room keeps it. The default: never set.
    type Kept: Default;
    /// What differs between settings of this kind.
    type Rule;

    /// Reads the word of a command, at `now` in milliseconds since the epoch. Errors: `INVALID
    /// <name>`, `TOOBIG`.
    fn parse<'a>(
        word: &'a [u8],
        name: &'static str,
        rule: &Self::Rule,
        now: u64,
    ) -> Result<Self::Value<'a>, CommandError>;
    /// Reads what [`Kind::write`] has written.
    fn read<'a>(reader: &mut Reader<'a>, rule: &Self::Rule) -> Result<Self::Value<'a>, Malformed>;
    /// Appends the value to a record or a snapshot.
    fn write(value: &Self::Value<'_>, out: &mut Vec<u8>);
    /// Appends the value as JSON.
    fn write_json(value: &Self::Value<'_>, rule: &Self::Rule, out: &mut Vec<u8>);
    /// The word that [`Kind::parse`] reads as this value.
    fn word<'v>(value: &'v Self::Value<'_>, rule: &Self::Rule) -> Cow<'v, str>;
    /// Whether setting the value would change nothing.
    fn is_kept(value: &Self::Value<'_>, kept: &Self::Kept, rule: &Self::Rule) -> bool;
    /// The value, to be kept.
    fn keep(value: &Self::Value<'_>) -> Self::Kept;
    /// The kept value.
    fn value(kept: &Self::Kept) -> Self::Value<'_>;
    /// Bytes that the kept value takes on the heap.
    fn memory(_kept: &Self::Kept) -> usize {
        0
    }
}

/// Who reads and joins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Anyone reads and joins; sending joins.
    #[default]
    Open,
    /// Owner and moderators add members; only members read.
    Members,
}

impl Access {
    /// The word of the setting's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Access::Open => "open",
            Access::Members => "members",
        }
    }
}

/// `open` or `members`.
pub(crate) struct Choice;

impl Kind for Choice {
    type Value<'a> = Access;
    type Kept = Access;
    type Rule = ();

    fn parse(word: &[u8], name: &'static str, (): &(), _: u64) -> Result<Access, CommandError> {
        match Keyword::lower(word).as_slice() {
            b"open" => Ok(Access::Open),
            b"members" => Ok(Access::Members),
            _ => Err(CommandError::invalid(name, "open or members")),
        }
    }

    fn read(reader: &mut Reader<'_>, (): &()) -> Result<Access, Malformed> {
        Ok(if reader.flag()? { Access::Members } else { Access::Open })
    }

    fn write(value: &Access, out: &mut Vec<u8>) {
        out.push(*value as u8);
    }

    fn write_json(value: &Access, (): &(), out: &mut Vec<u8>) {
        json::write_string(out, value.as_str());
    }

    fn word<'v>(value: &'v Access, (): &()) -> Cow<'v, str> {
        value.as_str().into()
    }

    fn is_kept(value: &Access, kept: &Access, (): &()) -> bool {
        value == kept
    }

    fn keep(value: &Access) -> Access {
        *value
    }

    fn value(kept: &Access) -> Access {
        *kept
    }
}

/// `yes` or `no`.
pub(crate) struct Switch;

impl Kind for Switch {
    type Value<'a> = bool;
    type Kept = bool;
    type Rule = ();

    fn parse(word: &[u8], name: &'static str, (): &(), _: u64) -> Result<bool, CommandError> {
        match Keyword::lower(word).as_slice() {
            b"yes" => Ok(true),
            b"no" => Ok(false),
            _ => Err(CommandError::invalid(name, "yes or no")),
        }
    }

    fn read(reader: &mut Reader<'_>, (): &()) -> Result<bool, Malformed> {
        reader.flag()
    }

    fn write(value: &bool, out: &mut Vec<u8>) {
        out.push(u8::from(*value));
    }

    fn write_json(value: &bool, (): &(), out: &mut Vec<u8>) {
        out.extend_from_slice(if *value { b"true" } else { b"false" });
    }

    fn word<'v>(value: &'v bool, (): &()) -> Cow<'v, str> {
        if *value { "yes" } else { "no" }.into()
    }

    fn is_kept(value: &bool, kept: &bool, (): &()) -> bool {
        value == kept
    }

    fn keep(value: &bool) -> bool {
        *value
    }

    fn value(kept: &bool) -> bool {
        *kept
    }
}

/// A text for people.
pub(crate) struct Text;

/// What a text may be.
pub(crate) struct TextRule {
    /// Bytes.
    max: usize,
    parse: for<'a> fn(&'a [u8], usize, &'static str) -> Result<&'a str, CommandError>,
}

/// A text of at most `max` bytes.
pub(crate) const fn line(max: usize) -> TextRule {
    TextRule { max, parse: texts::line }
}

/// A text of at most `max` bytes that is empty or shows something.
pub(crate) const fn visible_line(max: usize) -> TextRule {
    TextRule { max, parse: texts::visible_line }
}

/// The name of a user that is shown to people.
pub(crate) const fn display_name() -> TextRule {
    TextRule { max: PROFILE_NAME_MAX, parse: |bytes, _, _| texts::display_name(bytes) }
}

impl Kind for Text {
    type Value<'a> = Cow<'a, str>;
    type Kept = Box<str>;
    type Rule = TextRule;

    fn parse<'a>(
        word: &'a [u8],
        name: &'static str,
        rule: &TextRule,
        _: u64,
    ) -> Result<Cow<'a, str>, CommandError> {
        (rule.parse)(word, rule.max, name).map(Cow::Borrowed)
    }

    fn read<'a>(reader: &mut Reader<'a>, rule: &TextRule) -> Result<Cow<'a, str>, Malformed> {
        let text = reader.text(rule.max)?;
        let valid = !text.chars().any(char::is_control);
        if valid { Ok(text.into()) } else { Err(Malformed("a text with control characters")) }
    }

    fn write(value: &Cow<'_, str>, out: &mut Vec<u8>) {
        varint::put_bytes(out, value.as_bytes());
    }

    fn write_json(value: &Cow<'_, str>, _: &TextRule, out: &mut Vec<u8>) {
        json::write_string(out, value);
    }

    fn word<'v>(value: &'v Cow<'_, str>, _: &TextRule) -> Cow<'v, str> {
        Cow::Borrowed(value)
    }

    fn is_kept(value: &Cow<'_, str>, kept: &Box<str>, _: &TextRule) -> bool {
        **value == **kept
    }

    fn keep(value: &Cow<'_, str>) -> Box<str> {
        value.as_ref().into()
    }

    fn value(kept: &Box<str>) -> Cow<'_, str> {
        Cow::Borrowed(kept)
    }

    fn memory(kept: &Box<str>) -> usize {
        of_text(kept)
    }
}

/// A number, or none. 0 is never a value of one, so it stands for none in bytes.
pub(crate) struct Number;

/// What a number may be.
pub(crate) struct NumberRule {
    bounds: RangeInclusive<u64>,
    /// The words for no number.
    unset: &'static [&'static [u8]],
    /// No number, as JSON.
    unset_json: &'static str,
    hint: &'static str,
    /// Whether `now` is a value, and a later value is never replaced by an earlier one. So if two
    /// backends set the time, the later one wins in any order.
    is_time: bool,
}

/// A number that takes the place of a setting of the server; `default` follows the server.
pub(crate) const fn limit(min: u64, max: u64) -> NumberRule {
    NumberRule {
        bounds: min..=max,
        unset: &[b"default"],
        unset_json: "null",
        hint: "a number within its bounds, or default",
        is_time: false,
    }
}

/// Milliseconds, at most `max`; 0 or `default`: none.
pub(crate) const fn interval(max: u64) -> NumberRule {
    NumberRule { unset: &[b"0", b"default"], ..limit(1, max) }
}

/// A time in milliseconds since the epoch, or `now`; 0: none.
pub(crate) const fn time(min: u64, max: u64) -> NumberRule {
    NumberRule {
        bounds: min..=max,
        unset: &[b"0"],
        unset_json: "0",
        hint: "milliseconds, now, or 0",
        is_time: true,
    }
}

impl Kind for Number {
    type Value<'a> = Option<u64>;
    type Kept = Option<u64>;
    type Rule = NumberRule;

    fn parse(
        word: &[u8],
        name: &'static str,
        rule: &NumberRule,
        now: u64,
    ) -> Result<Option<u64>, CommandError> {
        if rule.unset.iter().any(|unset| word.eq_ignore_ascii_case(unset)) {
            return Ok(None);
        }
        if rule.is_time && word.eq_ignore_ascii_case(b"now") {
            return Ok(Some(now));
        }
        let number = parse_integer(word).filter(|number| rule.bounds.contains(number));
        number.map(Some).ok_or(CommandError::invalid(name, rule.hint))
    }

    fn read(reader: &mut Reader<'_>, rule: &NumberRule) -> Result<Option<u64>, Malformed> {
        match reader.number()? {
            0 => Ok(None),
            value if value <= *rule.bounds.end() => Ok(Some(value)),
            _ => Err(Malformed("setting out of bounds")),
        }
    }

    fn write(value: &Option<u64>, out: &mut Vec<u8>) {
        varint::put(out, value.unwrap_or(0));
    }

    fn write_json(value: &Option<u64>, rule: &NumberRule, out: &mut Vec<u8>) {
        match value {
            Some(value) => out.extend_from_slice(value.to_string().as_bytes()),
            None => out.extend_from_slice(rule.unset_json.as_bytes()),
        }
    }

    fn word<'v>(value: &'v Option<u64>, rule: &NumberRule) -> Cow<'v, str> {
        match value {
            Some(value) => value.to_string().into(),
            None => String::from_utf8_lossy(rule.unset.first().copied().unwrap_or_default()),
        }
    }

    fn is_kept(value: &Option<u64>, kept: &Option<u64>, rule: &NumberRule) -> bool {
        value == kept || (rule.is_time && value.is_some() && kept >= value)
    }

    fn keep(value: &Option<u64>) -> Option<u64> {
        *value
    }

    fn value(kept: &Option<u64>) -> Option<u64> {
        *kept
    }
}
