//! What a thief can still do with a token that is revoked: nothing to the user whose it was. It closes
//! no sockets, uses up no allowance, and counts as a wrong credential.

use chat_tests::clients::client::Client;
use chat_tests::clients::http::Http;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::{Issuer, now_s};
use chat_tests::wait::{SOON, eventually};
use serde_json::json;

use super::tokens::{first, open};

/// A token of bob that is revoked, and one that stays good.
fn tokens(issuer: &Issuer, redis: &Redis) -> [String; 2] {
    cmd!(redis.wire(), "CHAT.ROOM", "@bob", "SET", "tokens_after", "now").ok();
    [-5, 20].map(|seconds| {
        issuer.token_of("bob", json!({"iat": now_s().saturating_add_signed(seconds)}))
    })
}

/// The code that closes the socket of a refused token.
fn refused(relay: &Relay, token: &str) -> u16 {
    let frames = open(relay.address(), "", &[("authorization", &format!("Bearer {token}"))]);
    first(&frames).expect_err("it is revoked").code
}

#[test]
fn it_closes_no_sockets_of_its_user() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &["--max-connections-per-user", "1"]);
    let [void, good] = tokens(&issuer, &redis);
    let bob = Client::connect_with_token(relay.address(), "bob", &good);
    for _ in 0..5 {
        assert_eq!(refused(&relay, &void), 4507);
    }
    bob.ok(json!({"op": "ping"}));
    let again = Client::connect_with_token(relay.address(), "bob", &good);
    assert_eq!(bob.wait_closed(SOON).code, 4510, "the limit still holds");
    again.ok(json!({"op": "ping"}));
}

#[test]
fn it_uses_up_nothing_that_its_user_may_do() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let options = ["--operations-per-second", "20", "--frames-per-second", "20"];
    let relay = issuer.relay("r1", &redis, &options);
    let [void, good] = tokens(&issuer, &redis);
    let [thief, bob] = [&void, &good].map(|token| Http::new(relay.address()).bearer(token));
    for _ in 0..300 {
        let refused = thief.get("/v1/rooms").problem();
        assert_eq!(refused, (401, "UNAUTHORISED".into(), "revoked".into()));
    }
    bob.get("/v1/rooms").ok();
}

#[test]
fn it_counts_as_a_wrong_credential() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let options = ["--max-refusals", "3/60s"];
    let [sockets, requests] = ["r1", "r2"].map(|name| issuer.relay(name, &redis, &options));
    let [void, _] = tokens(&issuer, &redis);
    let thief = Http::new(requests.address()).bearer(&void);
    let statuses = [(); 4].map(|()| thief.get("/v1/rooms").status);
    assert_eq!(statuses, [401, 401, 401, 429]);
    // A socket counts when it has ended.
    eventually("sockets to be refused unverified", SOON, || match refused(&sockets, &void) {
        4007 => Ok(()),
        code => Err(code.to_string()),
    });
}
