//! The frame that closes a WebSocket. `chat_protocol::close_code` lists the codes; this file does
//! not decide when to close.
//!
//! The frame's reason is JSON: `{"reason":"drain","retry_ms":1200}`. `retry_ms` is there only if
//! the client should reconnect. `what` is there if a credential is wrong, `until_ms` if the user is
//! suspended. `message` is there if a moderator gave a reason; it is cut to fit.

use chat_protocol::close_code::CloseCode;
use rand::Rng;
use serde::Serialize;

use crate::client::frame::{self, Frame};
use crate::client::json;

/// A control frame holds 125 bytes, two of them the code (RFC 6455, section 5.5).
const REASON_MAX: usize = 123;

/// Why a connection is closed, as its client reads it.
#[derive(Serialize)]
struct Reason<'a> {
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

/// What a close reason says besides its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Detail<'a> {
    /// What is wrong, in one word.
    pub(crate) what: Option<&'static str>,
    /// When it ends, milliseconds since the epoch; 0: never.
    pub(crate) until_ms: Option<u64>,
    /// For people; it is cut to fit.
    pub(crate) message: Option<&'a str>,
}

/// The close frame. Each frame has a random retry hint, so that clients do not reconnect at the
/// same time.
pub(crate) fn frame(close: CloseCode, detail: Detail<'_>) -> Frame {
    let retry_ms = close.retry_ms.map(|(least, most)| rand::rng().random_range(least..=most));
    let Detail { what, until_ms, .. } = detail;
    let reason =
        |message| json::write(&Reason { reason: close.name, retry_ms, what, until_ms, message });
    let with_message = detail.message.and_then(|message| {
        let ends = message.char_indices().map(|(at, _)| at).chain([message.len()]).rev();
        let mut reasons = ends.map(|end| reason(message.get(..end)));
        reasons.find(|reason| reason.len() <= REASON_MAX)
    });
    frame::close(close.number, &with_message.unwrap_or_else(|| reason(None)))
}

#[cfg(test)]
mod tests {
    use chat_protocol::close_code::{ALL, KICKED};

    use super::*;

    #[test]
    fn the_reason_is_json_and_fits_a_control_frame() {
        for close in ALL {
            let detail = Detail { what: Some("missing"), until_ms: Some(u64::MAX), message: None };
            let frame = frame(*close, detail);
            assert_eq!(frame[0], 0x88);
            assert!(usize::from(frame[1]) <= 125 && frame.len() == usize::from(frame[1]) + 2);
            assert_eq!(frame[2..4], close.number.to_be_bytes());
            let reason: serde_json::Value = serde_json::from_slice(&frame[4..]).expect("JSON");
            assert_eq!(
                (&reason["reason"], &reason["what"], &reason["until_ms"]),
                (&close.name.into(), &"missing".into(), &u64::MAX.into())
            );
            assert_eq!(reason["retry_ms"].is_u64(), close.may_reconnect());
        }
    }

    #[test]
    fn a_message_is_cut_to_what_fits() {
        let long = "é\"".repeat(200);
        for (message, whole) in [("spam", true), ("", true), (&*long, false)] {
            let frame = frame(KICKED, Detail { message: Some(message), ..Detail::default() });
            assert!(usize::from(frame[1]) <= 125 && frame.len() == usize::from(frame[1]) + 2);
            let reason: serde_json::Value = serde_json::from_slice(&frame[4..]).expect("JSON");
            let sent = reason["message"].as_str().expect("a message");
            assert_eq!(reason["reason"], "kicked");
            assert!(message.starts_with(sent) && (sent == message) == whole, "{sent}");
            assert!(whole || frame.len() > 120, "as much as fits");
        }
    }
}
