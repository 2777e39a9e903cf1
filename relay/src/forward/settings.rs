//! The flags of `chat-relay forward`, and what they mean.

use chat_protocol::names::room_kind;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::config::{Config, RedisSettings, redis_settings};

/// The sorts of rooms that `--kinds` may name.
const KINDS: [&str; 3] = ["ordinary", "direct", "personal"];
/// Bytes of a pattern: as many as the module takes.
const PATTERN_MAX: usize = 200;
const LENGTH_MAX: u64 = 100_000_000;

/// The flags, beside those that name Redis.
pub(crate) fn flags(command: Command) -> Command {
    let text = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let switch = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    let to = text("to", "URL", "redis://[user[:password]@]host[:port]/KEY, a stream, or https://…");
    let from = text("from", "now|beginning", "Where create begins").default_value("now");
    command
        .arg(Arg::new("action").value_name("create|run|redrive").required(true))
        .arg(Arg::new("forwarder").value_name("NAME").required(true))
        .arg(to.required(true))
        .arg(from)
        .arg(text("match", "PATTERN", "Only rooms whose names match, like support:*"))
        .arg(text("kinds", "KINDS", "Only these rooms: ordinary,direct,personal"))
        .arg(text("types", "TYPES", "Only events of these types, like message,edit,delete"))
        .arg(switch("bare", "Leave out the events themselves: room, type and id only"))
        .arg(switch("imported", "Also what was imported"))
        .arg(
            text("stream-max", "N", "Entries that wait to be read before forwarding waits")
                .default_value("100000"),
        )
        .arg(text("secret-file", "FILE", "For https://…: one or two lines of whsec_ and base64"))
        .arg(
            text("concurrency", "N", "For https://…: requests at a time (1 to 256)")
                .default_value("16"),
        )
        .arg(
            text(
                "give-up",
                "TIME",
                "For https://…: how long an event is refused before it is given up",
            )
            .default_value("24h"),
        )
}

/// What was given.
pub(crate) struct ForwardArgs {
    action: String,
    name: String,
    to: String,
    from: String,
    pattern: Option<String>,
    kinds: Option<String>,
    types: Option<String>,
    bare: bool,
    imported: bool,
    stream_max: String,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Create { from_now: bool },
    Run,
}

/// Checked settings.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) action: Action,
    /// The name of the forwarder, in its connections and logs.
    pub(crate) name: String,
    /// The server of the stream.
    pub(crate) sink: RedisSettings,
    /// The key of the stream.
    pub(crate) key: String,
    pub(crate) pattern: Option<String>,
    pub(crate) kinds: Option<String>,
    /// Types of events; `None`: all.
    pub(crate) types: Option<Vec<String>>,
    pub(crate) bare: bool,
    pub(crate) imported: bool,
    pub(crate) stream_max: u64,
}

impl ForwardArgs {
    pub(crate) fn from_matches(flags: &ArgMatches) -> ForwardArgs {
        let optional = |name: &str| flags.get_one::<String>(name).cloned();
        let text = |name: &str| optional(name).unwrap_or_default();
        ForwardArgs {
            action: text("action"),
            name: text("forwarder"),
            to: text("to"),
            from: text("from"),
            pattern: optional("match"),
            kinds: optional("kinds"),
            types: optional("types"),
            bare: flags.get_flag("bare"),
            imported: flags.get_flag("imported"),
            stream_max: text("stream-max"),
        }
    }

    /// Checks everything. Errors: every mistake, without repeating an address, which may have a
    /// password in it.
    pub(crate) fn check(self, config: &Config) -> Result<Settings, Vec<String>> {
        let mut mistakes = Vec::new();
        let action = match (self.action.as_str(), self.from.as_str()) {
            ("create", "now") => Action::Create { from_now: true },
            ("create", "beginning") => Action::Create { from_now: false },
            ("create", _) => {
                mistakes.push("--from: now or beginning".to_owned());
                Action::Run
            }
            ("run", _) => Action::Run,
            _ => {
                mistakes.push("the first word: create or run".to_owned());
                Action::Run
            }
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if self.name.is_empty() || self.name.len() > 64 || !self.name.bytes().all(is_name) {
            mistakes.push("NAME: 1 to 64 of a-z A-Z 0-9 . - _".to_owned());
        }
        let sink = sink(&self.to, &config.redis).map_err(|why| mistakes.push(why)).ok();
        if self.pattern.as_ref().is_some_and(|pattern| pattern.len() > PATTERN_MAX) {
            mistakes.push("--match: a pattern of at most 200 bytes".to_owned());
        }
        let are_kinds = |kinds: &String| kinds.split(',').all(|kind| KINDS.contains(&kind));
        if !self.kinds.as_ref().is_none_or(are_kinds) {
            mistakes.push(format!("--kinds: of {}", KINDS.join(",")));
        }
        let types = self.types.map(|types| types.split(',').map(str::to_owned).collect());
        let known = chat_protocol::event_header::TYPES;
        let are_types = |types: &Vec<String>| types.iter().all(|one| known.contains(&one.as_str()));
        if !types.as_ref().is_none_or(are_types) {
            mistakes.push(format!("--types: of {}", known.join(",")));
        }
        let stream_max = self.stream_max.parse().ok().filter(|n| (1..=LENGTH_MAX).contains(n));
        let stream_max = stream_max.unwrap_or_else(|| {
            mistakes.push(format!("--stream-max: 1 to {LENGTH_MAX}"));
            1
        });
        let Some((sink, key)) = sink.filter(|_| mistakes.is_empty()) else { return Err(mistakes) };
        Ok(Settings {
            action,
            name: self.name,
            sink,
            key,
            pattern: self.pattern,
            kinds: self.kinds,
            types,
            bare: self.bare,
            imported: self.imported,
            stream_max,
        })
    }
}

impl Settings {
    /// Whether no room can have the name of the stream's key.
    pub(super) fn key_is_no_room(&self) -> bool {
        room_kind(&self.key).is_none()
    }
}

/// Reads `--to`: the server, and the key.
fn sink(text: &str, like: &RedisSettings) -> Result<(RedisSettings, String), String> {
    let wrong = |why: &str| Err(format!("--to: {why}"));
    let Some((scheme, rest)) = text.split_once("://") else {
        return wrong("an address like redis://127.0.0.1:6379/KEY is wanted");
    };
    let Some((authority, key)) = rest.split_once('/').filter(|(_, key)| !key.is_empty()) else {
        return wrong("after the host, /KEY: the key of the stream");
    };
    if key.len() > 200 || !key.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'%') {
        return wrong("KEY is 1 to 200 visible ASCII characters without %");
    }
    if key.contains(['{', '}']) {
        return wrong("KEY has no braces: the keys beside it are named after it");
    }
    let sink = redis_settings(&format!("{scheme}://{authority}"), Some(like));
    Ok((sink.map_err(|why| format!("--to: {why}"))?, key.to_owned()))
}
