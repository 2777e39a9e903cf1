//! `create`: makes the state that `run` goes on from.

use std::time::{Duration, Instant};

use chat_protocol::slot::SLOTS;

use crate::config::Config;
use crate::forward::reading::{Reading, open};
use crate::forward::run::{AGAIN, new_token, words};
use crate::forward::settings::Settings;
use crate::forward::stream::{SinkError, State, StreamSink};

/// How long the servers may take to be found.
const FOUND_WITHIN: Duration = Duration::from_secs(15);

/// Connects to the server of the stream, which may need a moment.
async fn connect(settings: &Settings) -> Result<StreamSink, SinkError> {
    let (begun, token) = (Instant::now(), new_token(settings));
    loop {
        match StreamSink::connect(settings, &token).await {
            Err(SinkError::Away(_)) if begun.elapsed() < FOUND_WITHIN => {
                tokio::time::sleep(AGAIN).await;
            }
            outcome => return outcome,
        }
    }
}

/// Makes the state. With `from_now` every room is taken as read. Returns what was done. Errors: why
/// not, in words.
pub(crate) async fn create(
    config: &Config,
    settings: &Settings,
    from_now: bool,
) -> Result<String, String> {
    let mut sink = connect(settings).await.map_err(words)?;
    if !sink.take_lease().await.map_err(words)? {
        return Err("a forwarder runs or is being created: it has the lease".to_owned());
    }
    if sink.load().await.map_err(words)?.is_some() {
        sink.release_lease().await.map_err(words)?;
        return Err("it was created already: docs/forward.md says how to begin anew".to_owned());
    }
    sink.clear().await.map_err(words)?;
    let mut rooms = 0;
    if from_now {
        let upstream = open(config);
        let is_readable =
            upstream.wait_until(|upstream| upstream.overview().readable_slots() == SLOTS);
        if tokio::time::timeout(FOUND_WITHIN, is_readable).await.is_err() {
            let why = upstream.overview().readiness().unwrap_or_else(|why| why);
            return Err(format!("Redis cannot be used: {why}"));
        }
        let mut reading = Reading::new(upstream, settings, State::default());
        loop {
            let (batch, is_last) = reading.walk().await?;
            rooms += batch.positions.len();
            sink.write(&batch).await.map_err(words)?;
            if is_last {
                break;
            }
        }
    }
    sink.mark_created().await.map_err(words)?;
    sink.release_lease().await.map_err(words)?;
    Ok(match from_now {
        true => format!("created: {rooms} rooms are taken as read"),
        false => "created: every room will be read from its beginning".to_owned(),
    })
}
