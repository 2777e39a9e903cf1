//! Replies to requests: `ok` with its members, or `error`.

use crate::client::error::Error;

/// `{"ref":…,"ok":{…}}`. `inside` holds the members of `ok`.
pub fn ok(reference: &str, inside: &str) -> String {
    format!(r#"{{"ref":{reference},"ok":{{{inside}}}}}"#)
}

/// `{"ref":…,"error":{…}}`.
pub fn error(reference: &str, error: &Error) -> String {
    let mut out = format!(r#"{{"ref":{reference},"error":{{"#);
    error.write(&mut out);
    out.push_str("}}");
    out
}
