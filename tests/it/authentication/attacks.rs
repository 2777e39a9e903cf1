//! Tokens of attackers, after RFC 8725 and after holes that others had, against a real relay. The
//! verifier's own tests have every form; here is what only a whole relay can show.

use chat_tests::clients::client::Client;
use chat_tests::servers::key_server::{Answer, KeyPair, KeyServer};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::{Issuer, now_s, signed_with, unsigned};
use serde_json::{Value, json};

use super::tokens::{first, open};

/// Whether a token is let in; else the code that closes its socket.
fn login(relay: &Relay, token: &str) -> Result<(), u16> {
    let frames = open(relay.address(), "", &[("authorization", &format!("Bearer {token}"))]);
    first(&frames).map(|_| ()).map_err(|close| close.code)
}

fn claims() -> Value {
    json!({"sub": "alice", "exp": now_s() + 600})
}

#[test]
fn a_public_key_is_no_secret_and_headers_choose_no_algorithm() {
    let redis = Redis::start();
    let issuer = Issuer::es256();
    let relay = issuer.relay("r1", &redis, &[]);
    let good = issuer.token_of("alice", json!({}));
    assert_eq!(login(&relay, &good), Ok(()));
    // Everybody may have the public key: as text, with and without its last line break.
    let pem = std::fs::read_to_string(issuer.secret_file()).expect("a file");
    for secret in [&*pem, pem.trim_end(), pem.trim()] {
        assert_eq!(login(&relay, &signed_with(secret, &claims())), Err(4504));
    }
    let (_, signature) = good.rsplit_once('.').expect("three parts");
    let mallory = json!({"sub": "mallory", "exp": now_s() + 600});
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "None"}),
        json!({"alg": "nOnE", "typ": "JWT"}),
        json!({"alg": ""}),
        json!({}),
        json!({"alg": "HS256"}),
        json!({"alg": "ES384"}),
        json!({"alg": "ES256", "crit": ["exp"]}),
        json!({"alg": "ES256", "typ": "JOSE"}),
        json!({"alg": "ES256", "kid": "../../../../dev/null"}),
        json!({"alg": "ES256", "kid": "x' UNION SELECT 'secret"}),
        json!({"alg": "ES256", "kid": ["a"]}),
    ] {
        for signature in ["", signature, "AAAA"] {
            let token = format!("{}.{signature}", unsigned(&header, &mallory));
            assert_eq!(login(&relay, &token), Err(4504), "{header} and {signature:?}");
        }
    }
    assert_eq!(login(&relay, &good), Ok(()));
}

#[test]
fn keys_that_a_token_brings_or_points_to_are_never_asked_for() {
    let redis = Redis::start();
    let issuer = Issuer::es256();
    let relay = issuer.relay("r1", &redis, &[]);
    let evil = KeyServer::start();
    let pair = KeyPair::new("evil");
    evil.answer(Answer::Keys(vec![pair.jwk()]));
    let url = evil.url();
    for header in [
        json!({"jku": url, "kid": "evil"}),
        json!({"x5u": url, "kid": "evil"}),
        json!({"jwk": pair.jwk(), "kid": "evil"}),
        json!({"jku": url, "x5u": url, "jwk": pair.jwk(), "x5c": [url], "kid": url}),
    ] {
        assert_eq!(login(&relay, &pair.token_with("alice", &header)), Err(4504), "{header}");
    }
    assert_eq!(evil.requests(), 0, "nobody was asked");
    // The same for a relay that does fetch keys, from its own address only.
    let server = KeyServer::start();
    server.answer(Answer::Keys(vec![KeyPair::new("good").jwk()]));
    let relay = server.relay("r2", &redis, &[]);
    relay.wait_ready();
    let header = json!({"jku": url, "kid": "evil"});
    assert_eq!(login(&relay, &pair.token_with("alice", &header)), Err(4504));
    assert_eq!(evil.requests(), 0);
}

#[test]
fn a_token_of_8_kib_is_the_largest() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &[]);
    let of_length = |length: usize| {
        // Three bytes of a claim are four of a token: the last ones are found by trying.
        let filled = |x: usize| issuer.token_of("alice", json!({"x": "x".repeat(x)}));
        let base = filled(0).len();
        let first = (length - base) * 3 / 4 - 2;
        (first..first + 6).map(filled).find(|token| token.len() == length)
    };
    let largest = (8189..=8192).rev().find_map(of_length).expect("one of these lengths");
    let longer = (8193..=8196).find_map(of_length).expect("one of these lengths");
    assert_eq!(login(&relay, &largest), Ok(()), "{}", largest.len());
    assert_eq!(login(&relay, &longer), Err(4504), "{}", longer.len());
    let alice = Client::connect_with_token(relay.address(), "alice", &largest);
    alice.ok(json!({"op": "auth", "token": largest}));
    alice.ask(json!({"op": "auth", "token": longer}));
    assert_eq!(alice.wait_closed(chat_tests::wait::SOON).code, 4504);
}

#[test]
fn clocks_may_differ_by_half_a_minute() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &[]);
    let now = now_s();
    // Some seconds from the edges, which may pass during the test.
    let rows = [
        (json!({"iat": now + 25, "nbf": now + 25}), Ok(()), "the issuer's clock is ahead"),
        (json!({"iat": now + 60}), Err(4504), "too far ahead"),
        (json!({"nbf": now + 60}), Err(4504), "not yet valid"),
        (json!({"exp": now - 20}), Ok(()), "the relay's clock is ahead"),
        (json!({"exp": now - 30}), Err(4507), "expired"),
    ];
    for (claims, expected, why) in rows {
        assert_eq!(login(&relay, &issuer.token_of("alice", claims)), expected, "{why}");
    }
}
