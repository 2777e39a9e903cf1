//! Key pairs made for the tests.

use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};

/// A key pair: how it signs, and its public key as PEM and as members of a JWK.
pub(super) struct Pair {
    pub(super) signing: EncodingKey,
    pub(super) pem: String,
    pub(super) jwk: Value,
}

pub(super) struct Pairs {
    pub(super) rsa: Pair,
    pub(super) p256: Pair,
    pub(super) p384: Pair,
    pub(super) ed25519: Pair,
}

pub(super) static PAIRS: LazyLock<Pairs> = LazyLock::new(|| Pairs {
    rsa: rsa(),
    p256: ec(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256", 32),
    p384: ec(&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384", 48),
    ed25519: ed25519(),
});

pub(super) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let lines: Vec<String> = STANDARD
        .encode(der)
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn spki<'k>(key: &impl AsDer<PublicKeyX509Der<'k>>) -> String {
    pem("PUBLIC KEY", key.as_der().unwrap().as_ref())
}

pub(super) fn rsa() -> Pair {
    let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
    let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
    let inner = RsaKeyPair::from_pkcs8(der.as_ref()).unwrap();
    let jwk = json!({"kty": "RSA", "n": base64url(&public.n), "e": base64url(&public.e)});
    // The signer takes PKCS #1, which is what PKCS #8 of 2048 bits holds behind 26 bytes.
    let signing = EncodingKey::from_rsa_der(&der.as_ref()[26..]);
    Pair { signing, pem: spki(inner.public_key()), jwk }
}

fn ec(
    algorithm: &'static aws_lc_rs::signature::EcdsaSigningAlgorithm,
    curve: &str,
    length: usize,
) -> Pair {
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref()).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(length);
    let jwk = json!({"kty": "EC", "crv": curve, "x": base64url(x), "y": base64url(y)});
    let signing = EncodingKey::from_ec_der(document.as_ref());
    Pair { signing, pem: spki(pair.public_key()), jwk }
}

fn ed25519() -> Pair {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
    let public = pair.public_key();
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(public.as_ref())});
    Pair { signing: EncodingKey::from_ed_der(document.as_ref()), pem: spki(public), jwk }
}
