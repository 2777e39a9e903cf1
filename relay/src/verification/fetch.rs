//! Fetching a key set.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::CACHE_CONTROL;

use crate::auth::{ServiceUrl, jwks_keys};
use crate::http_client::{Bounds, HttpClient};
use crate::verification::key_set::Answer;

const BOUNDS: Bounds = Bounds { within: Duration::from_secs(5), body: 1 << 20 };

/// Fetches the set of this address once: the name of its server, and how many keys it has or why
/// there are none.
pub(crate) async fn fetch_keys(url: ServiceUrl) -> (String, Result<usize, String>) {
    let source = KeySource::new(url);
    let answer = source.fetch().await;
    (source.host().to_owned(), answer.map(|answer| answer.keys.len()))
}

/// The server of a key set.
pub(super) struct KeySource {
    client: HttpClient,
}

impl KeySource {
    /// The server at this address.
    pub(super) fn new(url: ServiceUrl) -> KeySource {
        KeySource { client: HttpClient::new(url, BOUNDS) }
    }

    /// The server's name, for the log.
    pub(super) fn host(&self) -> &str {
        self.client.authority()
    }

    /// Fetches the set. The error is for the log.
    pub(super) async fn fetch(&self) -> Result<Answer, String> {
        let answer = self.client.get().await.map_err(|failure| failure.to_string())?;
        let body = answer.body.ok_or_else(|| format!("status {}", answer.status.as_u16()))?;
        Ok(Answer { keys: jwks_keys(&body)?, max_age: max_age(&answer.headers) })
    }
}

fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut words = values.flat_map(|value| value.split(','));
    let seconds = words.find_map(|word| word.trim().strip_prefix("max-age=")?.parse().ok())?;
    Some(Duration::from_secs(seconds))
}
