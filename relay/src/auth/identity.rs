//! The user that a credential proves, and the upper bound of what it allows.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::room_filter::RoomFilter;
use crate::auth::scopes::{Scope, Scopes};
use crate::auth::watch_filter::WatchFilter;

/// Clocks may differ by this much, in seconds: for `exp`, `nbf` and `iat` alike.
pub const LEEWAY: u64 = 30;

/// How a user was proven. It decides how the proof is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By a token: the client brings a newer one.
    Token,
    /// By the application, which knows the session: the relay asks it again.
    Session,
    /// Not at all: the user is a guest.
    Guest,
}

/// What a verified credential says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub user: Arc<str>,
    /// How the user was proven.
    pub proof: Proof,
    /// When the proof was made, in seconds since the Unix epoch.
    pub issued_at: Option<u64>,
    /// When it ends, in the same seconds; the leeway comes after that.
    pub expires_at: Option<u64>,
    /// The rights.
    pub scopes: Scopes,
    /// The rooms.
    pub rooms: RoomFilter,
    /// The patterns of rooms that may be watched.
    pub watch: WatchFilter,
    /// JSON for the application's own servers. Clients never get it.
    pub meta: Option<Box<str>>,
    /// The display name.
    pub name: Option<Box<str>>,
    /// The address of a picture.
    pub picture: Option<Box<str>>,
}

/// The longest time that [`Identity::time_left`] names: a decade.
const TIME_MAX: Duration = Duration::from_secs(10 * 365 * 86_400);

impl Identity {
    /// Seconds from `now_ms` until the client must have brought a new token. `None`: it need not.
    pub fn renew_in(&self, now_ms: u64) -> Option<u64> {
        self.expires_in(now_ms).filter(|_| self.proof == Proof::Token)
    }

    /// Seconds from `now_ms` until the proof ends, without the leeway. `None`: it does not end.
    pub fn expires_in(&self, now_ms: u64) -> Option<u64> {
        self.expires_at.map(|end| end.saturating_sub(now_ms / 1000))
    }

    /// The time from `now_ms` until a connection with this proof is closed. `None`: never.
    pub fn time_left(&self, now_ms: u64) -> Option<Duration> {
        let end_ms = self.expires_at?.saturating_add(LEEWAY).saturating_mul(1000);
        Some(Duration::from_millis(end_ms.saturating_sub(now_ms)).min(TIME_MAX))
    }

    /// Whether all rooms that match `pattern` may be watched.
    pub fn may_watch(&self, pattern: &str) -> bool {
        self.scopes.has(Scope::Backend) || self.watch.admits(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_ends_and_later_its_connection() {
        let ends = |expires_at| Identity {
            user: "alice".into(),
            proof: Proof::Token,
            issued_at: None,
            expires_at,
            scopes: Scopes::ALL,
            rooms: RoomFilter::EVERYTHING,
            watch: WatchFilter::default(),
            meta: None,
            name: None,
            picture: None,
        };
        let left = |expires_at, now_ms| {
            let identity = ends(expires_at);
            (identity.expires_in(now_ms), identity.time_left(now_ms))
        };
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(left(Some(100), 40_500), (Some(60), ms(89_500)));
        assert_eq!(left(Some(100), 120_000), (Some(0), ms(10_000)), "within the leeway");
        assert_eq!(left(Some(100), 999_000), (Some(0), ms(0)));
        assert_eq!(left(Some(u64::MAX), 0), (Some(u64::MAX), Some(TIME_MAX)));
        assert_eq!(left(None, 0), (None, None));
    }
}
