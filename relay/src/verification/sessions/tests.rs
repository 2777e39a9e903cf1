//! Answers that are kept, and questions that are shared, with an application that counts.

use std::sync::atomic::AtomicUsize;

use axum::http::{HeaderMap, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::*;
use crate::config::{Auth, test_config};

/// An application that answers about the session in `x-session`, once it may.
struct Application {
    asked: AtomicUsize,
    may_answer: Notify,
}

async fn application() -> (Arc<Application>, Arc<Sessions>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("--auth-url=http://{}/", listener.local_addr().expect("an address"));
    let application =
        Arc::new(Application { asked: AtomicUsize::new(0), may_answer: Notify::new() });
    let serving = application.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let application = serving.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"}}") {
                    socket.read_buf(&mut request).await.expect("a request");
                }
                application.asked.fetch_add(1, Ordering::SeqCst);
                application.may_answer.notified().await;
                let request = String::from_utf8_lossy(&request).into_owned();
                let (status, body) = match () {
                    () if request.contains("alice") => {
                        (200, r#"{"user":"alice","expires_in":300}"#)
                    }
                    () if request.contains("brief") => (200, r#"{"user":"brief","expires_in":1}"#),
                    () if request.contains("broken") => (500, ""),
                    () => (401, ""),
                };
                let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n", body.len());
                socket.write_all((head + body).as_bytes()).await.expect("it reads");
            });
        }
    });
    let config = test_config(&["--auth=http", &url, "--auth-forward=x-session"]);
    let Auth::Http(settings) = &config.auth else { panic!("sessions") };
    (application, Sessions::new(settings, "r1"))
}

fn session(sessions: &Sessions, name: &'static str) -> Arc<OpenSession> {
    let mut headers = HeaderMap::new();
    headers.insert("x-session", HeaderValue::from_static(name));
    let names = crate::auth::ForwardNames::parse(&["x-session".to_owned()]).expect("good");
    let forwarded = Forwarded::of(&names, &headers).expect("good").expect("there");
    assert_eq!(sessions.relay, "r1");
    Arc::new(OpenSession { forwarded, address: [127, 0, 0, 1].into() })
}

#[tokio::test]
async fn requests_with_the_same_headers_share_a_question_and_its_answer() {
    let (application, sessions) = application().await;
    let asked = || application.asked.load(Ordering::SeqCst);
    let alice = session(&sessions, "alice");
    // The first of them is broken off while it waits.
    let first = {
        let (sessions, alice) = (sessions.clone(), alice.clone());
        tokio::spawn(async move { sessions.ask_kept(&alice).await })
    };
    while asked() == 0 {
        tokio::task::yield_now().await;
    }
    let others: Vec<_> = (0..50)
        .map(|_| {
            let (sessions, alice) = (sessions.clone(), alice.clone());
            tokio::spawn(async move { sessions.ask_kept(&alice).await })
        })
        .collect();
    tokio::task::yield_now().await;
    first.abort();
    application.may_answer.notify_one();
    for other in others {
        assert_eq!(&*other.await.expect("no panic").expect("let in").user, "alice");
    }
    assert_eq!(asked(), 1);
    assert_eq!(&*sessions.ask_kept(&alice).await.expect("kept").user, "alice");
    assert_eq!(asked(), 1, "kept");
    assert!(sessions.asked.lock().is_empty());
    // What must not count any more is asked again.
    sessions.forget(&alice);
    application.may_answer.notify_one();
    sessions.ask_kept(&alice).await.expect("let in");
    assert_eq!(asked(), 2);
}

#[tokio::test]
async fn answers_are_kept_as_long_as_they_say_and_refusals_for_a_second() {
    let (application, sessions) = application().await;
    let until = |name: &'static str| {
        let (application, sessions) = (application.clone(), sessions.clone());
        async move {
            let session = session(&sessions, name);
            application.may_answer.notify_one();
            let outcome = sessions.ask_kept(&session).await;
            let key = session.forwarded.digest();
            let kept = |seconds_and_ms: (u64, u64)| {
                let (seconds, ms) = seconds_and_ms;
                let at = Instant::now() + Duration::from_millis(seconds * 1000 + ms);
                sessions.good.lock().get(&key, at).is_some()
                    || sessions.refused.lock().get(&key, at).is_some()
            };
            (
                outcome.map(|identity| identity.user.to_string()),
                kept((0, 0)),
                kept((1, 1)),
                kept((29, 0)),
                kept((30, 1)),
            )
        }
    };
    assert_eq!(until("alice").await, (Ok("alice".to_owned()), true, true, true, false));
    let (brief, _, later, ..) = until("brief").await;
    assert_eq!((brief, later), (Ok("brief".to_owned()), false), "as long as it says");
    let refused = Err(LoginError::NoSession);
    assert_eq!(until("nobody").await, (refused, true, false, false, false));
    let failed = Err(LoginError::Application);
    assert_eq!(until("broken").await, (failed, false, false, false, false), "not for a moment");
}

#[tokio::test]
async fn questions_that_wait_are_bounded_in_number() {
    let (application, sessions) = application().await;
    let alice = session(&sessions, "alice");
    for n in 0..ASKED_MAX {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&n.to_be_bytes());
        let waits: Question = futures_util::future::pending().boxed().shared();
        sessions.asked.lock().insert(key, waits);
    }
    assert_eq!(sessions.ask_kept(&alice).await, Err(LoginError::ApplicationBusy));
    sessions.asked.lock().remove(&[0; 32]);
    application.may_answer.notify_one();
    sessions.ask_kept(&alice).await.expect("there is room for one");
}
