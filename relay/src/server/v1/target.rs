//! The path and the query of a request: segments and parameters, decoded.
//!
//! A name may contain any character, `/` too, if it is percent-encoded. The segments `.` and `..` are
//! refused in every form: clients and proxies resolve them, so a request must not depend on them.

use std::borrow::Cow;

use crate::server::auth::{parameters, percent_decoded_path};
use crate::server::v1::problem::Problem;

/// The segments of a path below `/v1/`, as they are written.
pub(super) fn segments(path: &str) -> Option<Vec<&str>> {
    Some(path.strip_prefix("/v1/")?.split('/').collect())
}

/// A segment that stands for the value `name`.
pub(super) fn decoded<'p>(segment: &'p str, name: &'static str) -> Result<Cow<'p, str>, Problem> {
    let text = percent_decoded_path(segment)
        .ok_or_else(|| Problem::invalid(name, "not UTF-8 in percent-encoding"))?;
    match &*text {
        "." | ".." => Err(Problem::invalid(name, "a path cannot name this; use POST /v1")),
        _ => Ok(text),
    }
}

/// The parameter of this name. A name without a value is a mistake: it must not count as absent.
pub(super) fn parameter<'q>(
    query: &'q str,
    name: &'static str,
) -> Result<Option<Cow<'q, str>>, Problem> {
    if query.split('&').any(|pair| pair == name) {
        return Err(Problem::invalid(name, "it has no value"));
    }
    let mut found = parameters(query, name);
    match (found.next(), found.next()) {
        (None, _) => Ok(None),
        (Some(Some(text)), None) => Ok(Some(text)),
        (Some(None), None) => Err(Problem::invalid(name, "not UTF-8 in percent-encoding")),
        (_, Some(_)) => Err(Problem::invalid(name, "given twice")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_decoded() {
        let rows: &[(&str, Option<&str>)] = &[
            ("lobby", Some("lobby")),
            ("dm:alice,bob", Some("dm:alice,bob")),
            ("a%2Fb", Some("a/b")),
            ("a+b", Some("a+b")),
            ("%C3%A9", Some("é")),
            ("%00", Some("\0")),
            ("%ff", None),
            ("%2", None),
            ("%zz", None),
            (".", None),
            ("..", None),
            ("%2e%2E", None),
            ("...", Some("...")),
        ];
        for (segment, expected) in rows {
            let found = decoded(segment, "room").ok();
            assert_eq!(found.as_deref(), *expected, "{segment}");
        }
        assert_eq!(segments("/v1/rooms/a//"), Some(vec!["rooms", "a", "", ""]));
        assert_eq!(segments("/v1"), None);
    }

    #[test]
    fn a_parameter_is_given_once() {
        let of = |query| parameter(query, "count").map_err(|_| ());
        assert_eq!(of("count=5&x=1"), Ok(Some("5".into())));
        assert_eq!(of("counts=5"), Ok(None));
        assert_eq!(of("x=1&count"), Err(()));
        assert_eq!(of("count=a+b%26"), Ok(Some("a b&".into())));
        assert_eq!(of("count=1&count=1"), Err(()));
        assert_eq!(of("count=%ff"), Err(()));
    }
}
