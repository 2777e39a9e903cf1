//! A user who has logged in: the beginning of a connection.

use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;

use crate::auth::Identity;
use crate::verification::OpenSession;

/// Who has logged in, and how.
#[derive(Debug)]
pub(crate) struct Login {
    /// The user.
    pub user: Arc<str>,
    /// What the credential says; `None`: there are none.
    pub identity: Option<Arc<Identity>>,
    /// What carried the credential, for the metric.
    pub way: &'static str,
    /// The `ref` of the frame that carried the token, which is answered before `hello`.
    pub answer_to: Option<Box<RawValue>>,
    /// The session that the application is asked about again.
    pub session: Option<OpenSession>,
    /// A guest's place among the guests.
    pub place: Option<OwnedSemaphorePermit>,
}

impl From<Arc<str>> for Login {
    /// A user whose name is trusted.
    fn from(user: Arc<str>) -> Login {
        let (identity, answer_to, session, place) = (None, None, None, None);
        Login { user, identity, way: "name", answer_to, session, place }
    }
}
