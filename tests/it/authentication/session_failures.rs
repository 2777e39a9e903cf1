//! `--auth http` with an application that fails, answers nonsense, or is asked by too many at once.

use std::collections::BTreeSet;

use chat_tests::clients::frames::{Close, Frames};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::session_server::{Session, SessionServer};
use chat_tests::wait::{LATER, eventually};
use serde_json::{Value, json};

use super::tokens::{code_and_what, first, open, refused};

fn with_session(relay: &Relay, name: &str) -> Frames {
    open(relay.address(), "", &[("authorization", &format!("Bearer {name}"))])
}

/// The end of a socket that is not let in.
#[track_caller]
fn end(frames: &Frames) -> Close {
    let close = eventually("an end", LATER, || {
        let inbox = frames.inbox();
        assert!(inbox.frames.is_empty(), "let in: {}", inbox.frames[0].text);
        inbox.closed.clone().ok_or("open".to_owned())
    });
    let reason: Value = serde_json::from_str(&close.reason).expect("JSON");
    let retry_ms = reason["retry_ms"].as_u64();
    assert_eq!(retry_ms.is_some(), close.code == 4006, "{reason}");
    assert!(retry_ms.is_none_or(|ms| (1_000..=10_000).contains(&ms)), "{reason}");
    close
}

#[test]
fn only_a_good_answer_lets_a_user_in_and_nothing_of_it_is_logged() {
    let redis = Redis::start();
    let application = SessionServer::start();
    let of = |answer: Value| Session::Of(answer);
    let body = |status, body: &[u8]| Session::Status(status, body.to_vec());
    let huge = [br#"{"user":"alice","x":""#, &vec![b'y'; 64 << 10][..], br#""}"#].concat();
    let fits = [br#"{"user":"alice","x":""#, &vec![b'y'; 60 << 10][..], br#""}"#].concat();
    let rows = [
        ("unauthorised", body(401, b"body-of-an-answer"), (4504, "token")),
        ("forbidden", body(403, b""), (4504, "token")),
        ("redirected", body(302, b""), (4006, "")),
        ("moved", body(308, b""), (4006, "")),
        ("wrong-request", body(400, b""), (4006, "")),
        ("not-found", body(404, b""), (4006, "")),
        ("created", body(201, br#"{"user":"alice"}"#), (4006, "")),
        ("no-content", body(204, b""), (4006, "")),
        ("broken", body(500, br#"{"user":"alice"}"#), (4006, "")),
        ("away", body(503, b""), (4006, "")),
        ("empty", body(200, b""), (4006, "")),
        ("html", body(200, b"<html>body-of-an-answer</html>"), (4006, "")),
        ("list", of(json!([{"user": "alice"}])), (4006, "")),
        ("half", body(200, br#"{"user":"alice""#), (4006, "")),
        ("twice", body(200, br#"{"user":"alice","user":"bob"}"#), (4006, "")),
        ("not-utf8", body(200, b"{\"user\":\"\xff\"}"), (4006, "")),
        ("huge", body(200, &huge), (4006, "")),
        ("noise", Session::Noise, (4006, "")),
        ("silence", Session::Silence, (4006, "")),
        ("nobody", of(json!({})), (4504, "user")),
        ("number", of(json!({"user": 7})), (4504, "user")),
        ("backend", of(json!({"user": "*"})), (4504, "user")),
        ("room", of(json!({"user": "@alice"})), (4504, "user")),
        ("space", of(json!({"user": "a b"})), (4504, "user")),
        ("lines", of(json!({"user": "a\r\nb"})), (4504, "user")),
        ("nul", of(json!({"user": "a\u{0}b"})), (4504, "user")),
        ("long", of(json!({"user": "x".repeat(1000)})), (4504, "user")),
        ("time", of(json!({"user": "alice", "expires_in": "300"})), (4504, "token")),
        ("past", of(json!({"user": "alice", "expires_in": -5})), (4504, "token")),
        ("scope", of(json!({"user": "alice", "scope": {"chat:read": true}})), (4504, "token")),
        ("rooms", of(json!({"user": "alice", "chat": {"rooms": "lobby"}})), (4504, "token")),
        ("claim", of(json!({"user": "alice", "chat": []})), (4504, "token")),
    ];
    let mut relay = application.relay("r1", &redis, &["--log", "trace"]);
    let mut sockets = Vec::new();
    for (name, session, _) in &rows {
        let name = format!("secret-of-{name}");
        application.set(&name, session.clone());
        sockets.push(with_session(&relay, &name));
    }
    for ((name, _, (code, what)), socket) in rows.iter().zip(&sockets) {
        assert_eq!(code_and_what(&end(socket)), (*code, (*what).to_owned()), "{name}");
    }
    application.set("secret-of-alice", Session::Status(200, fits));
    assert_eq!(first(&with_session(&relay, "secret-of-alice")).expect("let in")["user"], "alice");
    let logged = relay.process().errors();
    assert!(logged.contains("sessions cannot be checked"), "{logged}");
    for secret in ["secret-of", "body-of-an-answer", "of-the-relay"] {
        assert!(!logged.contains(secret), "{secret} is in the log");
    }
    let (_, metrics) = relay.get_ops("/metrics");
    for outcome in ["application", "no_session", "user", "ok"] {
        let label = format!("chat_relay_auth_requests_total{{outcome=\"{outcome}\"}}");
        assert!(metrics.contains(&label), "{label} in {metrics}");
    }
}

#[test]
fn a_dead_application_keeps_new_sockets_out_and_leaves_the_others() {
    let redis = Redis::start();
    let application = SessionServer::start();
    for user in ["alice", "bob", "carol"] {
        application.log_in(user, 1);
    }
    let mut relay = application.relay("r1", &redis, &[]);
    let (alice, bob) = (with_session(&relay, "alice"), with_session(&relay, "bob"));
    first(&alice).expect("let in");
    first(&bob).expect("let in");
    application.set("alice", Session::Silence);
    application.set("bob", Session::Status(502, Vec::new()));
    assert_eq!(end(&with_session(&relay, "bob")).code, 4006);
    // Alice's session is known again in time, bob's is not.
    let asked = application.questions().len();
    application.wait_for_more(asked + 2);
    application.log_in("alice", 300);
    let close = eventually("the end of bob's socket", LATER, || {
        bob.inbox().closed.clone().ok_or("open".to_owned())
    });
    assert_eq!(close.code, 4006, "{close:?}");
    assert!(close.reason.contains("retry_ms"), "{close:?}");
    assert_eq!(alice.inbox().closed, None);
    assert!(relay.process().errors().contains("sessions cannot be checked"));
    // Nothing listens there.
    let url = format!("http://127.0.0.1:{}/", chat_tests::port::free());
    let flags = ["--auth", "http", "--auth-url", &url, "--auth-forward", "authorization"];
    let other = Relay::with("r2", &redis.url(), &flags);
    other.wait_ready();
    assert_eq!(end(&with_session(&other, "alice")).code, 4006);
}

#[test]
fn at_most_sixty_four_questions_are_on_their_way() {
    let redis = Redis::start();
    let application = SessionServer::start();
    application.log_in("alice", 300);
    let relay = application.relay("r1", &redis, &[]);
    // Again if the machine was so slow that a question was given up.
    let most = (0..5).find_map(|_| {
        application.hold(true);
        let sockets: Vec<Frames> = (0..200).map(|_| with_session(&relay, "alice")).collect();
        eventually("64 questions", LATER, || match application.most_open() {
            64.. => Ok(()),
            n => Err(format!("{n}")),
        });
        application.hold(false);
        let are_in = sockets.iter().filter(|socket| first(socket).is_ok()).count();
        (are_in == sockets.len()).then(|| application.most_open())
    });
    assert_eq!(most, Some(64));
}

#[test]
fn those_who_would_wait_too_long_come_back_at_different_times() {
    let redis = Redis::start();
    let application = SessionServer::start();
    application.log_in("alice", 300);
    application.set("slow", Session::Silence);
    let relay = application.relay("r1", &redis, &[]);
    // 64 at a time, each for two seconds: some have no turn within ten.
    let sockets: Vec<Frames> = (0..450).map(|_| with_session(&relay, "slow")).collect();
    let mut retries = BTreeSet::new();
    for socket in &sockets {
        let close = end(socket);
        assert_eq!(close.code, 4006);
        let reason: Value = serde_json::from_str(&close.reason).expect("JSON");
        retries.insert(reason["retry_ms"].as_u64());
    }
    assert!(retries.len() > 300, "{} different times", retries.len());
    let (_, metrics) = relay.get_ops("/metrics");
    let busy = "chat_relay_auth_requests_total{outcome=\"application_busy\"}";
    assert!(metrics.contains(busy), "{metrics}");
    first(&with_session(&relay, "alice")).expect("afterwards all is well");
}

#[test]
fn the_application_is_asked_over_tls_if_it_is_the_one_that_is_meant() {
    let redis = Redis::start();
    let application = SessionServer::start_tls();
    application.log_in("alice", 300);
    let relay = application.relay("r1", &redis, &[]);
    first(&with_session(&relay, "alice")).expect("let in");
    let url = application.url();
    let flags = ["--auth", "http", "--auth-url", &url, "--auth-forward", "authorization"];
    let stranger = Relay::with("r2", &redis.url(), &flags);
    stranger.wait_ready();
    assert_eq!(end(&with_session(&stranger, "alice")).code, 4006);
    assert_eq!(application.questions().len(), 1);
    assert_eq!(refused(&with_session(&relay, "bob")), (4504, "token".into()));
}
