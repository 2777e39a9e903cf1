//! An application that gives pages their tokens, and fails when a scenario wants it to.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::servers::tokens::{Issuer, now_s};
use crate::wait::SOON;

/// What it does when a page asks.
#[derive(Clone)]
pub enum Conduct {
    /// Gives a token for so many seconds, with these claims above the usual ones.
    Token(u64, Value),
    /// Answers with this status.
    Status(u16),
}

/// The application: `GET /token?user=alice` answers `{"token":"…"}` to pages of any origin. Its
/// thread ends with the test's process.
pub struct Application {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    issuer: Issuer,
    conduct: Mutex<Conduct>,
    /// The queries so far.
    asked: Mutex<Vec<String>>,
}

impl Application {
    /// An application whose tokens this issuer signs, for ten minutes.
    #[track_caller]
    pub fn start(issuer: Issuer) -> Application {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let conduct = Mutex::new(Conduct::Token(600, json!({})));
        let shared = Arc::new(Shared { issuer, conduct, asked: Mutex::default() });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let serving = serving.clone();
                std::thread::spawn(move || serving.answer(socket));
            }
        });
        Application { port, shared }
    }

    /// Where a page asks.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/token", self.port)
    }

    /// Who signs the tokens.
    pub fn issuer(&self) -> &Issuer {
        &self.shared.issuer
    }

    /// Changes what it does.
    pub fn conduct(&self, conduct: Conduct) {
        *self.shared.conduct.lock().unwrap_or_else(PoisonError::into_inner) = conduct;
    }

    /// The queries of all questions so far.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    fn answer(&self, mut socket: TcpStream) {
        let _ = socket.set_read_timeout(Some(SOON));
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            if !matches!(socket.read(&mut byte), Ok(1)) {
                return;
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head);
        let query = head.split(' ').nth(1).and_then(|path| path.split_once('?'));
        let query = query.map_or("", |(_, query)| query);
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(query.to_owned());
        let (status, body) =
            match self.conduct.lock().unwrap_or_else(PoisonError::into_inner).clone() {
                Conduct::Status(status) => (status, String::new()),
                Conduct::Token(life, further) => {
                    let user = query.split('&').find_map(|pair| pair.strip_prefix("user="));
                    let mut claims = further;
                    claims["exp"] = (now_s() + life).into();
                    let token = self.issuer.token_of(user.unwrap_or_default(), claims);
                    (200, json!({ "token": token }).to_string())
                }
            };
        let line = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or("null").trim().to_owned()
        };
        let _ = write!(
            socket,
            "HTTP/1.1 {status} x\r\nAccess-Control-Allow-Origin: {}\r\n\
             Access-Control-Allow-Credentials: true\r\nCache-Control: no-store\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            line("Origin:"),
            body.len()
        );
    }
}
