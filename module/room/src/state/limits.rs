//! The settings of the server, as the core sees them: their bounds, their defaults and their type.
//!
//! One table names each setting that is a number. Bounds that cannot be set are in
//! `chat_protocol::limits`; the settings of a single room are in `settings/table.rs`.

use chat_protocol::id::parse_integer;
use chat_protocol::limits::{TTL_MAX, TTL_MIN};

/// A rate: a number of actions in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Actions.
    pub count: u64,
    /// The period in milliseconds.
    pub period_ms: u64,
}

impl Rate {
    /// Parses `10/10s`, `600/1m`, `5/500ms`; `0` is no limit. `None`: malformed.
    pub fn parse(text: &str) -> Option<Option<Rate>> {
        if text == "0" {
            return Some(None);
        }
        let (count, period) = text.split_once('/')?;
        let digits = period.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = period.split_at_checked(digits)?;
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        let count = parse_integer(count.as_bytes())?;
        let period_ms = parse_integer(number.as_bytes())?.checked_mul(unit_ms)?;
        let sane = (1..=1_000_000).contains(&count) && (1..=86_400_000).contains(&period_ms);
        sane.then_some(Some(Rate { count, period_ms }))
    }

    /// Microseconds between two actions at this rate.
    pub(crate) fn interval_us(self) -> u64 {
        (self.period_ms * 1000).div_ceil(self.count)
    }

    /// Microseconds that a full burst takes at this rate.
    pub(crate) fn burst_us(self) -> u64 {
        self.interval_us() * self.count
    }
}

/// Who may create an ordinary room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Create {
    /// Any user, who becomes its owner.
    Any,
    /// The backend only.
    Backend,
}

/// How a number is written in redis.conf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// In digits.
    Plain,
    /// As bytes, also with a unit: `4kb`, `1mb`.
    Bytes,
}

/// A setting of the server that is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberSetting {
    /// Its name in redis.conf, without the prefix `chat.`.
    pub name: &'static str,
    /// Its value if nothing sets it.
    pub default: u64,
    /// Its smallest value.
    pub min: u64,
    /// Its largest value.
    pub max: u64,
    /// How it is written.
    pub unit: Unit,
}

/// Declares the settings that are numbers, one row each: what it means, field of [`Limits`],
/// constant, name, default, smallest and largest value, unit. A row is all that a setting needs:
/// the field, the default, the bounds, and the server's `CONFIG` follow from it.
macro_rules! number_settings {
    ($(#[doc = $text:literal] $field:ident, $constant:ident =
        $name:literal, $default:expr, $min:expr, $max:expr, $unit:ident;)*) => {
        /// The server's settings as `decide` sees them; `apply` never does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Limits {
            $(#[doc = $text] pub $field: u64,)*
            /// Who may create an ordinary room by joining, sending or setting.
            pub create: Create,
            /// How often one user may act in one room; `None`: without limit.
            pub rate_limit: Option<Rate>,
            /// Whether personal rooms store when their users come online.
            pub presence_log: bool,
        }

        $(
            #[doc = $text]
            pub const $constant: NumberSetting = NumberSetting {
                name: $name,
                default: $default,
                min: $min,
                max: $max,
                unit: Unit::$unit,
            };
        )*

        /// All settings that are numbers.
        pub const NUMBER_SETTINGS: &[NumberSetting] = &[$($constant),*];

        /// The place of each setting in [`NUMBER_SETTINGS`].
        #[allow(non_camel_case_types, reason = "the names of the fields of `Limits`")]
        enum Place {
            $($field,)*
        }

        impl Limits {
            /// The settings with these values; `number` gets a place in [`NUMBER_SETTINGS`].
            #[inline]
            pub fn from_values(
                number: impl Fn(usize) -> u64,
                create: Create,
                rate_limit: Option<Rate>,
                presence_log: bool,
            ) -> Limits {
                let number = |place: Place| number(place as usize);
                Limits { $($field: number(Place::$field),)* create, rate_limit, presence_log }
            }
        }

        impl Default for Limits {
            fn default() -> Self {
                Limits {
                    $($field: $constant.default,)*
                    create: Create::Any,
                    rate_limit: None,
                    presence_log: false,
                }
            }
        }
    };
}

number_settings! {
    /// Messages kept per room.
    history_max, HISTORY_MAX = "history-max", 10_000, 1, 10_000_000, Plain;
    /// Milliseconds for which a message is kept; 0: without limit.
    history_ttl, HISTORY_TTL = "history-ttl", 0, 0, 315_360_000_000, Plain;
    /// Events kept per room for resuming; 0: twice `history_max`.
    journal_max, JOURNAL_MAX = "journal-max", 0, 0, 20_000_000, Plain;
    /// Bytes that the messages and events of a room may take.
    room_bytes, ROOM_BYTES = "room-bytes", 268_435_456, 1_048_576, 1_099_511_627_776, Bytes;
    /// Bytes of the text of a message.
    max_text, MAX_TEXT = "max-text", 4_096, 1, 1_048_576, Bytes;
    /// Milliseconds for which a connection lives without a beat when the command names no TTL.
    presence_ttl, PRESENCE_TTL = "presence-ttl", 60_000, TTL_MIN, TTL_MAX, Plain;
    /// Users online up to which each join and leave is published; above, only their number is.
    presence_announce, PRESENCE_ANNOUNCE = "presence-announce", 500, 0, 100_000_000, Plain;
    /// Milliseconds for which a nonce is remembered.
    nonce_window, NONCE_WINDOW = "nonce-window", 300_000, 1_000, 86_400_000, Plain;
    /// Nonces that a room remembers at once.
    nonce_max, NONCES_MAX = "nonce-max", 100_000, 1, 10_000_000, Plain;
    /// Members that a room may have.
    members_max, MEMBERS_MAX = "members-max", 1_000_000, 1, 100_000_000, Plain;
    /// Bans and mutes that a room may hold, without those by the backend.
    sanctions_max, SANCTIONS_MAX = "sanctions-max", 10_000, 1, 100_000_000, Plain;
    /// Rooms that one user may follow.
    follows_max, FOLLOWS_MAX = "follows-max", 10_000, 1, 1_000_000, Plain;
    /// Milliseconds during which an author may edit a message; 0: without limit.
    edit_window, EDIT_WINDOW = "edit-window", 0, 0, 315_360_000_000, Plain;
    /// Members up to which a room publishes how far each has read.
    receipts_max, RECEIPTS_MAX = "receipts-max", 100, 0, 100_000_000, Plain;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read() {
        let rate = |count, period_ms| Some(Some(Rate { count, period_ms }));
        let rows = [
            ("0", Some(None)),
            ("10/10s", rate(10, 10_000)),
            ("1/500ms", rate(1, 500)),
            ("600/1m", rate(600, 60_000)),
            ("5/2h", rate(5, 7_200_000)),
            ("0/1s", None),
            ("1/0s", None),
            ("1/25h", None),
            ("1/1", None),
            ("1/s", None),
            ("x/1s", None),
            ("-1/1s", None),
            ("", None),
            ("1/1\u{e9}", None),
        ];
        for (text, expected) in rows {
            assert_eq!(Rate::parse(text), expected, "{text}");
        }
    }
}
