//! What a relay reads of tokens, of files of keys, and of an application's answers about sessions.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chat_protocol::names::is_user;
use chat_relay::fuzzing::{
    Identity, LEEWAY, Proof, Rules, Scope, TOKEN_MAX, Verifier, jwks_keys, pem_keys, secret_key,
    session_identity,
};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Map, Value};

const SECRET: &[u8] = b"a secret of at least 32 bytes here";
const NOW: u64 = 1_800_000_000;
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
const PAYLOAD: &str = r#"{"sub":"alice","exp":1900000000}"#;

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let key = secret_key(SECRET).expect("long enough");
    Verifier::new(vec![key], Rules::default())
});

/// The first byte chooses what the others are: the payload (`p`) or the header (`h`) of a token with
/// a good signature, a file of keys (`k`), an answer about a session (`s`), or a whole token.
pub fn tokens(bytes: &[u8]) {
    match bytes.split_first() {
        Some((b'p', payload)) => signed_payload(payload),
        Some((b'h', header)) => signed_header(header),
        Some((b'k', file)) => keys(file),
        Some((b's', answer)) => session(answer),
        _ => whole(bytes),
    }
}

/// A token with exactly these bytes in it, and a signature of ours.
fn sign(header: &[u8], payload: &[u8]) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let key = EncodingKey::from_secret(SECRET);
    let signature = crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("an HMAC");
    format!("{message}.{signature}")
}

fn signed_payload(payload: &[u8]) {
    let token = sign(HEADER.as_bytes(), payload);
    let Ok(identity) = VERIFIER.verify(&token, NOW) else { return };
    assert!(token.len() <= TOKEN_MAX);
    let claims: Map<String, Value> = serde_json::from_slice(payload).expect("an object");
    assert_eq!(claims["sub"], *identity.user);
    promises(&identity);
}

fn promises(identity: &Identity) {
    assert!(is_user(&identity.user) && !identity.user.starts_with(['@', '*']));
    assert!(identity.expires_at.expect("an end") + LEEWAY > NOW);
    assert!(identity.issued_at.is_none_or(|at| at <= NOW + LEEWAY));
    assert!(!identity.scopes.has(Scope::Backend), "no relay was told that it counts");
    let _ = identity.may_watch("support:[a-c]*");
    let meta = identity.meta.as_deref().map(serde_json::from_str::<Value>);
    assert!(meta.is_none_or(|meta| meta.is_ok()));
    let own = format!("@{}", identity.user);
    assert!(identity.rooms.admits(&identity.user, &own), "one's own room always");
    let _ = identity.rooms.admits(&identity.user, "lobby");
}

fn session(answer: &[u8]) {
    let Ok(identity) = session_identity(answer, NOW) else { return };
    let members: Map<String, Value> = serde_json::from_slice(answer).expect("an object");
    assert_eq!(members["user"], *identity.user);
    assert_eq!((identity.proof, identity.issued_at), (Proof::Session, Some(NOW)));
    assert!(identity.expires_at.is_some_and(|end| end > NOW), "never asked again at once");
    promises(&identity);
}

fn signed_header(header: &[u8]) {
    let token = sign(header, PAYLOAD.as_bytes());
    let Ok(identity) = VERIFIER.verify(&token, NOW) else { return };
    assert_eq!(&*identity.user, "alice");
    let members: Map<String, Value> = serde_json::from_slice(header).expect("an object");
    assert_eq!(members["alg"], "HS256", "the only algorithm that this signature is good for");
    assert!(!members.contains_key("crit"));
}

fn whole(token: &[u8]) {
    let Ok(token) = std::str::from_utf8(token) else { return };
    if VERIFIER.verify(token, NOW).is_err() {
        return;
    }
    // Only we have the secret: the token is one that we would have made.
    let (message, _) = token.rsplit_once('.').expect("three parts");
    let (header, payload) = message.split_once('.').expect("three parts");
    let decoded = |part| URL_SAFE_NO_PAD.decode(part).expect("base64url");
    assert_eq!(sign(&decoded(header), &decoded(payload)), token);
}

fn keys(file: &[u8]) {
    let found = [jwks_keys(file), pem_keys(file)];
    for keys in found.into_iter().flatten() {
        assert!((1..=100).contains(&keys.len()));
        // A file of public keys is no secret, and none of its keys takes what a secret has signed.
        assert!(secret_key(file).is_err());
        let verifier = Verifier::new(keys, Rules::default());
        let forged = sign(HEADER.as_bytes(), PAYLOAD.as_bytes());
        assert!(verifier.verify(&forged, NOW).is_err());
    }
    let _ = secret_key(file);
}
