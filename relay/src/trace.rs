//! Trace ids, by which the log lines of one request are found in the logs of all services.
//!
//! A `traceparent` (W3C Trace Context, version 1) names the trace that a request belongs to. Its
//! trace id is a field of a span; every log line within that span has it. Only hexadecimal digits
//! are taken from the client, so that it can write nothing else into the log. Spans are not sent
//! anywhere, and no trace is begun here.

use std::fmt;

use axum::http::HeaderMap;
use tracing::{Span, error_span};

/// The id of a trace. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceId(u128);

impl TraceId {
    /// The trace id of a `traceparent`: `00-<32 digits>-<16 digits>-<2 digits>`, lower-case
    /// hexadecimal. Of later versions, the part that this version knows (section 3.2.4).
    pub(crate) fn parse(traceparent: &str) -> Option<TraceId> {
        let (known, rest) = traceparent.split_at_checked(55)?;
        let mut parts = known.split('-');
        let mut part = |length: usize| parts.next().filter(|part| part.len() == length);
        let (version, trace, parent, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        let version = hexadecimal(version)?;
        let may_end_so = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        hexadecimal(flags)?;
        let is_named = hexadecimal(parent)? != 0 && may_end_so;
        hexadecimal(trace).filter(|&trace| trace != 0 && is_named).map(TraceId)
    }

    /// The trace id of the header `traceparent`. A malformed header, or more than one, counts as
    /// none (section 3.2).
    pub(crate) fn of_headers(headers: &HeaderMap) -> Option<TraceId> {
        let mut values = headers.get_all("traceparent").iter();
        match (values.next(), values.next()) {
            (Some(value), None) => TraceId::parse(value.to_str().ok()?),
            _ => None,
        }
    }

    /// The span of a request that belongs to this trace. It is recorded at every level of the log
    /// but `off`.
    pub(crate) fn span(self) -> Span {
        error_span!("traced", trace_id = %self)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", self.0)
    }
}

/// A number in lower-case hexadecimal digits.
fn hexadecimal(digits: &str) -> Option<u128> {
    let are_lower = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    u128::from_str_radix(digits, 16).ok().filter(|_| are_lower)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_by_the_recommendation() {
        let rows: &[(&str, bool, &str)] = &[
            (GOOD, true, "version 0"),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff", true, "any flags"),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true, "a later version"),
            (
                "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes\n",
                true,
                "a later version with more",
            ),
            (
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
                false,
                "more in version 0",
            ),
            (
                "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.",
                false,
                "no dash before more",
            ),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false, "version ff"),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false, "no trace"),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false, "no parent"),
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false, "capital letters"),
            ("00-4bf92f3577b34da6a3ce929d0e0e473\n-00f067aa0ba902b7-01", false, "a line break"),
            ("00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false, "a sign"),
            (
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-+1",
                false,
                "a sign in the flags",
            ),
            ("00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false, "no dash"),
            ("0-04bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false, "a short version"),
            ("00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01", false, "a short trace"),
            (" 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false, "a space"),
            ("00-4bf92f3577b34da6a3ce929d0e0e47é-00f067aa0ba902b7-01", false, "not ASCII"),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0é", false, "cut in a letter"),
            (&GOOD[..54], false, "short"),
            ("", false, "empty"),
        ];
        for (text, is_good, why) in rows {
            let expected = is_good.then(|| TRACE.to_owned());
            assert_eq!(TraceId::parse(text).map(|trace| trace.to_string()), expected, "{why}");
        }
        let small = GOOD.replace(TRACE, "00000000000000000000000000000001");
        let small = TraceId::parse(&small).map(|trace| trace.to_string());
        assert_eq!(small.as_deref(), Some("00000000000000000000000000000001"), "all digits");
    }

    #[test]
    fn one_good_header_counts() {
        let rows: &[(&[&[u8]], bool, &str)] = &[
            (&[], false, "none"),
            (&[GOOD.as_bytes()], true, "one"),
            (&[GOOD.as_bytes(), GOOD.as_bytes()], false, "two"),
            (&[b"00-xyz"], false, "a bad one"),
            (&[b"00-\xff"], false, "not UTF-8"),
        ];
        for (values, is_good, why) in rows {
            let mut headers = HeaderMap::new();
            for value in *values {
                headers.append("traceparent", HeaderValue::from_bytes(value).expect("a value"));
            }
            assert_eq!(TraceId::of_headers(&headers).is_some(), *is_good, "{why}");
        }
    }
}
