//! What a server says of itself, for `chat-relay doctor`: the sections of `INFO`, and settings.
//!
//! Nothing is judged here, and nothing is changed. Values are whatever the server answers.

use redis::Value;

use crate::config::RedisSettings;
use crate::upstream::commands::operator;
use crate::upstream::dialling::greeting::Greeting;
use crate::upstream::health::Problem;
use crate::upstream::inspection::{Answer, answer, ask, connect, text};
use crate::upstream::topology::survey::Surveyed;

/// Names with their values, in the server's order.
pub(crate) type Pairs = Vec<(String, String)>;

/// What a server says of itself.
#[derive(Debug)]
pub(crate) struct Description {
    /// What it is.
    pub(crate) greeting: Greeting,
    /// The fields of the sections of `INFO` that were asked for.
    pub(crate) sections: Vec<Answer<Pairs>>,
    /// The settings whose patterns were asked for.
    pub(crate) settings: Vec<Answer<Pairs>>,
}

/// Asks a server, as `redis` says.
pub(crate) async fn describe(
    server: &Surveyed,
    redis: &RedisSettings,
    relay: &str,
    sections: &[&str],
    settings: &[&str],
) -> Result<Description, Problem> {
    let (connection, greeting) = connect(&server.endpoint, redis, relay).await?;
    let calls = sections.iter().map(|section| operator::info(section)).collect();
    let sections = ask(&connection, calls).await?;
    let calls = settings.iter().map(|name| operator::config_get(name)).collect();
    let settings = ask(&connection, calls).await?;
    Ok(Description {
        greeting,
        sections: sections.into_iter().map(|reply| Ok(fields(&text(&answer(reply)?)))).collect(),
        settings: settings.into_iter().map(|reply| Ok(pairs(answer(reply)?))).collect(),
    })
}

/// The fields of a section of `INFO`.
fn fields(section: &str) -> Pairs {
    let fields = section.lines().filter_map(|line| line.split_once(':'));
    fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

/// What `CONFIG GET` has answered.
fn pairs(reply: Value) -> Pairs {
    match reply {
        Value::Map(pairs) => pairs.iter().map(|(name, value)| (text(name), text(value))).collect(),
        Value::Array(words) => {
            words.chunks_exact(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
        }
        _ => Vec::new(),
    }
}
