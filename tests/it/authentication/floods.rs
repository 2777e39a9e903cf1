//! Wrong credentials in great number: the address that they come from is refused unverified.

use std::time::Duration;

use chat_tests::clients::frames::Frames;
use chat_tests::servers::key_server::{Answer, KeyPair, KeyServer};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::{Issuer, signed_with};
use chat_tests::wait::eventually;
use serde_json::{Value, json};

use super::tokens::{first, open, refused};

/// A socket from this address with this token.
fn from(relay: &Relay, address: &str, token: &str) -> Frames {
    let bearer = format!("Bearer {token}");
    open(relay.address(), "", &[("x-forwarded-for", address), ("authorization", &bearer)])
}

/// The number of logins with this outcome.
fn logins(relay: &Relay, outcome: &str) -> usize {
    let (_, metrics) = relay.get_ops("/metrics");
    let label = format!("outcome=\"{outcome}\"");
    let lines = metrics.lines().filter(|line| line.starts_with("chat_relay_logins_total{"));
    let values = lines.filter(|line| line.contains(&label));
    values.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum()
}

#[test]
fn an_address_with_many_wrong_credentials_is_refused_unverified_for_a_while() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let options =
        ["--max-refusals", "4/2s", "--trusted-proxies", "127.0.0.1", "--log", "chat_relay=info"];
    let mut relay = issuer.relay("r1", &redis, &options);
    let good = issuer.token_of("alice", json!({}));
    let forged = signed_with("another secret of at least 32 bytes", &json!({"sub": "alice"}));
    // Whoever logs in is not limited.
    for _ in 0..6 {
        first(&from(&relay, "192.0.2.1", &good)).expect("let in");
    }
    // What has no credential counts like what has a wrong one.
    let address = "192.0.2.1";
    assert_eq!(refused(&from(&relay, address, &forged)).0, 4504);
    assert_eq!(refused(&from(&relay, address, "no token")).0, 4504);
    let silent = open(relay.address(), "", &[("x-forwarded-for", address)]);
    silent.send(tokio_tungstenite::tungstenite::Message::text(r#"{"op":"ping"}"#));
    assert_eq!(refused(&silent), (4504, "missing".to_owned()));
    let two = [("x-forwarded-for", address), ("authorization", "Bearer a")];
    let two = [&two[..], &[("authorization", "Bearer b")]].concat();
    assert_eq!(refused(&open(relay.address(), "", &two)).0, 4504);
    // Now even a good one is not looked at, whatever carries it.
    let verified = logins(&relay, "ok");
    let close = first(&from(&relay, address, &good)).expect_err("refused");
    let reason: Value = serde_json::from_str(&close.reason).expect("JSON");
    assert_eq!((close.code, &reason["reason"]), (4007, &json!("flood")));
    assert!(reason["retry_ms"].as_u64().is_some_and(|wait| wait >= 30_000), "{reason}");
    assert_eq!(refused(&from(&relay, address, &forged)).0, 4007);
    assert_eq!(refused(&open(relay.address(), "", &two)).0, 4007);
    assert_eq!((logins(&relay, "ok"), logins(&relay, "too_many")), (verified, 3));
    assert_eq!(logins(&relay, "signature"), 1);
    // A client that was connected before is as before, and others log in.
    first(&from(&relay, "192.0.2.2", &good)).expect("another address");
    for n in 0..4 {
        assert_eq!(refused(&from(&relay, &format!("2001:db8::{n}"), &forged)).0, 4504);
    }
    assert_eq!(refused(&from(&relay, "2001:db8::ffff", &good)).0, 4007, "the same /64");
    first(&from(&relay, "2001:db8:0:1::", &good)).expect("another /64");
    eventually("the address to be let in again", Duration::from_secs(5), || {
        first(&from(&relay, address, &good)).map_err(|close| close.reason)
    });
    // The operator sees why, at the usual level, and no part of a token.
    let log = relay.process().errors();
    for why in ["signature", "form", "missing", "too_many"] {
        let line = log.lines().find(|line| line.contains(&format!("why=\"{why}\"")));
        assert!(line.is_some_and(|line| line.contains("login refused")), "{why}: {log}");
    }
    assert!(log.matches("login refused").count() <= 8, "once in a while: {log}");
    assert!(forged.split('.').chain(good.split('.')).all(|part| !log.contains(part)), "{log}");
}

#[test]
fn a_flood_of_wrong_credentials_does_not_count_against_its_proxys_other_clients() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let forged = signed_with("another secret of at least 32 bytes", &json!({"sub": "alice"}));
    let good = issuer.token_of("alice", json!({}));
    // Without trust in the header all of them come from the proxy's own address.
    let relay = issuer.relay("r1", &redis, &["--max-refusals", "20/60s"]);
    let codes: Vec<u16> =
        (0..40).map(|n| refused(&from(&relay, &format!("192.0.2.{n}"), &forged)).0).collect();
    assert_eq!(codes.iter().filter(|code| **code == 4504).count(), 20, "{codes:?}");
    assert_eq!(refused(&from(&relay, "192.0.2.99", &good)).0, 4007);
    let options = ["--max-refusals", "20/60s", "--trusted-proxies", "127.0.0.0/8"];
    let relay = issuer.relay("r2", &redis, &options);
    for n in 0..40 {
        // The left-most address is the client's invention.
        let forwarded = format!("203.0.113.{n}, 192.0.2.7");
        let code = refused(&from(&relay, &forwarded, &forged)).0;
        assert_eq!(code, if n < 20 { 4504 } else { 4007 }, "{n}");
    }
    first(&from(&relay, "192.0.2.7, 192.0.2.99", &good)).expect("another client of the proxy");
}

#[test]
fn names_of_unknown_keys_count_too() {
    let redis = Redis::start();
    let server = KeyServer::start();
    let (good, strange) = (KeyPair::new("good"), KeyPair::new("strange"));
    server.answer(Answer::Keys(vec![good.jwk()]));
    let options = ["--max-refusals", "20/60s", "--trusted-proxies", "127.0.0.1"];
    let relay = server.relay("r1", &redis, &options);
    relay.wait_ready();
    let codes: Vec<u16> = (0..24)
        .map(|_| refused(&from(&relay, "192.0.2.1", &strange.token_of("alice"))).0)
        .collect();
    // Five fetches show that there is no such key; then it is not looked for, and then not verified.
    assert_eq!(codes[..5], [4504; 5]);
    assert_eq!(codes[5..20], [4006; 15]);
    assert_eq!(codes[20..], [4007; 4]);
    first(&from(&relay, "192.0.2.2", &good.token_of("alice"))).expect("others are let in");
    // While no set can be fetched nobody is to blame.
    let away = KeyServer::start();
    away.answer(Answer::Status(500));
    let relay = away.relay("r2", &redis, &options);
    for _ in 0..30 {
        assert_eq!(refused(&from(&relay, "192.0.2.1", &good.token_of("alice"))).0, 4006);
    }
}
