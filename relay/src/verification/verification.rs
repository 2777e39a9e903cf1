//! Verifying tokens with the keys of files and of an address.
//!
//! One task fetches the set of the address: at start, when it is old, and when a token names a key
//! that it does not have, as far as [`Demand`] allows. A set is replaced whole. When fetching fails
//! the old one serves for a day. Without a set a token is neither good nor bad: the client is to come
//! back later.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use crate::auth::{Identity, Key, LoginError, Verifier};
use crate::config::Jwt;
use crate::metrics::METRICS;
use crate::verification::demand::{Demand, Turn};
use crate::verification::fetch::KeySource;

/// How long a set is good if its server does not say, and the bounds of what a server may say.
const FRESH: Duration = Duration::from_secs(600);
const FRESH_MIN: Duration = Duration::from_secs(60);
const FRESH_MAX: Duration = Duration::from_secs(86_400);
/// How long an old set serves while no new one can be fetched.
const OLD_MAX: Duration = Duration::from_secs(86_400);
/// The first and the longest pause after a failed fetch.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MOST: Duration = Duration::from_secs(10);
/// The longest wait for a fetch.
const WAIT: Duration = Duration::from_secs(6);

/// Verifies the tokens of one relay.
pub(crate) struct Verification {
    jwt: Arc<Jwt>,
    fetched: Option<Fetched>,
}

/// The set of an address.
struct Fetched {
    source: KeySource,
    set: watch::Sender<Set>,
    demand: Mutex<Demand>,
    wanted: Notify,
}

#[derive(Clone, Default)]
struct Set {
    keys: Arc<[Key]>,
    /// When it was fetched. `None`: never.
    at: Option<Instant>,
    /// Fetches that have ended.
    fetches: u64,
    /// The last of them has failed.
    has_failed: bool,
}

impl Set {
    /// The keys, unless they are too old.
    fn usable(&self, now: Instant) -> Option<&[Key]> {
        let is_usable = self.at.is_some_and(|at| now.saturating_duration_since(at) < OLD_MAX);
        is_usable.then_some(&*self.keys)
    }
}

impl Verification {
    /// Nothing is fetched yet: [`Verification::run`] does that.
    pub(crate) fn new(jwt: Arc<Jwt>) -> Verification {
        let fetched = jwt.url.clone().map(|url| Fetched {
            source: KeySource::new(url),
            set: watch::Sender::new(Set::default()),
            demand: Mutex::new(Demand::new(Instant::now())),
            wanted: Notify::new(),
        });
        Verification { jwt, fetched }
    }

    /// Whether tokens can be verified now.
    pub(crate) fn is_ready(&self) -> bool {
        let Some(fetched) = &self.fetched else { return true };
        fetched.set.borrow().usable(Instant::now()).is_some()
    }

    /// The identity that this token proves at `now_ms`, in milliseconds since the Unix epoch.
    pub(crate) async fn verify(&self, token: &str, now_ms: u64) -> Result<Identity, LoginError> {
        let verifier = &self.jwt.verifier;
        let Some(fetched) = &self.fetched else { return verifier.verify(token, now_ms / 1000) };
        let before = fetched.set.borrow().fetches;
        match fetched.verify(verifier, token, now_ms) {
            // A key that may be new.
            Err(LoginError::Key) => {}
            outcome => return outcome,
        }
        let turn = fetched.demand.lock().ask(Instant::now());
        match turn {
            Turn::Fetch => fetched.wanted.notify_one(),
            Turn::Join => {}
            Turn::NotDue => return Err(LoginError::NoKeys),
        }
        let mut sets = fetched.set.subscribe();
        let ended = sets.wait_for(|set| set.fetches > before);
        match tokio::time::timeout(WAIT, ended).await {
            Ok(Ok(set)) if !set.has_failed => {}
            _ => return Err(LoginError::NoKeys),
        }
        fetched.verify(verifier, token, now_ms)
    }

    /// Keeps the set of the address fresh. Returns at once if there is no address.
    pub(crate) async fn run(self: Arc<Self>) {
        let Some(fetched) = &self.fetched else { return };
        let mut pause = PAUSE_FIRST;
        loop {
            let next = match fetched.fetch_once().await {
                Some(fresh) => {
                    pause = PAUSE_FIRST;
                    fresh
                }
                None => {
                    let now = pause;
                    pause = (pause * 2).min(PAUSE_MOST);
                    now
                }
            };
            let _ = tokio::time::timeout(next, fetched.wanted.notified()).await;
        }
    }
}

impl Fetched {
    fn verify(
        &self,
        verifier: &Verifier,
        token: &str,
        now_ms: u64,
    ) -> Result<Identity, LoginError> {
        let set = self.set.borrow().clone();
        let usable = set.usable(Instant::now());
        match verifier.verify_with(usable.unwrap_or_default(), token, now_ms / 1000) {
            Err(LoginError::Key) if usable.is_none() => Err(LoginError::NoKeys),
            outcome => outcome,
        }
    }

    /// Fetches the set once. Returns how long it is good; `None`: it could not be fetched.
    async fn fetch_once(&self) -> Option<Duration> {
        let answer = self.source.fetch().await;
        METRICS.key_fetch(if answer.is_ok() { "ok" } else { "failed" });
        let host = self.source.host();
        let had_failed = self.set.borrow().has_failed;
        let fresh = match &answer {
            Ok(answer) => {
                info!(source = "keys", host, keys = answer.keys.len(), "keys fetched");
                Some(answer.max_age.unwrap_or(FRESH).clamp(FRESH_MIN, FRESH_MAX))
            }
            Err(why) => {
                if !had_failed {
                    warn!(source = "keys", host, why, "keys cannot be fetched");
                }
                None
            }
        };
        self.demand.lock().done();
        self.set.send_modify(|set| {
            set.fetches += 1;
            set.has_failed = answer.is_err();
            if let Ok(answer) = answer {
                (set.keys, set.at) = (answer.keys.into(), Some(Instant::now()));
            }
        });
        fresh
    }
}
