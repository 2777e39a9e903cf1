//! Attacks on tokens, after RFC 8725 and after holes that others had. Signatures are real.

mod pairs;

use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use pairs::{PAIRS, Pair, base64url, pem, rsa};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::auth::{jwks_keys, pem_keys, secret_key};

const NOW: u64 = 1_800_000_000;
const SECRET: &[u8] = b"a secret of at least 32 bytes here";

fn hmac() -> EncodingKey {
    EncodingKey::from_secret(SECRET)
}

fn claims() -> Value {
    json!({"sub": "alice", "exp": NOW + 60})
}

/// A token with exactly this header and payload, signed by `algorithm`.
fn signed(header: &str, payload: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    let message = format!("{}.{}", base64url(header), base64url(payload));
    let signature = crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

fn token(key: &EncodingKey, algorithm: Algorithm, kid: Option<&str>) -> String {
    let mut header = json!({"alg": format!("{algorithm:?}"), "typ": "JWT"});
    if let Some(kid) = kid {
        header["kid"] = kid.into();
    }
    signed(&header.to_string(), &claims().to_string(), key, algorithm)
}

fn verifier(keys: Vec<Key>) -> Verifier {
    Verifier::new(keys, Rules::default())
}

fn with_secret() -> Verifier {
    verifier(vec![secret_key(SECRET).unwrap()])
}

fn set(keys: &[Value]) -> Result<Vec<Key>, &'static str> {
    jwks_keys(json!({ "keys": keys }).to_string().as_bytes())
}

/// The key with further members.
fn jwk(pair: &Pair, members: Value) -> Value {
    let mut jwk = pair.jwk.clone();
    for (name, value) in members.as_object().unwrap() {
        jwk[name] = value.clone();
    }
    jwk
}

#[test]
fn every_kind_of_key_verifies_its_own_algorithms_and_no_others() {
    use Algorithm::*;
    let pairs = &*PAIRS;
    let rows: &[(&str, Vec<Key>, EncodingKey, &[Algorithm])] = &[
        ("secret", vec![secret_key(SECRET).unwrap()], hmac(), &[HS256, HS384, HS512]),
        (
            "RSA",
            pem_keys(pairs.rsa.pem.as_bytes()).unwrap(),
            pairs.rsa.signing.clone(),
            &[RS256, RS384, RS512, PS256, PS384, PS512],
        ),
        (
            "P-256",
            pem_keys(pairs.p256.pem.as_bytes()).unwrap(),
            pairs.p256.signing.clone(),
            &[ES256],
        ),
        (
            "P-384",
            pem_keys(pairs.p384.pem.as_bytes()).unwrap(),
            pairs.p384.signing.clone(),
            &[ES384],
        ),
        (
            "Ed25519",
            pem_keys(pairs.ed25519.pem.as_bytes()).unwrap(),
            pairs.ed25519.signing.clone(),
            &[EdDSA],
        ),
    ];
    for (name, keys, _, algorithms) in rows {
        assert_eq!(keys[0].algorithms(), *algorithms, "{name}");
        for (other, _, other_signing, others) in rows {
            for algorithm in *others {
                let token = token(other_signing, *algorithm, None);
                let found = verifier(keys.clone()).verify(&token, NOW).map(|_| ());
                let expected = if name == other { Ok(()) } else { Err(LoginError::Key) };
                assert_eq!(found, expected, "{algorithm:?} with {name}");
            }
        }
    }
}

#[test]
fn a_key_set_is_never_a_secret() {
    let set = br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAA","kid":"one"}]}"#;
    assert!(secret_key(set).is_err(), "everybody may read it");
    assert!(secret_key(&set[1..]).is_ok(), "random bytes may look like anything");
}

#[test]
fn a_new_name_beside_keys_without_names_is_an_unknown_key() {
    let verifier = with_secret();
    let other = EncodingKey::from_secret(b"another secret of at least 32 bytes");
    let verify = |header: &str| {
        let token = signed(header, &claims().to_string(), &other, Algorithm::HS256);
        verifier.verify(&token, NOW)
    };
    assert_eq!(verify(r#"{"alg":"HS256"}"#), Err(LoginError::Signature));
    assert_eq!(verify(r#"{"alg":"HS256","kid":"new"}"#), Err(LoginError::Key));
}

#[test]
fn a_public_key_is_never_a_secret() {
    for pair in [&PAIRS.rsa, &PAIRS.p256, &PAIRS.ed25519] {
        let keys = pem_keys(pair.pem.as_bytes()).unwrap();
        for secret in [pair.pem.as_bytes(), pair.pem.trim_end().as_bytes()] {
            let forged = token(&EncodingKey::from_secret(secret), Algorithm::HS256, None);
            assert_eq!(verifier(keys.clone()).verify(&forged, NOW), Err(LoginError::Key));
            // Beside a secret, only that secret counts.
            let mut both = keys.clone();
            both.push(secret_key(SECRET).unwrap());
            assert_eq!(verifier(both).verify(&forged, NOW), Err(LoginError::Signature));
        }
        assert!(secret_key(pair.pem.as_bytes()).is_err(), "nor is it taken for one at start");
        assert!(secret_key(format!("\n{}", pair.pem).as_bytes()).is_err(), "after an empty line");
        let commented = format!("# the key of the identity provider\n{}", pair.pem);
        assert!(pem_keys(commented.as_bytes()).is_ok());
        assert!(secret_key(commented.as_bytes()).is_err(), "after a comment");
    }
}

#[test]
fn only_one_spelling_of_a_token_is_good() {
    let good = token(&hmac(), Algorithm::HS256, None);
    let parts: Vec<&str> = good.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    assert_eq!(&*with_secret().verify(&good, NOW).unwrap().user, "alice");
    let none = |alg: &str| format!("{}.{payload}.", base64url(format!(r#"{{"alg":"{alg}"}}"#)));
    let jwe = format!("{good}.x.y");
    let other = base64url(r#"{"sub":"bob","exp":1900000000}"#);
    let last_bit = |part: &str| {
        // The lowest bits of the last character mean nothing: another spelling of the same bytes.
        let (rest, last) = part.split_at(part.len() - 1);
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let next = alphabet.find(last).unwrap() ^ 1;
        format!("{rest}{}", &alphabet[next..=next])
    };
    let rows: Vec<(String, LoginError, &str)> = vec![
        (none("none"), LoginError::Algorithm, "none, without a signature"),
        (none("None"), LoginError::Algorithm, "None"),
        (none("nONE"), LoginError::Algorithm, "nONE"),
        (format!("{}{signature}", none("none")), LoginError::Algorithm, "none, with a signature"),
        (format!("{header}.{payload}."), LoginError::Signature, "no signature"),
        (format!("{header}.{payload}"), LoginError::Form, "two parts"),
        (jwe, LoginError::Form, "five parts"),
        (format!("{good}."), LoginError::Form, "a dot at the end"),
        (format!("{header}..{signature}"), LoginError::Signature, "no payload"),
        (format!(".{payload}.{signature}"), LoginError::Header, "no header"),
        ("..".into(), LoginError::Header, "nothing but dots"),
        (String::new(), LoginError::Form, "nothing"),
        (format!("{header}.{other}.{signature}"), LoginError::Signature, "another payload"),
        (format!("{header}=.{payload}.{signature}"), LoginError::Form, "padding"),
        (format!("{header}.{payload}.{signature}="), LoginError::Form, "padding of the signature"),
        (
            format!("{header}.{payload}.{}", last_bit(signature)),
            LoginError::Form,
            "unused bits set",
        ),
        (format!(" {good}"), LoginError::Form, "a space"),
        (format!("{good}\n"), LoginError::Form, "a line break"),
        (good.replace('.', "。"), LoginError::Form, "other dots"),
        (format!("{good}{}", "A".repeat(TOKEN_MAX)), LoginError::TooLong, "8 KiB are the most"),
    ];
    for (token, expected, why) in rows {
        assert_eq!(with_secret().verify(&token, NOW), Err(expected), "{why}");
    }
}

#[test]
fn a_signed_payload_is_still_checked() {
    let verify = |payload: &str| {
        let token = signed(r#"{"alg":"HS256"}"#, payload, &hmac(), Algorithm::HS256);
        with_secret().verify(&token, NOW).map(|identity| identity.user.to_string())
    };
    let rows: &[(&str, Result<&str, LoginError>, &str)] = &[
        (r#"{"sub":"alice","exp":1900000000}"#, Ok("alice"), "good"),
        (r#"{"sub":"alice","sub":"bob","exp":1900000000}"#, Err(LoginError::Payload), "two users"),
        (r#"{"exp":1,"sub":"alice","exp":1900000000}"#, Err(LoginError::Payload), "two ends"),
        (r#"{"sub":"alice","exp":1700000000}"#, Err(LoginError::Expired), "expired"),
        (r#"["alice"]"#, Err(LoginError::Payload), "a list"),
        ("alice", Err(LoginError::Payload), "no JSON"),
        ("", Err(LoginError::Payload), "empty"),
    ];
    for (payload, expected, why) in rows {
        assert_eq!(verify(payload), expected.map(str::to_owned), "{why}");
    }
    let token =
        signed(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, "{}", &hmac(), Algorithm::HS256);
    assert_eq!(with_secret().verify(&token, NOW), Err(LoginError::Critical));
    let big = format!(r#"{{"sub":"alice","exp":1900000000,"x":"{}"}}"#, "x".repeat(TOKEN_MAX));
    assert_eq!(verify(&big), Err(LoginError::TooLong), "however well it is signed");
}

#[test]
fn a_kid_chooses_among_keys_and_does_nothing_else() {
    let (rsa, p256) = (&PAIRS.rsa, &PAIRS.p256);
    let keys = set(&[jwk(rsa, json!({"kid": "a"})), jwk(p256, json!({"kid": "b"}))]).unwrap();
    let keys = verifier(keys);
    let rs256 = |kid| keys.verify(&token(&rsa.signing, Algorithm::RS256, kid), NOW).map(|_| ());
    assert_eq!(rs256(Some("a")), Ok(()));
    assert_eq!(rs256(None), Ok(()), "without a kid each that fits is tried");
    assert_eq!(rs256(Some("b")), Err(LoginError::Key), "another key's name");
    for kid in ["c", "", "A", "a ", "../a", "a' or '1'='1", "a\0"] {
        assert_eq!(rs256(Some(kid)), Err(LoginError::Key), "{kid:?}: never the last key instead");
    }
    let nameless = verifier(pem_keys(rsa.pem.as_bytes()).unwrap());
    let named = token(&rsa.signing, Algorithm::RS256, Some("2027-01"));
    assert!(nameless.verify(&named, NOW).is_ok(), "keys of files have no name");
}

#[test]
fn at_most_eight_keys_are_tried() {
    let other = rsa();
    let decoys = |count| {
        let mut keys: Vec<Value> = (0..count).map(|_| other.jwk.clone()).collect();
        keys.push(PAIRS.rsa.jwk.clone());
        verifier(set(&keys).unwrap())
    };
    let token = token(&PAIRS.rsa.signing, Algorithm::RS256, None);
    assert!(decoys(7).verify(&token, NOW).is_ok());
    assert_eq!(decoys(8).verify(&token, NOW), Err(LoginError::Signature));
}

#[test]
fn keys_of_a_set_are_taken_by_the_rules() {
    let (rsa, p256, ed) = (&PAIRS.rsa, &PAIRS.p256, &PAIRS.ed25519);
    let weak = json!({"kty": "RSA", "e": "AQAB", "n": base64url([0xff; 128])});
    let huge = json!({"kty": "RSA", "e": "AQAB", "n": base64url([0xff; 1025])});
    let padded =
        json!({"kty": "RSA", "e": "AQAB", "n": base64url([[0; 128], [0xff; 128]].concat())});
    let rows: &[(Value, bool, &str)] = &[
        (rsa.jwk.clone(), true, "RSA"),
        (p256.jwk.clone(), true, "P-256"),
        (PAIRS.p384.jwk.clone(), true, "P-384"),
        (ed.jwk.clone(), true, "Ed25519"),
        (jwk(rsa, json!({"use": "sig", "alg": "PS256", "key_ops": ["verify"]})), true, "all agree"),
        (jwk(rsa, json!({"use": "enc"})), false, "for encryption"),
        (jwk(rsa, json!({"use": null})), false, "for nothing"),
        (jwk(rsa, json!({"key_ops": ["encrypt"]})), false, "another operation"),
        (jwk(rsa, json!({"key_ops": []})), false, "no operation"),
        (jwk(rsa, json!({"key_ops": "verify"})), false, "no list of operations"),
        (jwk(rsa, json!({"alg": "RSA-OAEP"})), false, "an algorithm of encryption"),
        (jwk(rsa, json!({"alg": "HS256"})), false, "an algorithm of secrets"),
        (jwk(rsa, json!({"alg": "ES256"})), false, "another kind's algorithm"),
        (jwk(rsa, json!({"alg": "none"})), false, "no algorithm"),
        (jwk(rsa, json!({"alg": 1})), false, "an algorithm that is a number"),
        (jwk(rsa, json!({"kid": 1})), false, "a name that is a number"),
        (jwk(rsa, json!({"e": "AQ"})), false, "the exponent 1"),
        (jwk(rsa, json!({"e": "BA"})), false, "an even exponent"),
        (jwk(rsa, json!({"e": ""})), false, "no exponent"),
        (weak, false, "1024 bits"),
        (huge, false, "8200 bits"),
        (padded, false, "1024 bits behind zeros"),
        (jwk(p256, json!({"crv": "P-384"})), false, "another curve's length"),
        (jwk(p256, json!({"crv": "secp256k1"})), false, "an unknown curve"),
        (jwk(p256, json!({"x": base64url([1; 31])})), false, "a short coordinate"),
        (jwk(ed, json!({"crv": "X25519"})), false, "a curve that does not sign"),
        (jwk(ed, json!({"x": base64url([1; 33])})), false, "a long key"),
        (json!({"kty": "oct", "k": base64url(SECRET)}), false, "a secret"),
        (json!({"kty": "???"}), false, "an unknown kind"),
        (json!({}), false, "no kind"),
        (json!("RSA"), false, "no object"),
    ];
    for (key, good, why) in rows {
        assert_eq!(set(std::slice::from_ref(key)).is_ok(), *good, "{why}");
        // One bad key does not spoil the set.
        assert_eq!(
            set(&[key.clone(), ed.jwk.clone()]).unwrap().len(),
            1 + usize::from(*good),
            "{why}"
        );
    }
    let only = verifier(set(&[jwk(rsa, json!({"alg": "PS256"}))]).unwrap());
    let signed = |algorithm| only.verify(&token(&rsa.signing, algorithm, None), NOW).map(|_| ());
    assert_eq!(signed(Algorithm::PS256), Ok(()));
    assert_eq!(signed(Algorithm::RS256), Err(LoginError::Key), "a key for one algorithm");
    assert!(set(&vec![ed.jwk.clone(); 100]).is_ok());
    assert!(set(&vec![ed.jwk.clone(); 101]).is_err(), "at most 100");
    for document in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]}"#, r#"{"keys":[],"keys":[]}"#]
    {
        assert!(jwks_keys(document.as_bytes()).is_err(), "{document}");
    }
}

#[test]
fn files_of_keys_are_taken_by_the_rules() {
    for (length, good) in [(0, false), (31, false), (32, true), (4096, true), (4097, false)] {
        assert_eq!(secret_key(&vec![b'x'; length]).is_ok(), good, "{length}");
    }
    assert!(secret_key(&[&[b'x'; 31][..], b"\n"].concat()).is_err(), "a line break does not count");
    let with_break = verifier(vec![secret_key(&[SECRET, b"\r\n"].concat()).unwrap()]);
    assert!(with_break.verify(&token(&hmac(), Algorithm::HS256, None), NOW).is_ok());

    let all = [&PAIRS.rsa, &PAIRS.p256, &PAIRS.p384, &PAIRS.ed25519].map(|pair| pair.pem.clone());
    assert_eq!(pem_keys(all.concat().as_bytes()).map(|keys| keys.len()), Ok(4));
    let broken = PAIRS.p256.pem.replacen("MFkw", "MFkx", 1);
    let rows: &[(String, &str)] = &[
        (pem("PRIVATE KEY", b"x"), "a private key"),
        (pem("EC PRIVATE KEY", b"x"), "an older form of one"),
        (pem("CERTIFICATE", b"x"), "a certificate"),
        (pem("PUBLIC KEY", b"x"), "no key in it"),
        (pem("PUBLIC KEY", b""), "nothing in it"),
        (pem("OTHER", b"x"), "an unknown label"),
        (broken, "a broken key"),
        (all[0].replace("END PUBLIC", "END"), "an end without its label"),
        (all[0].replace("-----END", "--END"), "no end"),
        (format!("{}{}", all[0], pem("PRIVATE KEY", b"x")), "one good and one bad"),
        (String::from_utf8_lossy(SECRET).into_owned(), "a secret"),
        (String::new(), "nothing"),
    ];
    for (file, why) in rows {
        assert!(pem_keys(file.as_bytes()).is_err(), "{why}");
    }
}

#[test]
fn keys_are_not_shown_by_debug() {
    let shown = format!("{:?}", with_secret());
    assert!(!shown.contains("97, 32, 115") && !shown.contains("a secret"), "{shown}");
}

proptest! {
    #[test]
    fn no_change_of_one_byte_leaves_a_token_good(at in 0_usize..200, byte in any::<u8>()) {
        let good = token(&hmac(), Algorithm::HS256, None);
        let mut bytes = good.clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(changed) = String::from_utf8(bytes)
            && changed != good
        {
            prop_assert!(with_secret().verify(&changed, NOW).is_err(), "{}", changed);
        }
    }

    #[test]
    fn no_input_stops_the_verifier(token in "[ -~]{0,80}", parts in proptest::array::uniform3(".{0,40}")) {
        let verifier = with_secret();
        prop_assert!(verifier.verify(&token, NOW).is_err());
        let encoded = parts.map(base64url).join(".");
        prop_assert!(verifier.verify(&encoded, NOW).is_err());
    }

    #[test]
    fn no_file_stops_the_readers_of_keys(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = (jwks_keys(&bytes), pem_keys(&bytes), secret_key(&bytes));
        let _ = pem_keys(pem("PUBLIC KEY", &bytes).as_bytes());
        let _ = pem_keys(pem("RSA PUBLIC KEY", &bytes).as_bytes());
    }
}
