//! Asking the service, what a failure means, and which rooms it is for.
//!
//! `--send-hook-failure open` lets pass what the service could not judge: a time-out, no connection, a
//! status 5xx. A wrong answer passes nothing, and neither does a lack of places: else a flood of
//! questions would switch the service off.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use chat_protocol::glob::Pattern;
use parking_lot::Mutex;
use tracing::warn;

use crate::config::{SendHookFailure, SendHookSettings};
use crate::http_client::{Answer, Bounds, Failure, HttpClient};
use crate::metrics::METRICS;
use crate::rate_limit::LogLimit;
use crate::send_hook::places::{Place, Places};
use crate::send_hook::question::Question;
use crate::send_hook::recent::Recent;
use crate::send_hook::verdict::Verdict;

/// Verdicts that are kept, and their bytes.
const VERDICTS_MAX: usize = 10_000;
const VERDICT_BYTES_MAX: usize = 16 << 20;
/// Rooms that are known to have the setting, and the bytes of their names.
const ROOMS_MAX: usize = 10_000;
const ROOM_BYTES_MAX: usize = 2 << 20;
/// Bytes of an answer's body that are not the words, and what escapes make of one byte of them.
const BODY_MORE: usize = 4 << 10;
const ESCAPED: usize = 6;

/// Time between two lines of the log about failures.
const LOGGED_EVERY: Duration = Duration::from_secs(10);

/// The service and what is known of it.
pub(crate) struct SendHook {
    client: HttpClient,
    failure: SendHookFailure,
    rooms: Option<Pattern>,
    places: Places,
    verdicts: Mutex<Recent<[u8; 32], Verdict>>,
    /// Rooms of which Redis has said that they have the setting `hook`. Only a hint: it saves a send
    /// that would be refused.
    hooked: Mutex<Recent<Box<str>, ()>>,
    failures: Mutex<LogLimit>,
}

/// Why there is no verdict: the service failed, and `--send-hook-failure closed` or its answer lets
/// nothing pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unjudged;

impl SendHook {
    /// Nobody is asked yet. `words`: the most bytes of what a client sends.
    pub(crate) fn new(settings: &SendHookSettings, words: usize) -> SendHook {
        let body = words.saturating_mul(ESCAPED).saturating_add(BODY_MORE);
        let bounds = Bounds { within: settings.timeout, body };
        SendHook {
            client: HttpClient::new(settings.url.clone(), bounds),
            failure: settings.failure,
            rooms: settings.rooms.clone(),
            places: Places::default(),
            verdicts: Mutex::new(Recent::new(VERDICTS_MAX, VERDICT_BYTES_MAX)),
            hooked: Mutex::new(Recent::new(ROOMS_MAX, ROOM_BYTES_MAX)),
            failures: Mutex::new(LogLimit::every(LOGGED_EVERY)),
        }
    }

    /// Whether the service is for this room, whatever its settings.
    pub(crate) fn covers(&self, room: &str) -> bool {
        self.rooms.as_ref().is_some_and(|rooms| rooms.matches(room.as_bytes()))
    }

    /// Whether the service is for this room, as far as is known.
    pub(crate) fn expects(&self, room: &str) -> bool {
        self.covers(room) || self.hooked.lock().get(&Box::from(room)).is_some()
    }

    /// Notes what Redis has said of the room's setting.
    pub(crate) fn note_setting(&self, room: &str, is_hooked: bool) {
        match is_hooked {
            true => self.hooked.lock().insert(room.into(), (), room.len() + 64),
            false => self.hooked.lock().remove(&Box::from(room)),
        }
    }

    /// A place for a question about this. `None`: too many are open.
    pub(crate) fn place(&self, question: &Question) -> Option<Place> {
        self.places.take(&question.user, &question.room)
    }

    /// Counts a request that was refused because too many questions are open.
    pub(crate) fn count_refused(&self) {
        METRICS.hook_question("refused", 1);
    }

    /// The verdict on the same question, if it is kept. Only that of one that may be repeated is.
    pub(crate) fn kept(&self, question: &Question) -> Option<Verdict> {
        if !question.is_repeatable {
            return None;
        }
        let verdict = self.verdicts.lock().get(&question.digest())?;
        METRICS.hook_question("kept", 1);
        Some(verdict)
    }

    /// Whether [`SendHook::kept`] has one.
    pub(crate) fn keeps(&self, question: &Question) -> bool {
        question.is_repeatable && self.verdicts.lock().has(&question.digest())
    }

    /// Asks.
    pub(crate) async fn ask(
        &self,
        question: &Question,
        _place: Place,
    ) -> Result<Verdict, Unjudged> {
        let begun = Instant::now();
        let answer = self.client.post(question.json().into()).await;
        METRICS.hook_seconds.record(begun.elapsed().as_secs_f64());
        let (why, may_pass) = match answer {
            Ok(Answer { status: StatusCode::OK, body: Some(body), .. }) => {
                match Verdict::read(&body, &question.words) {
                    Some(verdict) => {
                        self.keep(question, &verdict);
                        return Ok(verdict);
                    }
                    None => ("the answer neither accepts nor rejects".to_owned(), false),
                }
            }
            Ok(Answer { status, .. }) => {
                (format!("status {}", status.as_u16()), status.is_server_error())
            }
            Err(failure) => {
                let may_pass = !matches!(failure, Failure::Answer(_));
                (failure.to_string(), may_pass)
            }
        };
        self.log_failure(&why);
        match self.failure {
            SendHookFailure::Open if may_pass => {
                METRICS.hook_question("passed", 1);
                Ok(Verdict::Accepted(question.words.clone()))
            }
            _ => {
                METRICS.hook_question("failed", 1);
                Err(Unjudged)
            }
        }
    }

    fn keep(&self, question: &Question, verdict: &Verdict) {
        let outcome = match verdict {
            Verdict::Accepted(_) => "accepted",
            Verdict::Rejected(_) => "rejected",
        };
        METRICS.hook_question(outcome, 1);
        if question.is_repeatable {
            let bytes = verdict.bytes();
            self.verdicts.lock().insert(question.digest(), verdict.clone(), bytes);
        }
    }

    /// Logs a failure. Users can cause some as often as they like, so lines are few.
    fn log_failure(&self, why: &str) {
        if let Some(times) = self.failures.lock().note(Instant::now()) {
            let host = self.client.authority();
            warn!(source = "send-hook", host, why, times, "what users write cannot be judged");
        }
    }
}
