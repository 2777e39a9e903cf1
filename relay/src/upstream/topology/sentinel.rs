//! Which server is the primary, by its Sentinels.
//!
//! The one idea: a primary that was replaced is left at once, also if it answers. One that was frozen
//! or cut off and comes back acknowledges writes for ten seconds and more, until a Sentinel demotes
//! it; all of them are lost. So this file does not wait for a connection to fail. It is subscribed to
//! `+switch-master` on every Sentinel that it can reach, and asks two of them every two seconds. When
//! one of them says something new, all are asked, and the answers of those that were heard decide
//! (`ballot.rs`). The new primary is announced once it says itself that it is one.
//!
//! One task owns everything that is known (`directory.rs`); an observer for each Sentinel reports to
//! it (`observer.rs`). Sentinels that cannot be reached are tried again with growing pauses; while
//! none can be, the primary in use remains.

mod answers;
mod ballot;
mod dialling;
mod directory;
mod observer;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tracing::info;

use crate::config::Endpoint;
use crate::metrics::METRICS;
use crate::upstream::dialling::dial::Dialler;
use crate::upstream::health::Problem;
use crate::upstream::topology::sentinel::ballot::{Ballot, Verdict};
use crate::upstream::topology::sentinel::dialling::Dialling;
use crate::upstream::topology::sentinel::directory::Directory;
use crate::upstream::topology::sentinel::observer::Report;

/// Time between two polls, and how many Sentinels each asks.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
const POLL_SIZE: usize = 2;
/// Time for the answers of one round, from the first on.
const ROUND_TIME: Duration = Duration::from_millis(300);
/// Pause before the next round if the server that was named is not a primary yet, and the longest
/// such pause. The first `EAGER_ATTEMPTS` do not lengthen it.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);
const EAGER_ATTEMPTS: u32 = 50;
/// Reports that wait.
const REPORTS_MAX: usize = 64;

/// The primary as it is announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Primary {
    /// There is none, and why. Nothing may be sent to the one before.
    Unknown(Problem),
    /// This server, which has said itself that it is a primary.
    At(Endpoint),
}

/// The watch on all Sentinels.
pub(in crate::upstream) struct Sentinels {
    dialling: Arc<Dialling>,
    seeds: Vec<Endpoint>,
    /// The name of the primary.
    name: Arc<str>,
    announced: watch::Sender<Primary>,
    doubt: Arc<Notify>,
}

/// What the task knows.
struct Watching<'a> {
    sentinels: &'a Sentinels,
    dialling: Arc<Dialling>,
    directory: Directory,
    /// The primary that is announced. `None`: none is.
    current: Option<Endpoint>,
    candidate: Option<Candidate>,
    round: Option<Round>,
    /// Rounds without success since there was a primary, and when the next one begins.
    attempts: u32,
    next_round: Option<Instant>,
}

/// A question to all Sentinels.
struct Round {
    begun: Instant,
    /// When missing answers count no more. `None`: there is no answer yet.
    deadline: Option<Instant>,
    /// The primary to which one of them has reported a switch.
    switched_to: Option<Endpoint>,
}

/// The look at the servers that may be the primary.
struct Candidate {
    named: Vec<Endpoint>,
    found: Pin<Box<dyn Future<Output = Result<Endpoint, Problem>> + Send>>,
}

impl Sentinels {
    /// A watch on these Sentinels for the primary of this name. [`Sentinels::run`] begins it.
    pub(in crate::upstream) fn new(
        to_sentinels: Dialler,
        to_redis: Arc<Dialler>,
        seeds: &[Endpoint],
        name: &str,
    ) -> Sentinels {
        let problem = Problem::NoPrimary("no Sentinel was heard yet".to_owned());
        Sentinels {
            dialling: Arc::new(Dialling { to_sentinels, to_redis }),
            seeds: seeds.to_vec(),
            name: name.into(),
            announced: watch::Sender::new(Primary::Unknown(problem)),
            doubt: Arc::new(Notify::new()),
        }
    }

    /// The primary, and each change of it.
    pub(in crate::upstream) fn primary(&self) -> watch::Receiver<Primary> {
        self.announced.subscribe()
    }

    /// The primary looks like a replica, or cannot be reached: asks all Sentinels now.
    pub(in crate::upstream) fn doubt(&self) {
        self.doubt.notify_one();
    }

    /// Watches, forever.
    pub(in crate::upstream) async fn run(&self) {
        let dialling = Arc::clone(&self.dialling);
        let (reports, mut inbox) = mpsc::channel(REPORTS_MAX);
        let directory =
            Directory::new(&self.seeds, Arc::clone(&self.name), Arc::clone(&dialling), reports);
        let mut watching = Watching {
            sentinels: self,
            dialling,
            directory,
            current: None,
            candidate: None,
            round: None,
            attempts: 0,
            next_round: None,
        };
        let mut poll = tokio::time::interval(POLL_INTERVAL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        watching.begin_round(None);
        loop {
            let deadline = watching.round.as_ref().and_then(|round| round.deadline);
            let next = deadline.or(watching.next_round);
            tokio::select! {
                report = inbox.recv() => if let Some((sentinel, report)) = report {
                    watching.take(&sentinel, report);
                },
                found = found(&mut watching.candidate) => watching.judge(found),
                () = self.doubt.notified() => watching.ensure_round(),
                _ = poll.tick() => watching.directory.ask_some(POLL_SIZE),
                () = at(next) => watching.on_time(),
            }
        }
    }
}

impl Watching<'_> {
    fn take(&mut self, sentinel: &Endpoint, report: Report) {
        match report {
            Report::Addresses(addresses) => self.directory.resolved(sentinel, addresses),
            Report::Others(others) => self.directory.list(others),
            Report::Primary(named) => {
                let is_new = named != self.current && self.candidate.is_none();
                self.directory.answered(sentinel, named);
                if is_new {
                    self.ensure_round();
                }
                if let Some(round) = &mut self.round {
                    round.deadline.get_or_insert(Instant::now() + ROUND_TIME);
                }
                self.evaluate();
            }
            Report::Switch(to) => {
                if self.current.as_ref() != Some(&to) {
                    self.begin_round(Some(to));
                }
            }
            Report::Lost(trouble) => {
                self.directory.lost(sentinel, &trouble);
                self.evaluate();
            }
        }
    }

    fn ensure_round(&mut self) {
        if self.round.is_none() {
            self.begin_round(None);
        }
    }

    /// Asks all Sentinels.
    fn begin_round(&mut self, switched_to: Option<Endpoint>) {
        let before = self.round.take().and_then(|round| round.switched_to);
        let begun = Instant::now();
        let deadline = self.directory.is_any_open().then(|| begun + ROUND_TIME);
        self.round = Some(Round { begun, deadline, switched_to: switched_to.or(before) });
        self.next_round = None;
        self.directory.ask_all();
    }

    /// The time of a round is over, or that between two rounds.
    fn on_time(&mut self) {
        match self.round {
            Some(_) => self.evaluate(),
            None => self.begin_round(None),
        }
    }

    /// Does what follows from the answers so far.
    fn evaluate(&mut self) {
        let Some(round) = &self.round else { return };
        let (answers, pending) = self.directory.answers_since(round.begun);
        let is_over = round.deadline.is_some_and(|deadline| deadline <= Instant::now());
        let ballot = Ballot {
            current: self.current.as_ref(),
            answers,
            pending: if is_over { 0 } else { pending },
            switched_to: round.switched_to.as_ref(),
        };
        match ballot.verdict() {
            Verdict::Undecided => {}
            Verdict::Stay => {
                self.round = None;
                self.attempts = 0;
            }
            Verdict::Follow(named) => self.follow(named),
            Verdict::Unnamed => {
                let why = format!("no Sentinel knows one named {}", self.sentinels.name);
                self.retry(Problem::NoPrimary(why));
            }
            Verdict::Silent => {
                let why = self.directory.why_silent();
                self.retry(Problem::NoPrimary(why));
            }
        }
    }

    /// Gives the primary in use up, and looks which of these is the new one.
    fn follow(&mut self, named: Vec<Endpoint>) {
        self.round = None;
        let new = named.first().map(Endpoint::to_string).unwrap_or_default();
        if let Some(old) = self.current.take() {
            info!(source = "upstream", %old, %new, "Sentinels name another primary");
            METRICS.sentinel_switches.increment(1);
            self.attempts = 0;
            let why = format!("Sentinels name another one, {new}");
            self.announce(Primary::Unknown(Problem::NoPrimary(why)));
        }
        if self.candidate.as_ref().is_some_and(|candidate| candidate.named == named) {
            return;
        }
        let dialling = Arc::clone(&self.dialling);
        let candidates = named.clone();
        let look = async move {
            let mut problem = Problem::NoPrimary("Sentinels name none".to_owned());
            for candidate in candidates {
                match dialling.check_primary(&candidate).await {
                    Ok(()) => return Ok(candidate),
                    Err(why) => problem = Problem::NoPrimary(format!("{candidate}: {why}")),
                }
            }
            Err(problem)
        };
        self.candidate = Some(Candidate { named, found: Box::pin(look) });
    }

    /// Announces the new primary, or asks again in a moment.
    fn judge(&mut self, found: Result<Endpoint, Problem>) {
        self.candidate = None;
        match found {
            Ok(primary) => {
                info!(source = "upstream", %primary, "the primary by its Sentinels");
                self.attempts = 0;
                self.next_round = None;
                self.current = Some(primary.clone());
                self.announce(Primary::At(primary));
            }
            Err(problem) => self.retry(problem),
        }
    }

    /// Ends a round without success; another one follows after a pause.
    fn retry(&mut self, problem: Problem) {
        self.round = None;
        if self.current.is_none() {
            self.announce(Primary::Unknown(problem));
        }
        self.attempts = self.attempts.saturating_add(1);
        let doublings = self.attempts.saturating_sub(EAGER_ATTEMPTS).min(10);
        let pause = (RETRY_FIRST * (1 << doublings)).min(RETRY_MAX);
        self.next_round = Some(Instant::now() + pause.mul_f64(rand::random_range(0.75..1.0)));
    }

    fn announce(&self, primary: Primary) {
        self.sentinels.announced.send_if_modified(|announced| {
            let is_new = *announced != primary;
            *announced = primary;
            is_new
        });
    }
}

/// The end of the look at the candidates, if there is one.
async fn found(candidate: &mut Option<Candidate>) -> Result<Endpoint, Problem> {
    match candidate {
        Some(candidate) => candidate.found.as_mut().await,
        None => std::future::pending().await,
    }
}

/// This moment, if there is one.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
