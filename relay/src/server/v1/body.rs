//! The body of a request: JSON, whole, within its bounds of size and time.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::client::error::Error;
use crate::server::v1::problem::Problem;

/// Reads the body. An empty one needs no content type.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    most: usize,
    within: Duration,
) -> Result<String, Problem> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if length.and_then(|text| text.parse::<u64>().ok()).is_some_and(|bytes| bytes > most as u64) {
        return Err(Problem::too_big(most));
    }
    let collected = tokio::time::timeout(within, Limited::new(body, most).collect()).await;
    let bytes = match collected {
        Err(_) => return Err(Problem::late()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(Problem::too_big(most)),
        Ok(Err(_)) => return Err(Problem::invalid("body", "it broke off")),
        Ok(Ok(collected)) => collected.to_bytes(),
    };
    if !bytes.is_empty() && !is_json(headers) {
        return Err(Problem::content_type());
    }
    String::from_utf8(bytes.into()).map_err(|_| Problem::invalid("json", "not UTF-8"))
}

/// Whether the one content type is JSON, in UTF-8 if it says so.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(kind), None) = (types.next(), types.next()) else { return false };
    let Ok(kind) = kind.to_str() else { return false };
    let mut parts = kind.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    is_json
        && parts.all(|part| match part.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
                value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

impl Problem {
    /// 408: the body did not arrive in time.
    fn late() -> Problem {
        let error = Error::invalid("body", "it did not arrive in time");
        Problem::with_status(StatusCode::REQUEST_TIMEOUT, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_json() {
        let rows: &[(&[&str], bool)] = &[
            (&["application/json"], true),
            (&["Application/JSON; charset=UTF-8"], true),
            (&["application/json;charset=\"utf-8\";x=y"], true),
            (&["application/json; charset=latin1"], false),
            (&["application/jsonp"], false),
            (&["text/plain"], false),
            (&["text/plain; application/json"], false),
            (&[], false),
            (&["application/json", "application/json"], false),
        ];
        for (types, expected) in rows {
            let mut headers = HeaderMap::new();
            for kind in *types {
                headers.append(header::CONTENT_TYPE, kind.parse().expect("a value"));
            }
            assert_eq!(is_json(&headers), *expected, "{types:?}");
        }
    }
}
