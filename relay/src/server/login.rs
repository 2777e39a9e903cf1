//! Logging in: from the credential that a request carries to an identity. Sockets, requests of /v1
//! and streams of events all come through here.
//!
//! An address that has brought too many wrong credentials is refused before anything is verified
//! (`rate_limit/refusals.rs`). What is refused counts when it is noted, in `refused.rs`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::auth::{Forwarded, Identity, LoginError};
use crate::config::Auth;
use crate::hub::standing::{Refusal, gate};
use crate::hub::{Hub, Login, now_ms};
use crate::server::auth::Credential;
use crate::server::client_address::of_one_client;
use crate::server::refused::Refused;
use crate::verification::{OpenSession, Sessions, note_login};

/// How long a request waits for what the store says of its token, before it is looked at.
const STANDING_WITHIN: Duration = Duration::from_secs(1);

/// Whether a request from this address may bring a credential now. `way`: what carries it.
pub(super) fn check_refusals(hub: &Hub, address: IpAddr, way: &'static str) -> Result<(), Refused> {
    // Nothing is verified then, so nothing is spared.
    if matches!(hub.config.auth, Auth::None) {
        return Ok(());
    }
    let checked = hub.refusals.check(of_one_client(address), Instant::now());
    checked.map_err(|retry_ms| Refused::too_many(way, retry_ms))
}

/// The login that this credential of a request from this address gives. Sockets whose first frame
/// carries it come through [`identity`].
pub(super) async fn login(
    hub: &Hub,
    address: IpAddr,
    credential: Credential,
) -> Result<Login, Refused> {
    let way = credential.way();
    let (identity, session) = match credential {
        Credential::Name(user) => return Ok(user.into()),
        Credential::Token { way, token } => (identity(hub, address, way, &token).await?, None),
        Credential::Session(forwarded) => {
            let (identity, session) = session(hub, address, forwarded).await?;
            (identity, Some(session))
        }
        Credential::Refused { way, error } => return Err(Refused::credential(way, error)),
        Credential::FirstFrame => {
            return Err(Refused::credential("header", LoginError::Missing));
        }
    };
    let (user, identity) = (identity.user.clone(), Some(identity));
    Ok(Login { user, identity, way, answer_to: None, session, place: None })
}

/// The identity that a token from this address proves. `way`: what carried it. The login is complete,
/// and counted, when the store has been asked about the user.
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
    Ok(Arc::new(verified.map_err(|error| Refused::credential(way, error))?))
}

/// The identity of the user whom the application knows by what a request from this address shows, and
/// what to ask again when the answer ends. For sockets and streams.
async fn session(
    hub: &Hub,
    address: IpAddr,
    forwarded: Forwarded,
) -> Result<(Arc<Identity>, OpenSession), Refused> {
    check_refusals(hub, address, "http")?;
    let sessions = sessions(hub)?;
    let session = OpenSession { forwarded, address };
    let identity = sessions.ask(&session).await;
    let identity = identity.map_err(|error| Refused::credential("http", error))?;
    Ok((identity, session))
}

/// As [`identity`], for a request of /v1. A token that is known to be revoked is refused as a wrong one
/// is, before anything counts as its user's: otherwise it could use up what that user may do. Of the
/// rest the operations ask.
pub(super) async fn identity_of_request(
    hub: &Hub,
    address: IpAddr,
    way: &'static str,
    token: &str,
) -> Result<Arc<Identity>, Refused> {
    let identity = identity(hub, address, way, token).await?;
    let may_act = gate::may_act(hub, &identity.user, Some(&identity));
    match timeout(STANDING_WITHIN, may_act).await {
        Ok(Err(Refusal::Revoked)) => Err(Refused::credential(way, LoginError::Revoked)),
        _ => Ok(identity),
    }
}

/// The identity of a guest, and the place that the guest takes.
pub(super) fn guest(hub: &Hub) -> Result<(Arc<Identity>, OwnedSemaphorePermit), Refused> {
    let refused = |error| Refused::credential("guest", error);
    let Some(guests) = &hub.guests else { return Err(refused(LoginError::Missing)) };
    let place = guests.clone().try_acquire_owned();
    let place = place.map_err(|_| refused(LoginError::GuestsFull))?;
    note_login("guest", Ok(()));
    Ok((Arc::new(Identity::guest()), place))
}

/// As [`session`], for a request of /v1: the answer may be half a minute old, but not older than a
/// revocation in the store.
pub(super) async fn session_of_request(
    hub: &Hub,
    address: IpAddr,
    forwarded: Forwarded,
) -> Result<Arc<Identity>, Refused> {
    check_refusals(hub, address, "http")?;
    let sessions = sessions(hub)?;
    let session = Arc::new(OpenSession { forwarded, address });
    let refused = |error| Refused::credential("http", error);
    let mut identity = sessions.ask_kept(&session).await.map_err(refused)?;
    let may_act = gate::may_act(hub, &identity.user, Some(&identity)).await;
    if may_act == Err(Refusal::Revoked) {
        sessions.forget(&session);
        identity = sessions.ask_kept(&session).await.map_err(refused)?;
    }
    note_login("http", Ok(()));
    Ok(identity)
}

fn sessions(hub: &Hub) -> Result<&Arc<Sessions>, Refused> {
    hub.sessions.as_ref().ok_or_else(|| Refused::credential("http", LoginError::Missing))
}
