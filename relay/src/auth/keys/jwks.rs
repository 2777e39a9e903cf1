//! Keys from a JSON Web Key Set (RFC 7517).
//!
//! A set may hold keys for other purposes and of kinds that we do not know: they are left out (RFC
//! 7517, section 5). So are weak and broken ones, and secrets (`oct`), which do not belong
//! into a public document. A set without a key that remains is refused.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};

use crate::auth::header::KID_MAX;
use crate::auth::json;
use crate::auth::keys::key::{ED25519, KEYS_MAX, Key, P256, P384};
use crate::auth::keys::key_files::rsa;

/// The keys of a document.
pub fn parse(document: &[u8]) -> Result<Vec<Key>, &'static str> {
    let members = json::object(document).ok_or("not a JSON object with each member once")?;
    let keys = members.get("keys").and_then(Value::as_array).ok_or("no list `keys`")?;
    if keys.len() > KEYS_MAX {
        return Err("at most 100 keys");
    }
    let keys: Vec<Key> = keys.iter().filter_map(|key| one(key.as_object()?)).collect();
    if keys.is_empty() { Err("no key in it can verify tokens") } else { Ok(keys) }
}

/// One key, if it may verify tokens.
fn one(members: &Map<String, Value>) -> Option<Key> {
    if members.get("use").is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    if let Some(operations) = members.get("key_ops")
        && !operations.as_array()?.iter().any(|operation| operation == "verify")
    {
        return None;
    }
    let kid = match members.get("kid") {
        None => None,
        Some(kid) => Some(kid.as_str().filter(|kid| kid.len() <= KID_MAX)?.to_owned()),
    };
    let text = |name: &str| members.get(name)?.as_str();
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
    let key = match (text("kty")?, text("crv")) {
        ("RSA", _) => rsa(&bytes("n")?, &bytes("e")?).ok()?,
        ("EC", Some("P-256")) => {
            Key::new(P256, DecodingKey::from_ec_der(&point(&bytes("x")?, &bytes("y")?, 32)?))
        }
        ("EC", Some("P-384")) => {
            Key::new(P384, DecodingKey::from_ec_der(&point(&bytes("x")?, &bytes("y")?, 48)?))
        }
        ("OKP", Some("Ed25519")) => {
            let key = bytes("x").filter(|key| key.len() == 32)?;
            Key::new(ED25519, DecodingKey::from_ed_der(&key))
        }
        _ => return None,
    };
    match members.get("alg") {
        None => Some(key.named(kid)),
        Some(algorithm) => Some(key.only(algorithm.as_str()?)?.named(kid)),
    }
}

/// A point in full, of coordinates of exactly this length (RFC 7518, section 6.2.1.2).
fn point(x: &[u8], y: &[u8], length: usize) -> Option<Vec<u8>> {
    (x.len() == length && y.len() == length).then(|| [&[4], x, y].concat())
}
