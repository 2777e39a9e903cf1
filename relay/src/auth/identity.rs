//! Who the bearer of a token is, and the upper bound of what it lets them do.

use std::sync::Arc;

use crate::auth::room_filter::RoomFilter;
use crate::auth::scopes::Scopes;

/// What a verified token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user.
    pub user: Arc<str>,
    /// When the token was issued, in seconds since the Unix epoch.
    pub issued_at: Option<u64>,
    /// When it ends, in the same seconds; the leeway comes after that.
    pub expires_at: Option<u64>,
    /// The rights.
    pub scopes: Scopes,
    /// The rooms.
    pub rooms: RoomFilter,
    /// Globs of rooms that may be watched.
    pub watch: Box<[Box<str>]>,
    /// JSON for the application's own servers. Clients never get it.
    pub meta: Option<Box<str>>,
    /// The display name.
    pub name: Option<Box<str>>,
    /// The address of a picture.
    pub picture: Option<Box<str>>,
}
