//! A service that judges what users write, which relays ask (`--send-hook`) and which scenarios break on
//! purpose.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::servers::http_server::{HttpServer, Response};
use crate::servers::redis::Redis;
use crate::servers::relay::Relay;
use crate::wait::{LATER, eventually};

/// How it answers.
#[derive(Clone)]
pub enum Judge {
    /// With this object.
    With(Value),
    /// With this status and body.
    Status(u16, &'static str),
    /// With bytes that are no answer of HTTP.
    Noise,
    /// Not at all.
    Silence,
    /// It takes the connection and closes it.
    Close,
}

/// The service.
pub struct HookServer {
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
    /// By the text. All others are accepted.
    answers: HashMap<String, Judge>,
    /// All questions so far.
    questions: Vec<Value>,
    /// What it puts before every text that it accepts.
    mark: String,
    /// Answers about these texts wait.
    held: HashSet<String>,
    open: usize,
    most_open: usize,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn respond(&self, body: &str) -> Response {
        let question: Value = serde_json::from_str(body).expect("JSON");
        let text = question["text"].as_str().unwrap_or_default().to_owned();
        let mut state = self.state();
        state.questions.push(question);
        state.open += 1;
        state.most_open = state.most_open.max(state.open);
        while state.held.contains(&text) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.open -= 1;
        match state.answers.get(&text).cloned() {
            None if state.mark.is_empty() => Response::Whole(200, b"{\"accept\":true}".to_vec()),
            None => {
                let answer = json!({"accept": true, "text": format!("{}{text}", state.mark)});
                Response::Whole(200, answer.to_string().into_bytes())
            }
            Some(Judge::With(answer)) => Response::Whole(200, answer.to_string().into_bytes()),
            Some(Judge::Status(status, body)) => Response::Whole(status, body.into()),
            Some(Judge::Noise) => Response::Raw(b"no HTTP\r\n\r\n".to_vec()),
            Some(Judge::Silence) => Response::Silence,
            Some(Judge::Close) => Response::Raw(Vec::new()),
        }
    }
}

impl Default for HookServer {
    fn default() -> HookServer {
        HookServer::start()
    }
}

impl HookServer {
    /// A service that accepts everything.
    #[track_caller]
    pub fn start() -> HookServer {
        let shared = Arc::new(Shared::default());
        let all = shared.clone();
        HookServer { server: HttpServer::start(move |request| all.respond(&request.body)), shared }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/judge?key=of-the-relay", self.server.port())
    }

    /// A relay that asks it, with further options, once it is ready.
    #[track_caller]
    pub fn relay(&self, name: &str, redis: &Redis, options: &[&str]) -> Relay {
        let url = self.url();
        let relay = Relay::with(name, &redis.url(), &[&["--send-hook", &url], options].concat());
        relay.wait_ready();
        relay
    }

    /// Sets what it answers about this text.
    pub fn set(&self, text: &str, judge: Judge) {
        self.shared.state().answers.insert(text.to_owned(), judge);
    }

    /// It puts this before every text that it accepts.
    pub fn mark(&self, mark: &str) {
        mark.clone_into(&mut self.shared.state().mark);
    }

    /// It rejects this text.
    pub fn reject(&self, text: &str, reason: &str) {
        self.set(text, Judge::With(json!({"reject": reason})));
    }

    /// Holds back the answers about this text.
    pub fn hold(&self, text: &str) {
        self.shared.state().held.insert(text.to_owned());
    }

    /// Answers what was held back.
    pub fn release(&self, text: &str) {
        self.shared.state().held.remove(text);
        self.shared.changed.notify_all();
    }

    /// The questions so far.
    pub fn questions(&self) -> Vec<Value> {
        self.shared.state().questions.clone()
    }

    /// The texts of the questions so far.
    pub fn texts(&self) -> Vec<String> {
        let text = |question: &Value| question["text"].as_str().unwrap_or_default().to_owned();
        self.questions().iter().map(text).collect()
    }

    /// The most questions that were open at once.
    pub fn most_open(&self) -> usize {
        self.shared.state().most_open
    }

    /// Waits until so many questions wait for their answers.
    #[track_caller]
    pub fn wait_open(&self, count: usize) {
        eventually("open questions", LATER, || match self.shared.state().open {
            open if open == count => Ok(()),
            open => Err(format!("{open}, not {count}")),
        });
    }
}
