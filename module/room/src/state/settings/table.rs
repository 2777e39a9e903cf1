//! The settings of a room in one table, and what the table makes of itself: the type of a change,
//! the kept settings, and how they are read and written.
//!
//! A change is one typed value, so it is checked once and then applied everywhere without being
//! parsed again. A number that is not set follows the server's setting, see `limits.rs`.

use std::borrow::Cow;

use chat_protocol::limits::*;

use crate::arguments::keyword::Keyword;
use crate::bytes::allocation::allocated;
use crate::bytes::json;
use crate::bytes::varint::{Malformed, Reader};
use crate::command_error::CommandError;
use crate::state::limits::*;
use crate::state::settings::kind::{
    Access, Choice, Kind, Number, Switch, Text, display_name, interval, limit, line, time,
    visible_line,
};
use crate::state::users::members::Role;

/// Which rooms have a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rooms {
    All,
    /// Neither personal nor direct rooms.
    Ordinary,
    /// Personal rooms.
    Personal,
    /// Personal rooms, whose user may set it.
    Profile,
}

macro_rules! settings {
    ($($(#[$doc:meta])*
        $tag:literal $variant:ident $field:ident: $kind:ident
            = $rule:expr, $role:ident, $rooms:ident;
    )*) => {
        /// One changed setting.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) enum Setting<'a> {
            $($(#[$doc])* $variant(<$kind as Kind>::Value<'a>),)*
        }

        /// The settings of one room.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub(crate) struct Settings {
            $($(#[$doc])* pub(crate) $field: <$kind as Kind>::Kept,)*
        }

        impl<'a> Setting<'a> {
            /// Reads a field and its value as CHAT.ROOM ... SET names them, at `now` in
            /// milliseconds since the epoch. Errors: `INVALID field`, `INVALID <field>`, `TOOBIG`.
            pub(crate) fn parse(
                field: &[u8],
                value: &'a [u8],
                now: u64,
            ) -> Result<Self, CommandError> {
                let field = Keyword::lower(field);
                $(if field.as_slice() == stringify!($field).as_bytes() {
                    let value = <$kind as Kind>::parse(value, stringify!($field), &$rule, now);
                    return value.map(Setting::$variant);
                })*
                let hint = concat!("one of" $(, " ", stringify!($field))*);
                Err(CommandError::invalid("field", hint))
            }

            /// The setting's name.
            pub(crate) fn field(&self) -> &'static str {
                match self {
                    $(Setting::$variant(_) => stringify!($field),)*
                }
            }

            /// The role an actor needs to change this in an ordinary room.
            pub(crate) fn needed_role(&self) -> Role {
                match self {
                    $(Setting::$variant(_) => Role::$role,)*
                }
            }

            /// Which rooms have this.
            pub(crate) fn rooms(&self) -> Rooms {
                match self {
                    $(Setting::$variant(_) => Rooms::$rooms,)*
                }
            }

            /// Whether setting this would change nothing.
            pub(crate) fn is_in(&self, settings: &Settings) -> bool {
                match self {
                    $(Setting::$variant(value) => {
                        <$kind as Kind>::is_kept(value, &settings.$field, &$rule)
                    })*
                }
            }

            /// Sets it.
            pub(crate) fn put_in(&self, settings: &mut Settings) {
                match self {
                    $(Setting::$variant(value) => settings.$field = <$kind as Kind>::keep(value),)*
                }
            }

            /// Appends the value as JSON.
            fn write_json(&self, out: &mut Vec<u8>) {
                match self {
                    $(Setting::$variant(value) => {
                        <$kind as Kind>::write_json(value, &$rule, out);
                    })*
                }
            }

            /// The word of CHAT.ROOM ... SET for this value.
            pub(crate) fn word(&self) -> Cow<'_, str> {
                match self {
                    $(Setting::$variant(value) => <$kind as Kind>::word(value, &$rule),)*
                }
            }

            /// Appends the form in records and snapshots.
            pub(crate) fn write(&self, out: &mut Vec<u8>) {
                match self {
                    $(Setting::$variant(value) => {
                        out.push($tag);
                        <$kind as Kind>::write(value, out);
                    })*
                }
            }

            /// Reads the form in records and snapshots.
            pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
                match reader.byte()? {
                    $($tag => <$kind as Kind>::read(reader, &$rule).map(Setting::$variant),)*
                    _ => Err(Malformed("unknown setting")),
                }
            }
        }

        impl Settings {
            /// The settings that differ from those of a new room, in the order of the table: it is
            /// the order in which snapshots hold them.
            pub(crate) fn changed(&self) -> Vec<Setting<'_>> {
                let all = [$(Setting::$variant(<$kind as Kind>::value(&self.$field)),)*];
                all.into_iter().filter(|setting| !setting.is_in(&UNCHANGED)).collect()
            }

            /// Bytes they take on the heap.
            pub(crate) fn memory(&self) -> usize {
                allocated(size_of::<Settings>()) $(+ <$kind as Kind>::memory(&self.$field))*
            }
        }
    };
}

// Each row: tag in records and snapshots, which never changes its meaning; variant; name; kind and
// rule; the role that may change it; the rooms that have it. Snapshots hold settings in this order:
// new rows go last.
settings! {
    /// Who reads and joins.
    0  Access      access: Choice       = (), Owner, Ordinary;
    1  Topic       topic: Text          = visible_line(TOPIC_MAX), Moderator, All;
    2  Description description: Text    = line(DESCRIPTION_MAX), Moderator, All;
    /// Bytes of a message's text.
    3  MaxText     max_text: Number     = limit(MAX_TEXT.min, MAX_TEXT.max), Owner, All;
    /// Messages kept.
    4  HistoryMax  history_max: Number  = limit(HISTORY_MAX.min, HISTORY_MAX.max), Owner, All;
    /// Milliseconds a message is kept.
    5  HistoryTtl  history_ttl: Number  = limit(1, HISTORY_TTL.max), Owner, All;
    /// Bytes that messages and events may take.
    13 RoomBytes   room_bytes: Number   = limit(ROOM_BYTES.min, ROOM_BYTES.max), Owner, All;
    /// Whether joins are durable events.
    6  LogJoins    log_joins: Switch    = (), Owner, All;
    /// Whether only owners and moderators write.
    7  Frozen      frozen: Switch       = (), Moderator, Ordinary;
    /// Milliseconds between two messages of a user.
    8  Slow        slow: Number         = interval(SLOW_MAX), Moderator, Ordinary;
    /// The user's name, as people see it.
    9  Name        name: Text           = display_name(), Owner, Profile;
    /// The address of the user's picture.
    10 Avatar      avatar: Text         = line(AVATAR_MAX), Owner, Profile;
    /// A line about what the user is doing.
    11 Status      status: Text         = line(PROFILE_STATUS_MAX), Owner, Profile;
    /// Tokens issued before this are refused; milliseconds since the epoch.
    12 TokensAfter tokens_after: Number = time(TOKENS_AFTER_MIN, TOKENS_AFTER_MAX), Owner, Personal;
    /// Whether a service judges what users write here before it is stored. Set by the backend.
    14 Hook        hook: Switch         = (), Owner, All;
}

/// The settings of a room that never changed them.
pub(crate) static UNCHANGED: std::sync::LazyLock<Settings> =
    std::sync::LazyLock::new(Settings::default);

impl Setting<'_> {
    /// Whether only personal rooms have this.
    pub(crate) fn is_personal(&self) -> bool {
        matches!(self.rooms(), Rooms::Personal | Rooms::Profile)
    }

    /// Whether people read the value.
    pub(crate) fn is_text(&self) -> bool {
        matches!(
            self,
            Setting::Topic(_)
                | Setting::Description(_)
                | Setting::Name(_)
                | Setting::Avatar(_)
                | Setting::Status(_)
        )
    }

    /// Whether only the backend sets this, in every room.
    pub(crate) fn is_of_backend(&self) -> bool {
        matches!(self, Setting::Hook(_))
    }

    /// Whether this exceeds the server's own setting. Only the backend may set that.
    pub(crate) fn exceeds(&self, limits: &Limits) -> bool {
        match self {
            Setting::MaxText(Some(value)) => *value > limits.max_text,
            Setting::HistoryMax(Some(value)) => *value > limits.history_max,
            Setting::RoomBytes(Some(value)) => *value > limits.room_bytes,
            Setting::HistoryTtl(Some(value)) => {
                limits.history_ttl != 0 && *value > limits.history_ttl
            }
            _ => false,
        }
    }

    /// Whether this only restricts: the room keeps less, or fewer may read or write.
    pub(crate) fn takes_away(&self, settings: &Settings, limits: &Limits) -> bool {
        match self {
            Setting::Access(Access::Members)
            | Setting::Frozen(true)
            | Setting::Slow(Some(_))
            | Setting::Hook(true)
            | Setting::TokensAfter(Some(_)) => true,
            Setting::MaxText(Some(value)) => *value <= settings.max_text(limits),
            Setting::HistoryMax(Some(value)) => *value <= settings.history_max(limits),
            Setting::HistoryTtl(Some(value)) => match settings.history_ttl(limits) {
                0 => true,
                now => *value <= now,
            },
            Setting::RoomBytes(Some(value)) => *value <= settings.room_bytes(limits),
            _ => false,
        }
    }
}

impl Settings {
    /// Bytes a text may have.
    pub(crate) fn max_text(&self, limits: &Limits) -> u64 {
        self.max_text.unwrap_or(limits.max_text)
    }

    /// Messages to keep.
    pub(crate) fn history_max(&self, limits: &Limits) -> u64 {
        self.history_max.unwrap_or(limits.history_max)
    }

    /// Bytes that messages and events may take.
    pub(crate) fn room_bytes(&self, limits: &Limits) -> u64 {
        self.room_bytes.unwrap_or(limits.room_bytes)
    }

    /// Milliseconds to keep a message; 0: no limit.
    pub(crate) fn history_ttl(&self, limits: &Limits) -> u64 {
        self.history_ttl.unwrap_or(limits.history_ttl)
    }

    /// Events to keep.
    pub(crate) fn journal_max(&self, limits: &Limits) -> u64 {
        match limits.journal_max {
            0 => self.history_max(limits).saturating_mul(2),
            max => max,
        }
    }
}

/// The `data` of a `room` event: the changed settings as a JSON object.
pub(crate) fn to_json(changes: &[Setting<'_>]) -> String {
    let mut out = vec![b'{'];
    for (at, change) in changes.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        json::write_string(&mut out, change.field());
        out.push(b':');
        change.write_json(&mut out);
    }
    out.push(b'}');
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::varint::Reader;

    #[test]
    fn settings_are_parsed_checked_and_written() {
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
            ("hook", "YES", Ok("{\"hook\":true}")),
            ("hook", "https://app.example/", Err("INVALID hook")),
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
                    let word = setting.word();
                    let again = Setting::parse(field.as_bytes(), word.as_bytes(), 0);
                    assert_eq!(again.as_ref(), Ok(&setting), "{field} {word}");
                    assert_eq!(to_json(std::slice::from_ref(&setting)), *json);
                }
                (Err(error), Err(start)) => assert!(error.to_string().starts_with(start)),
                (found, _) => panic!("{field} {value}: {found:?}"),
            }
        }
    }
}
