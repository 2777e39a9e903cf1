//! Reading the API keys again while the relay runs.

use tracing::{info, warn};

use crate::config::api_keys;
use crate::hub::hub::Hub;
use crate::metrics::METRICS;

impl Hub {
    /// Reads the file of API keys again. A file with a mistake changes nothing.
    pub(crate) async fn reload_api_keys(&self) {
        let Some(path) = self.config.api.file.clone() else { return };
        let read = tokio::task::spawn_blocking(move || api_keys(&path)).await;
        match read.unwrap_or_else(|_| Err("it could not be read".to_owned())) {
            Ok(keys) => {
                *self.api_keys.write() = keys;
                METRICS.key_reload("ok");
                info!(source = "relay", "API keys read again");
            }
            Err(why) => {
                METRICS.key_reload("failed");
                warn!(source = "relay", why, "the API keys stay as they are");
            }
        }
    }
}
