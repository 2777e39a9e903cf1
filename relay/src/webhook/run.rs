//! `chat-relay forward run`: stands by until it has the lease, then forwards until it is stopped.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::config::Config;
use crate::webhook::active::{Active, End, Parts};
use crate::webhook::ops;
use crate::webhook::sending::Receiver;
use crate::webhook::servers::{self, Failure};
use crate::webhook::settings::{Settings, WebhookSettings};
use crate::webhook::state::State;
use crate::webhook::status::Status;

/// The pause before a process that stands by asks for the lease again.
const STANDBY: Duration = Duration::from_secs(1);
const NO_STATE: &str =
    "it has no positions: create it with chat-relay forward create, or they were lost";

/// Forwards until SIGTERM or SIGINT. Errors: it cannot begin.
pub(crate) async fn run(
    config: &Config,
    settings: Settings,
    webhook: &WebhookSettings,
) -> Result<(), Failure> {
    let receiver = Arc::new(Receiver::new(webhook).map_err(Failure::Other)?);
    let status = Arc::new(Status::default());
    if let Some(address) = config.edge.listen_ops {
        ops::serve(address, status.clone()).await?;
    }
    let mut stopped = signals(receiver.clone())?;
    let upstream = servers::open(config, &settings.name);
    servers::wait_usable(&upstream).await?;
    let state = State::new(upstream.clone(), &settings.name);
    let parts = Parts {
        upstream,
        settings: Arc::new(settings),
        state,
        receiver,
        status,
        concurrency: webhook.concurrency,
        give_up: webhook.give_up,
    };
    match parts.state.load().await {
        Ok(Some(_)) => {}
        Ok(None) => return Err(Failure::Other(NO_STATE.to_owned())),
        Err(Failure::Refused(why)) => return idle(&parts.status, &mut stopped, why).await,
        Err(failure) => return Err(failure),
    }
    loop {
        if !wait_lease(&parts.state, &mut stopped).await {
            return Ok(());
        }
        let positions = match parts.state.load().await {
            Ok(Some(positions)) => positions,
            Ok(None) => return idle(&parts.status, &mut stopped, NO_STATE.to_owned()).await,
            Err(Failure::Refused(why)) => return idle(&parts.status, &mut stopped, why).await,
            Err(_) => continue,
        };
        tracing::info!(rooms = positions.len(), "active");
        parts.status.is_active.store(true, Relaxed);
        let end = Active::new(parts.clone(), positions).run(&mut stopped).await;
        parts.status.is_active.store(false, Relaxed);
        match end {
            End::Stopped => {
                parts.state.release().await;
                return Ok(());
            }
            End::LeaseLost => tracing::warn!("another process has the lease, or it was lost"),
            End::Problem(why) => {
                parts.state.release().await;
                return idle(&parts.status, &mut stopped, why).await;
            }
        }
    }
}

/// Returns true once the lease is ours, false once it is time to stop.
async fn wait_lease(state: &State, stopped: &mut watch::Receiver<bool>) -> bool {
    loop {
        if state.take().await.unwrap_or(false) {
            return true;
        }
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return false,
            () = tokio::time::sleep(STANDBY) => {}
        }
    }
}

/// Does nothing until it is stopped, because somebody has to change something first.
async fn idle(
    status: &Status,
    stopped: &mut watch::Receiver<bool>,
    why: String,
) -> Result<(), Failure> {
    tracing::error!(%why, "stopped: nothing is dropped, and nothing is sent until a restart");
    *status.problem.lock() = Some(why);
    // An error: nobody can stop it any more, which does not happen.
    let _ = stopped.wait_for(|stopped| *stopped).await;
    Ok(())
}

/// True after SIGTERM or SIGINT. SIGHUP reads the secrets again.
fn signals(receiver: Arc<Receiver>) -> Result<watch::Receiver<bool>, Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::Other(error.to_string()));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut hangup = listen(SignalKind::hangup())?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => drop(stop.send(true)),
                _ = interrupt.recv() => drop(stop.send(true)),
                _ = hangup.recv() => match receiver.reload() {
                    Ok(()) => tracing::info!("the secrets were read again"),
                    Err(why) => tracing::warn!(%why, "the secrets of before stay"),
                },
            }
        }
    });
    Ok(stopped)
}
