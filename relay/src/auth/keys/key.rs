//! The relay's keys. Each is bound to its algorithms when it is read.
//!
//! A token only chooses among the keys that fit its `alg`; it never decides what kind of key a key
//! is. So an HMAC is never checked with a public key as its secret (RFC 8725, section 3.1).

use std::str::FromStr;

use jsonwebtoken::{Algorithm, DecodingKey, crypto};

use crate::auth::header::Header;
use crate::auth::login_error::LoginError;

/// Keys of one relay, or of one document.
pub(in crate::auth) const KEYS_MAX: usize = 100;
/// Keys tried for one token.
const ATTEMPTS: usize = 8;

/// Algorithms of each kind of key.
pub(in crate::auth) const HMAC: &[Algorithm] =
    &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
pub(in crate::auth) const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];
pub(in crate::auth) const P256: &[Algorithm] = &[Algorithm::ES256];
pub(in crate::auth) const P384: &[Algorithm] = &[Algorithm::ES384];
pub(in crate::auth) const ED25519: &[Algorithm] = &[Algorithm::EdDSA];

/// One key.
#[derive(Clone, Debug)]
pub struct Key {
    kid: Option<Box<str>>,
    algorithms: Box<[Algorithm]>,
    key: DecodingKey,
}

impl Key {
    /// A key for these algorithms, without a name.
    pub(in crate::auth) fn new(algorithms: &[Algorithm], key: DecodingKey) -> Key {
        Key { kid: None, algorithms: algorithms.into(), key }
    }

    /// The same key with the name that tokens call it by.
    pub(in crate::auth) fn named(self, kid: Option<String>) -> Key {
        Key { kid: kid.map(String::into_boxed_str), ..self }
    }

    /// The same key for this algorithm alone; `None`: it is none of the key's.
    pub(in crate::auth) fn only(self, algorithm: &str) -> Option<Key> {
        let algorithm = Algorithm::from_str(algorithm).ok()?;
        let fits = self.algorithms.contains(&algorithm);
        fits.then(|| Key { algorithms: [algorithm].into(), ..self })
    }

    /// What it verifies.
    #[cfg(test)]
    pub(in crate::auth) fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// Whether a token with this header may be verified with it. A key without a name fits every
    /// `kid`: files of secrets and PEM files name none.
    fn fits(&self, header: &Header) -> bool {
        let is_named = match (&self.kid, &header.kid) {
            (Some(own), Some(wanted)) => **own == **wanted,
            _ => true,
        };
        is_named && self.algorithms.contains(&header.algorithm)
    }
}

/// Verifies the signature of `message` with the keys that fit the header.
pub(in crate::auth) fn verify<'k>(
    keys: impl Iterator<Item = &'k Key>,
    header: &Header,
    message: &[u8],
    signature: &str,
) -> Result<(), LoginError> {
    let fitting = keys.filter(|key| key.fits(header)).take(ATTEMPTS);
    // Until a key that fits is known by name, the token's may be one that has to be fetched.
    let mut error = LoginError::Key;
    for key in fitting {
        if crypto::verify(signature, message, &key.key, header.algorithm).is_ok_and(|good| good) {
            return Ok(());
        }
        if header.kid.is_none() || key.kid.is_some() {
            error = LoginError::Signature;
        }
    }
    Err(error)
}
