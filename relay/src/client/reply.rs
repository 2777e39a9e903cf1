//! Replies to requests: `ok` with an object, or `error`.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::client::error::Error;
use crate::client::frame::{self, Frame};
use crate::client::json;

/// The most event bytes in one reply. If there are more, `more` is true and the client continues.
pub(crate) const PAGE_BYTES: usize = 256 << 10;

/// The reply to a token.
#[derive(Serialize)]
pub(crate) struct AuthReply {
    /// Seconds that the token is still valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_in: Option<u64>,
}

#[derive(Serialize)]
struct ErrorReply<'a> {
    #[serde(rename = "ref")]
    reference: &'a RawValue,
    error: &'a Error,
}

/// `{"ref":…,"ok":…}`; `object` is JSON. Written by hand, because a page in it holds bytes of events.
pub fn ok(reference: &RawValue, object: &str) -> String {
    ok_pieces(reference, object).concat()
}

/// As [`ok`], ready to be sent.
pub(crate) fn ok_frame(reference: &RawValue, object: &str) -> Frame {
    frame::text_of(&ok_pieces(reference, object))
}

fn ok_pieces<'a>(reference: &'a RawValue, object: &'a str) -> [&'a str; 5] {
    [r#"{"ref":"#, reference.get(), r#","ok":"#, object, "}"]
}

/// `{"ref":…,"error":{…}}`.
pub fn error(reference: &RawValue, error: &Error) -> String {
    json::write(&ErrorReply { reference, error })
}
