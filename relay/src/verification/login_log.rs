//! Where logins are counted, and refused ones logged.
//!
//! The metric counts each one by what carried the credential and by its outcome. The log has a line
//! for each reason at most every ten seconds, with the number of refusals since the one before: an
//! operator sees why logins fail, and no client can fill a disk. Neither has any part of a credential.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::{info, warn};

use crate::auth::LoginError;
use crate::metrics::METRICS;
use crate::rate_limit::LogLimit;

/// Lines of one reason are so far apart.
const INTERVAL: Duration = Duration::from_secs(10);

/// The lines of each reason. There are as many as [`LoginError`] has words.
static LINES: Mutex<BTreeMap<&'static str, LogLimit>> = Mutex::new(BTreeMap::new());

/// Counts and logs a login by a credential that `way` has carried.
pub(crate) fn note_login(way: &'static str, outcome: Result<(), LoginError>) {
    let Err(error) = outcome else { return METRICS.login(way, "ok") };
    let why = error.reason();
    METRICS.login(way, why);
    let mut lines = LINES.lock();
    let line = lines.entry(why).or_insert_with(|| LogLimit::every(INTERVAL));
    let Some(times) = line.note(Instant::now()) else { return };
    drop(lines);
    if error.blames_client() {
        info!(source = "client", way, why, times, "login refused");
    } else {
        warn!(source = "relay", way, why, times, "login refused");
    }
}
