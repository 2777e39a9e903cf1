//! The servers that rooms are read from or brought to.
//!
//! A command waits for a server that is away, up to a minute: a failover ends neither an export nor
//! an import. All commands that are sent may run twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_protocol::slot::SLOTS;
use redis::Value;

use crate::cli::transfer::failure::Failure;
use crate::config::Config;
use crate::upstream::commands::{Command, Rows};
use crate::upstream::replies::{self, Elements};
use crate::upstream::{self, CommandError, NoSubscriptions, NodeId, Reply, Unavailable, Upstream};

/// How long the servers may take to be found.
const FOUND_WITHIN: Duration = Duration::from_secs(15);
/// How long a server may be away.
const AWAY_MAX: Duration = Duration::from_secs(60);
/// The pause before it is asked again.
const PAUSE: Duration = Duration::from_millis(200);
/// Rows of a page of a list.
const ROWS: u64 = 1000;

/// The servers.
pub(super) struct Servers {
    upstream: Arc<Upstream>,
}

impl Servers {
    /// Opens links to all of them. Errors: they cannot be used, and why.
    pub(super) async fn open(config: &Config, writes: bool) -> Result<Servers, Failure> {
        let probe_room = upstream::probe_room(&config.name, "transfer");
        let upstream = Upstream::new(&config.redis, &config.name, probe_room, config.probe);
        let upstream = Arc::new(upstream);
        tokio::spawn(Arc::clone(&upstream).run(Arc::new(NoSubscriptions)));
        let servers = Servers { upstream };
        let opened = servers.upstream.wait_until(|upstream| {
            let overview = upstream.overview();
            let usable = if writes { overview.open_slots() } else { overview.readable_slots() };
            usable == SLOTS || overview.lasting_problem().is_some()
        });
        let is_open = tokio::time::timeout(FOUND_WITHIN, opened).await.is_ok();
        let overview = servers.upstream.overview();
        let why = match overview.lasting_problem() {
            None if is_open => return Ok(servers),
            None => overview.readiness().unwrap_or_else(|why| why),
            Some(problem) => problem.to_string(),
        };
        Err(Failure::Other(format!("Redis cannot be used: {why}")))
    }

    /// Waits a moment before a server that is away is asked again. Errors: `why`, if it was away for
    /// too long; what is wrong with it for good.
    async fn pause(&self, begun: Instant, why: Unavailable) -> Result<(), Failure> {
        if let Some(problem) = self.upstream.overview().lasting_problem() {
            return Err(Failure::Other(problem.to_string()));
        }
        if begun.elapsed() >= AWAY_MAX {
            return Err(Failure::Away(why));
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }

    /// The reply to one command.
    pub(super) async fn ask(&self, command: Command) -> Result<Value, Failure> {
        let begun = Instant::now();
        loop {
            match self.upstream.call_one(command.clone()).await {
                Err(CommandError::Unavailable(why)) => self.pause(begun, why).await?,
                reply => return Ok(reply?),
            }
        }
    }

    /// The replies to commands, in one write to each node, without waiting for one that is away.
    pub(super) async fn ask_at_once(&self, commands: Vec<Command>) -> Vec<Reply> {
        self.upstream.call(commands).await
    }

    /// Calls `each` with every row of a list that is read page by page.
    pub(super) async fn rows(
        &self,
        command: impl Fn(Rows<'_>) -> Command,
        mut each: impl FnMut(Value) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut cursor: Option<String> = None;
        loop {
            let rows = Rows { cursor: cursor.as_deref(), count: Some(ROWS) };
            let mut page = Elements::of(self.ask(command(rows)).await?)?;
            cursor = match page.any()? {
                Value::Nil => None,
                cursor => Some(replies::text(cursor)?),
            };
            page.list()?.try_for_each(&mut each)?;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    /// The names on the next pages of a walk over the keys of every node. `None`: all are walked.
    pub(super) async fn scan(
        &self,
        walk: &mut Walk,
        scan: impl Fn(&str) -> Command,
    ) -> Result<Option<Vec<String>>, Failure> {
        let begun = Instant::now();
        let is_readable = |upstream: &Upstream| upstream.overview().readable_slots() == SLOTS;
        loop {
            let readable = self.upstream.wait_until(is_readable);
            let _ = tokio::time::timeout(AWAY_MAX, readable).await;
            let next = |node: &NodeId| match walk.0.get(node).map(String::as_str) {
                Some("0") => None,
                cursor => Some(scan(cursor.unwrap_or("0"))),
            };
            let replies = self.upstream.call_every_node(next).await;
            if replies.is_empty() {
                return Ok(None);
            }
            let (mut rooms, mut away) = (Vec::new(), None);
            for (node, reply) in replies {
                match reply {
                    Err(CommandError::Unavailable(why)) => away = Some(why),
                    reply => {
                        let mut page = Elements::of(reply?)?;
                        walk.0.insert(node, page.text()?);
                        // Names that are no text are no rooms.
                        rooms.extend(page.list()?.filter_map(|name| replies::text(name).ok()));
                    }
                }
            }
            match away {
                // The node is asked again, with its cursor of before.
                Some(why) if rooms.is_empty() => self.pause(begun, why).await?,
                _ => return Ok(Some(rooms)),
            }
        }
    }
}

/// A walk over the keys of every node: what each has answered as its next cursor.
#[derive(Debug, Default)]
pub(super) struct Walk(HashMap<NodeId, String>);

impl Walk {
    /// Whether there is more than one node.
    pub(super) fn is_of_several(&self) -> bool {
        self.0.len() > 1
    }
}

/// A row of CHAT.SANCTIONS: the user, banned until, muted until; 0: for ever.
pub(super) fn sanction(row: Value) -> Result<(String, Option<u64>, Option<u64>), Failure> {
    let mut row = Elements::of(row)?;
    let user = row.text()?;
    let mut until = || match row.any()? {
        Value::Nil => Ok(None),
        Value::Int(until) => Ok(u64::try_from(until).ok()),
        _ => Err(Failure::Reply),
    };
    Ok((user, until()?, until()?))
}
