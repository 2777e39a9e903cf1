//! Logging in: from the credential that a request carries to an identity. Sockets, requests of /v1
//! and streams of events all come through here.
//!
//! An address that has brought too many wrong credentials is refused before anything is verified
//! (`rate_limit/refusals.rs`). What is refused counts when it is noted, in `refused.rs`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::auth::{Identity, LoginError};
use crate::config::Auth;
use crate::hub::{Hub, now_ms};
use crate::server::client_address::of_one_client;
use crate::server::refused::Refused;
use crate::verification::note_login;

/// Whether a request from this address may bring a credential now. `way`: what carries it.
pub(super) fn check_refusals(hub: &Hub, address: IpAddr, way: &'static str) -> Result<(), Refused> {
    // Nothing is verified then, so nothing is spared.
    if matches!(hub.config.auth, Auth::None) {
        return Ok(());
    }
    let checked = hub.refusals.check(of_one_client(address), Instant::now());
    checked.map_err(|retry_ms| Refused::too_many(way, retry_ms))
}

/// The identity that a token from this address proves. `way`: what carried it.
pub(super) async fn identity(
    hub: &Hub,
    address: IpAddr,
    way: &'static str,
    token: &str,
) -> Result<Arc<Identity>, Refused> {
    check_refusals(hub, address, way)?;
    let Some(verification) = &hub.verification else {
        return Err(Refused::credential(way, LoginError::Missing));
    };
    let verified = verification.verify(token, now_ms()).await;
    let identity = verified.map_err(|error| Refused::credential(way, error))?;
    note_login(way, Ok(()));
    Ok(Arc::new(identity))
}
