//! Verifying tokens while keys change and many come at once: what `auth/` decides with the keys at
//! hand, with keys that are fetched or read again, in a bounded queue. `login_log` is where every
//! outcome of a login is counted and logged.

mod demand;
mod fetch;
mod http_client;
mod key_set;
mod login_log;
mod queue;
mod verification;

pub(crate) use fetch::fetch_keys;
pub(crate) use login_log::note_login;
pub(crate) use verification::Verification;
