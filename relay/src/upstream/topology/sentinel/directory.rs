//! The Sentinels that are known: those of the settings, and within a bound those that they name.
//!
//! Each has an observer. One that is known by two names would have two votes: a Sentinel that
//! another one names by an address of one that is here already is not added.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::warn;

use crate::config::Endpoint;
use crate::metrics::METRICS;
use crate::upstream::topology::sentinel::answers::Trouble;
use crate::upstream::topology::sentinel::dialling::Dialling;
use crate::upstream::topology::sentinel::observer::{Observer, Report};

/// Sentinels beyond those of the settings.
const FOUND_MAX: usize = 32;
/// Time after which one of these is forgotten if it cannot be reached and no other names it.
const FORGET_AFTER: Duration = Duration::from_secs(300);
/// A lasting problem is logged once in this time.
const LOG_INTERVAL: Duration = Duration::from_secs(30);

/// All of them.
pub(super) struct Directory {
    name: Arc<str>,
    dialling: Arc<Dialling>,
    reports: mpsc::Sender<(Endpoint, Report)>,
    known: BTreeMap<Endpoint, Known>,
    /// Where the next poll begins.
    turn: usize,
}

/// A Sentinel.
struct Known {
    is_seed: bool,
    addresses: Vec<SocketAddr>,
    contact: Contact,
    /// The last answer, and when it came.
    answer: Option<(Option<Endpoint>, Instant)>,
    /// When another Sentinel has last named it.
    listed_at: Instant,
    /// The trouble that was logged, and when.
    logged: Option<(Trouble, Instant)>,
    ask: Arc<Notify>,
    task: JoinHandle<()>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Contact {
    /// The first attempt is not over.
    New,
    Open,
    Lost,
}

impl Drop for Known {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Directory {
    /// These Sentinels, which are asked for the primary of this name. What they say goes to
    /// `reports`.
    pub(super) fn new(
        seeds: &[Endpoint],
        name: Arc<str>,
        dialling: Arc<Dialling>,
        reports: mpsc::Sender<(Endpoint, Report)>,
    ) -> Directory {
        let mut directory = Directory { name, dialling, reports, known: BTreeMap::new(), turn: 0 };
        for seed in seeds {
            directory.add(seed.clone(), true);
        }
        directory
    }

    /// Notes those that a Sentinel has named.
    pub(super) fn list(&mut self, others: Vec<Endpoint>) {
        for other in others {
            if let Some(known) = self.known.get_mut(&other) {
                known.listed_at = Instant::now();
                continue;
            }
            let found = self.known.values().filter(|known| !known.is_seed).count();
            let is_known = self.known.values().any(|known| is_one_of(&other, &known.addresses));
            if found < FOUND_MAX && !is_known {
                self.add(other, false);
            }
        }
    }

    fn add(&mut self, sentinel: Endpoint, is_seed: bool) {
        let ask = Arc::new(Notify::new());
        let observer = Observer {
            sentinel: sentinel.clone(),
            name: Arc::clone(&self.name),
            dialling: Arc::clone(&self.dialling),
            ask: Arc::clone(&ask),
            reports: self.reports.clone(),
        };
        let known = Known {
            is_seed,
            addresses: Vec::new(),
            contact: Contact::New,
            answer: None,
            listed_at: Instant::now(),
            logged: None,
            ask,
            task: tokio::spawn(observer.run()),
        };
        self.known.insert(sentinel, known);
    }

    /// Notes the addresses that the name of a Sentinel has now.
    pub(super) fn resolved(&mut self, sentinel: &Endpoint, addresses: Vec<SocketAddr>) {
        let is_the_same = |each: &Endpoint, other: &Known| {
            each != sentinel && !other.is_seed && is_one_of(each, &addresses)
        };
        self.known.retain(|each, other| !is_the_same(each, other));
        if let Some(known) = self.known.get_mut(sentinel) {
            known.addresses = addresses;
        }
    }

    /// Notes the answer of a Sentinel.
    pub(super) fn answered(&mut self, sentinel: &Endpoint, named: Option<Endpoint>) {
        let Some(known) = self.known.get_mut(sentinel) else { return };
        known.contact = Contact::Open;
        match &named {
            Some(_) => known.logged = None,
            None => known.log(sentinel, &Trouble::NoSuchName),
        }
        known.answer = Some((named, Instant::now()));
        self.count();
    }

    /// Notes that a Sentinel is of no use.
    pub(super) fn lost(&mut self, sentinel: &Endpoint, trouble: &Trouble) {
        let Some(known) = self.known.get_mut(sentinel) else { return };
        known.contact = Contact::Lost;
        known.log(sentinel, trouble);
        METRICS.sentinel_failure(trouble.kind());
        self.count();
    }

    /// Asks all of them.
    pub(super) fn ask_all(&self) {
        self.known.values().for_each(|known| known.ask.notify_one());
    }

    /// Asks so many, in turn, and forgets those that are gone.
    pub(super) fn ask_some(&mut self, count: usize) {
        self.known.retain(|_, known| !known.is_gone());
        let open: Vec<&Known> =
            self.known.values().filter(|known| known.contact == Contact::Open).collect();
        for known in open.iter().cycle().skip(self.turn).take(count.min(open.len())) {
            known.ask.notify_one();
        }
        self.turn = (self.turn + count) % open.len().max(1);
    }

    /// The answers since `begun`, and how many may still come.
    pub(super) fn answers_since(&self, begun: Instant) -> (Vec<Option<&Endpoint>>, usize) {
        let open = self.known.values().filter(|known| known.contact == Contact::Open);
        let answers = open.filter_map(|known| known.answer.as_ref());
        let fresh = answers.filter(|(_, at)| *at >= begun).map(|(named, _)| named.as_ref());
        let fresh: Vec<Option<&Endpoint>> = fresh.collect();
        let asked = self.known.values().filter(|known| known.contact != Contact::Lost).count();
        let pending = asked.saturating_sub(fresh.len());
        (fresh, pending)
    }

    /// Whether any of them can be asked now.
    pub(super) fn is_any_open(&self) -> bool {
        self.known.values().any(|known| known.contact == Contact::Open)
    }

    /// Why none answers, by the first that has a reason.
    pub(super) fn why_silent(&self) -> String {
        let reason = self.known.iter().find_map(|(sentinel, known)| {
            let (trouble, _) = known.logged.as_ref()?;
            Some(format!("Sentinel {sentinel}: {trouble}"))
        });
        reason.unwrap_or_else(|| "no Sentinel answers".to_owned())
    }

    fn count(&self) {
        let open = self.known.values().filter(|known| known.contact == Contact::Open).count();
        METRICS.sentinels_open.set(open as f64);
    }
}

impl Known {
    fn is_gone(&self) -> bool {
        let is_lost = !self.is_seed && self.contact == Contact::Lost;
        is_lost && self.listed_at.elapsed() > FORGET_AFTER
    }

    /// Logs a trouble when it begins, and then now and again.
    fn log(&mut self, sentinel: &Endpoint, trouble: &Trouble) {
        let lasts = self.logged.as_ref().is_some_and(|(before, at)| {
            before.kind() == trouble.kind() && at.elapsed() < LOG_INTERVAL
        });
        if !lasts {
            warn!(source = "upstream", %sentinel, "Sentinel: {trouble}");
            self.logged = Some((trouble.clone(), Instant::now()));
        }
    }
}

/// Whether this endpoint is an address, and one of these.
fn is_one_of(endpoint: &Endpoint, addresses: &[SocketAddr]) -> bool {
    let Ok(address) = endpoint.host.parse::<IpAddr>() else { return false };
    addresses.contains(&SocketAddr::new(address, endpoint.port))
}
