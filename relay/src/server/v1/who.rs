//! Who sends a request: a user, or the backend by an API key or a token, and as whom it acts.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::http::{HeaderMap, Method, header, request::Parts};
use chat_protocol::error_code::ErrorCode;
use chat_protocol::names;

use crate::auth::{Identity, LoginError, Scope, Scopes};
use crate::client::error::Error;
use crate::config::Auth;
use crate::hub::{Hub, Login};
use crate::operations::Context;
use crate::rate_limit::Allowance;
use crate::server::auth::{self, Credential};
use crate::server::client_address::{client_address, of_one_client};
use crate::server::login;
use crate::server::refused::Refused;
use crate::server::v1::problem::Problem;
use crate::server::v1::target::parameter;

/// Who sends a request.
pub(super) enum Who {
    /// A user.
    User {
        user: Arc<str>,
        /// What the token says.
        identity: Option<Arc<Identity>>,
    },
    /// The backend.
    Backend {
        /// The name of its API key, or the user of its token.
        key: Arc<str>,
        /// What the token says, as far as it bounds the backend.
        identity: Option<Arc<Identity>>,
    },
}

/// Why nobody may come in at `--listen-ops`.
pub(in crate::server) const NO_KEYS: &str = "operators need an API key: start the relay with \
    --api-key-file (docs/operations.md)";

impl Who {
    /// Finds out which operator sends a request with this head: an API key is the only credential.
    pub(super) fn operator(hub: &Hub, parts: &Parts, peer: SocketAddr) -> Result<Who, Problem> {
        if hub.api_keys.read().is_empty() {
            return Err(Problem::denied("key", NO_KEYS));
        }
        let headers = &parts.headers;
        let address = client_address(peer.ip(), headers, &hub.config.edge.trusted_proxies);
        check_refusals(hub, address, "header")?;
        if let Some(key) = api_key(hub, headers) {
            return Ok(Who::Backend { key, identity: None });
        }
        let has_bearer = auth::has_bearer(headers);
        let error = if has_bearer { LoginError::Key } else { LoginError::Missing };
        Err(refuse(hub, address, Refused::credential("header", error)))
    }

    /// Finds out who sends a request with this head. It holds one credential; a bad one is refused,
    /// and counts against the address that it came from.
    pub(super) async fn of(hub: &Hub, parts: &Parts, peer: SocketAddr) -> Result<Who, Problem> {
        let address = client_address(peer.ip(), &parts.headers, &hub.config.edge.trusted_proxies);
        let credential = credential(hub, parts);
        if verifies(hub) {
            check_refusals(hub, address, credential.way())?;
        }
        let headers = &parts.headers;
        let has_origin = headers.contains_key(header::ORIGIN);
        if let Some(key) = api_key(hub, headers) {
            return match has_origin {
                true => Err(Problem::denied("origin", "an API key is not for pages")),
                false => Ok(Who::Backend { key, identity: None }),
            };
        }
        // Browsers add cookies by themselves, so the page must be known.
        let is_safe = matches!(parts.method, Method::GET | Method::HEAD);
        if credential.is_cookie() && !is_safe && !has_origin {
            return Err(Problem::denied("origin", "a cookie counts only with an Origin"));
        }
        let refused = match credential {
            Credential::Name(user) => return Ok(Who::User { user, identity: None }),
            Credential::Token { way, token } => {
                match login::identity_of_request(hub, address, way, &token).await {
                    Ok(identity) => return Ok(Who::of_token(identity)),
                    Err(refused) => refused,
                }
            }
            Credential::Session(forwarded) => {
                match login::session_of_request(hub, address, forwarded).await {
                    Ok(identity) => return Ok(Who::of_token(identity)),
                    Err(refused) => refused,
                }
            }
            Credential::FirstFrame => Refused::credential("header", LoginError::Missing),
            Credential::Refused { way, error } => Refused::credential(way, error),
        };
        Err(refuse(hub, address, refused))
    }

    fn of_token(identity: Arc<Identity>) -> Who {
        if identity.scopes.has(Scope::Backend) {
            // Of its bounds the rooms hold; it may do everything there.
            let bounds = Identity { scopes: Scopes::ALL, ..(*identity).clone() };
            return Who::Backend { key: identity.user.clone(), identity: Some(Arc::new(bounds)) };
        }
        Who::User { user: identity.user.clone(), identity: Some(identity) }
    }

    /// The kind of caller and the name of the key, for logs and metrics.
    pub(super) fn labels(&self) -> (&'static str, &str) {
        match self {
            Who::User { .. } => ("user", ""),
            Who::Backend { key, identity: None } => ("backend", key),
            // Names of tokens are not bounded in number.
            Who::Backend { identity: Some(_), .. } => ("backend", ""),
        }
    }

    /// The user as whom a request acts; `*` is the backend.
    pub(super) fn acting<'a>(&'a self, named: Option<&'a str>) -> Result<&'a str, Error> {
        match (self, named) {
            (Who::User { user, .. }, None) => Ok(user),
            (Who::User { .. }, Some(_)) => Err(Error::with_word(
                ErrorCode::Denied,
                "backend",
                "only the backend acts as others",
            )),
            (Who::Backend { .. }, None) => Ok(names::BACKEND),
            (Who::Backend { .. }, Some(name)) if names::is_user(name) => Ok(name),
            (Who::Backend { .. }, Some(_)) => {
                Err(Error::invalid("as", "no user can have this name"))
            }
        }
    }

    /// Counts a frame of so many bytes, good or bad, against the caller's limit.
    pub(super) fn count(&self, hub: &Hub, bytes: usize) -> Result<Allowance, Error> {
        let (allowances, name) = match self {
            Who::User { user, .. } => (&hub.allowances, user),
            Who::Backend { key, .. } => (&hub.key_allowances, key),
        };
        allowances.request(name, 1, bytes, Instant::now()).map_err(Error::ratelimit)
    }

    /// The context in which one frame runs, counted against the caller's limit.
    pub(super) fn context(
        &self,
        hub: &Arc<Hub>,
        acting: &str,
        bytes: usize,
    ) -> Result<Arc<Context>, Error> {
        let allowance = self.count(hub, bytes)?;
        let (Who::User { identity, .. } | Who::Backend { identity, .. }) = self;
        let identity = identity.clone();
        Ok(match acting {
            names::BACKEND => Context::of_backend(hub.clone(), identity, allowance),
            user => Context::of_user(hub.clone(), user.into(), identity, allowance),
        })
    }
}

/// The login of a stream of events: of the caller, or of the user whom the backend names.
pub(super) async fn login_of_stream(
    hub: &Hub,
    parts: &Parts,
    peer: SocketAddr,
) -> Result<Login, Problem> {
    let named = parameter(parts.uri.query().unwrap_or(""), "as")?;
    // A bearer without tokens can only be meant as a key.
    let has_key = match hub.config.auth {
        Auth::None => auth::has_bearer(&parts.headers),
        _ => api_key(hub, &parts.headers).is_some(),
    };
    if named.is_none() && !has_key {
        let address = client_address(peer.ip(), &parts.headers, &hub.config.edge.trusted_proxies);
        return login::login(hub, address, credential(hub, parts)).await.map_err(|refused| {
            refused.note(hub, address);
            refused.problem()
        });
    }
    let who = Who::of(hub, parts, peer).await?;
    let acting = who.acting(named.as_deref())?;
    if acting == names::BACKEND {
        return Err(Problem::invalid("as", "a stream is a user's: name one"));
    }
    let identity = match &who {
        Who::User { identity, .. } | Who::Backend { identity, .. } => identity.clone(),
    };
    let (user, way) = (acting.into(), "backend");
    Ok(Login { user, identity, way, answer_to: None, session: None, place: None })
}

/// Refuses an address that has brought too many wrong credentials.
fn check_refusals(hub: &Hub, address: IpAddr, way: &'static str) -> Result<(), Problem> {
    let checked = hub.refusals.check(of_one_client(address), Instant::now());
    checked.map_err(|retry_ms| {
        let refused = Refused::too_many(way, retry_ms);
        refused.note(hub, address);
        refused.problem()
    })
}

/// Notes a wrong credential, which counts against the address that it came from.
fn refuse(hub: &Hub, address: IpAddr, refused: Refused) -> Problem {
    refused.note(hub, address);
    if matches!(hub.config.auth, Auth::None) && verifies(hub) {
        hub.refusals.count(of_one_client(address), Instant::now());
    }
    refused.problem()
}

/// The name of the API key that a request carries.
fn api_key(hub: &Hub, headers: &HeaderMap) -> Option<Arc<str>> {
    let keys = hub.api_keys.read();
    if keys.is_empty() {
        return None;
    }
    auth::only_bearer(headers).and_then(|bearer| keys.name_of(&bearer))
}

/// What a request carries. Without tokens it names its user, unless it brings a key.
pub(super) fn credential(hub: &Hub, parts: &Parts) -> Credential {
    let query = parts.uri.query().unwrap_or("");
    match hub.config.auth {
        Auth::None if auth::has_bearer(&parts.headers) => {
            Credential::Refused { way: "header", error: LoginError::Key }
        }
        _ => auth::credential(&hub.config.auth, &parts.headers, query),
    }
}

/// Whether there is anything that a wrong credential could be a guess of.
fn verifies(hub: &Hub) -> bool {
    !matches!(hub.config.auth, Auth::None) || !hub.api_keys.read().is_empty()
}
