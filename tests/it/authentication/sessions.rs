//! `--auth http`: the application says who the user of a session is, and is asked again.

use chat_tests::clients::client::Client;
use chat_tests::clients::frames::{Frames, Peer};
use chat_tests::clients::http::Http;
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::session_server::{Session, SessionServer};
use chat_tests::wait::{LATER, SOON, eventually};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::tokens::{code_and_what, first, open, refused, wait_closed};

/// A client with the session of its name.
#[track_caller]
fn connect(relay: &Relay, name: &str) -> Client {
    Client::connect_with_token(relay.address(), name, name)
}

fn with_session(relay: &Relay, name: &str) -> Frames {
    open(relay.address(), "", &[("authorization", &format!("Bearer {name}"))])
}

/// The HTTP status of a handshake with these headers.
fn status(relay: &Relay, headers: &[(&str, &str)]) -> u16 {
    let url = format!("ws://{}/ws", relay.address());
    let mut request = url.into_client_request().expect("an address");
    for (name, value) in headers {
        let name = name.parse::<tokio_tungstenite::tungstenite::http::HeaderName>();
        request.headers_mut().append(name.expect("a name"), value.parse().expect("a value"));
    }
    Frames::open(relay.address(), request, Peer::Relay).err().unwrap_or(101)
}

#[test]
fn the_application_says_who_the_user_is_by_the_headers_that_it_is_shown() {
    let redis = Redis::start();
    let application = SessionServer::start();
    application.log_in("alice", 300);
    application.set("7f3a", Session::Of(json!({"user": "bob", "more": 1})));
    let origin = "https://app.example";
    let forward = ["--auth-forward", "Authorization,cookie:sid", "--allowed-origin", origin];
    let relay = application.relay("r1", &redis, &forward);

    let hello = first(&with_session(&relay, "alice")).expect("let in");
    assert_eq!((&hello["type"], &hello["user"]), (&json!("hello"), &json!("alice")));
    assert_eq!(hello["expires_in"], Value::Null, "the client has nothing to renew");
    let cookies = "other=1; sid=7f3a; last=2";
    let page =
        open(relay.address(), "?x=1", &[("cookie", cookies), ("origin", origin), ("x-a", "1")]);
    assert_eq!(first(&page).expect("let in")["user"], "bob");

    let asked = application.questions();
    let shown = |headers: Value| json!({"relay": "r1", "address": "127.0.0.1", "headers": headers});
    assert_eq!(asked[0].1, shown(json!({"authorization": "Bearer alice"})));
    assert_eq!(asked[1].1, shown(json!({"cookie": "sid=7f3a"})), "nothing else");
    let head = asked[0].0.to_ascii_lowercase();
    assert!(head.starts_with("post /who?key=of-the-relay http/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/json\r\n"), "{head}");
    assert_eq!(asked.len(), 2);

    // A cookie is sent with a socket that any page opens.
    let cookie = ("cookie", cookies);
    assert_eq!(status(&relay, &[cookie, ("origin", "https://evil.example")]), 403);
    assert_eq!(status(&relay, &[cookie]), 403, "no origin");
    assert_eq!(
        status(&relay, &[cookie, ("authorization", "Bearer alice")]),
        403,
        "also beside another"
    );
    assert_eq!(application.questions().len(), 2, "then nobody is asked");

    // What says nothing of a session, or more than one thing, is refused without asking.
    assert_eq!(refused(&open(relay.address(), "?user=alice", &[])), (4504, "missing".into()));
    let empty = [("authorization", ""), ("cookie", "sid="), ("origin", origin)];
    assert_eq!(refused(&open(relay.address(), "", &empty)), (4504, "missing".into()));
    let bearer = ("authorization", "Bearer alice");
    assert_eq!(refused(&open(relay.address(), "", &[bearer, bearer])), (4504, "token".into()));
    let twice = [("cookie", "sid=7f3a; sid=x"), ("origin", origin)];
    assert_eq!(refused(&open(relay.address(), "", &twice)), (4504, "token".into()));
    let long = "x".repeat(4 << 10);
    assert_eq!(
        refused(&open(relay.address(), "", &[("authorization", &long)])),
        (4504, "token".into())
    );
    assert_eq!(application.questions().len(), 2);
    assert_eq!(relay.metric("chat_relay_auth_requests_total"), Some(2.0));
    let (_, metrics) = relay.get_ops("/metrics");
    assert!(
        metrics.contains("chat_relay_logins_total{way=\"http\",outcome=\"ok\"} 2"),
        "{metrics}"
    );
}

#[test]
fn what_the_application_grants_bounds_the_user() {
    let redis = Redis::start();
    let application = SessionServer::start();
    application.log_in("bob", 300);
    let bounds =
        json!({"user": "alice", "scope": "chat:read", "chat": {"rooms": ["open*"], "dm": false}});
    application.set("alice", Session::Of(bounds));
    let relay = application.relay("r1", &redis, &[]);
    let bob = connect(&relay, "bob");
    bob.ok(json!({"op": "join", "room": "open-1"}));
    bob.ok(json!({"op": "join", "room": "closed"}));
    let alice = connect(&relay, "alice");
    alice.ok(json!({"op": "subscribe", "room": "open-1"}));
    bob.ok(json!({"op": "send", "room": "open-1", "text": "hi", "nonce": "1"}));
    assert_eq!(alice.next_of("open-1", "message").json["text"], "hi");
    for op in [
        json!({"op": "send", "room": "open-1", "text": "x"}),
        json!({"op": "join", "room": "open-1"}),
        json!({"op": "subscribe", "room": "closed"}),
        json!({"op": "subscribe", "room": "dm:alice,bob"}),
    ] {
        let error = alice.call(op.clone()).expect_err("bounded");
        assert_eq!((&error["code"], &error["what"]), (&json!("DENIED"), &json!("scope")), "{op}");
    }
}

#[test]
fn a_session_is_renewed_by_the_relay_until_it_ends() {
    let redis = Redis::start();
    let application = SessionServer::start();
    application.log_in("alice", 1);
    application.log_in("bob", 300);
    let relay = application.relay("r1", &redis, &[]);
    let (alice, bob) = (connect(&relay, "alice"), connect(&relay, "bob"));
    for room in ["lobby", "other"] {
        bob.ok(json!({"op": "join", "room": room}));
        alice.ok(json!({"op": "join", "room": room}));
    }
    let asked = application.questions().len();
    application.wait_for_more(asked + 1);
    let questions = application.questions();
    assert_eq!(questions[asked].1, questions[0].1, "as at login");
    alice.ok(json!({"op": "send", "room": "lobby", "text": "still here", "nonce": "1"}));

    // A client has no part in it.
    let error = alice.call(json!({"op": "auth", "token": "alice"})).expect_err("no token");
    assert_eq!((&error["code"], &error["what"]), (&json!("INVALID"), &json!("token")));

    // What the application says next counts.
    let narrow = json!({"user": "alice", "expires_in": 1, "scope": "chat:read", "chat": {"rooms": ["lobby"]}});
    application.set("alice", Session::Of(narrow));
    let gone = alice.next_of("other", "gone");
    assert_eq!((&gone.json["code"], &gone.json["what"]), (&json!("DENIED"), &json!("scope")));
    assert_eq!(alice.refused(json!({"op": "send", "room": "lobby", "text": "x"})), "DENIED");
    alice.ok(json!({"op": "history", "room": "lobby"}));

    application.log_out("alice");
    let close = alice.wait_closed(LATER);
    assert_eq!(code_and_what(&close), (4507, "expired".into()));
    // Presence ends at once, not after `--grace`.
    let left = bob.next_where("lobby", "the end of alice's presence", |event| {
        event["type"] == "presence" && event["user"] == "alice" && event["kind"] == "leave"
    });
    assert_eq!(left.json["reason"], "expired");
    assert_eq!(refused(&with_session(&relay, "alice")), (4504, "token".into()), "at login");
    bob.ok(json!({"op": "ping"}));
}

#[test]
fn a_session_that_becomes_another_users_is_closed() {
    let redis = Redis::start();
    let application = SessionServer::start();
    application.log_in("alice", 1);
    let relay = application.relay("r1", &redis, &[]);
    let alice = with_session(&relay, "alice");
    first(&alice).expect("let in");
    application.set("alice", Session::Of(json!({"user": "mallory"})));
    assert_eq!(wait_closed(&alice), (4504, "user".into()));
}

#[test]
fn a_revocation_in_the_store_ends_sessions_too_and_a_new_answer_begins_another() {
    let redis = Redis::start();
    let application = SessionServer::start();
    application.log_in("alice", 300);
    let relay = application.relay("r1", &redis, &[]);
    let alice = connect(&relay, "alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    cmd!(redis, "CHAT.ROOM", "@alice", "SET", "tokens_after", "now").ok();
    assert_eq!(code_and_what(&alice.wait_closed(LATER)), (4507, "revoked".into()));
    // The answer of a later second is a newer one.
    let again = eventually("a login after the revocation", SOON, || {
        let frames = with_session(&relay, "alice");
        match first(&frames) {
            Ok(hello) if hello["type"] == "hello" => {
                frames.send(tokio_tungstenite::tungstenite::Message::text(
                    r#"{"ref":1,"op":"subscribe","room":"lobby"}"#,
                ));
                eventually("a reply or the end", SOON, || {
                    let inbox = frames.inbox();
                    match (inbox.answers.get(&1), &inbox.closed) {
                        (Some(place), _) => Ok(Ok(inbox.frames[*place].json.clone())),
                        (None, Some(close)) => Ok(Err(format!("{close:?}"))),
                        (None, None) => Err("nothing".to_owned()),
                    }
                })
            }
            other => Err(format!("{other:?}")),
        }
    });
    assert!(again["ok"].is_object(), "{again}");
}

#[test]
fn requests_share_an_answer_until_the_store_revokes_it() {
    let redis = Redis::start();
    let application = SessionServer::start();
    application.log_in("alice", 300);
    let relay = application.relay("r1", &redis, &[]);
    let alice = Http::new(relay.address()).bearer("alice");
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| assert_eq!(alice.get("/v1/rooms").status, 200));
        }
    });
    assert_eq!(application.questions().len(), 1);
    assert_eq!(Http::new(relay.address()).get("/v1/rooms").status, 401, "no session");
    assert_eq!(Http::new(relay.address()).bearer("bob").get("/v1/rooms").status, 401);
    application.set("carol", Session::Status(500, Vec::new()));
    assert_eq!(Http::new(relay.address()).bearer("carol").get("/v1/rooms").status, 503);
    let before = application.questions().len();
    cmd!(redis, "CHAT.ROOM", "@alice", "SET", "tokens_after", "now").ok();
    eventually("a newer answer that counts", SOON, || {
        let status = alice.get("/v1/rooms").status;
        match (status, application.questions().len() - before) {
            (200, 1..) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}
