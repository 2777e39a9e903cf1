//! One Sentinel: a connection to it is kept open, with a subscription to `+switch-master`, and it is
//! asked on demand. What it says, and that it cannot be reached, is reported; what follows is
//! decided elsewhere.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use redis::Value;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use crate::config::Endpoint;
use crate::upstream::commands::{Command, sentinels};
use crate::upstream::connection::{Connection, Push};
use crate::upstream::topology::sentinel::answers::{self, Trouble};
use crate::upstream::topology::sentinel::dialling::Dialling;

/// The first and the longest pause before a connection attempt.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// Longest wait for a reply. Sentinels do little else than answer.
const REPLY_TIMEOUT: Duration = Duration::from_secs(1);
/// Time between two looks at the list of other Sentinels.
const LIST_INTERVAL: Duration = Duration::from_secs(60);
/// Messages that wait to be read. One that finds no place is lost; polls find the switch later.
const MESSAGES_MAX: usize = 64;
/// Addresses of one name that are remembered.
const ADDRESSES_MAX: usize = 8;

/// What there is to know of a Sentinel.
#[derive(Debug)]
pub(super) enum Report {
    /// The addresses that its name has now.
    Addresses(Vec<SocketAddr>),
    /// The primary that it names. `None`: it knows none of that name.
    Primary(Option<Endpoint>),
    /// It has published a switch to this primary.
    Switch(Endpoint),
    /// The other Sentinels that it knows.
    Others(Vec<Endpoint>),
    /// It is of no use now. Another attempt follows.
    Lost(Trouble),
}

/// Watches one Sentinel.
pub(super) struct Observer {
    pub(super) sentinel: Endpoint,
    /// The name of the primary.
    pub(super) name: Arc<str>,
    pub(super) dialling: Arc<Dialling>,
    /// Notified: ask for the primary now.
    pub(super) ask: Arc<Notify>,
    pub(super) reports: mpsc::Sender<(Endpoint, Report)>,
}

impl Observer {
    /// Keeps a connection open, forever.
    pub(super) async fn run(self) {
        let mut backoff = BACKOFF_FIRST;
        loop {
            let (trouble, was_open) = self.observe().await;
            if was_open {
                backoff = BACKOFF_FIRST;
            }
            // These do not pass by themselves in a moment.
            if trouble.lasts() {
                backoff = BACKOFF_MAX;
            }
            self.report(Report::Lost(trouble)).await;
            let pause = rand::rng().random_range(backoff / 2..=backoff);
            tokio::time::sleep(pause).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    /// Opens a connection and reports what comes until it ends: why, and whether it was open.
    async fn observe(&self) -> (Trouble, bool) {
        let (sender, mut heard) = mpsc::channel(MESSAGES_MAX);
        let connection = match self.open(sender).await {
            Ok(connection) => connection,
            Err(trouble) => return (trouble, false),
        };
        let mut list = tokio::time::interval(LIST_INTERVAL);
        // The first tick is now: the list was read a moment ago, as part of opening.
        list.tick().await;
        loop {
            let done = tokio::select! {
                heard = heard.recv() => match heard {
                    Some(message) => {
                        if let Some(to) = answers::read_switch(&message, &self.name) {
                            self.report(Report::Switch(to)).await;
                        }
                        Ok(())
                    }
                    None => {
                        Err(Trouble::unreachable("the connection was lost"))
                    }
                },
                () = self.ask.notified() => self.ask_primary(&connection).await,
                _ = list.tick() => self.ask_others(&connection).await,
            };
            if let Err(trouble) = done {
                return (trouble, true);
            }
        }
    }

    async fn open(&self, sender: mpsc::Sender<Vec<u8>>) -> Result<Connection, Trouble> {
        let on_push = move |push: Push<'_>| {
            if let Push::Message { payload, .. } = push {
                // One that finds no place is lost.
                let _ = sender.try_send(payload.to_vec());
            }
        };
        let addresses = self.dialling.resolve(&self.sentinel).await?;
        self.report(Report::Addresses(addresses.into_iter().take(ADDRESSES_MAX).collect())).await;
        let connection = self.dialling.to_sentinel(&self.sentinel, on_push).await?;
        let reply = ask(&connection, sentinels::subscribe_to_switches()).await?;
        if let Value::ServerError(_) = reply {
            return Err(answers::refused(&reply));
        }
        self.ask_others(&connection).await?;
        self.ask_primary(&connection).await?;
        Ok(connection)
    }

    async fn ask_primary(&self, connection: &Connection) -> Result<(), Trouble> {
        let reply = ask(connection, sentinels::primary(&self.name)).await?;
        let named = answers::read_primary(&reply)?;
        self.report(Report::Primary(named)).await;
        Ok(())
    }

    async fn ask_others(&self, connection: &Connection) -> Result<(), Trouble> {
        let reply = ask(connection, sentinels::others(&self.name)).await?;
        match answers::read_others(&reply) {
            Ok(others) => self.report(Report::Others(others)).await,
            // Its answer to the question for the primary says the same.
            Err(Trouble::NoSuchName) => {}
            Err(trouble) => return Err(trouble),
        }
        Ok(())
    }

    async fn report(&self, report: Report) {
        // The receiver outlives the observers.
        let _ = self.reports.send((self.sentinel.clone(), report)).await;
    }
}

/// The reply to one command; an error of the server is a reply.
async fn ask(connection: &Connection, command: Command) -> Result<Value, Trouble> {
    let silent = || Trouble::unreachable("it does not answer");
    let commands = [command];
    let asked = timeout(REPLY_TIMEOUT, connection.subscription_call(&commands)).await;
    asked.ok().flatten().and_then(|mut replies| replies.pop()).ok_or_else(silent)
}
