//! The gate: asks the store about a user before a request without a socket does anything.
//!
//! Such a user has no personal room on this relay whose events would tell of a revocation. So every
//! request asks first, not beside its commands, and an answer counts only for a moment. From one
//! second after a revocation was acknowledged, no request of the user does anything, whichever relay
//! gets it. An answer that took too long is not used: meanwhile anything may have happened.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, timeout};

use crate::auth::Identity;
use crate::hub::hub::Hub;
use crate::hub::standing::answer::{Refusal, Standing};
use crate::hub::standing::kept::KEPT;
use crate::upstream::commands::{self, Reader};

/// The longest time that a request waits for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Whether this user may act now with this token; `identity` is `None` without tokens. Call it
/// immediately before a request is carried out, and again after a request has waited for anything,
/// as for a Redis that was away. An answer counts for less than a second.
///
/// [`Refusal::Away`]: the store cannot be asked, and the request must not be carried out.
pub(crate) async fn may_act(
    hub: &Hub,
    user: &str,
    identity: Option<&Identity>,
) -> Result<(), Refusal> {
    if !hub.upstream.reach(&personal(user)).await {
        return Err(Refusal::Away);
    }
    let answer = async {
        loop {
            let asked = hub.kept_answers.question(user, || ask(hub, user));
            let answer = asked.question.await?;
            if asked.at.elapsed() < KEPT {
                return Ok(answer);
            }
        }
    };
    timeout(ANSWER_WITHIN, answer).await.unwrap_or(Err(Refusal::Away))?.admits(identity)
}

/// As [`may_act`], by an answer that is asked for now: what happened before the call is in it.
pub(crate) async fn may_act_from_now(
    hub: &Hub,
    user: &str,
    identity: Option<&Identity>,
) -> Result<(), Refusal> {
    let answer = async {
        loop {
            let asked_at = Instant::now();
            let answer = ask(hub, user).await?;
            if asked_at.elapsed() < KEPT {
                return Ok(answer);
            }
        }
    };
    timeout(ANSWER_WITHIN, answer).await.unwrap_or(Err(Refusal::Away))?.admits(identity)
}

/// The users whose standing counts, each with the token that names it: the user as whom a caller
/// acts, `None` for the backend itself, and the user of a token of the backend.
pub(crate) fn subjects<'a>(
    user: Option<&'a str>,
    identity: Option<&'a Identity>,
) -> impl Iterator<Item = (&'a str, Option<&'a Identity>)> {
    let (own, other) = match identity {
        Some(identity) if user == Some(&*identity.user) => (Some(identity), None),
        identity => (None, identity),
    };
    let acting = user.map(|user| (user, own));
    acting.into_iter().chain(other.map(|other| (&*other.user, Some(other))))
}

fn personal(user: &str) -> String {
    format!("@{user}")
}

fn ask(hub: &Hub, user: &str) -> BoxFuture<'static, Result<Standing, Refusal>> {
    let room = commands::room(&personal(user), Reader::User(user));
    let upstream = hub.upstream.clone();
    async move { Standing::read(&upstream.call_one(room).await) }.boxed()
}
