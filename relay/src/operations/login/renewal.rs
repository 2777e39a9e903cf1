//! Renewing a session: the relay asks the application again when its answer ends.
//!
//! A client has nothing to do for it. What the new answer says replaces what the one before said, as a
//! new token does. An application that does not answer is asked again for as long as a token may be
//! late; then the client is to come back, perhaps to a relay that gets an answer.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::task::JoinSet;

use crate::auth::{Identity, LEEWAY, LoginError};
use crate::hub::now_ms;
use crate::operations::context::Context;
use crate::operations::login::auth;
use crate::panics::catch_panic;
use crate::verification::{OpenSession, Sessions, note_login};

/// The pause before a question is repeated, in milliseconds.
const PAUSE_MS: std::ops::RangeInclusive<u64> = 1_000..=4_000;
/// Answers that end together are renewed within this time, or a tenth of what they lasted.
const SPREAD_MAX_MS: u64 = 5_000;
/// The longest time that one question takes, in milliseconds: the last one begins that long before the
/// connection would end.
const RESERVE_MS: u64 = 13_000;

/// Renews the session of a connection until the returned set is dropped, and with it the headers.
pub(crate) fn renew_session(context: &Arc<Context>, session: OpenSession) -> JoinSet<()> {
    let mut task = JoinSet::new();
    if let Some(sessions) = context.hub.sessions.clone() {
        let context = context.clone();
        task.spawn(async move {
            let renewing = catch_panic("renewing a session", renew(&context, &sessions, &session));
            renewing.await;
        });
    }
    task
}

/// Returns when the connection has been closed.
async fn renew(context: &Context, sessions: &Sessions, session: &OpenSession) {
    while let Some(identity) = context.connection.identity() {
        let Some(seconds) = identity.expires_in(now_ms()) else { return };
        let spread = rand::rng().random_range(0..=(seconds.saturating_mul(100)).min(SPREAD_MAX_MS));
        let left = identity.time_left(now_ms()).unwrap_or_default();
        let until_end = left.saturating_sub(Duration::from_secs(LEEWAY));
        tokio::time::sleep(until_end + Duration::from_millis(spread)).await;
        let renewed = ask(sessions, session, &identity).await;
        match renewed {
            Ok(identity) => {
                if !auth::replace(context, &identity).await {
                    return;
                }
            }
            Err(error) => {
                note_login("refresh", Err(error));
                context.connection.refuse(error.close(), error.what());
                return;
            }
        }
    }
}

/// Asks until there is an answer or the connection must end.
async fn ask(
    sessions: &Sessions,
    session: &OpenSession,
    before: &Identity,
) -> Result<Arc<Identity>, LoginError> {
    loop {
        let error = match sessions.ask(session).await {
            Ok(identity) if identity.user == before.user => return Ok(identity),
            Ok(_) => return Err(LoginError::OtherUser),
            Err(LoginError::NoSession) => return Err(LoginError::SessionEnded),
            Err(error) if error.is_temporary() => error,
            Err(error) => return Err(error),
        };
        let pause = Duration::from_millis(rand::rng().random_range(PAUSE_MS));
        let left = before.time_left(now_ms()).unwrap_or_default();
        if left < pause + Duration::from_millis(RESERVE_MS) {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
    }
}
