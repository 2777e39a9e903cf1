//! Pages of other origins: preflights, what is exposed, who is refused; cookies.

use chat_tests::clients::answer::Answer;
use chat_tests::clients::http::Http;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::Issuer;
use serde_json::json;

const APP: &str = "https://app.example";

fn exposed(answer: &Answer) -> [Option<&str>; 4] {
    [
        answer.header("access-control-allow-origin"),
        answer.header("access-control-allow-credentials"),
        answer.header("access-control-expose-headers"),
        answer.header("vary"),
    ]
}

#[test]
fn a_page_of_an_allowed_origin_reads_answers_and_problems() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &["--allowed-origin", APP]);
    let page = Http::new(relay.address()).with("origin", APP);
    let expected = [Some(APP), None, Some("Retry-After"), Some("Origin")];
    // Before authentication: a preflight has no credential.
    let preflight = page
        .clone()
        .with("access-control-request-method", "PATCH")
        .with("access-control-request-headers", "authorization,content-type")
        .request("OPTIONS", "/v1/rooms/lobby", None);
    assert_eq!((preflight.status, preflight.body.as_str()), (204, ""));
    assert_eq!(exposed(&preflight), expected);
    let methods = preflight.header("access-control-allow-methods");
    assert_eq!(methods, Some("GET, HEAD, PATCH, OPTIONS"));
    let headers = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, traceparent";
    assert_eq!(preflight.header("access-control-allow-headers"), Some(headers));
    for path in ["/v1", "/v1/openapi.json", "/v1/asyncapi.yaml"] {
        assert_eq!(page.request("OPTIONS", path, None).status, 204, "{path}");
    }
    assert_eq!(page.request("OPTIONS", "/v1/nothing", None).status, 404);

    let refused = page.get("/v1/rooms");
    assert_eq!(refused.problem(), (401, "UNAUTHORISED".into(), "missing".into()));
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    assert_eq!(exposed(&refused), expected);
    let alice = page.bearer(&issuer.token_of("alice", json!({})));
    let answer = alice.get("/v1/rooms");
    assert_eq!((answer.status, exposed(&answer)), (200, expected));

    // Programs send no origin.
    let program = Http::new(relay.address()).bearer(&issuer.token_of("alice", json!({})));
    let answer = program.get("/v1/rooms");
    assert_eq!((answer.status, exposed(&answer)), (200, [None, None, None, Some("Origin")]));
}

#[test]
fn other_pages_are_refused_before_anything_is_done() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &["--allowed-origin", APP]);
    let alice = Http::new(relay.address()).bearer(&issuer.token_of("alice", json!({})));
    let others = ["https://evil.example", "http://app.example", "https://app.example:8443", "null"];
    for origin in others {
        let page = alice.clone().with("origin", origin);
        let send = json!({"text": "from a page"});
        let answers = [
            page.call("POST", "/v1/rooms/lobby/messages", Some(&send)),
            page.get("/v1/rooms"),
            page.get("/v1/openapi.json"),
            page.get("/v1/asyncapi.yaml"),
            page.request("OPTIONS", "/v1/rooms", None),
            page.call("POST", "/v1", Some(&json!({"op": "ping"}))),
        ];
        for answer in answers {
            assert_eq!(answer.problem(), (403, "DENIED".into(), "origin".into()), "{origin}");
            assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
        }
    }
    let two = alice.clone().with("origin", APP).with("origin", "https://evil.example");
    assert_eq!(two.get("/v1/rooms").status, 403);
    assert_eq!(alice.get("/v1/rooms/lobby").status, 404, "nothing was sent");
}

#[test]
fn cookies_count_with_an_allowed_origin_except_for_reading() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let options = ["--allowed-origin", APP, "--jwt-cookie", "chat"];
    let relay = issuer.relay("r1", &redis, &options);
    let cookie = format!("chat={}", issuer.token_of("alice", json!({})));
    let alone = Http::new(relay.address()).with("cookie", &cookie);
    let page = alone.clone().with("origin", APP);
    let send = Some(json!({"text": "hi"}));
    let sent = page.call("POST", "/v1/rooms/lobby/messages", send.as_ref());
    assert_eq!(sent.status, 200);
    assert_eq!(exposed(&sent), [Some(APP), Some("true"), Some("Retry-After"), Some("Origin")]);
    assert_eq!(alone.get("/v1/rooms/lobby").status, 200);
    for (method, target) in [("POST", "/v1/rooms/lobby/messages"), ("POST", "/v1")] {
        let refused = alone.call(method, target, send.as_ref());
        assert_eq!(refused.problem(), (403, "DENIED".into(), "origin".into()), "{target}");
    }
    let evil = alone.with("origin", "https://evil.example");
    assert_eq!(evil.get("/v1/rooms/lobby").status, 403);
}

#[test]
fn a_relay_on_loopback_answers_to_loopback_names_only() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let alice = Http::new(relay.address()).query("user=alice");
    assert_eq!(alice.clone().with("host", "localhost").get("/v1/rooms").status, 200);
    let rebound = alice.clone().with("host", "chat.evil.example").get("/v1/rooms");
    assert_eq!(rebound.problem(), (403, "DENIED".into(), "host".into()));
    let two = alice.clone().with("host", "localhost").with("host", "localhost").get("/v1/rooms");
    assert_eq!(two.status, 400);
    let page = alice.clone().with("origin", "http://localhost:3000");
    assert_eq!(page.get("/v1/rooms").status, 200, "pages on this machine");
    assert_eq!(alice.with("origin", "https://app.example").get("/v1/rooms").status, 403);
}
