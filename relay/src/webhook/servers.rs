//! The servers of the rooms.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_protocol::slot::SLOTS;
use redis::Value;

use crate::config::Config;
use crate::upstream::replies::UnexpectedReply;
use crate::upstream::{self, Command, CommandError, NoSubscriptions, Unavailable, Upstream};

/// How long a server may be away before a command that waits for it fails.
const AWAY_MAX: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);

/// Why something could not be done, in words.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Redis refused a command.
    #[error("{0}")]
    Refused(String),
    /// Redis is away, or cannot serve now: later is another try.
    #[error(transparent)]
    Away(#[from] Unavailable),
    /// A reply of a shape that the documents do not describe.
    #[error("Redis gave an unknown reply")]
    Reply,
    /// Whatever else.
    #[error("{0}")]
    Other(String),
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Failure {
        match error {
            CommandError::Refused(error) => {
                Failure::Refused(format!("{} {}", error.code, error.message))
            }
            CommandError::Unavailable(away) => Failure::Away(away),
        }
    }
}

impl From<UnexpectedReply> for Failure {
    fn from(_: UnexpectedReply) -> Failure {
        Failure::Reply
    }
}

/// Opens links to all servers, and keeps them.
pub(super) fn open(config: &Config, name: &str) -> Arc<Upstream> {
    let probe_room = upstream::probe_room(&config.name, &format!("forward:{name}"));
    let upstream = Arc::new(Upstream::new(&config.redis, &config.name, probe_room, config.probe));
    tokio::spawn(Arc::clone(&upstream).run(Arc::new(NoSubscriptions)));
    upstream
}

/// Returns once every slot can be used. Errors: it cannot within a while, and why.
pub(super) async fn wait_usable(upstream: &Upstream) -> Result<(), Failure> {
    let opened = upstream.wait_until(|upstream| {
        let overview = upstream.overview();
        overview.open_slots() == SLOTS || overview.lasting_problem().is_some()
    });
    let is_open = tokio::time::timeout(AWAY_MAX, opened).await.is_ok();
    let overview = upstream.overview();
    match overview.lasting_problem() {
        None if is_open => Ok(()),
        None => Err(Failure::Other(overview.readiness().unwrap_or_else(|why| why))),
        Some(problem) => Err(Failure::Other(problem.to_string())),
    }
}

/// The reply to a command that may run twice, waiting for a server that is away.
pub(super) async fn ask(upstream: &Upstream, command: Command) -> Result<Value, Failure> {
    let begun = Instant::now();
    loop {
        match upstream.call_one(command.clone()).await {
            Err(CommandError::Unavailable(_)) if begun.elapsed() < AWAY_MAX => {
                tokio::time::sleep(PAUSE).await;
            }
            reply => return Ok(reply?),
        }
    }
}
