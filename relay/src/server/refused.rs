//! A socket or request that is refused: the code that closes it, and what is counted and logged.

use std::net::IpAddr;
use std::time::Instant;

use chat_protocol::close_code::CloseCode;
use tracing::debug;

use crate::auth::LoginError;
use crate::config::Auth;
use crate::hub::Hub;
use crate::server::client_address::of_one_client;
use crate::verification::note_login;

/// Why a socket is closed before it has a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// The close code.
    pub(super) close: CloseCode,
    /// The member `what` of the close reason.
    pub(super) what: Option<&'static str>,
    /// When the address may try again, if it has tried too often.
    pub(super) retry_ms: Option<u64>,
    /// What carried a wrong credential, and what is wrong with it.
    login: Option<(&'static str, LoginError)>,
}

impl Refused {
    /// By a limit, or because of a broken frame.
    pub(super) fn close(close: CloseCode) -> Refused {
        Refused { close, what: None, retry_ms: None, login: None }
    }

    /// By a wrong credential, which `way` carried.
    pub(super) fn credential(way: &'static str, error: LoginError) -> Refused {
        let (close, what) = (error.close(), error.what());
        Refused { close, what, retry_ms: None, login: Some((way, error)) }
    }

    /// Because of wrong credentials that came before from the same address.
    pub(super) fn too_many(way: &'static str, retry_ms: u64) -> Refused {
        Refused { retry_ms: Some(retry_ms), ..Refused::credential(way, LoginError::TooMany) }
    }

    /// What is wrong with the credential, if that is why.
    pub(super) fn error(&self) -> Option<LoginError> {
        self.login.map(|(_, error)| error)
    }

    /// Counts and logs it. A wrong credential counts against the address that it came from.
    pub(super) fn note(&self, hub: &Hub, address: IpAddr) {
        let reason = self.close.name;
        let Some((way, error)) = self.login else {
            return debug!(source = "client", reason, "refused");
        };
        debug!(source = "client", reason, way, why = error.reason(), "refused");
        note_login(way, Err(error));
        if error.blames_client() && !matches!(hub.config.auth, Auth::None) {
            hub.refusals.count(of_one_client(address), Instant::now());
        }
    }
}
