//! The `chat.*` settings: redis.conf, module arguments, CONFIG GET and SET.
//!
//! They are read once per command into the core's [`Limits`]; `apply` never sees them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use chat_room::limits::{Create, Limits, Rate};
use redis_module::configuration::{ConfigurationContext, ConfigurationValue};
use redis_module::{RedisError, RedisString, enum_configuration};

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

/// The values, as Redis sets them.
pub(crate) struct Settings {
    pub(crate) history_max: AtomicI64,
    pub(crate) history_ttl: AtomicI64,
    pub(crate) journal_max: AtomicI64,
    pub(crate) max_text: AtomicI64,
    pub(crate) presence_ttl: AtomicI64,
    pub(crate) presence_grace: AtomicI64,
    pub(crate) presence_announce: AtomicI64,
    pub(crate) nonce_window: AtomicI64,
    pub(crate) nonce_max: AtomicI64,
    pub(crate) members_max: AtomicI64,
    pub(crate) follows_max: AtomicI64,
    pub(crate) edit_window: AtomicI64,
    pub(crate) receipts_max: AtomicI64,
    pub(crate) rate_limit: RateValue,
    pub(crate) create: CreateValue,
}

pub(crate) static SETTINGS: Settings = Settings {
    history_max: AtomicI64::new(0),
    history_ttl: AtomicI64::new(0),
    journal_max: AtomicI64::new(0),
    max_text: AtomicI64::new(0),
    presence_ttl: AtomicI64::new(0),
    presence_grace: AtomicI64::new(0),
    presence_announce: AtomicI64::new(0),
    nonce_window: AtomicI64::new(0),
    nonce_max: AtomicI64::new(0),
    members_max: AtomicI64::new(0),
    follows_max: AtomicI64::new(0),
    edit_window: AtomicI64::new(0),
    receipts_max: AtomicI64::new(0),
    rate_limit: RateValue {
        text: Mutex::new(String::new()),
        count: AtomicU64::new(0),
        period_ms: AtomicU64::new(0),
    },
    create: CreateValue(AtomicI64::new(0)),
};

/// `chat.rate-limit`, as it was written and as it is used.
pub(crate) struct RateValue {
    text: Mutex<String>,
    /// 0: no limit.
    count: AtomicU64,
    period_ms: AtomicU64,
}

impl RateValue {
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
        let wanted = RedisError::Str("0, or so many in such a time: 10/10s, 600/1m, 5/500ms");
        let rate = Rate::parse(text).ok_or(wanted)?;
        self.count.store(rate.map_or(0, |rate| rate.count), Relaxed);
        self.period_ms.store(rate.map_or(0, |rate| rate.period_ms), Relaxed);
        *self.text() = text.to_owned();
        Ok(())
    }
}

/// A [`CreateSetting`] as its number.
pub(crate) struct CreateValue(AtomicI64);

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

/// Names of all settings without the prefix, as module arguments bear them.
pub(crate) const NAMES: [&str; 15] = [
    "history-max",
    "history-ttl",
    "journal-max",
    "max-text",
    "presence-ttl",
    "presence-grace",
    "presence-announce",
    "nonce-window",
    "nonce-max",
    "members-max",
    "follows-max",
    "edit-window",
    "receipts-max",
    "rate-limit",
    "create",
];

/// The settings as the core wants them.
pub(crate) fn limits() -> Limits {
    let value = |setting: &AtomicI64| setting.load(Relaxed).cast_unsigned();
    let s = &SETTINGS;
    Limits {
        history_max: value(&s.history_max),
        history_ttl: value(&s.history_ttl),
        journal_max: value(&s.journal_max),
        max_text: value(&s.max_text),
        presence_ttl: value(&s.presence_ttl),
        presence_announce: value(&s.presence_announce),
        nonce_window: value(&s.nonce_window),
        nonce_max: value(&s.nonce_max),
        create: if value(&s.create.0) == 0 { Create::Any } else { Create::Backend },
        members_max: value(&s.members_max),
        follows_max: value(&s.follows_max),
        edit_window: value(&s.edit_window),
        receipts_max: value(&s.receipts_max),
        rate_limit: s.rate_limit.rate(),
    }
}

/// Milliseconds during which nobody's presence ends after a load, a promotion or a jump of the clock.
pub(crate) fn presence_grace() -> u64 {
    SETTINGS.presence_grace.load(Relaxed).unsigned_abs()
}

/// Checks the module's arguments, `name value …`: Redis would ignore an unknown one in silence.
/// Errors: a line for the log.
pub(crate) fn check_arguments(arguments: &[RedisString]) -> Result<(), String> {
    for pair in arguments.chunks(2) {
        let name = pair.first().map(|name| name.to_string_lossy()).unwrap_or_default();
        if !NAMES.contains(&name.as_str()) {
            return Err(format!("unknown module argument: one of {} is wanted", NAMES.join(", ")));
        }
        if pair.len() < 2 {
            return Err(format!("the module argument {name} has no value"));
        }
    }
    Ok(())
}
