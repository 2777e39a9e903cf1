//! The receiver: sends a batch, signed, and says what its answer means.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, HeaderValue};
use parking_lot::Mutex;

use super::batch::Batch;
use super::outcome::Outcome;
use super::signature::{Secrets, webhook_id};
use crate::config::read_key_file;
use crate::http_client::{Bounds, Failure, HttpClient};
use crate::webhook::settings::WebhookSettings;

/// The time that a receiver has to answer.
const WITHIN: Duration = Duration::from_secs(10);
/// The bytes of an answer, which nobody reads.
const ANSWER_MAX: usize = 1 << 20;

/// The receiver.
pub(in crate::webhook) struct Receiver {
    client: HttpClient,
    secret_file: String,
    secrets: Mutex<Arc<Secrets>>,
}

impl Receiver {
    /// A receiver. Errors: what is wrong with the file of secrets.
    pub(in crate::webhook) fn new(settings: &WebhookSettings) -> Result<Receiver, String> {
        let client =
            HttpClient::new(settings.url.clone(), Bounds { within: WITHIN, body: ANSWER_MAX });
        let secrets = Mutex::new(Arc::new(secrets(&settings.secret_file)?));
        Ok(Receiver { client, secret_file: settings.secret_file.clone(), secrets })
    }

    /// Reads the secrets again. Errors: those of before stay.
    pub(in crate::webhook) fn reload(&self) -> Result<(), String> {
        *self.secrets.lock() = Arc::new(secrets(&self.secret_file)?);
        Ok(())
    }

    /// Sends a batch, and says in words why it was not taken.
    pub(in crate::webhook) async fn send(&self, batch: &Batch) -> (Outcome, String) {
        let (id, body) = (webhook_id(batch), batch.body());
        let now = SystemTime::now();
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let signature = self.secrets.lock().sign(&id, seconds, &body);
        let mut headers = HeaderMap::new();
        let fields = [
            ("webhook-id", id),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", signature),
        ];
        for (name, value) in fields {
            // OK because all of it is hexadecimal digits, base64, commas and spaces.
            headers.extend(
                HeaderValue::try_from(value)
                    .ok()
                    .map(|value| (axum::http::HeaderName::from_static(name), value)),
            );
        }
        match self.client.post_with(headers, body).await {
            Ok(answer) => {
                let outcome = Outcome::of(answer.status, &answer.headers, now);
                (outcome, format!("status {}", answer.status.as_u16()))
            }
            Err(Failure::Connection(why)) => (Outcome::Unreachable, why),
            Err(why) => (Outcome::Refused { status: None, wait: None }, why.to_string()),
        }
    }
}

fn secrets(file: &str) -> Result<Secrets, String> {
    let contents = read_key_file(file).map_err(|error| format!("--secret-file: {error}"))?;
    let text = String::from_utf8(contents).map_err(|_| "--secret-file: not a text".to_owned())?;
    Secrets::parse(&text).map_err(|why| format!("--secret-file: {why}"))
}
