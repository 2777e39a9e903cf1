//! The error of an operation: a code with its argument, from the module or from the relay.

use std::borrow::Cow;

use chat_protocol::error_code::{self as protocol, ErrorCode};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// The code of a request whose credential is not good. Sockets are closed instead.
pub(crate) const UNAUTHORISED: &str = "UNAUTHORISED";

/// Why an operation was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The first word of the module's error, or one of the relay's own: `INVALID`, `UNAVAILABLE`,
    /// `RATELIMIT`, `DENIED`.
    pub code: Cow<'static, str>,
    /// A short explanation for people.
    pub message: Cow<'static, str>,
    /// The argument of the code, with its name.
    pub argument: Option<(&'static str, Argument)>,
}

/// The argument of an error code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Milliseconds or bytes.
    Number(u64),
    /// A word.
    Word(Cow<'static, str>),
}

impl Error {
    /// A code with an explanation.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Error {
        Error { code: code.into(), message: message.into(), argument: None }
    }

    /// A code with a word as its argument.
    pub fn with_word(
        code: ErrorCode,
        what: impl Into<Cow<'static, str>>,
        message: &'static str,
    ) -> Error {
        let argument = Some((protocol::Argument::What.name(), Argument::Word(what.into())));
        Error { argument, ..Error::new(code, message) }
    }

    /// The field `what` of the request is wrong.
    pub fn invalid(what: impl Into<Cow<'static, str>>, message: &'static str) -> Error {
        Error::with_word(ErrorCode::Invalid, what, message)
    }

    /// The credential is missing or wrong: `what` says how. From a relay only, over HTTP.
    pub fn unauthorised(what: &'static str, message: &'static str) -> Error {
        let argument = Some((protocol::Argument::What.name(), Argument::Word(what.into())));
        Error { argument, ..Error::new(UNAUTHORISED, message) }
    }

    /// Redis cannot be reached now.
    pub fn unavailable() -> Error {
        Error::new(ErrorCode::Unavailable, ErrorCode::Unavailable.text().unwrap_or_default())
    }

    /// Too many requests; try again after `retry_ms`.
    pub fn ratelimit(retry_ms: u64) -> Error {
        let argument = Some((protocol::Argument::RetryMs.name(), Argument::Number(retry_ms)));
        Error { argument, ..Error::new("RATELIMIT", "too much at a time; wait a little") }
    }

    /// More than `max_bytes`.
    pub fn too_big(max_bytes: usize, message: &'static str) -> Error {
        let argument =
            Some((protocol::Argument::MaxBytes.name(), Argument::Number(max_bytes as u64)));
        Error { argument, ..Error::new(ErrorCode::TooBig, message) }
    }

    /// Whether this is the error with that code.
    pub fn is(&self, code: ErrorCode) -> bool {
        self.code == code.word()
    }

    /// The number that is the argument of the code.
    pub fn number(&self) -> Option<u64> {
        match self.argument {
            Some((_, Argument::Number(number))) => Some(number),
            _ => None,
        }
    }

    /// From an error reply of Redis: `code` is its first word, and the second word may be the
    /// code's argument.
    pub fn from_reply(code: &str, details: &str) -> Error {
        let (first, explanation) = details.split_once(' ').unwrap_or((details, ""));
        let known = ErrorCode::parse(code);
        let argument = known.and_then(ErrorCode::argument).and_then(|argument| {
            let value = match argument {
                protocol::Argument::What if first.is_empty() => None,
                protocol::Argument::What => Some(Argument::Word(first.to_owned().into())),
                _ => first.parse().ok().map(Argument::Number),
            };
            Some((argument.name(), value?))
        });
        let message = match (&argument, explanation) {
            (None, _) => details,
            (Some(_), "") => known.and_then(ErrorCode::text).unwrap_or(first),
            (Some(_), explanation) => explanation.trim_start_matches("- "),
        };
        let code = Cow::Owned(code.to_owned());
        Error { code, message: message.to_owned().into(), argument }
    }
}

/// The object of `"error":{…}`.
impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("code", &self.code)?;
        members.serialize_entry("message", &self.message)?;
        match &self.argument {
            Some((name, Argument::Number(number))) => members.serialize_entry(name, number)?,
            Some((name, Argument::Word(word))) => members.serialize_entry(name, word)?,
            None => {}
        }
        members.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::json;

    #[test]
    fn error_replies_name_their_argument() {
        let rows: &[(&str, &str, &str)] = &[
            (
                "RATELIMIT",
                "1200",
                r#""code":"RATELIMIT","message":"too fast; wait a little","retry_ms":1200"#,
            ),
            (
                "RATELIMIT",
                "1200 slow down",
                r#""code":"RATELIMIT","message":"slow down","retry_ms":1200"#,
            ),
            (
                "INVALID",
                "meta - not json",
                r#""code":"INVALID","message":"not json","what":"meta""#,
            ),
            ("BANNED", "17", r#""code":"BANNED","message":"kept out of this room","until_ms":17"#),
            ("TOOBIG", "4096", r#""code":"TOOBIG","message":"too long","max_bytes":4096"#),
            ("NOROOM", "", r#""code":"NOROOM","message":"""#),
            ("ERR", "wrong number", r#""code":"ERR","message":"wrong number""#),
        ];
        for (code, details, expected) in rows {
            let written = json::write(&Error::from_reply(code, details));
            assert_eq!(written, format!("{{{expected}}}"));
        }
    }
}
