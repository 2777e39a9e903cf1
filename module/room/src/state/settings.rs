//! What a room sets for itself: words for people, and numbers instead of the server's limits.
//!
//! A change is one typed value, so what was checked once is applied everywhere without reading a
//! string again. A number that is not set follows the server's setting.

mod parse;

use std::borrow::Cow;

use chat_protocol::limits::*;

use crate::bytes::allocation::{allocated, of_text};
use crate::bytes::json;
use crate::bytes::varint::{self, Malformed, Reader};
use crate::state::limits::*;
use crate::state::users::members::Role;

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
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Access::Open => "open",
            Access::Members => "members",
        }
    }
}

/// The settings of one room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) access: Access,
    pub(crate) topic: Box<str>,
    pub(crate) description: Box<str>,
    pub(crate) max_text: Option<u64>,
    pub(crate) history_max: Option<u64>,
    pub(crate) history_ttl: Option<u64>,
    pub(crate) room_bytes: Option<u64>,
    pub(crate) log_joins: bool,
    pub(crate) frozen: bool,
    /// Milliseconds between a user's messages.
    pub(crate) slow: Option<u64>,
    /// Personal rooms: how the user wants to be shown.
    pub(crate) profile: Profile,
    /// Personal rooms: tokens issued before this are refused, milliseconds since the epoch.
    pub(crate) tokens_after: Option<u64>,
}

/// What users tell of themselves; empty where they did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) name: Box<str>,
    pub(crate) avatar: Box<str>,
    pub(crate) status: Box<str>,
}

/// The settings of a room that never changed them.
pub(crate) static UNCHANGED: std::sync::LazyLock<Settings> =
    std::sync::LazyLock::new(Settings::default);

/// One changed setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Setting<'a> {
    Access(Access),
    Topic(Cow<'a, str>),
    Description(Cow<'a, str>),
    MaxText(Option<u64>),
    HistoryMax(Option<u64>),
    HistoryTtl(Option<u64>),
    RoomBytes(Option<u64>),
    LogJoins(bool),
    Frozen(bool),
    Slow(Option<u64>),
    Name(Cow<'a, str>),
    Avatar(Cow<'a, str>),
    Status(Cow<'a, str>),
    TokensAfter(Option<u64>),
}

impl<'a> Setting<'a> {
    /// The role an actor needs to change this.
    pub(crate) fn needs(&self) -> Role {
        match self {
            Setting::Topic(_) | Setting::Description(_) | Setting::Frozen(_) | Setting::Slow(_) => {
                Role::Moderator
            }
            _ => Role::Owner,
        }
    }

    /// Whether this belongs to a user's profile, which is in personal rooms.
    pub(crate) fn is_profile(&self) -> bool {
        matches!(self, Setting::Name(_) | Setting::Avatar(_) | Setting::Status(_))
    }

    /// Whether only personal rooms have this.
    pub(crate) fn is_personal(&self) -> bool {
        self.is_profile() || matches!(self, Setting::TokensAfter(_))
    }

    /// Whether this asks for more than the server's setting allows, which is the backend's to give.
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

    /// Whether this takes rights away from somebody: the room keeps less, lets in fewer, hears fewer.
    pub(crate) fn takes_away(&self, settings: &Settings, limits: &Limits) -> bool {
        match self {
            Setting::Access(Access::Members)
            | Setting::Frozen(true)
            | Setting::Slow(Some(_))
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

    /// Whether the room has this value already, or for `tokens_after` a later one: it only moves
    /// forward, so that of two backends the later time wins in any order.
    pub(crate) fn is_in(&self, settings: &Settings) -> bool {
        match self {
            Setting::Access(value) => settings.access == *value,
            Setting::Topic(value) => *settings.topic == **value,
            Setting::Description(value) => *settings.description == **value,
            Setting::MaxText(value) => settings.max_text == *value,
            Setting::HistoryMax(value) => settings.history_max == *value,
            Setting::HistoryTtl(value) => settings.history_ttl == *value,
            Setting::RoomBytes(value) => settings.room_bytes == *value,
            Setting::LogJoins(value) => settings.log_joins == *value,
            Setting::Frozen(value) => settings.frozen == *value,
            Setting::Slow(value) => settings.slow == *value,
            Setting::Name(value) => *settings.profile.name == **value,
            Setting::Avatar(value) => *settings.profile.avatar == **value,
            Setting::Status(value) => *settings.profile.status == **value,
            Setting::TokensAfter(None) => settings.tokens_after.is_none(),
            Setting::TokensAfter(value) => settings.tokens_after >= *value,
        }
    }

    /// Sets it.
    pub(crate) fn put_in(&self, settings: &mut Settings) {
        match self {
            Setting::Access(value) => settings.access = *value,
            Setting::Topic(value) => settings.topic = value.as_ref().into(),
            Setting::Description(value) => settings.description = value.as_ref().into(),
            Setting::MaxText(value) => settings.max_text = *value,
            Setting::HistoryMax(value) => settings.history_max = *value,
            Setting::HistoryTtl(value) => settings.history_ttl = *value,
            Setting::RoomBytes(value) => settings.room_bytes = *value,
            Setting::LogJoins(value) => settings.log_joins = *value,
            Setting::Frozen(value) => settings.frozen = *value,
            Setting::Slow(value) => settings.slow = *value,
            Setting::Name(value) => settings.profile.name = value.as_ref().into(),
            Setting::Avatar(value) => settings.profile.avatar = value.as_ref().into(),
            Setting::Status(value) => settings.profile.status = value.as_ref().into(),
            Setting::TokensAfter(value) => settings.tokens_after = *value,
        }
    }

    /// The setting's name.
    pub(crate) fn field(&self) -> &'static str {
        match self {
            Setting::Access(_) => "access",
            Setting::Topic(_) => "topic",
            Setting::Description(_) => "description",
            Setting::MaxText(_) => "max_text",
            Setting::HistoryMax(_) => "history_max",
            Setting::HistoryTtl(_) => "history_ttl",
            Setting::RoomBytes(_) => "room_bytes",
            Setting::LogJoins(_) => "log_joins",
            Setting::Frozen(_) => "frozen",
            Setting::Slow(_) => "slow",
            Setting::Name(_) => "name",
            Setting::Avatar(_) => "avatar",
            Setting::Status(_) => "status",
            Setting::TokensAfter(_) => "tokens_after",
        }
    }

    /// Appends the value as JSON; an unset number is `null`.
    fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Setting::Access(value) => json::write_string(out, value.as_str()),
            Setting::Topic(value)
            | Setting::Description(value)
            | Setting::Name(value)
            | Setting::Avatar(value)
            | Setting::Status(value) => json::write_string(out, value),
            Setting::MaxText(value)
            | Setting::HistoryMax(value)
            | Setting::HistoryTtl(value)
            | Setting::RoomBytes(value)
            | Setting::Slow(value) => match value {
                Some(value) => out.extend_from_slice(value.to_string().as_bytes()),
                None => out.extend_from_slice(b"null"),
            },
            // 0 as in CHAT.ROOM, which sets and shows it.
            Setting::TokensAfter(value) => {
                out.extend_from_slice(value.unwrap_or(0).to_string().as_bytes());
            }
            Setting::LogJoins(value) | Setting::Frozen(value) => {
                out.extend_from_slice(if *value { b"true" } else { b"false" });
            }
        }
    }

    /// Appends the record form.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Setting::Access(value) => out.extend_from_slice(&[0, *value as u8]),
            Setting::Topic(value) => tagged(out, 1, value),
            Setting::Description(value) => tagged(out, 2, value),
            // 0 is not a value of any of these, so it can stand for "not set".
            Setting::MaxText(value) => tagged_number(out, 3, *value),
            Setting::HistoryMax(value) => tagged_number(out, 4, *value),
            Setting::HistoryTtl(value) => tagged_number(out, 5, *value),
            Setting::LogJoins(value) => out.extend_from_slice(&[6, u8::from(*value)]),
            Setting::Frozen(value) => out.extend_from_slice(&[7, u8::from(*value)]),
            Setting::Slow(value) => tagged_number(out, 8, *value),
            Setting::Name(value) => tagged(out, 9, value),
            Setting::Avatar(value) => tagged(out, 10, value),
            Setting::Status(value) => tagged(out, 11, value),
            Setting::TokensAfter(value) => tagged_number(out, 12, *value),
            Setting::RoomBytes(value) => tagged_number(out, 13, *value),
        }
    }

    /// Reads the record form.
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let within = |value: u64, max: u64| match value {
            0 => Ok(None),
            _ if value <= max => Ok(Some(value)),
            _ => Err(Malformed("setting out of bounds")),
        };
        let text = |text: &'a str| {
            let fine = !text.chars().any(char::is_control);
            if fine { Ok(text.into()) } else { Err(Malformed("a text with control characters")) }
        };
        Ok(match reader.byte()? {
            0 => {
                let access = if reader.flag()? { Access::Members } else { Access::Open };
                Setting::Access(access)
            }
            1 => Setting::Topic(text(reader.text(TOPIC_MAX)?)?),
            2 => Setting::Description(text(reader.text(DESCRIPTION_MAX)?)?),
            3 => Setting::MaxText(within(reader.number()?, MAX_TEXT_MAX)?),
            4 => Setting::HistoryMax(within(reader.number()?, HISTORY_MAX_MAX)?),
            5 => Setting::HistoryTtl(within(reader.number()?, HISTORY_TTL_MAX)?),
            6 => Setting::LogJoins(reader.flag()?),
            7 => Setting::Frozen(reader.flag()?),
            8 => Setting::Slow(within(reader.number()?, SLOW_MAX)?),
            9 => Setting::Name(text(reader.text(PROFILE_NAME_MAX)?)?),
            10 => Setting::Avatar(text(reader.text(AVATAR_MAX)?)?),
            11 => Setting::Status(text(reader.text(PROFILE_STATUS_MAX)?)?),
            12 => Setting::TokensAfter(within(reader.number()?, TOKENS_AFTER_MAX)?),
            13 => Setting::RoomBytes(within(reader.number()?, ROOM_BYTES_MAX)?),
            _ => return Err(Malformed("unknown setting")),
        })
    }
}

impl Settings {
    /// Bytes they take on the heap.
    pub(crate) fn memory(&self) -> usize {
        let Profile { name, avatar, status } = &self.profile;
        let texts = [&self.topic, &self.description, name, avatar, status];
        allocated(size_of::<Settings>())
            + texts.into_iter().map(|text| of_text(text)).sum::<usize>()
    }

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

    /// The settings that differ from those of a new room.
    pub(crate) fn changed(&self) -> Vec<Setting<'_>> {
        let all = [
            Setting::Access(self.access),
            Setting::Topic((&*self.topic).into()),
            Setting::Description((&*self.description).into()),
            Setting::MaxText(self.max_text),
            Setting::HistoryMax(self.history_max),
            Setting::HistoryTtl(self.history_ttl),
            Setting::RoomBytes(self.room_bytes),
            Setting::LogJoins(self.log_joins),
            Setting::Frozen(self.frozen),
            Setting::Slow(self.slow),
            Setting::Name((&*self.profile.name).into()),
            Setting::Avatar((&*self.profile.avatar).into()),
            Setting::Status((&*self.profile.status).into()),
            Setting::TokensAfter(self.tokens_after),
        ];
        all.into_iter().filter(|setting| !setting.is_in(&UNCHANGED)).collect()
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

fn tagged(out: &mut Vec<u8>, tag: u8, text: &str) {
    out.push(tag);
    varint::put_bytes(out, text.as_bytes());
}

fn tagged_number(out: &mut Vec<u8>, tag: u8, value: Option<u64>) {
    out.push(tag);
    varint::put(out, value.unwrap_or(0));
}
