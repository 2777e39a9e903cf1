//! The `chat.*` settings: redis.conf, module arguments, CONFIG GET and SET.
//!
//! The table of the numbers is in the core, beside the rules that use them. Redis checks the bounds
//! of a line of redis.conf and of CONFIG SET, but not those of a default. A module argument becomes
//! the default, so this file checks its bounds. Every command reads the values once, into
//! [`Limits`].

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

use chat_room::limits::{Create, Limits, NUMBER_SETTINGS, NumberSetting, Rate, Unit};
use redis_module::configuration::{
    ConfigurationContext, ConfigurationFlags, ConfigurationValue, register_bool_configuration,
    register_enum_configuration, register_i64_configuration, register_string_configuration,
};
use redis_module::{Context, RedisError, RedisString, enum_configuration};

enum_configuration! {
    /// Who may create an ordinary room.
    #[derive(PartialEq, Eq)]
    #[allow(non_camel_case_types, reason = "these are the words in redis.conf")]
    pub enum CreateSetting {
        /// Any user, who owns it then.
        any = 0,
        /// Only the backend.
        backend = 1,
    }
}

/// `chat.presence-grace`, in milliseconds, see `presence_grace.rs`: no rule of the core uses it.
const PRESENCE_GRACE: NumberSetting = NumberSetting {
    name: "presence-grace",
    default: 15_000,
    min: 0,
    max: 600_000,
    unit: Unit::Plain,
};

/// `chat.waiters-max`: how many clients may wait in `CHAT.CHANGES`.
const WAITERS_MAX: NumberSetting =
    NumberSetting { name: "waiters-max", default: 128, min: 0, max: 10_000, unit: Unit::Plain };

/// The value of each of [`NUMBER_SETTINGS`].
static NUMBERS: [AtomicI64; NUMBER_SETTINGS.len()] =
    [const { AtomicI64::new(0) }; NUMBER_SETTINGS.len()];
/// The value of [`PRESENCE_GRACE`].
static PRESENCE_GRACE_VALUE: AtomicI64 = AtomicI64::new(0);
/// The value of [`WAITERS_MAX`].
static WAITERS_MAX_VALUE: AtomicI64 = AtomicI64::new(0);
/// `chat.rate-limit`.
static RATE_LIMIT: RateValue = RateValue::new();
/// `chat.create-limit`.
static CREATE_LIMIT: RateValue = RateValue::new();
/// `chat.create`.
static CREATE: CreateValue = CreateValue(AtomicI64::new(0));
/// `chat.presence-log`.
static PRESENCE_LOG: SwitchValue = SwitchValue(AtomicBool::new(false));
/// `chat.skip-unreadable-records`.
static SKIP_UNREADABLE: SwitchValue = SwitchValue(AtomicBool::new(false));

/// The settings that are rates, by their names without the prefix. Their default is `0`: without
/// limit.
static RATES: &[(&str, &RateValue)] =
    &[("rate-limit", &RATE_LIMIT), ("create-limit", &CREATE_LIMIT)];

/// The settings that are `yes` or `no`, by their names without the prefix. Their default is `no`.
static SWITCHES: &[(&str, &SwitchValue)] =
    &[("presence-log", &PRESENCE_LOG), ("skip-unreadable-records", &SKIP_UNREADABLE)];

/// All settings that are numbers, with their values.
fn numbers() -> impl Iterator<Item = (&'static NumberSetting, &'static AtomicI64)> {
    let own = [(&PRESENCE_GRACE, &PRESENCE_GRACE_VALUE), (&WAITERS_MAX, &WAITERS_MAX_VALUE)];
    NUMBER_SETTINGS.iter().zip(&NUMBERS).chain(own)
}

/// Registers all settings, with the module's arguments, `name value …`, as defaults. Errors: what
/// is wrong with an argument, for the log. Nothing was registered then.
pub(crate) fn register(context: &Context, arguments: &[RedisString]) -> Result<(), String> {
    let given = pairs(arguments)?;
    let argument =
        |name: &str| given.iter().rfind(|(other, _)| other == name).map(|(_, value)| value);
    let defaults = numbers().map(|(setting, _)| match argument(setting.name) {
        Some(text) => parse_number(setting, text),
        None => Ok(setting.default),
    });
    let defaults: Vec<u64> = defaults.collect::<Result<_, _>>()?;
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
    let switches = SWITCHES.iter().map(|(name, _)| {
        match argument(name).map(|text| text.to_ascii_lowercase()).as_deref() {
            None | Some("no") => Ok(false),
            Some("yes") => Ok(true),
            Some(other) => Err(format!("{name} {other}: yes or no is wanted")),
        }
    });
    let switches: Vec<bool> = switches.collect::<Result<_, _>>()?;

    for ((setting, value), default) in numbers().zip(defaults) {
        let flags = match setting.unit {
            Unit::Plain => ConfigurationFlags::DEFAULT,
            Unit::Bytes => ConfigurationFlags::MEMORY,
        };
        let [default, min, max] = [default, setting.min, setting.max].map(u64::cast_signed);
        register_i64_configuration(context, setting.name, value, default, min, max, flags, None);
    }
    for ((name, value), default) in RATES.iter().zip(rates) {
        let flags = ConfigurationFlags::DEFAULT;
        register_string_configuration(context, name, *value, default, flags, None);
    }
    let flags = ConfigurationFlags::DEFAULT;
    register_enum_configuration(context, CREATE_NAME, &CREATE, create, flags, None);
    for ((name, value), default) in SWITCHES.iter().zip(switches) {
        let flags = ConfigurationFlags::DEFAULT;
        register_bool_configuration(context, name, *value, default, flags, None);
    }
    Ok(())
}

/// The arguments in pairs. Errors: an unknown name, or a name without a value.
fn pairs(arguments: &[RedisString]) -> Result<Vec<(String, String)>, String> {
    let names =
        numbers().map(|(setting, _)| setting.name).chain(RATES.iter().map(|(name, _)| *name));
    let names = names.chain(SWITCHES.iter().map(|(name, _)| *name));
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

/// A value as it is written in redis.conf. Errors: a line for the log.
fn parse_number(setting: &NumberSetting, text: &str) -> Result<u64, String> {
    let NumberSetting { name, min, max, unit, .. } = setting;
    let value = match unit {
        Unit::Plain => parse_digits(text),
        Unit::Bytes => parse_bytes(text),
    };
    match value {
        Some(value) if (*min..=*max).contains(&value) => Ok(value),
        _ => Err(format!("{name} {text}: a number from {min} to {max} is wanted")),
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

/// The name of [`CREATE`].
const CREATE_NAME: &str = "create";
/// How a rate is written, for error texts.
const RATE_WANTED: &str = "0, or a count in a period: 10/10s, 600/1m, 5/500ms";

/// The value of a rate: as it was written, and parsed.
pub(crate) struct RateValue {
    text: Mutex<String>,
    /// 0: without limit.
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

/// The value of `chat.create`: the number of a [`CreateSetting`].
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

/// The value of a setting that is `yes` or `no`.
pub(crate) struct SwitchValue(AtomicBool);

impl ConfigurationValue<bool> for SwitchValue {
    fn get(&self, _: &ConfigurationContext) -> bool {
        self.0.load(Relaxed)
    }

    fn set(&self, _: &ConfigurationContext, value: bool) -> Result<(), RedisError> {
        self.0.store(value, Relaxed);
        Ok(())
    }
}

/// The settings as the core takes them.
pub(crate) fn limits() -> Limits {
    let number = |at: usize| NUMBERS.get(at).map_or(0, |value| value.load(Relaxed).cast_unsigned());
    let presence_log = PRESENCE_LOG.0.load(Relaxed);
    Limits::from_values(number, CREATE.setting(), RATE_LIMIT.rate(), presence_log)
}

/// How often one user may create a room; `None`: without limit.
pub(crate) fn create_limit() -> Option<Rate> {
    CREATE_LIMIT.rate()
}

/// Whether a server goes on without records that it cannot read.
pub(crate) fn skips_unreadable_records() -> bool {
    SKIP_UNREADABLE.0.load(Relaxed)
}

/// How many clients may wait for changes.
pub(crate) fn waiters_max() -> usize {
    usize::try_from(WAITERS_MAX_VALUE.load(Relaxed)).unwrap_or(0)
}

/// The length of a grace of presence, in milliseconds.
pub(crate) fn presence_grace() -> u64 {
    PRESENCE_GRACE_VALUE.load(Relaxed).cast_unsigned()
}
