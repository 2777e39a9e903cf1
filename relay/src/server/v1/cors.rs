//! Pages of other origins (CORS, fetch.spec.whatwg.org): who may read an answer, and preflights.
//!
//! The origins are those that may open sockets; a request of any other is refused before anything is
//! done. The exact origin is echoed, never `*`. Credentials of the browser count only where cookies
//! do.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::config::Config;
use crate::server::handshake::{origin_is_allowed, origin_is_the_host};
use crate::server::v1::door::Door;
use crate::server::v1::problem::Problem;

/// Headers that a page may send.
const REQUEST_HEADERS: &str =
    "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, traceparent";
/// Headers that a page may read.
const RESPONSE_HEADERS: &str = "Retry-After";
/// How long a browser may keep the answer to a preflight, in seconds.
const MAX_AGE: &str = "600";

/// The page that sends a request, if it is one that may.
#[derive(Debug)]
pub(super) struct Cors {
    origin: Option<HeaderValue>,
    with_cookies: bool,
}

impl Cors {
    /// Of a request with these headers. Error: its origin is not allowed.
    pub(super) fn of(config: &Config, headers: &HeaderMap, door: Door) -> Result<Cors, Problem> {
        let is_allowed = match door {
            Door::Public => origin_is_allowed(headers, &config.allowed_origins),
            Door::Operators => origin_is_the_host(headers),
        };
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let origin = origins.next().cloned();
        if origins.next().is_some() || !is_allowed {
            return Err(Problem::denied("origin", "this origin may not use the relay"));
        }
        // A page of the same host needs no permission to read, and no other page gets one.
        let origin = origin.filter(|_| door == Door::Public);
        Ok(Cors { origin, with_cookies: config.auth.takes_cookies() })
    }

    /// Lets the page read this response.
    pub(super) fn expose(&self, headers: &mut HeaderMap) {
        let Some(origin) = &self.origin else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        let exposed = HeaderValue::from_static(RESPONSE_HEADERS);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        if self.with_cookies {
            let yes = HeaderValue::from_static("true");
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
    }
}

/// Answers OPTIONS: a preflight, or a question for the methods of a path.
pub(super) fn options(request: &HeaderMap, allow: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    let Ok(allow) = HeaderValue::from_str(allow) else { return response };
    headers.insert(header::ALLOW, allow.clone());
    if request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, allow);
        let allowed = HeaderValue::from_static(REQUEST_HEADERS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
    }
    response
}
