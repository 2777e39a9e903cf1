//! The API at `--listen-ops`: for API keys alone, to no other page, and bounded like elsewhere.

use chat_tests::clients::http::Http;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::Issuer;
use serde_json::{Value, json};

use crate::operators::stage::{KEY, keys, operator, relay, stranger};

/// What is only there.
const OWN: [&str; 2] = ["/ops/relay", "/ops/user?user=bob"];

#[test]
fn an_api_key_is_the_only_credential() {
    let redis = Redis::start();
    let keys = keys();
    let issuer = Issuer::new();
    let options = ["--listen-ops", "127.0.0.1:0", "--api-key-file", keys.path(), "--jwt-backend"];
    // As many as there are below.
    let refusals = ["--max-refusals", "24/24h"];
    let with_tokens = issuer.relay("r1", &redis, &[&options[..], &refusals].concat());
    let trusting = relay("r2", &redis.url(), &keys, &refusals);
    for relay in [&with_tokens, &trusting] {
        let alice = issuer.token_of("alice", json!({}));
        let backend = issuer.token_of("svc", json!({"scope": "chat:backend"}));
        let wrong = [
            (stranger(relay), "missing"),
            (stranger(relay).query("user=alice"), "missing"),
            (stranger(relay).with("cookie", &format!("key={KEY}")), "missing"),
            (stranger(relay).query(&format!("access_token={KEY}")), "missing"),
            (stranger(relay).with("authorization", &format!("Basic {KEY}")), "missing"),
            (stranger(relay).bearer(&KEY[1..]), "token"),
            (stranger(relay).bearer(&alice), "token"),
            (stranger(relay).bearer(&backend), "token"),
        ];
        for (http, what) in wrong {
            for path in [OWN[0], OWN[1], "/v1/rooms"] {
                let problem = http.get(path).problem();
                assert_eq!(problem, (401, "UNAUTHORISED".into(), what.into()), "{path}");
            }
        }
        assert_eq!(operator(relay).get(OWN[0]).status, 429, "refused unverified");
        assert_eq!(Http::new(relay.address()).bearer(KEY).get("/v1/rooms").status, 429);
    }
}

#[test]
fn operators_have_the_api_and_the_public_address_has_nothing_of_theirs() {
    let redis = Redis::start();
    let keys = keys();
    let relay = relay("r1", &redis.url(), &keys, &[]);
    let http = operator(&relay);
    let public = Http::new(relay.address());
    for path in OWN {
        assert_eq!(http.get(path).status, 200, "{path}");
        assert_eq!(public.clone().bearer(KEY).get(path).status, 404, "{path}");
        let refused = http.call("POST", path, Some(&json!({})));
        assert_eq!(refused.problem(), (405, "INVALID".into(), "method".into()));
        assert_eq!(refused.header("allow"), Some("GET, HEAD, OPTIONS"));
    }
    let page = stranger(&relay).get("/");
    assert_eq!((page.status, page.body.contains("Operators")), (200, true));
    assert!(!public.get("/").body.contains("Operators"), "another page");
    for path in ["/ops", "/ops/", "/ops/x", "/v1/nothing", "/v1/events?rooms=a", "/ws", "/sdk.js"] {
        assert_eq!(http.get(path).status, 404, "{path}");
    }
    let policy = page.header("content-security-policy").expect("a policy").to_owned();
    for word in ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(word), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    // What operators do is the operation of everybody's table.
    http.call("POST", "/v1/rooms/lobby/messages", Some(&json!({"text": "hi"}))).ok();
    let frames = json!([{"op": "room", "room": "lobby"}, {"op": "room", "room": "."}]);
    let replies = http.call("POST", "/v1", Some(&frames)).ok();
    assert_eq!(replies[0]["ok"]["settings"]["room"], "lobby");
    assert_eq!(replies[1]["error"]["code"], "NOROOM");
    let state = http.get("/ops/relay").ok();
    assert_eq!((&state["name"], &state["room"]), (&json!("r1"), &json!("*relays")));
    let node = &state["nodes"][0];
    assert_eq!(state["nodes"].as_array().map(Vec::len), Some(1));
    assert_eq!(node["address"], redis.address().to_string());
    assert_eq!((&node["slots"], &node["state"]), (&json!(16384), &json!("open")));
    assert!(node["probe_ms"].as_f64() > Some(0.0), "{state}");
    assert!(node.get("problem").is_none(), "{state}");
}

#[test]
fn without_keys_an_operator_is_told_what_is_needed() {
    let redis = Redis::start();
    let relay = Relay::with("r1", &redis.url(), &["--listen-ops", "127.0.0.1:0"]);
    relay.wait_ready();
    let (status, words) = relay.get_ops("/");
    assert!(status == 403 && words.contains("--api-key-file"), "{status} {words}");
    assert_eq!(words.trim_end().lines().count(), 1, "{words}");
    for http in [stranger(&relay), operator(&relay)] {
        for path in [OWN[0], "/v1/rooms"] {
            let refused = http.get(path);
            assert_eq!(refused.problem(), (403, "DENIED".into(), "key".into()));
            assert!(refused.body.contains("--api-key-file"), "{refused:?}");
        }
    }
    assert_eq!(relay.get_ops("/metrics").0, 200, "as before");
}

#[test]
fn no_other_page_can_use_the_address_or_read_its_answers() {
    let redis = Redis::start();
    let keys = keys();
    let relay = relay("r1", &redis.url(), &keys, &["--allowed-origin", "*"]);
    cmd!(redis, "CHAT.SEND", "lobby", "eve", "x").ok();
    let host = relay.ops_address().to_string();
    let ban = json!({"action": "ban", "user": "eve"});
    let target = "/v1/rooms/lobby/mod";
    let public = format!("http://{}", relay.address());
    let (localhost, suffix) =
        ("http://localhost.evil.example", format!("http://{host}.evil.example"));
    let (same_port, scheme) =
        (format!("http://localhost:{}", relay.ops_address().port()), "file://");
    // A page of the relay's own public address is another page too.
    let others =
        ["http://evil.example", "null", localhost, &suffix, &public, &same_port, scheme, ""];
    for origin in others {
        let page = operator(&relay).with("origin", origin);
        let refused = page.call("POST", target, Some(&ban));
        assert_eq!(refused.problem(), (403, "DENIED".into(), "origin".into()), "{origin}");
        assert_eq!(page.get(OWN[0]).status, 403, "{origin}");
        let preflight = stranger(&relay)
            .with("origin", origin)
            .with("access-control-request-method", "POST")
            .with("access-control-request-headers", "authorization")
            .request("OPTIONS", target, None);
        assert_eq!(preflight.status, 403, "{origin}");
        for answer in [refused, preflight] {
            let names = answer.headers.keys().map(|name| name.as_str().to_owned());
            assert!(
                !names.into_iter().any(|name| name.starts_with("access-control")),
                "{answer:?}"
            );
        }
    }
    let twice = operator(&relay).with("origin", &format!("http://{host}")).with("origin", &public);
    assert_eq!(twice.get(OWN[0]).status, 403);
    // What a form of another page sends: no key, and no JSON.
    let form =
        stranger(&relay).with("content-type", "text/plain").request("POST", "/v1", Some("{}"));
    assert_eq!(form.status, 401);
    let typed =
        operator(&relay).with("content-type", "text/plain").request("POST", "/v1", Some("{}"));
    assert_eq!(typed.status, 415);
    assert!(cmd!(redis, "CHAT.SANCTIONS", "lobby").list()[1].list().is_empty(), "nothing was done");
    // Its own page, behind a proxy with TLS too.
    for origin in [format!("http://{host}"), format!("https://{host}")] {
        let own = operator(&relay).with("origin", &origin);
        let answer = own.call("POST", target, Some(&ban));
        assert_eq!(answer.ok(), json!({"changed": origin.starts_with("http://")}));
        assert!(answer.headers.get("access-control-allow-origin").is_none(), "{answer:?}");
    }
}

#[test]
fn a_list_of_rooms_comes_in_pages_and_wrong_questions_are_refused() {
    let redis = Redis::start();
    let keys = keys();
    let relay = relay("r1", &redis.url(), &keys, &[]);
    let http = operator(&relay);
    let rooms: Vec<String> = (0..120).map(|n| format!("room-{n:03}")).collect();
    let mut follow = vec!["CHAT.FOLLOW".to_owned(), "@bob".to_owned()];
    follow.extend(rooms.iter().cloned());
    redis.call(&follow).ok();
    let (mut found, mut cursor, mut turns) = (Vec::new(), Value::Null, 0);
    while turns == 0 || !cursor.is_null() {
        let at = cursor.as_str().map(|at| format!("&cursor={at}")).unwrap_or_default();
        let page = http.get(&format!("/ops/user?user=bob&count=50{at}")).ok();
        let rows = page["rooms"].as_array().expect("rooms").clone();
        assert!(rows.len() <= 50 && turns < 9, "{page}");
        found.extend(rows.iter().map(|row| row["room"].as_str().expect("a name").to_owned()));
        (cursor, turns) = (page["cursor"].clone(), turns + 1);
    }
    assert_eq!((found, turns), (rooms, 3));
    let nobody = http.get("/ops/user?user=nobody").ok();
    assert_eq!(nobody, json!({"suspended_until": null, "cursor": null, "rooms": []}));
    for (words, until) in [(&["FOR", "3600000"][..], false), (&[], true)] {
        let ban = [&["CHAT.MOD", "@eve", "*", "BAN", "eve"][..], words].concat();
        redis.call(&ban).ok();
        let eve = http.get("/ops/user?user=eve").ok();
        assert_eq!(eve["suspended_until"] == 0, until, "{eve}");
        assert!(eve["suspended_until"].is_u64(), "{eve}");
    }
    cmd!(redis, "CHAT.MOD", "@eve", "*", "UNBAN", "eve").ok();
    assert!(http.get("/ops/user?user=eve").ok()["suspended_until"].is_null(), "at once");
    let long = "x".repeat(8000);
    let rows = [
        (String::new(), "user"),
        ("user=bob&user=eve".into(), "user"),
        ("user=".into(), "user"),
        ("user".into(), "user"),
        ("user=*".into(), "user"),
        ("user=@bob".into(), "user"),
        ("user=a%00b".into(), "user"),
        ("user=a%0d%0ab".into(), "user"),
        ("user=%ff".into(), "user"),
        (format!("user={long}"), "user"),
        ("user=bob&count=0".into(), "count"),
        ("user=bob&count=1001".into(), "count"),
        ("user=bob&count=-1".into(), "count"),
        ("user=bob&count=x".into(), "count"),
        ("user=bob&count=99999999999999999999".into(), "count"),
        (format!("user=bob&cursor={long}"), "cursor"),
        ("user=bob&cursor=%00".into(), "cursor"),
    ];
    for (query, what) in rows {
        let problem = http.get(&format!("/ops/user?{query}")).problem();
        assert_eq!(problem, (400, "INVALID".into(), what.into()), "{query:.60}");
    }
    assert_eq!(http.get("/ops/user?user=bob&count=1000").ok()["rooms"][119]["room"], "room-119");
}
