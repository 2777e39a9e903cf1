//! The settings of the server, as the core sees them: their bounds, their defaults and their type.
//!
//! A setting X has four names: X, X_DEFAULT, X_MIN, X_MAX. Bounds that nobody can set are in
//! `chat_protocol::limits`; the settings that a room has of its own are in `settings.rs`.

use chat_protocol::id::parse_integer;
use chat_protocol::limits::{TTL_MAX, TTL_MIN};

/// The server's settings, as `decide` sees them. `apply` never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages kept per room.
    pub history_max: u64,
    /// Milliseconds a message is kept; 0: no limit.
    pub history_ttl: u64,
    /// Events kept per room for resuming; 0: twice `history_max`.
    pub journal_max: u64,
    /// Bytes that the messages and events of a room may take.
    pub room_bytes: u64,
    /// Bytes of a message's text.
    pub max_text: u64,
    /// Milliseconds a connection lives without a beat when the command names no TTL.
    pub presence_ttl: u64,
    /// Users online above which a room is told of by numbers, not by names.
    pub presence_announce: u64,
    /// Milliseconds a nonce is remembered.
    pub nonce_window: u64,
    /// Nonces a room remembers at once.
    pub nonce_max: u64,
    /// Who may make an ordinary room by joining, sending or setting.
    pub create: Create,
    /// Members a room may have.
    pub members_max: u64,
    /// Bans and mutes a room may hold, those of the backend aside.
    pub sanctions_max: u64,
    /// Rooms one user may follow.
    pub follows_max: u64,
    /// What one user may do in one room; `None`: no limit.
    pub rate_limit: Option<Rate>,
    /// Milliseconds during which authors may edit; 0: no limit.
    pub edit_window: u64,
    /// Members up to which a room is told who has read how far.
    pub receipts_max: u64,
}

/// So many things in such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u64,
    /// In how many milliseconds.
    pub period_ms: u64,
}

impl Rate {
    /// Reads `10/10s`, `600/1m`, `5/500ms`; `0` is no limit. `None`: it is neither.
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

    /// Microseconds between two things at this rate.
    pub(crate) fn interval_us(self) -> u64 {
        (self.period_ms * 1000).div_ceil(self.count)
    }

    /// Microseconds that as many things at once are worth.
    pub(crate) fn burst_us(self) -> u64 {
        self.interval_us() * self.count
    }
}

/// Who may make an ordinary room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Create {
    /// Whoever comes first, and owns it.
    Any,
    /// The backend only.
    Backend,
}

macro_rules! setting {
    ($default:ident $min:ident $max:ident = $a:expr, $b:expr, $c:expr; $what:literal) => {
        #[doc = concat!("Default of ", $what, ".")]
        pub const $default: u64 = $a;
        #[doc = concat!("Smallest ", $what, ".")]
        pub const $min: u64 = $b;
        #[doc = concat!("Largest ", $what, ".")]
        pub const $max: u64 = $c;
    };
}

setting!(HISTORY_MAX_DEFAULT HISTORY_MAX_MIN HISTORY_MAX_MAX = 10_000, 1, 10_000_000;
    "messages kept per room");
setting!(HISTORY_TTL_DEFAULT HISTORY_TTL_MIN HISTORY_TTL_MAX = 0, 0, 315_360_000_000;
    "milliseconds a message is kept, 0 for ever");
setting!(JOURNAL_MAX_DEFAULT JOURNAL_MAX_MIN JOURNAL_MAX_MAX = 0, 0, 20_000_000;
    "events kept for resuming, 0 for twice history-max");
setting!(ROOM_BYTES_DEFAULT ROOM_BYTES_MIN ROOM_BYTES_MAX = 268_435_456, 1_048_576, 1_099_511_627_776;
    "bytes that the messages and events of a room may take");
setting!(MAX_TEXT_DEFAULT MAX_TEXT_MIN MAX_TEXT_MAX = 4_096, 1, 1_048_576;
    "bytes of a text");
setting!(PRESENCE_TTL_DEFAULT PRESENCE_TTL_MIN PRESENCE_TTL_MAX = 60_000, TTL_MIN, TTL_MAX;
    "milliseconds a connection lives without a beat");
setting!(PRESENCE_ANNOUNCE_DEFAULT PRESENCE_ANNOUNCE_MIN PRESENCE_ANNOUNCE_MAX = 500, 0, 100_000_000;
    "users online up to which joins and leaves are told one by one");
setting!(NONCE_WINDOW_DEFAULT NONCE_WINDOW_MIN NONCE_WINDOW_MAX = 300_000, 1_000, 86_400_000;
    "milliseconds a nonce is remembered");
setting!(NONCES_DEFAULT NONCES_MIN NONCES_MAX = 100_000, 1, 10_000_000;
    "nonces a room remembers at once");
setting!(MEMBERS_MAX_DEFAULT MEMBERS_MAX_MIN MEMBERS_MAX_MAX = 1_000_000, 1, 100_000_000;
    "members of a room");
setting!(SANCTIONS_MAX_DEFAULT SANCTIONS_MAX_MIN SANCTIONS_MAX_MAX = 10_000, 1, 100_000_000;
    "bans and mutes of a room");
setting!(EDIT_WINDOW_DEFAULT EDIT_WINDOW_MIN EDIT_WINDOW_MAX = 0, 0, 315_360_000_000;
    "milliseconds during which authors may edit, 0 without end");
setting!(RECEIPTS_MAX_DEFAULT RECEIPTS_MAX_MIN RECEIPTS_MAX_MAX = 100, 0, 100_000_000;
    "members up to which a room is told who has read how far");
setting!(FOLLOWS_MAX_DEFAULT FOLLOWS_MAX_MIN FOLLOWS_MAX_MAX = 10_000, 1, 1_000_000;
    "rooms one user may follow");

impl Default for Limits {
    fn default() -> Self {
        Limits {
            history_max: HISTORY_MAX_DEFAULT,
            history_ttl: HISTORY_TTL_DEFAULT,
            journal_max: JOURNAL_MAX_DEFAULT,
            room_bytes: ROOM_BYTES_DEFAULT,
            max_text: MAX_TEXT_DEFAULT,
            presence_ttl: PRESENCE_TTL_DEFAULT,
            presence_announce: PRESENCE_ANNOUNCE_DEFAULT,
            nonce_window: NONCE_WINDOW_DEFAULT,
            nonce_max: NONCES_DEFAULT,
            create: Create::Any,
            members_max: MEMBERS_MAX_DEFAULT,
            sanctions_max: SANCTIONS_MAX_DEFAULT,
            follows_max: FOLLOWS_MAX_DEFAULT,
            rate_limit: None,
            edit_window: EDIT_WINDOW_DEFAULT,
            receipts_max: RECEIPTS_MAX_DEFAULT,
        }
    }
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
