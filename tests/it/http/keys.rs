//! The backend over HTTP: API keys and the scope `chat:backend`, as `*` and as any user.

use chat_tests::clients::client::Client;
use chat_tests::clients::http::Http;
use chat_tests::cmd;
use chat_tests::servers::key_file::KeyFile;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::Issuer;
use chat_tests::wait::{SOON, eventually};
use serde_json::json;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";
/// Of `OTHER`, by `sha256sum`.
const OTHER_DIGEST: &str = "4ba68aa8767bde72e8c798ee82d1275291cea73e72ad74d35ecf48e41386eb82";

fn connect(relay: &Relay, issuer: &Issuer, user: &str) -> Client {
    let token = issuer.token_of(user, json!({}));
    let client = Client::connect_with_token(relay.address(), user, &token);
    client.ok(json!({"op": "ping"}));
    client
}

#[test]
fn an_api_key_acts_as_the_backend() {
    let redis = Redis::start();
    let keys = KeyFile::with(&format!("web:{KEY}\n"));
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &["--api-key-file", keys.path()]);
    let backend = Http::new(relay.address()).bearer(KEY);

    // System messages, others' personal rooms, closed rooms, settings of the service.
    let welcome = json!({"text": "welcome"});
    backend.call("POST", "/v1/rooms/@zed/messages", Some(&welcome)).ok();
    let events = cmd!(redis.wire(), "CHAT.HISTORY", "@zed").list()[1].list()[0].text().to_owned();
    assert!(events.contains(r#""user":"*","kind":"system","text":"welcome""#), "{events}");
    backend.call("PATCH", "/v1/rooms/club", Some(&json!({"access": "members"}))).ok();
    let role = json!({"role": "moderator"});
    backend.call("PUT", "/v1/rooms/club/members/bob", Some(&role)).ok();
    let room = backend.get("/v1/rooms/club").ok();
    assert_eq!(room["settings"]["members"], 1);
    assert!(room["settings"].get("role").is_none(), "the backend has no role: {room}");
    let ban = json!({"action": "ban", "user": "eve"});
    backend.call("POST", "/v1/rooms/club/mod", Some(&ban)).ok();
    assert_eq!(backend.get("/v1/rooms/club/sanctions").ok()["sanctions"][0]["user"], "eve");
    backend.call("PATCH", "/v1/users/bob", Some(&json!({"name": "Bob B."}))).ok();
    assert_eq!(backend.get("/v1/users/bob").ok()["profiles"]["bob"]["name"], "Bob B.");
    let revoked = backend.call("PATCH", "/v1/users/eve", Some(&json!({"tokens_after": "now"})));
    assert!(revoked.ok()["settings"]["tokens_after"].as_u64() > Some(0));

    // A direct room appears in the lists of both, and no notice is held back.
    backend.call("POST", "/v1/rooms/dm:amy,bob/messages", Some(&json!({"text": "hi"}))).ok();
    for user in ["amy", "bob"] {
        let inbox = backend.get(&format!("/v1/inbox?as={user}")).ok();
        assert_eq!(inbox["rooms"][0]["room"], "dm:amy,bob", "{user}");
    }
    let amy = connect(&relay, &issuer, "amy");
    for n in 0..3 {
        let notice = json!({"name": "notice", "data": {"n": n}});
        backend.call("POST", "/v1/rooms/@amy/signal", Some(&notice)).ok();
        let event = amy.next_of("@amy", "notice").json;
        assert_eq!((&event["user"], &event["data"]["n"]), (&"*".into(), &n.into()));
    }

    let (_, metrics) = relay.get_ops("/metrics");
    let label = r#"chat_relay_api_requests_total{caller="backend",key="web",status="200"}"#;
    assert!(metrics.contains(label), "{metrics}");
    assert!(!metrics.contains(KEY));
}

#[test]
fn the_backend_acts_as_a_user_and_nobody_else_does() {
    let redis = Redis::start();
    let keys = KeyFile::with(&format!("web:{KEY}\n"));
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &["--api-key-file", keys.path()]);
    let backend = Http::new(relay.address()).bearer(KEY);
    backend.call("PATCH", "/v1/rooms/club", Some(&json!({"access": "members"}))).ok();
    backend.call("PUT", "/v1/rooms/club/members/bob", Some(&json!({"role": "owner"}))).ok();
    cmd!(redis.wire(), "CHAT.MOD", "@eve", "*", "BAN", "eve").ok();

    let text = json!({"text": "x"});
    let as_amy = backend.call("POST", "/v1/rooms/club/messages?as=amy", Some(&text));
    assert_eq!(as_amy.problem(), (403, "NOTMEMBER".into(), String::new()));
    let as_eve = backend.call("POST", "/v1/rooms/open/messages?as=eve", Some(&text));
    assert_eq!(as_eve.problem().1, "BANNED", "a suspended user does nothing");
    let frames = json!([
        {"op": "send", "room": "club", "text": "I am bob", "as": "bob", "ref": 1},
        {"op": "send", "room": "club", "text": "I am the backend", "ref": 2},
        {"op": "room", "room": "club", "set": {"topic": "x"}, "as": "eve", "ref": 3},
        {"op": "join", "room": "club", "ref": 4},
        {"op": "ping", "as": "*", "ref": 5},
        {"op": "ping", "as": 7, "ref": 6},
        {"op": "subscribe", "room": "club", "as": "bob", "ref": 7},
    ]);
    let replies = backend.call("POST", "/v1", Some(&frames)).ok();
    assert!(replies[0]["ok"]["id"].is_string() && replies[1]["ok"]["id"].is_string(), "{replies}");
    assert_eq!(replies[2]["error"]["code"], "BANNED");
    for (place, what) in [(3, "as"), (4, "as"), (5, "as"), (6, "op")] {
        assert_eq!(replies[place]["error"]["code"], "INVALID", "{replies}");
        assert_eq!(replies[place]["error"]["what"], what, "{replies}");
        assert_eq!(replies[place]["ref"], place + 1, "{replies}");
    }
    let history = backend.get("/v1/rooms/club/messages").ok();
    let users = history["events"].as_array().expect("events").iter();
    let users: Vec<_> = users.map(|event| event["user"].as_str().expect("a user")).collect();
    assert_eq!(users, ["bob", "*"]);

    // A name that did not count would leave the rights of the backend.
    let send = json!({"op": "send", "room": "club", "text": "x"});
    let problem = backend.call("POST", "/v1?as=amy", Some(&send)).problem();
    assert_eq!(problem, (400, "INVALID".into(), "as".into()));

    let alice = Http::new(relay.address()).bearer(&issuer.token_of("alice", json!({})));
    let problem = alice.get("/v1/inbox?as=bob").problem();
    assert_eq!(problem, (403, "DENIED".into(), "backend".into()));
    for user in ["bob", "alice"] {
        let reply = alice.call("POST", "/v1", Some(&json!({"op": "inbox", "as": user}))).ok();
        assert_eq!(reply["error"]["code"], "DENIED", "{user}");
        assert_eq!(reply["error"]["what"], "backend", "{user}");
    }

    // Keys are not for pages, of the relay's own host neither.
    let host = format!("http://{}", relay.address());
    let problem = backend.with("origin", &host).get("/v1/rooms").problem();
    assert_eq!(problem, (403, "DENIED".into(), "origin".into()));
}

#[test]
fn keys_are_read_again_at_sighup_and_a_mistake_changes_nothing() {
    let redis = Redis::start();
    let keys = KeyFile::with(&format!("web:{KEY}\n"));
    let mut relay = Relay::with("r1", &redis.url(), &["--api-key-file", keys.path()]);
    relay.wait_ready();
    let address = relay.address();
    let with = |key: &str| Http::new(address).bearer(key).get("/v1/rooms").status;
    assert_eq!((with(KEY), with(OTHER)), (200, 401));
    keys.write("web:short");
    relay.process().hang_up();
    eventually("the mistake in the log", SOON, || match relay.process().errors() {
        log if log.contains("the API keys stay as they are") => Ok(()),
        log => Err(log),
    });
    assert_eq!((with(KEY), with(OTHER)), (200, 401));
    keys.write(&format!("new:sha256:{OTHER_DIGEST}\n"));
    relay.process().hang_up();
    eventually("the new key", SOON, || match (with(KEY), with(OTHER)) {
        (401, 200) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let log = relay.process().errors();
    assert!(!log.contains("web:short") && !log.contains(KEY) && !log.contains(OTHER), "{log}");
}

#[test]
fn guesses_are_refused_before_they_are_looked_at() {
    let redis = Redis::start();
    let keys = KeyFile::with(&format!("web:{KEY}\n"));
    let options = ["--api-key-file", keys.path(), "--max-refusals", "5/60s"];
    let issuer = Issuer::new();
    let trusting = Relay::with("r1", &redis.url(), &options);
    trusting.wait_ready();
    for relay in [trusting, issuer.relay("r2", &redis, &options)] {
        let http = Http::new(relay.address());
        let paths = ["/v1/rooms", "/v1/events?rooms=a"];
        let guess = |n: usize| http.clone().bearer(&format!("{n:032}")).get(paths[n % 2]);
        for n in 0..5 {
            let refused = guess(n);
            assert_eq!(refused.problem(), (401, "UNAUTHORISED".into(), "token".into()));
            let challenge = refused.header("www-authenticate");
            assert_eq!(challenge, Some(r#"Bearer error="invalid_token""#));
        }
        let refused = guess(5);
        assert_eq!(refused.problem().0, 429);
        assert!(refused.header("retry-after").is_some());
        assert_eq!(http.bearer(KEY).get("/v1/rooms").status, 429, "before any is verified");
    }
}

#[test]
fn a_key_has_a_limit_of_its_own() {
    let redis = Redis::start();
    let keys = KeyFile::with(&format!("web:{KEY}\njobs:{OTHER}\n"));
    let options = ["--api-key-file", keys.path(), "--api-ops", "5", "--operations-per-second", "2"];
    let relay = Relay::with("r1", &redis.url(), &options);
    relay.wait_ready();
    let pings = |http: &Http| {
        let frames = json!(vec![json!({"op": "ping"}); 20]);
        let replies = http.call("POST", "/v1", Some(&frames)).ok();
        let replies = replies.as_array().expect("replies").clone();
        assert!(replies.iter().any(|reply| reply["error"]["code"] == "RATELIMIT"), "{replies:?}");
        replies.iter().filter(|reply| reply["ok"].is_object()).count()
    };
    let web = Http::new(relay.address()).bearer(KEY);
    assert!((5..=8).contains(&pings(&web)), "as many as --api-ops");
    let refused = web.get("/v1/rooms").problem();
    assert_eq!((refused.0, refused.1.as_str()), (429, "RATELIMIT"));
    let jobs = Http::new(relay.address()).bearer(OTHER);
    assert!((5..=8).contains(&pings(&jobs)), "another key has its own");
    let alice = Http::new(relay.address()).query("user=alice");
    assert!((2..=4).contains(&pings(&alice)), "a user has the limit of users");
}

#[test]
fn a_token_of_the_backend_counts_where_relays_are_told_so() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &["--jwt-backend"]);
    let strict = issuer.relay("r2", &redis, &[]);
    let scope = json!({"scope": "chat:backend", "chat": {"rooms": ["app-*"]}});
    let token = issuer.token_of("svc", scope);
    let backend = Http::new(relay.address()).bearer(&token);
    backend.call("POST", "/v1/rooms/app-1/messages", Some(&json!({"text": "x"}))).ok();
    backend.call("POST", "/v1/rooms/app-1/messages?as=bob", Some(&json!({"text": "y"}))).ok();
    let denied = backend.get("/v1/rooms/lobby").problem();
    assert_eq!(denied, (403, "DENIED".into(), "scope".into()), "its rooms are bounds");
    let refused = Http::new(strict.address()).bearer(&token).get("/v1/rooms/app-1").problem();
    assert_eq!(refused, (403, "DENIED".into(), "scope".into()));

    // Revoked like any other, whatever it acts as.
    cmd!(redis.wire(), "CHAT.ROOM", "@svc", "SET", "tokens_after", "now").ok();
    for target in ["/v1/rooms/app-1", "/v1/rooms/app-1?as=bob"] {
        eventually("its end", SOON, || match backend.get(target) {
            answer if answer.status == 401 => {
                assert_eq!(answer.problem().2, "revoked");
                Ok(())
            }
            answer => Err(format!("{answer:?}")),
        });
    }
}
