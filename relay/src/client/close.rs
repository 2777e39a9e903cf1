//! Why the relay closes a socket, as one table of codes that tell the client what to do.
//!
//! 4000 to 4499: reconnect and resume from your cursors. 4500 to 4999: something must be put right
//! first, reconnecting alone will not help.
//!
//! | code | name | when |
//! |---|---|---|
//! | 4000 | `internal` | the relay failed to serve this connection |
//! | 4001 | `drain` | the relay is going away; wait `retry_ms`, then reconnect (to another relay) |
//! | 4002 | `slow` | the client read too slowly, its outbox was full |
//! | 4003 | `ping` | nothing was heard within the ping deadline, or a message did not end in time |
//! | 4004 | `full` | the relay has as many connections as it may; wait `retry_ms`, try another relay |
//! | 4005 | `eof` | the client ended its side of the TCP connection without a close frame |
//! | 4007 | `flood` | the client went on after `RATELIMIT`; its user is kept out for a while |
//! | 4500 | `protocol` | a frame broke RFC 6455: reserved bits, unmasked, unknown opcode, bad fragments |
//! | 4501 | `binary` | a binary message: this protocol is JSON in text messages |
//! | 4502 | `toobig` | a frame or message over `--max-frame` |
//! | 4503 | `utf8` | a text message that is not UTF-8 |
//! | 4504 | `unauthorised` | no user, or a name that no user can have |
//! | 4505 | `address` | too many connections from this address |
//! | 4506 | `kicked` | all sockets of this user are to go |
//!
//! The close frame's reason is JSON: `{"reason":"drain","retry_ms":1200}`, `retry_ms` only where
//! reconnecting is the answer, `message` where a moderator gave a reason, as far as it fits. This file does not decide when to close.

use rand::Rng;

use crate::client::frame::{self, Frame};
use crate::client::json;

/// A control frame holds 125 bytes, two of them the code (RFC 6455, section 5.5).
const REASON_MAX: usize = 123;

/// One row of the table above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// The WebSocket close code.
    pub code: u16,
    /// The word in the reason, in logs and in metrics.
    pub name: &'static str,
    /// Reconnect after a random time between these many milliseconds; 0: there is no use.
    retry_ms: (u64, u64),
}

impl Close {
    /// The close frame, with a retry hint drawn afresh so that clients do not return in step.
    /// `message` is for people; of it goes out what fits.
    pub fn frame(&self, message: Option<&str>) -> Frame {
        let reason = match self.retry_ms {
            (_, 0) => format!(r#"{{"reason":"{}"}}"#, self.name),
            (least, most) => {
                let retry_ms = rand::rng().random_range(least..=most);
                format!(r#"{{"reason":"{}","retry_ms":{retry_ms}}}"#, self.name)
            }
        };
        let fits = |reason: &String| reason.len() <= REASON_MAX;
        let with_message = message.and_then(|message| {
            let ends = message.char_indices().map(|(at, _)| at).chain([message.len()]).rev();
            let told = ends.map(|end| {
                let mut told = reason.trim_end_matches('}').to_owned();
                told.push_str(",\"message\":");
                json::string(&mut told, &message[..end]);
                told.push('}');
                told
            });
            told.into_iter().find(fits)
        });
        frame::close(self.code, &with_message.unwrap_or(reason))
    }
}

macro_rules! closes {
    ($($(#[$doc:meta])* $constant:ident = $code:literal $name:literal $least:literal..$most:literal;)*) => {
        $($(#[$doc])*
        pub(crate) const $constant: Close = Close {
            code: $code,
            name: $name,
            retry_ms: ($least, $most),
        };)*

        /// Every close the relay knows.
        #[cfg(test)]
        pub(crate) const ALL: &[Close] = &[$($constant),*];
    };
}

closes! {
    /// The relay failed to serve this connection.
    INTERNAL = 4000 "internal" 0..2_000;
    /// The relay is going away.
    DRAIN = 4001 "drain" 0..3_000;
    /// The outbox was full of live events.
    SLOW = 4002 "slow" 0..1_000;
    /// Nothing heard within the deadline.
    PING = 4003 "ping" 0..1_000;
    /// As many connections as the relay may have.
    FULL = 4004 "full" 0..5_000;
    /// End of input without a close frame.
    EOF = 4005 "eof" 0..1_000;
    /// Too much, also after it was told to wait.
    FLOOD = 4007 "flood" 30_000..60_000;
    /// RFC 6455 was broken.
    PROTOCOL = 4500 "protocol" 0..0;
    /// A binary message.
    BINARY = 4501 "binary" 0..0;
    /// A frame over the limit.
    TOOBIG = 4502 "toobig" 0..0;
    /// Not UTF-8.
    UTF8 = 4503 "utf8" 0..0;
    /// No acceptable user.
    UNAUTHORISED = 4504 "unauthorised" 0..0;
    /// Too many connections from one address.
    ADDRESS = 4505 "address" 0..0;
    /// All sockets of this user are to go.
    KICKED = 4506 "kicked" 0..0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_their_range_says_what_to_do() {
        for (index, close) in ALL.iter().enumerate() {
            assert!(ALL[..index].iter().all(|other| other.code != close.code), "{close:?}");
            match close.code {
                4000..=4499 => assert!(close.retry_ms.1 > 0, "{close:?} needs a hint"),
                4500..=4999 => assert_eq!(close.retry_ms, (0, 0), "{close:?} must not hint"),
                code => panic!("{code} is outside the ranges"),
            }
        }
    }

    #[test]
    fn the_reason_is_json_and_fits_a_control_frame() {
        for close in ALL {
            let frame = close.frame(None);
            assert_eq!(frame[0], 0x88);
            assert!(usize::from(frame[1]) <= 125 && frame.len() == usize::from(frame[1]) + 2);
            assert_eq!(frame[2..4], close.code.to_be_bytes());
            let reason: serde_json::Value = serde_json::from_slice(&frame[4..]).expect("JSON");
            assert_eq!(reason["reason"], close.name);
        }
    }

    #[test]
    fn of_a_message_goes_out_what_fits() {
        let long = "é\"".repeat(200);
        for (message, whole) in [("spam", true), ("", true), (&*long, false)] {
            let frame = KICKED.frame(Some(message));
            assert!(usize::from(frame[1]) <= 125 && frame.len() == usize::from(frame[1]) + 2);
            let reason: serde_json::Value = serde_json::from_slice(&frame[4..]).expect("JSON");
            let told = reason["message"].as_str().expect("a message");
            assert_eq!(reason["reason"], "kicked");
            assert!(message.starts_with(told) && (told == message) == whole, "{told}");
            assert!(whole || frame.len() > 120, "as much as fits");
        }
    }

    #[test]
    fn the_header_of_this_file_names_every_code() {
        let source = include_str!("close.rs");
        for close in ALL {
            let row = format!("//! | {} | `{}` |", close.code, close.name);
            assert!(source.contains(&row), "{row}");
        }
    }
}
