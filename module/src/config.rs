//! The `chat.*` settings: redis.conf, module arguments, CONFIG GET and SET.
//!
//! One table names each setting once, with its default and bounds. The server asks for the bounds of
//! a line of redis.conf and of CONFIG SET, but takes a default as it is; a module argument becomes the
//! default, so its bounds are asked for here. The values are read once per command into the core's
//! [`Limits`]; `apply` never sees them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use chat_room::limits::*;
use redis_module::configuration::{
    ConfigurationContext, ConfigurationFlags, ConfigurationValue, register_enum_configuration,
    register_i64_configuration, register_string_configuration,
};
use redis_module::{Context, RedisError, RedisString, enum_configuration};

enum_configuration! {
    /// Who may make an ordinary room.
    #[derive(PartialEq, Eq)]
    #[allow(non_camel_case_types, reason = "these are the words in redis.conf")]
    pub enum CreateSetting {
        /// Whoever comes first, and owns it.
        any = 0,
        /// The backend only.
        backend = 1,
    }
}

/// Default of `chat.presence-grace`, in milliseconds.
pub(crate) const PRESENCE_GRACE_DEFAULT: u64 = 15_000;
/// Smallest `chat.presence-grace`.
pub(crate) const PRESENCE_GRACE_MIN: u64 = 0;
/// Largest `chat.presence-grace`.
pub(crate) const PRESENCE_GRACE_MAX: u64 = 600_000;

/// A setting that is a number.
struct Number {
    /// Without the prefix `chat.`.
    name: &'static str,
    value: &'static AtomicI64,
    default: u64,
    min: u64,
    max: u64,
    unit: Unit,
}

/// How a number may be written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// Digits.
    Plain,
    /// Bytes, also as `4kb` or `1mb`.
    Bytes,
}

/// Declares the numbers, from one row each: `field = "name", default, smallest, largest, unit;`. The
/// fields of `limits` are those of the core's [`Limits`], `module` has the others.
macro_rules! numbers {
    (limits { $($limit:ident $limit_row:tt)* } module { $($own:ident $own_row:tt)* }) => {
        struct Numbers {
            $($limit: AtomicI64,)*
            $($own: AtomicI64,)*
        }

        static NUMBERS: Numbers = Numbers {
            $($limit: AtomicI64::new(0),)*
            $($own: AtomicI64::new(0),)*
        };

        static ROWS: &[Number] = &[
            $(numbers!(@row $limit $limit_row),)*
            $(numbers!(@row $own $own_row),)*
        ];

        /// The settings as the core wants them.
        pub(crate) fn limits() -> Limits {
            Limits {
                $($limit: NUMBERS.$limit.load(Relaxed).cast_unsigned(),)*
                create: CREATE.setting(),
                rate_limit: RATE_LIMIT.rate(),
            }
        }
    };
    (@row $field:ident ($name:literal, $default:expr, $min:expr, $max:expr, $unit:ident)) => {
        Number {
            name: $name,
            value: &NUMBERS.$field,
            default: $default,
            min: $min,
            max: $max,
            unit: Unit::$unit,
        }
    };
}

numbers! {
    limits {
        history_max("history-max", HISTORY_MAX_DEFAULT, HISTORY_MAX_MIN, HISTORY_MAX_MAX, Plain)
        history_ttl("history-ttl", HISTORY_TTL_DEFAULT, HISTORY_TTL_MIN, HISTORY_TTL_MAX, Plain)
        journal_max("journal-max", JOURNAL_MAX_DEFAULT, JOURNAL_MAX_MIN, JOURNAL_MAX_MAX, Plain)
        room_bytes("room-bytes", ROOM_BYTES_DEFAULT, ROOM_BYTES_MIN, ROOM_BYTES_MAX, Bytes)
        max_text("max-text", MAX_TEXT_DEFAULT, MAX_TEXT_MIN, MAX_TEXT_MAX, Bytes)
        presence_ttl("presence-ttl", PRESENCE_TTL_DEFAULT, PRESENCE_TTL_MIN, PRESENCE_TTL_MAX, Plain)
        presence_announce("presence-announce", PRESENCE_ANNOUNCE_DEFAULT, PRESENCE_ANNOUNCE_MIN, PRESENCE_ANNOUNCE_MAX, Plain)
        nonce_window("nonce-window", NONCE_WINDOW_DEFAULT, NONCE_WINDOW_MIN, NONCE_WINDOW_MAX, Plain)
        nonce_max("nonce-max", NONCES_DEFAULT, NONCES_MIN, NONCES_MAX, Plain)
        members_max("members-max", MEMBERS_MAX_DEFAULT, MEMBERS_MAX_MIN, MEMBERS_MAX_MAX, Plain)
        sanctions_max("sanctions-max", SANCTIONS_MAX_DEFAULT, SANCTIONS_MAX_MIN, SANCTIONS_MAX_MAX, Plain)
        follows_max("follows-max", FOLLOWS_MAX_DEFAULT, FOLLOWS_MAX_MIN, FOLLOWS_MAX_MAX, Plain)
        edit_window("edit-window", EDIT_WINDOW_DEFAULT, EDIT_WINDOW_MIN, EDIT_WINDOW_MAX, Plain)
        receipts_max("receipts-max", RECEIPTS_MAX_DEFAULT, RECEIPTS_MAX_MIN, RECEIPTS_MAX_MAX, Plain)
    }
    module {
        presence_grace("presence-grace", PRESENCE_GRACE_DEFAULT, PRESENCE_GRACE_MIN, PRESENCE_GRACE_MAX, Plain)
    }
}

/// `chat.rate-limit`.
static RATE_LIMIT: RateValue = RateValue::new();
/// `chat.create-limit`.
static CREATE_LIMIT: RateValue = RateValue::new();
/// `chat.create`.
static CREATE: CreateValue = CreateValue(AtomicI64::new(0));

/// The settings that are rates, by their names without the prefix. Their default is `0`: no limit.
static RATES: &[(&str, &RateValue)] =
    &[("rate-limit", &RATE_LIMIT), ("create-limit", &CREATE_LIMIT)];

/// Tells the server of all settings, with the module's arguments, `name value …`, as defaults.
/// Errors: what is wrong with an argument, for the log. Nothing was registered then.
pub(crate) fn register(context: &Context, arguments: &[RedisString]) -> Result<(), String> {
    let given = pairs(arguments)?;
    let argument =
        |name: &str| given.iter().rfind(|(other, _)| other == name).map(|(_, value)| value);
    let numbers = ROWS.iter().map(|row| match argument(row.name) {
        Some(text) => row.parse(text),
        None => Ok(row.default),
    });
    let numbers: Vec<u64> = numbers.collect::<Result<_, _>>()?;
    let rates = RATES.iter().map(|(name, _)| match argument(name) {
        Some(text) if Rate::parse(text).is_none() => Err(format!("{name} {text}: {RATE_WANTED}")),
        text => Ok(text.map_or("0", String::as_str)),
    });
    let rates: Vec<&str> = rates.collect::<Result<_, _>>()?;
    let create = match argument(CREATE_NAME).map(|text| text.to_ascii_lowercase()).as_deref() {
        None | Some("any") => CreateSetting::any,
        Some("backend") => CreateSetting::backend,
        Some(other) => return Err(format!("{CREATE_NAME} {other}: any or backend is wanted")),
    };

    for (row, default) in ROWS.iter().zip(numbers) {
        let flags = match row.unit {
            Unit::Plain => ConfigurationFlags::DEFAULT,
            Unit::Bytes => ConfigurationFlags::MEMORY,
        };
        let [default, min, max] = [default, row.min, row.max].map(u64::cast_signed);
        register_i64_configuration(context, row.name, row.value, default, min, max, flags, None);
    }
    for ((name, value), default) in RATES.iter().zip(rates) {
        let flags = ConfigurationFlags::DEFAULT;
        register_string_configuration(context, name, *value, default, flags, None);
    }
    let flags = ConfigurationFlags::DEFAULT;
    register_enum_configuration(context, CREATE_NAME, &CREATE, create, flags, None);
    Ok(())
}

/// The arguments by twos. Errors: a name that is none, or without a value.
fn pairs(arguments: &[RedisString]) -> Result<Vec<(String, String)>, String> {
    let names = ROWS.iter().map(|row| row.name).chain(RATES.iter().map(|(name, _)| *name));
    let names: Vec<&str> = names.chain([CREATE_NAME]).collect();
    let pair = |pair: &[RedisString]| {
        let mut words = pair.iter().map(RedisString::to_string_lossy);
        let name = words.next().unwrap_or_default();
        if !names.contains(&name.as_str()) {
            return Err(format!("unknown: one of {} is wanted", names.join(", ")));
        }
        let value = words.next().ok_or_else(|| format!("{name} has no value"))?;
        Ok((name, value))
    };
    arguments.chunks(2).map(pair).collect()
}

impl Number {
    /// A value as it is written in redis.conf. Errors: a line for the log.
    fn parse(&self, text: &str) -> Result<u64, String> {
        let value = match self.unit {
            Unit::Plain => parse_digits(text),
            Unit::Bytes => parse_bytes(text),
        };
        let Number { name, min, max, .. } = self;
        match value {
            Some(value) if (*min..=*max).contains(&value) => Ok(value),
            _ => Err(format!("{name} {text}: a number from {min} to {max} is wanted")),
        }
    }
}

/// A number without a sign.
fn parse_digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Bytes as Redis writes them: `k` is 1000, `kb` is 1024, and so on.
fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, unit) = text.split_at_checked(digits)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1_000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    parse_digits(digits)?.checked_mul(factor)
}

/// See [`CreateSetting`].
const CREATE_NAME: &str = "create";
/// What a rate looks like.
const RATE_WANTED: &str = "0, or so many in such a time: 10/10s, 600/1m, 5/500ms";

/// A rate, as it was written and as it is used.
pub(crate) struct RateValue {
    text: Mutex<String>,
    /// 0: no limit.
    count: AtomicU64,
    period_ms: AtomicU64,
}

impl RateValue {
    const fn new() -> RateValue {
        let (count, period_ms) = (AtomicU64::new(0), AtomicU64::new(0));
        RateValue { text: Mutex::new(String::new()), count, period_ms }
    }

    fn rate(&self) -> Option<Rate> {
        let count = self.count.load(Relaxed);
        (count > 0).then(|| Rate { count, period_ms: self.period_ms.load(Relaxed) })
    }

    fn text(&self) -> std::sync::MutexGuard<'_, String> {
        self.text.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl ConfigurationValue<RedisString> for RateValue {
    fn get(&self, _: &ConfigurationContext) -> RedisString {
        RedisString::create(None, self.text().as_str())
    }

    fn set(&self, _: &ConfigurationContext, value: RedisString) -> Result<(), RedisError> {
        let text = value.try_as_str()?;
        let rate = Rate::parse(text).ok_or(RedisError::Str(RATE_WANTED))?;
        self.count.store(rate.map_or(0, |rate| rate.count), Relaxed);
        self.period_ms.store(rate.map_or(0, |rate| rate.period_ms), Relaxed);
        *self.text() = text.to_owned();
        Ok(())
    }
}

/// A [`CreateSetting`] as its number.
pub(crate) struct CreateValue(AtomicI64);

impl CreateValue {
    fn setting(&self) -> Create {
        if self.0.load(Relaxed) == 0 { Create::Any } else { Create::Backend }
    }
}

impl ConfigurationValue<CreateSetting> for CreateValue {
    fn get(&self, _: &ConfigurationContext) -> CreateSetting {
        match self.0.load(Relaxed) {
            0 => CreateSetting::any,
            _ => CreateSetting::backend,
        }
    }

    fn set(&self, _: &ConfigurationContext, value: CreateSetting) -> Result<(), RedisError> {
        self.0.store(i64::from(i32::from(value)), Relaxed);
        Ok(())
    }
}

/// How many rooms one user may make in which time; `None`: no limit.
pub(crate) fn create_limit() -> Option<Rate> {
    CREATE_LIMIT.rate()
}

/// Milliseconds during which nobody's presence ends after a load, a promotion or a jump of the clock.
pub(crate) fn presence_grace() -> u64 {
    NUMBERS.presence_grace.load(Relaxed).unsigned_abs()
}
