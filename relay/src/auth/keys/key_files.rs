//! Keys from files: a secret, or public keys in PEM.
//!
//! A PEM block is taken by its exact form: SubjectPublicKeyInfo (RFC 5280) of RSA, P-256, P-384 or
//! Ed25519, or an RSA public key (RFC 8017). Anything else, private keys above all, is a mistake that
//! stops the relay at start.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::DecodingKey;

use crate::auth::json;
use crate::auth::keys::key::{ED25519, HMAC, KEYS_MAX, Key, P256, P384, RSA};

/// Bytes of a secret.
const SECRET_MIN: usize = 32;
const SECRET_MAX: usize = 4096;

/// The beginning of a PEM block.
const PEM_BEGIN: &[u8] = b"-----BEGIN";

/// Beginnings of a SubjectPublicKeyInfo: its algorithm and curve, up to the key itself.
const SPKI_P256: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
const SPKI_P384: &[u8] =
    b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00";
const SPKI_ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
/// The algorithm of a SubjectPublicKeyInfo: rsaEncryption without parameters.
const RSA_ENCRYPTION: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";

/// The key of a file that holds a secret.
pub fn secret(file: &[u8]) -> Result<Key, &'static str> {
    secret_of(file).map(|secret| Key::new(HMAC, DecodingKey::from_secret(secret)))
}

/// The secret in a file. One line break at its end does not belong to it.
pub(crate) fn secret_of(file: &[u8]) -> Result<&[u8], &'static str> {
    let secret = file.strip_suffix(b"\n").unwrap_or(file);
    let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
    // Anywhere: text may stand before a PEM block.
    if secret.windows(PEM_BEGIN.len()).any(|part| part == PEM_BEGIN) {
        return Err("a PEM key is no secret: use --jwt-key-file");
    }
    // A key set is public: as a secret, it would let every reader of it sign tokens.
    if json::object(secret).is_some() {
        return Err("a JSON document is no secret: key sets belong to --jwt-jwks");
    }
    match secret.len() {
        ..SECRET_MIN => Err("a secret has at least 32 bytes"),
        SECRET_MIN..=SECRET_MAX => Ok(secret),
        _ => Err("a secret has at most 4096 bytes"),
    }
}

/// The keys of a file that holds one or more public keys in PEM.
pub fn pem(file: &[u8]) -> Result<Vec<Key>, &'static str> {
    let text = std::str::from_utf8(file).map_err(|_| "not PEM")?;
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some((_, block)) = rest.split_once("-----BEGIN ") {
        let (label, block) = block.split_once("-----").ok_or("not PEM")?;
        let (body, after) = block.split_once("-----END ").ok_or("a PEM block has no end")?;
        rest = after.strip_prefix(label).ok_or("a PEM block ends as another one")?;
        keys.push(block_key(label, body)?);
    }
    match keys.len() {
        0 => Err("no PEM block `-----BEGIN PUBLIC KEY-----`"),
        1..=KEYS_MAX => Ok(keys),
        _ => Err("at most 100 keys"),
    }
}

fn block_key(label: &str, body: &str) -> Result<Key, &'static str> {
    if label.contains("PRIVATE") {
        return Err("a private key: relays need the public one only");
    }
    let body: String = body.split_ascii_whitespace().collect();
    let der = STANDARD.decode(body).map_err(|_| "broken base64 in a PEM block")?;
    match label {
        "PUBLIC KEY" => spki(&der),
        "RSA PUBLIC KEY" => rsa_public_key(&der),
        "CERTIFICATE" => Err("a certificate: relays need its public key"),
        _ => Err("a PEM block that is no public key"),
    }
}

fn spki(der: &[u8]) -> Result<Key, &'static str> {
    // A point in full begins with 4.
    if let Some(point) = der.strip_prefix(SPKI_P256)
        && let [4, coordinates @ ..] = point
        && coordinates.len() == 64
    {
        return Ok(Key::new(P256, DecodingKey::from_ec_der(point)));
    }
    if let Some(point) = der.strip_prefix(SPKI_P384)
        && let [4, coordinates @ ..] = point
        && coordinates.len() == 96
    {
        return Ok(Key::new(P384, DecodingKey::from_ec_der(point)));
    }
    if let Some(key) = der.strip_prefix(SPKI_ED25519)
        && key.len() == 32
    {
        return Ok(Key::new(ED25519, DecodingKey::from_ed_der(key)));
    }
    let unknown = "not a key of RSA, P-256, P-384 or Ed25519";
    let (0x30, content, []) = element(der).ok_or(unknown)? else { return Err(unknown) };
    let (0x30, algorithm, rest) = element(content).ok_or(unknown)? else { return Err(unknown) };
    let (0x03, [0, key @ ..], []) = element(rest).ok_or(unknown)? else { return Err(unknown) };
    if algorithm != RSA_ENCRYPTION {
        return Err(unknown);
    }
    rsa_public_key(key)
}

/// RSAPublicKey (RFC 8017, appendix A.1.1).
fn rsa_public_key(der: &[u8]) -> Result<Key, &'static str> {
    let broken = "a broken RSA key";
    let (0x30, numbers, []) = element(der).ok_or(broken)? else { return Err(broken) };
    let (0x02, modulus, rest) = element(numbers).ok_or(broken)? else { return Err(broken) };
    let (0x02, exponent, []) = element(rest).ok_or(broken)? else { return Err(broken) };
    rsa(modulus, exponent)
}

/// A key of RSA by its two numbers, big-endian.
pub(in crate::auth) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Key, &'static str> {
    let (modulus, exponent) = (significant(modulus), significant(exponent));
    let bits =
        modulus.first().map_or(0, |first| 8 * modulus.len() - first.leading_zeros() as usize);
    if !(2048..=8192).contains(&bits) {
        return Err("an RSA key has 2048 to 8192 bits");
    }
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    // With the exponent 1 every number would be its own signature.
    if !is_odd(modulus) || !is_odd(exponent) || exponent == [1] || exponent.len() > 4 {
        return Err("a broken RSA key");
    }
    Ok(Key::new(RSA, DecodingKey::from_rsa_raw_components(modulus, exponent)))
}

fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// The first element of DER: its tag, its content, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, length, rest @ ..] = der else { return None };
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), rest.get(2..)?),
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((*tag, content, after))
}
