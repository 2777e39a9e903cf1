//! Sessions of an application: asking it who the user of a request is.
//!
//! For each socket and stream the application is asked once, and again when its answer ends. Requests
//! of /v1 come one by one, so their answers are kept for a moment, and requests with the same headers
//! share one question. However many clients come, at most 64 questions are on their way; the others
//! wait, and those that would wait too long are to come back later.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use futures_util::future::{BoxFuture, FutureExt, Shared};
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::Semaphore;
use tracing::{info, warn};

use crate::auth::{Forwarded, Identity, LoginError, is_guest_name, session_identity};
use crate::clock::now_ms;
use crate::config::SessionAuth;
use crate::http_client::{Bounds, HttpClient};
use crate::metrics::METRICS;
use crate::verification::kept_answers::{KeptAnswers, Key};

/// What the application may cost.
const BOUNDS: Bounds = Bounds { within: Duration::from_secs(2), body: 64 << 10 };
/// Questions on their way.
const AT_ONCE: usize = 64;
/// The longest wait for a turn.
const TURN_WITHIN: Duration = Duration::from_secs(10);
/// How long answers are kept for requests, if they do not end before.
const KEPT: Duration = Duration::from_secs(30);
/// How long refusals are kept.
const REFUSAL_KEPT: Duration = Duration::from_secs(1);
/// The most answers that are kept, and the most refusals.
const KEPT_MAX: usize = 10_000;

/// The most questions for requests that are on their way or wait for their turn.
const ASKED_MAX: usize = 4096;

type Outcome = Result<Arc<Identity>, LoginError>;
type Question = Shared<BoxFuture<'static, Outcome>>;

/// What the application is asked about: what a client has shown, and its address.
#[derive(Debug)]
pub(crate) struct OpenSession {
    /// The headers.
    pub(crate) forwarded: Forwarded,
    /// The client's address.
    pub(crate) address: IpAddr,
}

/// Asks the application of one relay.
pub(crate) struct Sessions {
    relay: String,
    client: HttpClient,
    turns: Semaphore,
    is_failing: AtomicBool,
    has_guests: bool,
    good: Mutex<KeptAnswers<Arc<Identity>>>,
    refused: Mutex<KeptAnswers<LoginError>>,
    /// Questions for requests, on their way.
    asked: Mutex<HashMap<Key, Question>>,
}

impl Sessions {
    /// Nothing is asked yet. `relay`: the name of this relay.
    pub(crate) fn new(settings: &SessionAuth, relay: &str) -> Arc<Sessions> {
        Arc::new(Sessions {
            client: HttpClient::new(settings.url.clone(), BOUNDS),
            relay: relay.to_owned(),
            turns: Semaphore::new(AT_ONCE),
            is_failing: AtomicBool::new(false),
            has_guests: settings.has_guests,
            good: Mutex::new(KeptAnswers::new(KEPT_MAX)),
            refused: Mutex::new(KeptAnswers::new(KEPT_MAX)),
            asked: Mutex::default(),
        })
    }

    /// Asks who the user of a socket or stream is.
    pub(crate) async fn ask(&self, session: &OpenSession) -> Outcome {
        let begun = Instant::now();
        let outcome = self.ask_in_turn(session).await;
        METRICS.application_request(
            outcome.as_ref().map_or_else(|error| error.reason(), |_| "ok"),
            begun.elapsed(),
        );
        outcome
    }

    /// As [`Sessions::ask`], for one of many requests: the answer may be half a minute old.
    pub(crate) async fn ask_kept(self: &Arc<Self>, session: &Arc<OpenSession>) -> Outcome {
        let key = session.forwarded.digest();
        let question = {
            // Locked all the time, so that an answer is kept before its question is forgotten.
            let mut asked = self.asked.lock();
            let now = Instant::now();
            if let Some(identity) = self.good.lock().get(&key, now) {
                return Ok(identity);
            }
            if let Some(error) = self.refused.lock().get(&key, now) {
                return Err(error);
            }
            if asked.len() >= ASKED_MAX && !asked.contains_key(&key) {
                return Err(LoginError::ApplicationBusy);
            }
            let question = asked.entry(key).or_insert_with(|| self.question(key, session.clone()));
            question.clone()
        };
        question.await
    }

    /// Forgets the kept answer: it must not count any more.
    pub(crate) fn forget(&self, session: &OpenSession) {
        self.good.lock().remove(&session.forwarded.digest());
    }

    /// Asks in a task: a request that is broken off leaves the others their answer.
    fn question(self: &Arc<Self>, key: Key, session: Arc<OpenSession>) -> Question {
        let sessions = self.clone();
        let asking = tokio::spawn(async move {
            let _asked = Asked { sessions: &sessions, key };
            let outcome = sessions.ask(&session).await;
            sessions.keep(key, &outcome);
            outcome
        });
        asking.map(|outcome| outcome.unwrap_or(Err(LoginError::Application))).boxed().shared()
    }

    fn keep(&self, key: Key, outcome: &Outcome) {
        let now = Instant::now();
        match outcome {
            Ok(identity) => {
                let seconds = identity.expires_in(now_ms()).map_or(KEPT, Duration::from_secs);
                self.good.lock().insert(key, identity.clone(), now, seconds.min(KEPT));
            }
            Err(error) if error.is_temporary() => {}
            Err(error) => self.refused.lock().insert(key, *error, now, REFUSAL_KEPT),
        }
    }

    async fn ask_in_turn(&self, session: &OpenSession) -> Outcome {
        let turn = tokio::time::timeout(TURN_WITHIN, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| LoginError::ApplicationBusy)?;
        let question = session.forwarded.question(&self.relay, session.address);
        let answer = self.client.post(question).await.map_err(|failure| failure.to_string());
        let answer = answer.and_then(|answer| match (answer.status, answer.body) {
            (StatusCode::OK, Some(body)) => Ok(session_identity(&body, now_ms() / 1000)),
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => Ok(Err(LoginError::NoSession)),
            (status, _) => Err(format!("status {}", status.as_u16())),
        });
        let answer = match answer {
            Ok(Err(LoginError::Application)) => Err("the answer is not a JSON object".to_owned()),
            answer => answer,
        };
        self.note(answer.as_ref().err());
        let identity = answer.unwrap_or(Err(LoginError::Application))?;
        match self.has_guests && is_guest_name(&identity.user) {
            true => Err(LoginError::User),
            false => Ok(Arc::new(identity)),
        }
    }

    /// Logs when the application begins to fail, and when it answers again.
    fn note(&self, why: Option<&String>) {
        let host = self.client.authority();
        let had_failed = self.is_failing.swap(why.is_some(), Ordering::Relaxed);
        match why {
            Some(why) if !had_failed => {
                warn!(source = "application", host, why, "sessions cannot be checked");
            }
            None if had_failed => info!(source = "application", host, "sessions are checked again"),
            _ => {}
        }
    }
}

/// What an application answers to a question without any header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WithoutSession {
    /// That there is no user.
    Refused,
    /// A user.
    LetIn,
}

/// Asks the application once about a request that shows nothing. Returns its name too.
pub(crate) async fn ask_without_session(
    settings: &SessionAuth,
    relay: &str,
) -> (String, Result<WithoutSession, String>) {
    let client = HttpClient::new(settings.url.clone(), BOUNDS);
    let question = json!({"relay": relay, "address": "127.0.0.1", "headers": {}});
    let answer = client.post(question.to_string().into()).await;
    let answer = answer.map_err(|failure| failure.to_string());
    let outcome = answer.and_then(|answer| match answer.status {
        StatusCode::OK => Ok(WithoutSession::LetIn),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ok(WithoutSession::Refused),
        status => Err(format!("status {}", status.as_u16())),
    });
    (client.authority().to_owned(), outcome)
}

/// A question that is on its way until this is dropped.
struct Asked<'s> {
    sessions: &'s Sessions,
    key: Key,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.sessions.asked.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests;
