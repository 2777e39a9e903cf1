//! The header of a token (RFC 7515, section 4), read before anything is verified.
//!
//! Only `alg` and `kid` are used, to choose among the relay's own keys. `jku`, `x5u`, `jwk` and `x5c`
//! name keys of the sender's choice: they are ignored.

use std::str::FromStr;

use jsonwebtoken::Algorithm;
use serde_json::Value;

use crate::auth::json;
use crate::auth::login_error::LoginError;

/// Bytes of a `kid`.
pub(super) const KID_MAX: usize = 256;

/// What a header says of the key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The algorithm that the token claims.
    pub(super) algorithm: Algorithm,
    /// The name of the key.
    pub(super) kid: Option<String>,
}

impl Header {
    /// Reads the decoded header.
    pub(super) fn parse(bytes: &[u8]) -> Result<Header, LoginError> {
        let mut members = json::object(bytes).ok_or(LoginError::Header)?;
        if members.contains_key("crit") {
            return Err(LoginError::Critical);
        }
        match members.get("typ") {
            None => {}
            Some(Value::String(kind)) if is_kind(kind) => {}
            Some(_) => return Err(LoginError::Type),
        }
        let algorithm = match members.get("alg") {
            Some(Value::String(name)) => Algorithm::from_str(name).ok(),
            _ => None,
        };
        let algorithm = algorithm.ok_or(LoginError::Algorithm)?;
        let kid = match members.remove("kid") {
            None => None,
            Some(Value::String(kid)) if kid.len() <= KID_MAX => Some(kid),
            Some(_) => return Err(LoginError::Header),
        };
        Ok(Header { algorithm, kid })
    }
}

/// Whether `typ` is `JWT` or `at+jwt` (RFC 9068). It is a media type: its case does not matter, and
/// `application/` may be left out (RFC 7515, section 4.1.9).
fn is_kind(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    matches!(kind.strip_prefix("application/").unwrap_or(&kind), "jwt" | "at+jwt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_by_the_rules() {
        let long = format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "k".repeat(KID_MAX + 1));
        let rows: &[(&str, Result<Option<&str>, LoginError>, &str)] = &[
            (r#"{"alg":"HS256"}"#, Ok(None), "no more than needed"),
            (r#"{"alg":"HS256","typ":"JWT"}"#, Ok(None), "JWT"),
            (r#"{"alg":"HS256","typ":"jwt"}"#, Ok(None), "JWT in small letters"),
            (r#"{"alg":"HS256","typ":"at+jwt"}"#, Ok(None), "an access token"),
            (r#"{"alg":"HS256","typ":"application/at+jwt"}"#, Ok(None), "the whole media type"),
            (r#"{"alg":"HS256","kid":"a"}"#, Ok(Some("a")), "a kid"),
            (
                r#"{"alg":"HS256","kid":"../../dev/null"}"#,
                Ok(Some("../../dev/null")),
                "a name only",
            ),
            (r#"{"alg":"HS256","jku":"https://evil","jwk":{},"x5u":1}"#, Ok(None), "keys ignored"),
            (r#"{"alg":"HS256","x":{"y":[1]}}"#, Ok(None), "unknown members"),
            (r#"{"alg":"none"}"#, Err(LoginError::Algorithm), "none"),
            (r#"{"alg":"None"}"#, Err(LoginError::Algorithm), "None"),
            (r#"{"alg":"NONE"}"#, Err(LoginError::Algorithm), "NONE"),
            (r#"{"alg":"nOnE"}"#, Err(LoginError::Algorithm), "nOnE"),
            (r#"{"alg":""}"#, Err(LoginError::Algorithm), "empty"),
            (r#"{"alg":"hs256"}"#, Err(LoginError::Algorithm), "small letters"),
            (r#"{"alg":"HS256 "}"#, Err(LoginError::Algorithm), "a space"),
            (r#"{"alg":"ES512"}"#, Err(LoginError::Algorithm), "a curve we do not have"),
            (r#"{"alg":["HS256"]}"#, Err(LoginError::Algorithm), "a list"),
            (r#"{"alg":null}"#, Err(LoginError::Algorithm), "null"),
            ("{}", Err(LoginError::Algorithm), "nothing"),
            (r#"{"alg":"HS256","alg":"none"}"#, Err(LoginError::Header), "twice"),
            (r#"{"alg":"HS256","crit":["exp"]}"#, Err(LoginError::Critical), "crit"),
            (r#"{"alg":"HS256","crit":[]}"#, Err(LoginError::Critical), "crit, empty"),
            (r#"{"alg":"HS256","crit":null}"#, Err(LoginError::Critical), "crit, null"),
            (r#"{"alg":"HS256","typ":"dpop+jwt"}"#, Err(LoginError::Type), "another kind"),
            (r#"{"alg":"HS256","typ":""}"#, Err(LoginError::Type), "an empty kind"),
            (r#"{"alg":"HS256","typ":1}"#, Err(LoginError::Type), "no kind"),
            (r#"{"alg":"HS256","kid":7}"#, Err(LoginError::Header), "a number as kid"),
            (r#"{"alg":"HS256","kid":null}"#, Err(LoginError::Header), "null as kid"),
            (&long, Err(LoginError::Header), "a long kid"),
            ("[]", Err(LoginError::Header), "a list"),
        ];
        for (text, expected, why) in rows {
            let found = Header::parse(text.as_bytes()).map(|header| header.kid);
            assert_eq!(found, expected.map(|kid| kid.map(str::to_owned)), "{why}");
        }
    }
}
