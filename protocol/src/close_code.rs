//! Why the relay closes a WebSocket: one table of close codes, each with what the client should do.
//!
//! 4000 to 4499: reconnect and resume from your cursors. 4500 to 4999: something must be corrected
//! first; reconnecting alone does not help. The reason of the close frame is JSON,
//! `{"reason":"drain", "retry_ms":1200}`: the row's name, and a hint only where the client shall
//! reconnect. The relay builds that frame; this file knows no sockets.

/// One reason to close a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseCode {
    /// The WebSocket close code (RFC 6455, section 7.4): 4000 to 4999, the range for private use.
    pub number: u16,
    /// The word for it in the close frame's reason, in logs and in metrics.
    pub name: &'static str,
    /// The shortest and the longest time, in milliseconds, after which the client shall reconnect;
    /// `None`: it shall not reconnect by itself. The relay draws a time between the two for each
    /// connection, so that clients do not return in step.
    pub retry_ms: Option<(u64, u64)>,
}

impl CloseCode {
    /// Whether the client may reconnect by itself and resume from its cursors.
    pub fn may_reconnect(&self) -> bool {
        self.retry_ms.is_some()
    }
}

macro_rules! close_codes {
    ($($(#[$doc:meta])* $constant:ident = $number:literal $name:literal $retry_ms:expr;)*) => {
        $($(#[$doc])*
        pub const $constant: CloseCode =
            CloseCode { number: $number, name: $name, retry_ms: $retry_ms };)*

        /// Every close code, in the order of the numbers.
        pub const ALL: &[CloseCode] = &[$($constant),*];
    };
}

close_codes! {
    /// The relay failed to serve this connection: a defect in the relay.
    INTERNAL = 4000 "internal" Some((0, 2_000));
    /// The relay shuts down; another one serves the client.
    DRAIN = 4001 "drain" Some((0, 3_000));
    /// The client read too slowly: its outbox was full.
    SLOW = 4002 "slow" Some((0, 1_000));
    /// Nothing was heard within the ping deadline, or a message did not end in time.
    PING = 4003 "ping" Some((0, 1_000));
    /// The relay has as many connections as it may have; another relay may have room.
    FULL = 4004 "full" Some((0, 5_000));
    /// The client ended its side of the TCP connection without a close frame.
    EOF = 4005 "eof" Some((0, 1_000));
    /// The token cannot be verified now: the relay has no keys, does not know this one yet, or has too many
    /// others to verify.
    KEYS = 4006 "keys" Some((1_000, 10_000));
    /// The client went on after `RATELIMIT`, or its address brings wrong credentials again and again: it is
    /// refused for a while.
    FLOOD = 4007 "flood" Some((30_000, 60_000));
    /// A frame broke RFC 6455: reserved bits, no mask, an unknown opcode, wrong fragments.
    PROTOCOL = 4500 "protocol" None;
    /// A binary message: the protocol is JSON in text messages.
    BINARY = 4501 "binary" None;
    /// A frame or message over `--max-frame`.
    TOOBIG = 4502 "toobig" None;
    /// A text message that is not UTF-8.
    UTF8 = 4503 "utf8" None;
    /// No user, a name that no user can have, or a wrong credential.
    UNAUTHORISED = 4504 "unauthorised" None;
    /// Too many connections from this address.
    ADDRESS = 4505 "address" None;
    /// The backend ended all sockets of this user.
    KICKED = 4506 "kicked" None;
    /// The token has expired or is revoked: the client gets a new one and connects again.
    EXPIRED = 4507 "expired" None;
    /// The backend has suspended the user.
    SUSPENDED = 4508 "suspended" None;
    /// The user has too many connections to this relay: the oldest is closed.
    REPLACED = 4510 "replaced" None;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ascend_and_their_range_says_whether_to_reconnect() {
        assert!(ALL.is_sorted_by(|one, next| one.number < next.number), "in order, each once");
        for code in ALL {
            match code.number {
                4000..=4499 => assert!(code.may_reconnect(), "{code:?} needs a hint"),
                4500..=4999 => assert!(!code.may_reconnect(), "{code:?} must not hint"),
                number => panic!("{number} is outside the ranges"),
            }
            let (least, most) = code.retry_ms.unwrap_or((0, 1));
            assert!(least < most, "{code:?}");
        }
    }
}
