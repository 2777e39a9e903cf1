//! Why a credential is refused.
//!
//! The client learns the close code and one of a few words; a forger learns nothing about the keys.
//! The log and the metric have the exact reason. No variant holds any part of a token.

use chat_protocol::close_code::{self, CloseCode};

/// One reason to refuse a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No credential where one is needed.
    Missing,
    /// Longer than a token may be.
    TooLong,
    /// Not three parts in base64url.
    Form,
    /// The header is not an object of known form.
    Header,
    /// `typ` names another kind of token.
    Type,
    /// `crit` asks for an extension.
    Critical,
    /// An algorithm that no key may have, `none` for example.
    Algorithm,
    /// No key fits the token's `kid` and `alg`.
    Key,
    /// It cannot be known now whether a key fits: they cannot be fetched.
    NoKeys,
    /// No key that fits has made the signature.
    Signature,
    /// The payload is not an object, is nested too deeply or names a claim twice.
    Payload,
    /// This claim is missing, of a wrong type or too large.
    Claim(&'static str),
    /// Another issuer.
    Issuer,
    /// For another audience.
    Audience,
    /// `nbf` or `iat` is in the future.
    NotYet,
    /// No user can have this name.
    User,
    /// A new token of an open connection names another user.
    OtherUser,
    /// `exp` has passed.
    Expired,
}

impl Refusal {
    /// The code that closes the socket.
    pub fn close(self) -> CloseCode {
        match self {
            Refusal::Expired => close_code::EXPIRED,
            Refusal::NoKeys => close_code::KEYS,
            _ => close_code::UNAUTHORISED,
        }
    }

    /// The member `what` of the close frame's reason; `None`: the token is not to blame.
    pub fn what(self) -> Option<&'static str> {
        match self {
            Refusal::Missing => Some("missing"),
            Refusal::User | Refusal::OtherUser => Some("user"),
            Refusal::Expired => Some("expired"),
            Refusal::NoKeys => None,
            _ => Some("token"),
        }
    }

    /// The word for the log and the metric.
    pub fn reason(self) -> &'static str {
        match self {
            Refusal::Missing => "missing",
            Refusal::TooLong => "too_long",
            Refusal::Form => "form",
            Refusal::Header => "header",
            Refusal::Type => "type",
            Refusal::Critical => "crit",
            Refusal::Algorithm => "algorithm",
            Refusal::Key => "key",
            Refusal::NoKeys => "no_keys",
            Refusal::Signature => "signature",
            Refusal::Payload => "payload",
            Refusal::Claim(name) => name,
            Refusal::Issuer => "issuer",
            Refusal::Audience => "audience",
            Refusal::NotYet => "not_yet",
            Refusal::User => "user",
            Refusal::OtherUser => "other_user",
            Refusal::Expired => "expired",
        }
    }
}
