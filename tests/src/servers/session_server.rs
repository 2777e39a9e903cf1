//! The server of an application with sessions, which relays ask who a user is, and which scenarios break on
//! purpose.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::servers::http_server::{HttpServer, Request, Response};
use crate::servers::redis::Redis;
use crate::servers::relay::Relay;
use crate::servers::tokens::{LISTEN_OPS, NO_MAX_REFUSALS};
use crate::wait::{SOON, eventually};

/// How it answers about a session.
#[derive(Clone)]
pub enum Session {
    /// With this object.
    Of(Value),
    /// With this status and body.
    Status(u16, Vec<u8>),
    /// With bytes that are no answer of HTTP.
    Noise,
    /// Not at all.
    Silence,
}

/// The application.
pub struct SessionServer {
    server: HttpServer,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// By the value of the session's header or cookie.
    sessions: HashMap<String, Session>,
    /// All questions so far, as the head of the request and its body.
    questions: Vec<(String, Value)>,
    /// Answers wait.
    is_held: bool,
    /// Questions without an answer, now and at most.
    open: usize,
    most_open: usize,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn respond(&self, request: &Request) -> Response {
        let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
        let shown = ["authorization", "cookie", "x-session"];
        let shown =
            shown.iter().find_map(|name| body["headers"][name].as_str()).unwrap_or_default();
        let name = shown.trim_start_matches("Bearer ").trim_start_matches("sid=").to_owned();
        let mut state = self.state();
        state.questions.push((request.head.clone(), body));
        state.open += 1;
        state.most_open = state.most_open.max(state.open);
        while state.is_held {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.open -= 1;
        match state.sessions.get(&name).cloned() {
            None => Response::Whole(401, Vec::new()),
            Some(Session::Of(answer)) => Response::Whole(200, answer.to_string().into_bytes()),
            Some(Session::Status(status, body)) => Response::Whole(status, body),
            Some(Session::Noise) => Response::Raw(b"no HTTP\r\n\r\n".to_vec()),
            Some(Session::Silence) => Response::Silence,
        }
    }
}

impl Default for SessionServer {
    fn default() -> SessionServer {
        SessionServer::start()
    }
}

impl SessionServer {
    /// An application without sessions, over HTTP.
    #[track_caller]
    pub fn start() -> SessionServer {
        let shared = Arc::new(Shared::default());
        let all = shared.clone();
        SessionServer { server: HttpServer::start(move |request| all.respond(request)), shared }
    }

    /// As [`SessionServer::start`], over HTTPS, for `localhost`.
    #[track_caller]
    pub fn start_tls() -> SessionServer {
        let shared = Arc::new(Shared::default());
        let all = shared.clone();
        SessionServer { server: HttpServer::start_tls(move |request| all.respond(request)), shared }
    }

    /// Sets what it answers about the session of this name.
    pub fn set(&self, name: &str, session: Session) {
        self.shared.state().sessions.insert(name.to_owned(), session);
    }

    /// A session of this user, of the same name, whose answers last so many seconds.
    pub fn log_in(&self, user: &str, expires_in: u64) {
        self.set(user, Session::Of(json!({"user": user, "expires_in": expires_in})));
    }

    /// Ends a session.
    pub fn log_out(&self, name: &str) {
        self.shared.state().sessions.remove(name);
    }

    /// Holds answers back, or lets them go.
    pub fn hold(&self, on: bool) {
        self.shared.state().is_held = on;
        self.shared.changed.notify_all();
    }

    /// The questions so far, as the head of the request and its body.
    pub fn questions(&self) -> Vec<(String, Value)> {
        self.shared.state().questions.clone()
    }

    /// The most questions that were open at once.
    pub fn most_open(&self) -> usize {
        self.shared.state().most_open
    }

    /// Waits until more questions than these have come.
    #[track_caller]
    pub fn wait_for_more(&self, than: usize) {
        eventually("another question", SOON, || match self.questions().len() {
            n if n > than => Ok(()),
            n => Err(format!("{n}")),
        });
    }

    /// The address that relays ask.
    pub fn url(&self) -> String {
        let host = if self.server.certificate().is_some() {
            "https://localhost"
        } else {
            "http://127.0.0.1"
        };
        format!("{host}:{}/who?key=of-the-relay", self.server.port())
    }

    /// A relay that asks it about `Authorization`, with further options, once it is ready.
    #[track_caller]
    pub fn relay(&self, name: &str, redis: &Redis, options: &[&str]) -> Relay {
        let url = self.url();
        let certificate = self.server.certificate();
        let variables: Vec<(OsString, OsString)> =
            certificate.map(|path| ("SSL_CERT_FILE".into(), path.into())).into_iter().collect();
        let defaults = [LISTEN_OPS, NO_MAX_REFUSALS, ["--auth-forward", "authorization"]];
        let defaults = Relay::without(&defaults, options);
        let all = [&["--auth", "http", "--auth-url", &url], &defaults[..], options].concat();
        let relay = Relay::with_variables(name, &redis.url(), &all, &variables);
        relay.wait_ready();
        relay
    }
}
