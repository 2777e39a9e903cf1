//! What the receiver's answer means for a batch.
//!
//! The one idea: only an answer says something about the events. Where nobody answered, no event is to
//! blame, so nothing is split and nothing is ever given up.

use std::time::{Duration, SystemTime};

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode};

/// The longest wait that a receiver can ask for.
const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The receiver has the events.
    Accepted,
    /// The receiver does not take this batch.
    Refused {
        /// The status, or nothing if no answer came in time.
        status: Option<u16>,
        /// How long the receiver wants to be left alone.
        wait: Option<Wait>,
    },
    /// No connection, or it broke: the receiver may be away.
    Unreachable,
    /// The receiver wants no events any more.
    Gone,
}

/// A `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// For every request: the receiver is busy or away as a whole (429, 503).
    All(Duration),
    /// For this batch.
    Batch(Duration),
}

impl Outcome {
    /// What the head of an answer means. Every status beyond 2xx is a refusal, redirects too: the
    /// address is a setting, and the receiver is not to choose another.
    pub(crate) fn of(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Outcome {
        if status.is_success() {
            return Outcome::Accepted;
        }
        if status == StatusCode::GONE {
            return Outcome::Gone;
        }
        let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let asked = asked.and_then(|text| seconds(text).or_else(|| until(text, now)));
        let is_of_all =
            matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        let wait = asked.map(|wait| wait.min(WAIT_MAX));
        let wait = wait.map(|wait| if is_of_all { Wait::All(wait) } else { Wait::Batch(wait) });
        Outcome::Refused { status: Some(status.as_u16()), wait }
    }
}

fn seconds(text: &str) -> Option<Duration> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // OK because what does not fit is longer than every wait.
    is_number.then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

fn until(text: &str, now: SystemTime) -> Option<Duration> {
    let date = httpdate::parse_http_date(text.trim()).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_one_meaning() {
        // 1994-11-06 08:49:37 UTC.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let refused = |status, wait| Outcome::Refused { status: Some(status), wait };
        let all = |seconds| Some(Wait::All(Duration::from_secs(seconds)));
        let batch = |seconds| Some(Wait::Batch(Duration::from_secs(seconds)));
        let rows: &[(u16, Option<&str>, Outcome)] = &[
            (200, None, Outcome::Accepted),
            (202, Some("7"), Outcome::Accepted),
            (204, None, Outcome::Accepted),
            (302, None, refused(302, None)),
            (400, None, refused(400, None)),
            (410, Some("7"), Outcome::Gone),
            (413, Some("7"), refused(413, batch(7))),
            (429, Some("7"), refused(429, all(7))),
            (429, Some(""), refused(429, None)),
            (429, Some("-7"), refused(429, None)),
            (429, Some("soon"), refused(429, None)),
            (500, None, refused(500, None)),
            (500, Some("7"), refused(500, batch(7))),
            (503, Some("0"), refused(503, all(0))),
            (503, Some("99999999999999999999999"), refused(503, all(86_400))),
            (503, Some("Sun, 06 Nov 1994 08:50:07 GMT"), refused(503, all(30))),
            (503, Some("Sun, 06 Nov 1994 08:00:00 GMT"), refused(503, all(0))),
        ];
        for (status, wait, expected) in rows {
            let mut headers = HeaderMap::new();
            if let Some(wait) = wait {
                headers.insert(RETRY_AFTER, wait.parse().expect("it is a header"));
            }
            let code = StatusCode::from_u16(*status).expect("it is a status");
            assert_eq!(Outcome::of(code, &headers, now), *expected, "{status} {wait:?}");
        }
    }
}
