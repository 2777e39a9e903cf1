//! A socket that is refused: the code that closes it, and what is counted and logged.

use chat_protocol::close_code::CloseCode;
use tracing::debug;

use crate::auth::LoginError;
use crate::metrics::METRICS;

/// Why a socket is closed before it has a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// The close code.
    pub(super) close: CloseCode,
    /// The member `what` of the close reason.
    pub(super) what: Option<&'static str>,
    /// What carried a wrong credential, and what is wrong with it.
    login: Option<(&'static str, LoginError)>,
}

impl Refused {
    /// By a limit, or because of a broken frame.
    pub(super) fn close(close: CloseCode) -> Refused {
        Refused { close, what: None, login: None }
    }

    /// By a wrong credential, which `way` carried.
    pub(super) fn credential(way: &'static str, error: LoginError) -> Refused {
        let (close, what) = (error.close(), error.what());
        Refused { close, what, login: Some((way, error)) }
    }

    /// Counts and logs it.
    pub(super) fn note(&self) {
        match self.login {
            Some((way, error)) => {
                METRICS.login(way, error.reason());
                let why = error.reason();
                debug!(source = "client", reason = self.close.name, way, why, "refused");
            }
            None => debug!(source = "client", reason = self.close.name, "refused"),
        }
    }
}
