//! Verifying tokens with the keys of files and of an address.
//!
//! Files are read at start and at SIGHUP. One task fetches the set of the address: at start, when it
//! is old, and when a token names a key that it does not have, as far as [`Demand`] allows. Without a
//! set a token is neither good nor bad: the client is to come back later. Signatures are verified in
//! the [`Queue`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use crate::auth::{Identity, Key, LoginError, TOKEN_MAX, Verifier};
use crate::config::Jwt;
use crate::metrics::METRICS;
use crate::panics::blocking;
use crate::verification::demand::{Demand, Turn};
use crate::verification::fetch::KeySource;
use crate::verification::key_set::KeySet;
use crate::verification::queue::Queue;

/// The longest wait for a fetch.
const WAIT: Duration = Duration::from_secs(6);

/// Verifies the tokens of one relay.
pub(crate) struct Verification {
    jwt: Arc<Jwt>,
    /// The rules, and the keys of the files as they were last read.
    verifier: RwLock<Verifier>,
    fetched: Option<Fetched>,
    queue: Queue,
}

/// The set of an address.
struct Fetched {
    source: KeySource,
    set: watch::Sender<KeySet>,
    demand: Mutex<Demand>,
    wanted: Notify,
}

impl Verification {
    /// Nothing is fetched yet: [`Verification::run`] does that.
    pub(crate) fn new(jwt: Arc<Jwt>) -> Verification {
        let fetched = jwt.url.clone().map(|url| Fetched {
            source: KeySource::new(url),
            set: watch::Sender::new(KeySet::default()),
            demand: Mutex::new(Demand::new(Instant::now())),
            wanted: Notify::new(),
        });
        let verifier = RwLock::new(jwt.verifier.clone());
        Verification { jwt, verifier, fetched, queue: Queue::new() }
    }

    /// Whether tokens can be verified now.
    pub(crate) fn is_ready(&self) -> bool {
        let Some(fetched) = &self.fetched else { return true };
        fetched.set.borrow().usable(Instant::now()).is_some()
    }

    /// The identity that this token proves at `now_ms`, in milliseconds since the Unix epoch.
    pub(crate) async fn verify(&self, token: &str, now_ms: u64) -> Result<Identity, LoginError> {
        if token.len() > TOKEN_MAX {
            return Err(LoginError::TooLong);
        }
        let (token, now) = (token.into(), now_ms / 1000);
        let Some(fetched) = &self.fetched else {
            return self.verify_with(Arc::default(), token, now).await;
        };
        let before = fetched.set.borrow().fetches;
        match self.verify_fetched(fetched, &token, now).await {
            // A key that may be new.
            Err(LoginError::Key) => {}
            outcome => return outcome,
        }
        fetched.fetch_after(before).await?;
        self.verify_fetched(fetched, &token, now).await
    }

    async fn verify_fetched(
        &self,
        fetched: &Fetched,
        token: &Arc<str>,
        now: u64,
    ) -> Result<Identity, LoginError> {
        let set = fetched.set.borrow().usable(Instant::now());
        let has_set = set.is_some();
        match self.verify_with(set.unwrap_or_default(), token.clone(), now).await {
            Err(LoginError::Key) if !has_set => Err(LoginError::NoKeys),
            outcome => outcome,
        }
    }

    async fn verify_with(
        &self,
        set: Arc<[Key]>,
        token: Arc<str>,
        now: u64,
    ) -> Result<Identity, LoginError> {
        let verifier = self.verifier.read().clone();
        self.queue.run(move || verifier.verify_with(&set, &token, now)).await
    }

    /// Reads the files of keys again. If anything is wrong with them, the keys stay as they are.
    pub(crate) async fn reload(&self) {
        let files = self.jwt.files.clone();
        let Some(read) = blocking("reading keys", move || files.read()).await else { return };
        METRICS.key_reload(if read.is_ok() { "ok" } else { "failed" });
        match read {
            Ok(keys) => {
                info!(source = "keys", keys = keys.len(), "keys read again");
                let mut verifier = self.verifier.write();
                *verifier = verifier.with_keys(keys);
            }
            Err(mistakes) => {
                for (flag, why) in mistakes {
                    warn!(source = "keys", flag, why, "the keys before stay in use");
                }
            }
        }
    }

    /// Keeps the set of the address fresh. Returns at once if there is no address.
    pub(crate) async fn run(self: Arc<Self>) {
        let Some(fetched) = &self.fetched else { return };
        loop {
            let next = fetched.fetch_once().await;
            let _ = tokio::time::timeout(next, fetched.wanted.notified()).await;
        }
    }
}

impl Fetched {
    /// Waits for a fetch after the first `before` ones, and causes it if none has ended since and one
    /// is due. Error: there is no newer set.
    async fn fetch_after(&self, before: u64) -> Result<(), LoginError> {
        if self.set.borrow().fetches == before {
            let turn = self.demand.lock().ask(Instant::now());
            match turn {
                Turn::Fetch => self.wanted.notify_one(),
                Turn::Join => {}
                Turn::NotDue => return Err(LoginError::KeyNotDue),
            }
        }
        let mut sets = self.set.subscribe();
        let ended = sets.wait_for(|set| set.fetches > before);
        let ended = tokio::time::timeout(WAIT, ended).await;
        match ended {
            Ok(Ok(set)) if !set.has_failed() => Ok(()),
            _ => Err(LoginError::NoKeys),
        }
    }

    /// Fetches the set once. Returns the time until the next fetch.
    async fn fetch_once(&self) -> Duration {
        let answer = self.source.fetch().await;
        METRICS.key_fetch(if answer.is_ok() { "ok" } else { "failed" });
        let host = self.source.host();
        match &answer {
            Ok(answer) => info!(source = "keys", host, keys = answer.keys.len(), "keys fetched"),
            Err(why) if !self.set.borrow().has_failed() => {
                warn!(source = "keys", host, why, "keys cannot be fetched");
            }
            Err(_) => {}
        }
        self.demand.lock().done();
        let mut next = Duration::ZERO;
        self.set.send_modify(|set| next = set.note(answer.ok(), Instant::now()));
        next
    }
}
