//! Verifying credentials with the help of other services. Tokens: what `auth/` decides with the keys
//! at hand, with keys that are fetched or read again, in a bounded queue. Sessions: what the
//! application answers. `login_log` is where every outcome of a login is counted and logged.

mod demand;
mod fetch;
mod kept_answers;
mod key_set;
mod login_log;
mod queue;
mod sessions;
mod verification;

pub(crate) use fetch::fetch_keys;
pub(crate) use login_log::note_login;
pub(crate) use sessions::{OpenSession, Sessions, WithoutSession, ask_without_session};
pub(crate) use verification::Verification;
