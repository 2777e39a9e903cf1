//! How users prove who they are, and what depends on that.

use std::sync::Arc;

use clap::ValueEnum;

use crate::config::jwt::Jwt;
use crate::config::sessions::SessionAuth;

/// The word for how users prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Way {
    /// `?user=alice` is trusted.
    None,
    /// By a token.
    Jwt,
    /// By a session of an application.
    Http,
}

/// How users prove who they are.
#[derive(Clone, Debug)]
pub(crate) enum Auth {
    /// `?user=alice` is trusted.
    None,
    /// By a token.
    Jwt(Arc<Jwt>),
    /// By a session of an application.
    Http(Arc<SessionAuth>),
}

impl Auth {
    /// Whether what a credential says of its user is written to the profile.
    pub(crate) fn writes_profiles(&self) -> bool {
        match self {
            Auth::None => false,
            Auth::Jwt(jwt) => jwt.profile,
            // An application names only what it wants to be seen.
            Auth::Http(_) => true,
        }
    }

    /// Whether a cookie may carry a credential.
    pub(crate) fn takes_cookies(&self) -> bool {
        match self {
            Auth::None => false,
            Auth::Jwt(jwt) => jwt.cookie.is_some(),
            Auth::Http(sessions) => sessions.forward.has_cookie(),
        }
    }

    /// The word of `--auth`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Auth::None => "none",
            Auth::Jwt(_) => "jwt",
            Auth::Http(_) => "http",
        }
    }
}
