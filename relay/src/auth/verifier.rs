//! Verifying a token: form, header, signature, claims, in this order.
//!
//! Nothing of the payload is read before its signature is verified. Of `jsonwebtoken` only the
//! verification of signatures is used: it looks at neither `crit` nor `typ`, takes a claim that is
//! named twice, and refuses headers with members that it does not know.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::auth::claims::Rules;
use crate::auth::header::Header;
use crate::auth::identity::Identity;
use crate::auth::json;
use crate::auth::keys::key::{self, Key};
use crate::auth::login_error::LoginError;

/// Bytes of a token.
pub const TOKEN_MAX: usize = 8 << 10;

/// The keys and rules of one relay.
#[derive(Clone, Debug)]
pub struct Verifier {
    keys: Arc<[Key]>,
    rules: Arc<Rules>,
}

impl Verifier {
    /// A verifier with these keys.
    pub fn new(keys: Vec<Key>, rules: Rules) -> Verifier {
        Verifier { keys: keys.into(), rules: Arc::new(rules) }
    }

    /// The same rules with other keys.
    pub fn with_keys(&self, keys: Vec<Key>) -> Verifier {
        Verifier { keys: keys.into(), rules: self.rules.clone() }
    }

    /// The identity that this token proves at `now`, in seconds since the Unix epoch.
    pub fn verify(&self, token: &str, now: u64) -> Result<Identity, LoginError> {
        self.verify_with(&[], token, now)
    }

    /// As [`Verifier::verify`], with further keys.
    pub fn verify_with(
        &self,
        further: &[Key],
        token: &str,
        now: u64,
    ) -> Result<Identity, LoginError> {
        if token.len() > TOKEN_MAX {
            return Err(LoginError::TooLong);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(LoginError::Form)?;
        let (header, payload) = message.split_once('.').ok_or(LoginError::Form)?;
        // Strictly base64url without padding: one token has one spelling.
        let decoded = |part| URL_SAFE_NO_PAD.decode(part).map_err(|_| LoginError::Form);
        let (header, payload) = (decoded(header)?, decoded(payload)?);
        decoded(signature)?;
        let header = Header::parse(&header)?;
        let keys = self.keys.iter().chain(further);
        key::verify(keys, &header, message.as_bytes(), signature)?;
        self.rules.identity(json::object(&payload).ok_or(LoginError::Payload)?, now)
    }
}

#[cfg(test)]
mod tests;
