//! Why a credential is refused.
//!
//! The client learns the close code and one of a few words; a forger learns nothing about the keys.
//! The log and the metric have the exact reason. No variant holds any part of a token.

use chat_protocol::close_code::{self, CloseCode};

/// One reason to refuse a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginError {
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
    /// No key fits, and too many unknown keys were asked for to fetch them again now.
    KeyNotDue,
    /// Too many others wait to be verified.
    QueueFull,
    /// Too many wrong credentials came from this address. This one was not looked at.
    TooMany,
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
    /// The application knows no such session.
    NoSession,
    /// The application has ended the session.
    SessionEnded,
    /// The application does not answer, or not as it should.
    Application,
    /// Too many others wait for the application.
    ApplicationBusy,
    /// The store says that it was issued before `tokens_after`.
    Revoked,
    /// The store says that the user is suspended.
    Suspended,
    /// There are as many guests as there may be.
    GuestsFull,
}

impl LoginError {
    /// The code that closes the socket.
    pub fn close(self) -> CloseCode {
        match self {
            LoginError::Expired | LoginError::SessionEnded | LoginError::Revoked => {
                close_code::EXPIRED
            }
            LoginError::Suspended => close_code::SUSPENDED,
            LoginError::TooMany => close_code::FLOOD,
            LoginError::GuestsFull => close_code::FULL,
            error if error.is_temporary() => close_code::KEYS,
            _ => close_code::UNAUTHORISED,
        }
    }

    /// The member `what` of the close frame's reason; `None`: the token is not to blame.
    pub fn what(self) -> Option<&'static str> {
        match self {
            LoginError::Missing => Some("missing"),
            LoginError::User | LoginError::OtherUser => Some("user"),
            LoginError::Expired | LoginError::SessionEnded => Some("expired"),
            LoginError::Revoked => Some("revoked"),
            LoginError::TooMany | LoginError::Suspended | LoginError::GuestsFull => None,
            error if error.is_temporary() => None,
            _ => Some("token"),
        }
    }

    /// Whether it counts against the address that the credential came from: it is wrong, or names an
    /// unknown key, which costs as much.
    pub fn blames_client(self) -> bool {
        // A suspended user's credential is right.
        let is_right =
            matches!(self, LoginError::TooMany | LoginError::GuestsFull | LoginError::Suspended);
        self == LoginError::KeyNotDue || !(self.is_temporary() || is_right)
    }

    /// Whether nothing is known of the credential now, so that it may be good later.
    pub fn is_temporary(self) -> bool {
        matches!(
            self,
            LoginError::NoKeys
                | LoginError::KeyNotDue
                | LoginError::QueueFull
                | LoginError::Application
                | LoginError::ApplicationBusy
        )
    }

    /// The word for the log and the metric.
    pub fn reason(self) -> &'static str {
        match self {
            LoginError::Missing => "missing",
            LoginError::TooLong => "too_long",
            LoginError::Form => "form",
            LoginError::Header => "header",
            LoginError::Type => "type",
            LoginError::Critical => "crit",
            LoginError::Algorithm => "algorithm",
            LoginError::Key => "key",
            LoginError::NoKeys => "no_keys",
            LoginError::KeyNotDue => "key_not_due",
            LoginError::QueueFull => "queue_full",
            LoginError::TooMany => "too_many",
            LoginError::Signature => "signature",
            LoginError::Payload => "payload",
            LoginError::Claim(name) => name,
            LoginError::Issuer => "issuer",
            LoginError::Audience => "audience",
            LoginError::NotYet => "not_yet",
            LoginError::User => "user",
            LoginError::OtherUser => "other_user",
            LoginError::Expired => "expired",
            LoginError::NoSession => "no_session",
            LoginError::SessionEnded => "session_ended",
            LoginError::Application => "application",
            LoginError::ApplicationBusy => "application_busy",
            LoginError::Revoked => "revoked",
            LoginError::Suspended => "suspended",
            LoginError::GuestsFull => "guests_full",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_refusal_has_a_code_a_word_for_the_client_and_one_for_the_log() {
        use LoginError::*;
        let (again, new, final_) =
            (close_code::KEYS, close_code::EXPIRED, close_code::UNAUTHORISED);
        let rows: &[(&[LoginError], CloseCode, Option<&str>, bool)] = &[
            (&[Missing], final_, Some("missing"), true),
            (&[User, OtherUser], final_, Some("user"), true),
            (&[TooLong, Form, Header, Type, Critical, Algorithm], final_, Some("token"), true),
            (&[Key, Signature, Payload, Claim("exp")], final_, Some("token"), true),
            (&[Issuer, Audience, NotYet, NoSession], final_, Some("token"), true),
            (&[Expired, SessionEnded], new, Some("expired"), true),
            (&[KeyNotDue], again, None, true),
            (&[NoKeys, QueueFull, Application, ApplicationBusy], again, None, false),
            (&[TooMany], close_code::FLOOD, None, false),
        ];
        let mut reasons = BTreeSet::new();
        for (errors, close, what, blames_client) in rows {
            for error in *errors {
                assert_eq!(error.close(), *close, "{error:?}");
                assert_eq!(error.what(), *what, "{error:?}");
                assert_eq!(error.blames_client(), *blames_client, "{error:?}");
                assert!(reasons.insert(error.reason()), "{error:?}: a word of its own");
            }
        }
    }
}
