//! The header `Idempotency-Key`: the nonce of a message over HTTP, so that it is stored once.

use axum::http::HeaderMap;

use crate::client::request::Fields;
use crate::server::v1::problem::Problem;

/// The longest header that is looked at.
const IDEMPOTENCY_KEY_MAX: usize = 256;

/// The nonce of a message: of the header `Idempotency-Key`, bare or quoted, of the body, or a new
/// one.
pub(super) fn nonce(headers: &HeaderMap, body: &str) -> Result<String, Problem> {
    let wrong = |why| Problem::invalid("nonce", why);
    let fields = Fields::of(body.as_bytes());
    let own = fields.optional_text("nonce").map_err(Problem::from)?;
    let mut keys = headers.get_all("idempotency-key").iter();
    let key = match (keys.next(), keys.next()) {
        (None, _) => None,
        (Some(key), None) if key.len() <= IDEMPOTENCY_KEY_MAX => Some(
            std::str::from_utf8(key.as_bytes())
                .ok()
                .and_then(unquoted)
                .ok_or_else(|| wrong("Idempotency-Key is neither a word nor a quoted string"))?,
        ),
        _ => return Err(wrong("Idempotency-Key is given twice, or is too long")),
    };
    match (key, own) {
        (Some(key), Some(own)) if key != own => {
            Err(wrong("Idempotency-Key and the body have different nonces"))
        }
        (Some(key), _) => Ok(key),
        (None, Some(own)) => Ok(own.into_owned()),
        (None, None) => Ok(format!("{:032x}", rand::random::<u128>())),
    }
}

/// A bare word, or a string of RFC 9651, section 3.3.3.
fn unquoted(text: &str) -> Option<String> {
    let Some(rest) = text.strip_prefix('"') else {
        let is_word = !text.is_empty() && !text.contains(['"', ' ', '\t']);
        return is_word.then(|| text.to_owned());
    };
    let inside = rest.strip_suffix('"')?;
    let mut out = String::with_capacity(inside.len());
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        out.push(match character {
            '\\' => characters.next().filter(|escaped| matches!(escaped, '"' | '\\'))?,
            '"' => return None,
            other => other,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idempotency_key_is_a_word_or_a_string() {
        let rows: &[(&str, Option<&str>)] = &[
            ("c0ffee", Some("c0ffee")),
            ("\"c0ffee\"", Some("c0ffee")),
            (r#""a\"b\\c""#, Some(r#"a"b\c"#)),
            ("\"a b\"", Some("a b")),
            ("a b", None),
            ("", None),
            ("\"", None),
            ("\"a", None),
            ("a\"", None),
            (r#""a\x""#, None),
            (r#""a"b""#, None),
            (r#""a\""#, None),
        ];
        for (text, expected) in rows {
            assert_eq!(unquoted(text).as_deref(), *expected, "{text}");
        }
    }

    #[test]
    fn the_header_and_the_body_name_one_nonce() {
        let of = |keys: &[&str], body: &str| {
            let mut headers = HeaderMap::new();
            for key in keys {
                headers.append("idempotency-key", key.parse().expect("a value"));
            }
            nonce(&headers, body).ok()
        };
        let long = "x".repeat(257);
        assert_eq!(of(&["a"], "{}").as_deref(), Some("a"));
        assert_eq!(of(&["\"a\""], r#"{"nonce":"a"}"#).as_deref(), Some("a"));
        assert_eq!(of(&[], r#"{"nonce":"b"}"#).as_deref(), Some("b"));
        assert_eq!(of(&["a"], r#"{"nonce":"b"}"#), None);
        assert_eq!(of(&[], r#"{"nonce":5}"#), None);
        assert_eq!(of(&["a", "a"], "{}"), None);
        assert_eq!(of(&["é"], "{}").as_deref(), Some("é"), "for the store to judge");
        assert_eq!(of(&[&long], "{}"), None);
        assert_eq!(of(&[], "{}").map(|nonce| nonce.len()), Some(32));
    }
}
