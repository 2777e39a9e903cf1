//! The frames that the relay makes itself, besides replies. All other frames are events, whose bytes
//! come from Redis.
//!
//! The members stand in the order of the fields, and clients may rely on no order. docs/protocol.md
//! says what each frame means.

use chat_protocol::id::Id;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::client::error::Error;
use crate::client::frame::{self, Frame};
use crate::client::json;

/// One frame.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum RelayFrame<'a> {
    /// The first frame of a connection.
    Hello {
        /// Version of the protocol.
        v: u8,
        relay: &'a str,
        connection: &'a str,
        user: &'a str,
        ping_ms: u128,
        grace_ms: u128,
        limits: Limits,
        /// Seconds that the token is still valid.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_in: Option<u64>,
        #[serde(skip_serializing_if = "<[&str]>::is_empty")]
        joined: &'a [&'a str],
    },
    /// What works at Redis: `back`, `writes_refused` or `away`.
    Upstream {
        state: &'a str,
        /// The rooms that this is about. None is named: all.
        #[serde(skip_serializing_if = "<[&str]>::is_empty")]
        rooms: &'a [&'a str],
    },
    /// Presence events may be missing.
    Reset { room: &'a str },
    /// The connection does not receive this room any more.
    Gone {
        room: &'a str,
        #[serde(flatten)]
        why: Gone<'a>,
    },
    /// A message that waits for Redis, shown to the clients of this relay.
    Message {
        room: &'a str,
        ts: u64,
        user: &'a str,
        kind: &'a str,
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        meta: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none", serialize_with = "json::some_id")]
        reply: Option<Id>,
        nonce: &'a str,
        local: bool,
    },
    /// The waiting message of this nonce was refused.
    Withdraw { room: &'a str, user: &'a str, nonce: &'a str },
    /// About watched patterns: events of these rooms are lost, or the pattern is not watched any
    /// more.
    Watch {
        #[serde(skip_serializing_if = "<[&str]>::is_empty")]
        lost: &'a [&'a str],
        #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
        pattern: Option<&'a str>,
        #[serde(flatten)]
        why: Option<&'a Error>,
    },
    /// The profile of a user has changed.
    Profile {
        user: &'a str,
        /// The newest id of the user's personal room.
        #[serde(rename = "ref", serialize_with = "json::id")]
        id: Id,
        data: &'a RawValue,
    },
}

/// The limits that hold for a connection.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Limits {
    pub(crate) frame: usize,
    pub(crate) rooms: usize,
    pub(crate) operations_per_second: u32,
    pub(crate) frames_per_second: u32,
    pub(crate) bytes_per_second: usize,
    pub(crate) page_events: usize,
    pub(crate) page_bytes: usize,
    pub(crate) nonce_window_ms: u128,
}

/// Why a connection does not receive a room any more.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Gone<'a> {
    /// An event removed the user, or the connection must ask for the room again.
    Removed {
        code: &'a str,
        /// The end of a ban; 0: it has none.
        #[serde(skip_serializing_if = "Option::is_none")]
        until_ms: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    /// Redis has answered that the user may not read.
    Refused(&'a Error),
}

impl RelayFrame<'_> {
    /// The frame, ready to be queued.
    pub(crate) fn encode(&self) -> Frame {
        frame::text(json::write(self).as_bytes())
    }
}

/// The frame `reload`: the room's past is gone, and `page` is what it holds now. Written by hand,
/// because the page holds bytes of events.
pub(crate) fn reload(room: &str, page: &str) -> Frame {
    let mut out = String::with_capacity(page.len() + room.len() + 32);
    out.push_str(r#"{"type":"reload","room":"#);
    json::append(&mut out, room);
    out.push(',');
    out.push_str(page);
    out.push('}');
    frame::text(out.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_has_its_bytes() {
        let limits = Limits {
            frame: 1,
            rooms: 2,
            operations_per_second: 3,
            frames_per_second: 4,
            bytes_per_second: 5,
            page_events: 6,
            page_bytes: 7,
            nonce_window_ms: 8,
        };
        let joined = ["a", "b"];
        let hello = |expires_in, joined| RelayFrame::Hello {
            v: 1,
            relay: "r",
            connection: "r-b-1",
            user: "bob",
            ping_ms: 25_000,
            grace_ms: 10_000,
            limits,
            expires_in,
            joined,
        };
        let limits = r#""limits":{"frame":1,"rooms":2,"operations_per_second":3,"frames_per_second":4,"bytes_per_second":5,"page_events":6,"page_bytes":7,"nonce_window_ms":8}"#;
        let hello_start = format!(
            r#"{{"type":"hello","v":1,"relay":"r","connection":"r-b-1","user":"bob","ping_ms":25000,"grace_ms":10000,{limits}"#
        );
        let removed = |code, until_ms, reason| RelayFrame::Gone {
            room: "a",
            why: Gone::Removed { code, until_ms, reason },
        };
        let meta: &RawValue = serde_json::from_str(r#"{"a": [1]}"#).expect("JSON");
        let id = Id { ms: 7, n: 3 };
        let message = |meta, reply| RelayFrame::Message {
            room: "a",
            ts: 5,
            user: "bob",
            kind: "text",
            text: "a\nb",
            meta,
            reply,
            nonce: "k",
            local: true,
        };
        let denied = Error::invalid("a", "b");
        let rows: &[(RelayFrame<'_>, &str)] = &[
            (hello(None, &[]), &format!("{hello_start}}}")),
            (hello(Some(9), &[]), &format!(r#"{hello_start},"expires_in":9}}"#)),
            (hello(None, &joined), &format!(r#"{hello_start},"joined":["a","b"]}}"#)),
            (
                RelayFrame::Upstream { state: "back", rooms: &[] },
                r#"{"type":"upstream","state":"back"}"#,
            ),
            (
                RelayFrame::Upstream { state: "away", rooms: &["a", "é"] },
                r#"{"type":"upstream","state":"away","rooms":["a","é"]}"#,
            ),
            (RelayFrame::Reset { room: "é\"" }, r#"{"type":"reset","room":"é\""}"#),
            (
                removed("KICKED", None, Some("spam")),
                r#"{"type":"gone","room":"a","code":"KICKED","reason":"spam"}"#,
            ),
            (
                removed("BANNED", Some(0), None),
                r#"{"type":"gone","room":"a","code":"BANNED","until_ms":0}"#,
            ),
            (
                RelayFrame::Gone { room: "a", why: Gone::Refused(&denied) },
                r#"{"type":"gone","room":"a","code":"INVALID","message":"b","what":"a"}"#,
            ),
            (
                message(None, None),
                r#"{"type":"message","room":"a","ts":5,"user":"bob","kind":"text","text":"a\u000ab","nonce":"k","local":true}"#,
            ),
            (
                message(Some(meta), Some(id)),
                r#"{"type":"message","room":"a","ts":5,"user":"bob","kind":"text","text":"a\u000ab","meta":{"a": [1]},"reply":"7-3","nonce":"k","local":true}"#,
            ),
            (
                RelayFrame::Withdraw { room: "a", user: "bob", nonce: "k" },
                r#"{"type":"withdraw","room":"a","user":"bob","nonce":"k"}"#,
            ),
            (
                RelayFrame::Watch { lost: &["a", "b"], pattern: None, why: None },
                r#"{"type":"watch","lost":["a","b"]}"#,
            ),
            (
                RelayFrame::Watch { lost: &[], pattern: Some("a*"), why: Some(&denied) },
                r#"{"type":"watch","match":"a*","code":"INVALID","message":"b","what":"a"}"#,
            ),
            (
                RelayFrame::Profile { user: "bob", id, data: meta },
                r#"{"type":"profile","user":"bob","ref":"7-3","data":{"a": [1]}}"#,
            ),
        ];
        for (frame, expected) in rows {
            assert_eq!(json::write(frame), *expected);
        }
        let reload = reload("a", r#""last":"7-3","events":[],"more":false"#);
        let expected = r#"{"type":"reload","room":"a","last":"7-3","events":[],"more":false}"#;
        assert_eq!(frame::payload(&reload), expected.as_bytes());
    }
}
