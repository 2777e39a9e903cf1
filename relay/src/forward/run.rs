//! `run`: forwards until it is told to stop.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::clock::now_ms;
use crate::config::Config;
use crate::forward::ops;
use crate::forward::reading::{IDLE, Reading, open};
use crate::forward::settings::Settings;
use crate::forward::status::Status;
use crate::forward::stream::{Batch, SinkError, StreamSink};
use crate::upstream::Upstream;

/// The pause before the server of the stream is tried again.
pub(super) const AGAIN: Duration = Duration::from_millis(500);
/// The pause after something that lasts until somebody changes it.
const LASTING: Duration = Duration::from_secs(5);
/// How often one that waits looks whether it may take over.
const STANDBY: Duration = Duration::from_secs(1);
/// How often the lease is renewed while nothing is written.
const RENEWAL: Duration = Duration::from_secs(3);
/// The pause while the stream is full.
const FULL: Duration = Duration::from_millis(200);

/// Why a session with the server of the stream has ended.
enum Ended {
    /// It was told to stop.
    Stopped,
    /// There is no state.
    NoState,
    Sink(SinkError),
}

impl From<SinkError> for Ended {
    fn from(error: SinkError) -> Ended {
        Ended::Sink(error)
    }
}

/// Forwards until `stop` says so. Errors: why it cannot, in words.
pub(crate) async fn run(
    config: &Config,
    settings: &Settings,
    stop: watch::Receiver<bool>,
) -> Result<(), String> {
    let status = Arc::new(Status::default());
    status.set_problem(Some("it has just started".to_owned()));
    if let Some(address) = config.edge.listen_ops {
        let address = ops::serve(address, Arc::clone(&status)).await?;
        info!(%address, "health and metrics");
    }
    let mut forwarder =
        Forwarder { settings, token: new_token(settings), upstream: open(config), status, stop };
    loop {
        let ended = forwarder.session().await;
        forwarder.status.is_active.store(false, Relaxed);
        let pause = match ended {
            Ended::Stopped => return Ok(()),
            Ended::NoState => {
                return Err("there is no state: create it first, or it was lost with the \
                            server of the stream"
                    .to_owned());
            }
            Ended::Sink(SinkError::LeaseLost) => {
                warn!("another process has the lease");
                AGAIN
            }
            Ended::Sink(SinkError::Lasting(why)) => {
                if forwarder.status.set_problem(Some(why.clone())) {
                    error!(why, "nothing is forwarded");
                }
                LASTING
            }
            Ended::Sink(why) => {
                let why = words(why);
                if forwarder.status.set_problem(Some(why.clone())) {
                    warn!(why, "the server of the stream is away");
                }
                AGAIN
            }
        };
        if forwarder.pause(pause).await {
            return Ok(());
        }
    }
}

/// An error in words.
pub(super) fn words(error: SinkError) -> String {
    match error {
        SinkError::Away(why) | SinkError::Lasting(why) => format!("the stream: {why}"),
        SinkError::LeaseLost => "another process has the lease".to_owned(),
        SinkError::Full => "the stream is full".to_owned(),
    }
}

/// A word that no other process has.
pub(super) fn new_token(settings: &Settings) -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{}:{}:{random:016x}", settings.name, std::process::id())
}

struct Forwarder<'a> {
    settings: &'a Settings,
    token: String,
    upstream: Arc<Upstream>,
    status: Arc<Status>,
    stop: watch::Receiver<bool>,
}

impl Forwarder<'_> {
    /// Waits. True: it is to stop.
    async fn pause(&mut self, time: Duration) -> bool {
        let stopped = self.stop.wait_for(|stopped| *stopped);
        tokio::time::timeout(time, stopped).await.is_ok()
    }

    /// Forwards over one connection to the server of the stream.
    async fn session(&mut self) -> Ended {
        match self.connected().await {
            Ok(()) => Ended::Stopped,
            Err(ended) => ended,
        }
    }

    async fn connected(&mut self) -> Result<(), Ended> {
        let mut sink = StreamSink::connect(self.settings, &self.token).await?;
        if sink.load().await?.is_none() {
            return Err(Ended::NoState);
        }
        while !sink.take_lease().await? {
            // It is ready to take over.
            self.status.set_problem(None);
            if self.pause(STANDBY).await {
                return Ok(());
            }
        }
        // Another process may have written until now.
        let state = sink.load().await?.ok_or(Ended::NoState)?;
        info!(rooms = state.positions.len(), "forwarding");
        self.status.restarts.fetch_add(1, Relaxed);
        self.status.is_active.store(true, Relaxed);
        let mut reading = Reading::new(Arc::clone(&self.upstream), self.settings, state);
        let mut renewed = Instant::now();
        while !*self.stop.borrow() {
            let looked = reading.look().await;
            let is_idle = match looked {
                Ok(found) => {
                    self.status.set_problem(None);
                    !found
                }
                Err(why) => {
                    if self.status.set_problem(Some(format!("CHAT.CHANGES: {why}"))) {
                        warn!(why, "Redis refuses CHAT.CHANGES");
                    }
                    true
                }
            };
            let (batch, some_away) = reading.read().await;
            if !batch.entries.is_empty() || !batch.positions.is_empty() {
                self.write(&mut sink, &batch).await?;
                renewed = Instant::now();
            } else if renewed.elapsed() > RENEWAL {
                sink.write(&batch).await?;
                renewed = Instant::now();
            } else {
                reading.keep_cursors(batch);
            }
            if (is_idle || some_away) && self.pause(IDLE).await {
                break;
            }
        }
        sink.release_lease().await?;
        Ok(())
    }

    /// Writes a batch, and waits while the stream is full.
    async fn write(&mut self, sink: &mut StreamSink, batch: &Batch) -> Result<(), Ended> {
        loop {
            match sink.write(batch).await {
                Err(SinkError::Full) => {
                    self.status.is_full.store(true, Relaxed);
                    sink.keep_lease().await?;
                    if self.pause(FULL).await {
                        sink.release_lease().await?;
                        return Err(Ended::Stopped);
                    }
                }
                outcome => {
                    outcome?;
                    break;
                }
            }
        }
        let status = &self.status;
        status.is_full.store(false, Relaxed);
        status.length.store(sink.length(), Relaxed);
        status.batches.fetch_add(1, Relaxed);
        status.entries.fetch_add(batch.entries.len() as u64, Relaxed);
        let lost = batch.entries.iter().filter(|entry| entry.kind == "lost").count();
        status.lost.fetch_add(lost as u64, Relaxed);
        if let Some(oldest) = batch.entries.iter().filter_map(|entry| entry.ts()).min() {
            status.lag_ms.store(now_ms().saturating_sub(oldest), Relaxed);
        }
        Ok(())
    }
}
