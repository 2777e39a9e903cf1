//! Errors over HTTP: `application/problem+json` (RFC 9457).
//!
//! The members are those of an error on the socket, beside `title` and `status`. One table maps
//! codes to statuses. What has no code of the module has the code `INVALID` and names what is wrong,
//! or `UNAUTHORISED`.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use chat_protocol::error_code::NONCE_USED;
use rand::Rng;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::LoginError;
use crate::client::error::{Argument, Error, UNAUTHORISED};
use crate::client::json;
use crate::server::refused::Refused;

/// The content type of a problem.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";
/// Clients come back within this time after `UNAVAILABLE`, spread, in milliseconds.
const RETRY_MS: std::ops::Range<u64> = 500..2000;

/// Why a request is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    error: Box<Error>,
    retry_ms: Option<u64>,
    nonce: Option<Box<str>>,
    allow: Option<Box<str>>,
}

/// The body of a refused request.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Problem)]
pub(super) struct ProblemDocument<'a> {
    /// The status in words
    title: &'a str,
    /// The status
    status: u16,
    /// The code, as in an error on the socket; `UNAUTHORISED` for a missing or wrong credential
    code: &'a str,
    /// For people
    detail: &'a str,
    /// What is wrong, or which right is missing
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    what: Option<&'a str>,
    /// After how many milliseconds to try again
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_ms: Option<u64>,
    /// When a ban or a mute ends, in milliseconds since the Unix epoch; 0: never
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    until_ms: Option<u64>,
    /// How many bytes are allowed
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    max_bytes: Option<u64>,
    /// The nonce with which to repeat the same message
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    nonce: Option<&'a str>,
}

impl Problem {
    /// This error with this status.
    pub(super) fn with_status(status: StatusCode, error: Error) -> Problem {
        Problem::new(status, error)
    }

    fn new(status: StatusCode, error: Error) -> Problem {
        Problem { status, error: Box::new(error), retry_ms: None, nonce: None, allow: None }
    }

    /// 400: this part of the request is wrong.
    pub(super) fn invalid(what: &'static str, message: &'static str) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, Error::invalid(what, message))
    }

    /// 403: only others may do this.
    pub(super) fn denied(what: &'static str, message: &'static str) -> Problem {
        let code = chat_protocol::error_code::ErrorCode::Denied;
        Problem::new(StatusCode::FORBIDDEN, Error::with_word(code, what, message))
    }

    /// 404: there is no such path.
    pub(super) fn no_path() -> Problem {
        Problem::new(StatusCode::NOT_FOUND, Error::invalid("path", "no such path"))
    }

    /// 405: the path has other methods. `allow` lists them.
    pub(super) fn method(allow: String) -> Problem {
        let error = Error::invalid("method", "this path has other methods");
        let allow = Some(allow.into());
        Problem { allow, ..Problem::new(StatusCode::METHOD_NOT_ALLOWED, error) }
    }

    /// 413: the body is too large.
    pub(super) fn too_big(max_bytes: usize) -> Problem {
        let error = Error::too_big(max_bytes, "the body is too large");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, error)
    }

    /// 415: the body is no JSON.
    pub(super) fn content_type() -> Problem {
        let error = Error::invalid("content-type", "the body must be application/json");
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error)
    }

    /// 429: too much at a time.
    pub(super) fn too_many(retry_ms: u64) -> Problem {
        Problem::from(Error::ratelimit(retry_ms))
    }

    /// The same problem, with the nonce under which the message may be sent again.
    pub(super) fn with_nonce(self, nonce: String) -> Problem {
        Problem { nonce: Some(nonce.into()), ..self }
    }

    /// The response.
    pub(super) fn response(self) -> Response<Body> {
        let mut retry_ms = self.retry_ms;
        let (mut what, mut until_ms, mut max_bytes) = (None, None, None);
        match &self.error.argument {
            Some((_, Argument::Word(word))) => what = Some(&**word),
            Some(("retry_ms", Argument::Number(number))) => retry_ms = Some(*number),
            Some(("until_ms", Argument::Number(number))) => until_ms = Some(*number),
            Some((_, Argument::Number(number))) => max_bytes = Some(*number),
            None => {}
        }
        let document = ProblemDocument {
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: &self.error.code,
            detail: &self.error.message,
            what,
            retry_ms,
            until_ms,
            max_bytes,
            nonce: self.nonce.as_deref(),
        };
        let mut response = Response::new(Body::from(json::write(&document)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(retry_ms) = retry_ms {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_ms.div_ceil(1000)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static(challenge(&self.error));
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(allow) = self.allow.and_then(|allow| HeaderValue::from_str(&allow).ok()) {
            headers.insert(header::ALLOW, allow);
        }
        response
    }
}

impl Refused {
    /// 401; 429 after too many of them; 503 if the credential cannot be verified now.
    pub(super) fn problem(&self) -> Problem {
        let error = self.error().unwrap_or(LoginError::Missing);
        if let Some(retry_ms) = self.retry_ms {
            let message = "too many wrong credentials came from this address".into();
            return Problem::from(Error { message, ..Error::ratelimit(retry_ms) });
        }
        let Some(what) = error.what() else {
            let message = "the credential cannot be verified now".into();
            return Problem::from(Error { message, ..Error::unavailable() });
        };
        let message = match error {
            LoginError::Missing => "a credential is needed",
            LoginError::Expired => "the token has expired",
            LoginError::Revoked => "the token is revoked",
            _ => "the credential is wrong",
        };
        Problem::from(Error::unauthorised(what, message))
    }
}

/// The challenge of RFC 6750, section 3. A request without a credential gets no error code.
fn challenge(error: &Error) -> &'static str {
    match &error.argument {
        Some((_, Argument::Word(what))) if what == "missing" => "Bearer",
        _ => r#"Bearer error="invalid_token""#,
    }
}

/// The status of an error of an operation.
impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        let status = match &*error.code {
            "INVALID" if error.message == NONCE_USED => StatusCode::CONFLICT,
            "INVALID" | "WRONGTYPE" => StatusCode::BAD_REQUEST,
            UNAUTHORISED => StatusCode::UNAUTHORIZED,
            "DENIED" | "BANNED" | "MUTED" | "NOTMEMBER" => StatusCode::FORBIDDEN,
            "NOROOM" | "NOMSG" => StatusCode::NOT_FOUND,
            "TOOBIG" => StatusCode::PAYLOAD_TOO_LARGE,
            "FROZEN" => StatusCode::LOCKED,
            "RATELIMIT" => StatusCode::TOO_MANY_REQUESTS,
            "UNAVAILABLE" | "OOM" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let is_away = status == StatusCode::SERVICE_UNAVAILABLE;
        let retry_ms = is_away.then(|| rand::rng().random_range(RETRY_MS));
        Problem { retry_ms, ..Problem::new(status, error) }
    }
}

#[cfg(test)]
mod tests {
    use chat_protocol::error_code::ErrorCode;

    use super::*;

    #[test]
    fn every_code_has_a_status() {
        let rows = [
            (ErrorCode::Err, 500),
            (ErrorCode::Invalid, 400),
            (ErrorCode::NoRoom, 404),
            (ErrorCode::NoMessage, 404),
            (ErrorCode::NotMember, 403),
            (ErrorCode::Denied, 403),
            (ErrorCode::RateLimit, 429),
            (ErrorCode::TooBig, 413),
            (ErrorCode::Frozen, 423),
            (ErrorCode::Banned, 403),
            (ErrorCode::Muted, 403),
            (ErrorCode::Unavailable, 503),
        ];
        assert_eq!(rows.map(|(code, _)| code), *ErrorCode::ALL);
        for (code, status) in rows {
            assert_eq!(Problem::from(Error::new(code, "")).status.as_u16(), status, "{code}");
        }
        let used = Error::invalid("nonce", NONCE_USED);
        assert_eq!(Problem::from(used).status, StatusCode::CONFLICT);
        assert_eq!(Problem::from(Error::new("OOM", "")).status.as_u16(), 503);
    }

    #[test]
    fn seconds_to_wait_are_rounded_up() {
        for (retry_ms, seconds) in [(0, "0"), (1, "1"), (1000, "1"), (1001, "2")] {
            let response = Problem::too_many(retry_ms).response();
            assert_eq!(response.headers()[header::RETRY_AFTER], seconds);
        }
    }
}
