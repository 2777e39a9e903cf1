//! One look at a server with the eyes of a relay, for `chat-relay check`: everything that is missing,
//! not only the first thing, and settings that a relay itself does not read.
//!
//! Nothing is changed: commands name rooms that cannot exist, or do not and are not created.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use redis::Value;

use crate::config::{Endpoint, RedisSettings};
use crate::upstream::check;
use crate::upstream::commands::{self, Command, Reader, operator};
use crate::upstream::connection::{Closing, Connection, Nothing, Purpose};
use crate::upstream::dialling::dial::Dialler;
use crate::upstream::dialling::greeting::{Greeting, Mode};
use crate::upstream::health::{Problem, denied_command};
use crate::upstream::link::PROFILE_CHANNEL;
use crate::upstream::nodes::probe::refused_subscription;
use crate::upstream::nodes::slots::name_in;
use crate::upstream::topology::survey::Surveyed;

/// What was found.
#[derive(Debug)]
pub(crate) struct Inspection {
    /// What the server says of itself.
    pub(crate) greeting: Greeting,
    /// What keeps a relay from working, or from doing everything.
    pub(crate) problems: Vec<Problem>,
    /// What an operator may read.
    pub(crate) operator: Result<OperatorView, Problem>,
}

/// What an operator may read, and a relay's user perhaps not.
#[derive(Debug)]
pub(crate) struct OperatorView {
    /// How far the server's clock is ahead of this machine's, in milliseconds.
    pub(crate) clock_ahead_ms: Answer<i64>,
    /// Settings by their names.
    settings: BTreeMap<&'static str, Answer<String>>,
    /// How many replicas follow it.
    pub(crate) replicas: Answer<u32>,
}

impl OperatorView {
    /// A setting of the server.
    pub(crate) fn setting(&self, name: &str) -> Answer<&str> {
        match self.settings.get(name) {
            Some(Ok(value)) => Ok(value),
            Some(Err(why)) => Err(why.clone()),
            None => Err("there is no such setting".to_owned()),
        }
    }

    /// A setting that is a number.
    pub(crate) fn number(&self, name: &str) -> Answer<u64> {
        self.setting(name)?.parse().map_err(|_| UNREADABLE.to_owned())
    }
}

/// A value, or the error reply in its place.
pub(crate) type Answer<T> = Result<T, String>;

/// Looks at this server: as the relay of this name, and as `operator` at what that one may read, if
/// there is one.
pub(crate) async fn inspect(
    server: &Surveyed,
    redis: &RedisSettings,
    operator: Option<&RedisSettings>,
    relay: &str,
) -> Result<Inspection, Problem> {
    let boot = format!("{:08x}", rand::random::<u32>());
    let is_own = |slot| server.slots.iter().any(|range| range.contains(&slot));
    let probe_room = check::probe_room(relay, &boot);
    let probe_room = name_in(&format!("{probe_room}:"), is_own).unwrap_or(probe_room);
    let (connection, greeting) = connect(&server.endpoint, redis, relay).await?;
    let mut questions = check::questions(&probe_room, server.mode);
    if server.mode == Mode::Cluster {
        questions.push(commands::read_only());
    }
    let replies = ask(&connection, questions).await?;
    let mut problems = check::problems(&replies);
    let mut note = |problem| {
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    };
    // Rooms of each kind that do not exist.
    let samples = [format!("check-{boot}"), format!("@check-{boot}"), format!("dm:check-{boot},x")];
    let keys = [&samples[..], std::slice::from_ref(&probe_room)].concat();
    for key in &keys {
        let calls = vec![
            commands::room(key, Reader::Backend),
            check::write_question(key).without_creating(),
        ];
        let replies = ask(&connection, calls).await?;
        if replies.iter().any(is_denied_key) {
            note(Problem::Key(key.replace(&boot, "…")));
        }
    }
    let channels = [&keys[..], &[PROFILE_CHANNEL.to_owned()]].concat();
    for channel in &channels {
        let calls = vec![commands::subscribe(channel), commands::unsubscribe(channel)];
        let mut replies = ask(&connection, calls).await?;
        // Valkey 8.0 refuses to end a subscription if there is none, after one that was refused.
        replies
            .retain(|reply| !matches!(reply, Value::ServerError(error) if error.code() == "NOSUB"));
        let shown = channel.replace(&boot, "…");
        replies.iter().filter_map(|reply| refused_subscription(reply, &shown)).for_each(&mut note);
    }
    let replies = ask(&connection, vec![commands::publish(&probe_room, "check")]).await?;
    let shown = probe_room.replace(&boot, "…");
    replies.iter().filter_map(|reply| refused_subscription(reply, &shown)).for_each(&mut note);
    let operator = match operator {
        Some(operator) => match connect(&server.endpoint, operator, relay).await {
            Ok((connection, _)) => operator_view(&connection, server.mode).await,
            Err(problem) => Err(problem),
        },
        None => operator_view(&connection, server.mode).await,
    };
    Ok(Inspection { greeting, problems, operator })
}

async fn operator_view(connection: &Connection, mode: Mode) -> Result<OperatorView, Problem> {
    let before = now_ms();
    let time = ask(connection, vec![operator::time()]).await?;
    let here = before.midpoint(now_ms());
    let clock_ahead_ms = answer(time.into_iter().next().unwrap_or(Value::Nil)).and_then(|value| {
        match &numbers(&value)[..] {
            [seconds, micros] => Ok(seconds * 1000 + micros / 1000 - here),
            _ => Err(UNREADABLE.to_owned()),
        }
    });
    let names = match mode {
        Mode::Cluster => [SETTINGS, SETTINGS_OF_CLUSTERS].concat(),
        Mode::Standalone | Mode::Sentinel => SETTINGS.to_vec(),
    };
    let calls = names.iter().map(|name| operator::config_get(name)).collect();
    let replies = ask(connection, calls).await?;
    let settings = names.into_iter().zip(replies);
    let settings = settings.map(|(name, reply)| (name, answer(reply).and_then(|v| setting(&v))));
    let replication = ask(connection, vec![operator::info("replication")]).await?;
    let replication = answer(replication.into_iter().next().unwrap_or(Value::Nil));
    let replicas = replication.and_then(|value| {
        let text = text(&value);
        let count = text.lines().find_map(|line| line.strip_prefix("connected_slaves:"));
        count.and_then(|count| count.trim().parse().ok()).ok_or_else(|| UNREADABLE.to_owned())
    });
    Ok(OperatorView { clock_ahead_ms, settings: settings.collect(), replicas })
}

/// Settings that matter everywhere.
const SETTINGS: &[&str] = &["maxmemory-policy", "chat.nonce-window"];
/// Settings that matter in clusters.
const SETTINGS_OF_CLUSTERS: &[&str] = &[
    "cluster-node-timeout",
    "cluster-require-full-coverage",
    "cluster-allow-pubsubshard-when-down",
    "min-replicas-to-write",
    "client-output-buffer-limit",
    "tls-cluster",
];

const UNREADABLE: &str = "the reply cannot be read";

pub(super) async fn connect(
    server: &Endpoint,
    redis: &RedisSettings,
    relay: &str,
) -> Result<(Connection, Greeting), Problem> {
    let (stream, greeting) = Dialler::to_redis(redis, relay).dial(server).await?;
    // Subscriptions are tried too.
    let connection = Connection::start(stream, Purpose::Subscriptions, &Closing::new(), Nothing);
    Ok((connection, greeting))
}

/// Sends commands and returns their replies, errors among them.
pub(super) async fn ask(
    connection: &Connection,
    calls: Vec<Command>,
) -> Result<Vec<Value>, Problem> {
    let replies = connection.subscription_call(&calls).await;
    replies.ok_or_else(|| Problem::Unreachable("it does not answer".to_owned()))
}

/// Whether the reply says that the user may not use the key.
fn is_denied_key(reply: &Value) -> bool {
    let Value::ServerError(error) = reply else { return false };
    error.code() == "NOPERM" && denied_command(error.details().unwrap_or("")).is_none()
}

pub(super) fn answer(reply: Value) -> Answer<Value> {
    match reply {
        Value::ServerError(error) => {
            Err(format!("{} {}", error.code(), error.details().unwrap_or("")))
        }
        value => Ok(value),
    }
}

/// The value in a reply to `CONFIG GET` of one name.
fn setting(reply: &Value) -> Answer<String> {
    let value = match reply {
        Value::Map(fields) => fields.first().map(|(_, value)| value),
        Value::Array(words) => words.get(1),
        _ => None,
    };
    value.map(text).ok_or_else(|| "there is no such setting".to_owned())
}

fn numbers(reply: &Value) -> Vec<i64> {
    let Value::Array(values) = reply else { return Vec::new() };
    values.iter().filter_map(|value| text(value).parse().ok()).collect()
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text.clone(),
        Value::Int(number) => number.to_string(),
        _ => String::new(),
    }
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}
