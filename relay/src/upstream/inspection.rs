//! One look at a server with the eyes of a relay, for `chat-relay check`: everything that is missing,
//! not only the first thing, and settings that a relay itself does not read.
//!
//! Nothing is changed: commands name rooms that cannot exist, or do not and are not created.

use std::time::{SystemTime, UNIX_EPOCH};

use redis::Value;

use crate::config::RedisSettings;
use crate::upstream::check;
use crate::upstream::commands::{self, Command, Reader, operator};
use crate::upstream::connection::{Closing, Connection, Purpose};
use crate::upstream::dial::Dialler;
use crate::upstream::greeting::Mode;
use crate::upstream::health::{Problem, denied_command};
use crate::upstream::link::PROFILE_CHANNEL;
use crate::upstream::probe::refused_subscription;

/// What was found.
#[derive(Debug)]
pub(crate) struct Inspection {
    /// Name and version of the server.
    pub(crate) server: String,
    /// The version that the module gives itself, if the server names modules.
    pub(crate) module_version: Option<i64>,
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
    /// `maxmemory-policy`
    pub(crate) maxmemory_policy: Answer<String>,
    /// `chat.nonce-window`
    pub(crate) nonce_window_ms: Answer<u64>,
}

/// A value, or the error reply in its place.
pub(crate) type Answer<T> = Result<T, String>;

/// Looks at the server: as the relay of this name, and as `operator` at what that one may read, if
/// there is one.
pub(crate) async fn inspect(
    redis: &RedisSettings,
    operator: Option<&RedisSettings>,
    relay: &str,
) -> Result<Inspection, Problem> {
    let boot = format!("{:08x}", rand::random::<u32>());
    let probe_room = check::probe_room(relay, &boot);
    let connection = connect(redis, relay).await?;
    let replies = ask(&connection, check::questions(&probe_room, Mode::Standalone)).await?;
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
        Some(operator) => match connect(operator, relay).await {
            Ok(connection) => operator_view(&connection).await,
            Err(problem) => Err(problem),
        },
        None => operator_view(&connection).await,
    };
    let hello = replies_of_hello(&connection).await?;
    Ok(Inspection { server: server(&hello), module_version: module(&hello), problems, operator })
}

async fn replies_of_hello(connection: &Connection) -> Result<Value, Problem> {
    let replies = ask(connection, vec![commands::hello()]).await?;
    Ok(replies.into_iter().next().unwrap_or(Value::Nil))
}

async fn operator_view(connection: &Connection) -> Result<OperatorView, Problem> {
    let before = now_ms();
    let time = ask(connection, vec![operator::time()]).await?;
    let here = before.midpoint(now_ms());
    let calls = ["maxmemory-policy", "chat.nonce-window"].map(operator::config_get);
    let settings = ask(connection, calls.into()).await?;
    let one = |replies: &[Value], index: usize| replies.get(index).cloned().unwrap_or(Value::Nil);
    let clock = answer(one(&time, 0)).and_then(|value| match &numbers(&value)[..] {
        [seconds, micros] => Ok(seconds * 1000 + micros / 1000 - here),
        _ => Err(UNREADABLE.to_owned()),
    });
    let policy = answer(one(&settings, 0)).and_then(|value| setting(&value));
    let window = answer(one(&settings, 1)).and_then(|value| setting(&value));
    Ok(OperatorView {
        clock_ahead_ms: clock,
        maxmemory_policy: policy,
        nonce_window_ms: window.and_then(|text| text.parse().map_err(|_| UNREADABLE.to_owned())),
    })
}

const UNREADABLE: &str = "the reply cannot be read";

async fn connect(redis: &RedisSettings, relay: &str) -> Result<Connection, Problem> {
    let [server, ..] = redis.servers.endpoints() else { return Err(Problem::NoModule) };
    let (stream, _) = Dialler::to_redis(redis, relay).dial(server).await?;
    // Subscriptions are tried too.
    Ok(Connection::start(stream, Purpose::Subscriptions, &Closing::new(), |_| {}))
}

/// Sends commands and returns their replies, errors among them.
async fn ask(connection: &Connection, calls: Vec<Command>) -> Result<Vec<Value>, Problem> {
    let replies = connection.subscription_call(&calls).await;
    replies.ok_or_else(|| Problem::Unreachable("it does not answer".to_owned()))
}

/// Whether the reply says that the user may not use the key.
fn is_denied_key(reply: &Value) -> bool {
    let Value::ServerError(error) = reply else { return false };
    error.code() == "NOPERM" && denied_command(error.details().unwrap_or("")).is_none()
}

fn answer(reply: Value) -> Answer<Value> {
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

fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        _ => String::new(),
    }
}

fn field<'v>(map: &'v Value, name: &str) -> Option<&'v Value> {
    match map {
        Value::Map(fields) => fields.iter().find(|(key, _)| text(key) == name).map(|(_, v)| v),
        // Modules are listed as arrays of names and values on some servers.
        Value::Array(words) => {
            let at = words.iter().step_by(2).position(|word| text(word) == name)?;
            words.get(2 * at + 1)
        }
        _ => None,
    }
}

fn server(hello: &Value) -> String {
    let part = |name| field(hello, name).map(text).unwrap_or_default();
    // Valkey calls itself redis here for old clients, and gives its own version.
    format!("{} {}", part("server"), part("version")).trim().to_owned()
}

fn module(hello: &Value) -> Option<i64> {
    let Some(Value::Array(modules)) = field(hello, "modules") else { return None };
    let chat = modules.iter().find(|one| field(one, "name").map(text).as_deref() == Some("chat"));
    field(chat?, "ver").and_then(|version| text(version).parse().ok())
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}
