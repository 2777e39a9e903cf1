//! `docs/embed.md`: its programs, its page and its commands, put together as it says.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use chat_tests::checking::view::history;
use chat_tests::clients::browser::Browser;
use chat_tests::clients::client::Client;
use chat_tests::cmd;
use chat_tests::documents::{blocks, read, root, section};
use chat_tests::port;
use chat_tests::process::Process;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::Issuer;
use chat_tests::wait::{LATER, SOON, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::session::Session;

const DOCUMENT: &str = "docs/embed.md";
/// The address of the relay in the page.
const RELAY_URL: &str = "wss://chat.example.com/ws";
/// The port of the document's programs.
const PORT: &str = "3000";

/// The first block of this language under this heading.
fn block(heading: &str, language: &str) -> String {
    blocks(section(&read(DOCUMENT), heading), language).swap_remove(0)
}

/// A directory with this file.
fn directory_with(name: &str, contents: &str) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join(name), contents).expect("a file");
    dir
}

#[test]
fn the_commands_answer_as_shown() {
    let redis = Redis::start();
    let text = read(DOCUMENT);
    let sessions = blocks(&text, "console");
    assert_eq!(sessions.len(), 3);
    let mut session = Session::on(&redis);
    sessions.iter().for_each(|block| session.run(block));
}

#[test]
fn the_backend_sends_over_http_once() {
    const KEY: &str = "0123456789abcdef0123456789abcdef";
    let redis = Redis::start();
    let dir = directory_with("keys", &format!("web:{KEY}\n"));
    let keys = dir.path().join("keys");
    let flags = ["--api-key-file", keys.to_str().expect("UTF-8")];
    let relay = Issuer::new().relay("r1", &redis, &flags);
    let line = block("## 3. The first message from your backend", "sh");
    let line = line.replace("https://chat.example.com", &format!("http://{}", relay.address()));
    let call = || {
        let call = Command::new("sh").args(["-c", &line]).env("KEY", KEY).output();
        let reply = serde_json::from_slice::<Value>(&call.expect("a shell").stdout);
        reply.expect("JSON")["id"].as_str().expect("an id").to_owned()
    };
    let first = call();
    assert_eq!(call(), first);
    let sent = history(&mut redis.wire(), "lobby", &[]).events;
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].json["text"], "Your order has left");
}

#[test]
fn the_tokens_of_python_and_node_let_their_user_in() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let relay = issuer.relay("r1", &redis, &[]);
    let secret = issuer.secret_file();
    let python = block("### Tokens", "python");
    let python =
        format!("{python}\nprint(chat_token('alice', open('{secret}', 'rb').read().strip()))");
    let node = block("### Tokens", "js");
    let node = format!(
        "{node}\nimport {{ readFileSync }} from 'node:fs';\n\
         console.log(chatToken('alice', readFileSync('{secret}', 'utf8').trim()));"
    );
    assert!(block("### Tokens", "python").lines().count() <= 10, "{python}");
    for (program, name, text) in [("python3", "token.py", python), ("node", "token.mjs", node)] {
        let dir = directory_with(name, &text);
        let made = Command::new(program).arg(dir.path().join(name)).output().expect(program);
        assert!(made.status.success(), "{made:?}");
        let token = String::from_utf8(made.stdout).expect("ASCII");
        let alice = Client::connect_with_token(relay.address(), "alice", token.trim_end());
        alice.ok(json!({"op": "send", "room": "lobby", "text": program}));
    }
}

/// An application that serves the document's page, the client's files and tokens of alice.
fn application(page: String, token: Option<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (page, token) = (Arc::new(page), Arc::new(token));
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let (page, token) = (page.clone(), token.clone());
            std::thread::spawn(move || answer(socket, &page, token.as_deref()));
        }
    });
    address
}

fn answer(mut socket: TcpStream, page: &str, token: Option<&str>) {
    let _ = socket.set_read_timeout(Some(SOON));
    let Ok(copy) = socket.try_clone() else { return };
    let mut lines = BufReader::new(copy).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (kind, body) = match (path, path.strip_prefix("/chat/")) {
        ("/", _) => ("text/html", Some(page.as_bytes().to_vec())),
        ("/chat-token", _) => {
            let answer = token.map(|token| json!({"token": token}).to_string());
            ("application/json", answer.map(String::into_bytes))
        }
        (_, Some(file)) => {
            ("text/javascript", std::fs::read(root().join("sdk/dist").join(file)).ok())
        }
        _ => ("text/plain", None),
    };
    let (status, body) = body.map_or((404, Vec::new()), |body| (200, body));
    let _ = write!(
        socket,
        "HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Set-Cookie: session=7f3a; Path=/; HttpOnly\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = socket.write_all(&body);
}

const LINES: &str =
    "[...document.querySelectorAll('#messages li')].map((line) => line.textContent)";

/// The page shows what the backend sends, and sends what its user writes.
#[track_caller]
fn converse(redis: &Redis, application: SocketAddr) {
    let browser = Browser::start();
    let page = browser.open(&format!("http://{application}/"));
    eventually("alice in the room", LATER, || {
        let who = cmd!(redis, "CHAT.WHO", "lobby");
        if format!("{who:?}").contains("alice") { Ok(()) } else { Err(format!("{who:?}")) }
    });
    cmd!(redis, "CHAT.SEND", "lobby", "*", "Welcome, alice").ok();
    page.wait(LINES, &json!(["*: Welcome, alice"]), LATER);
    page.evaluate(
        "document.getElementById('text').value = 'Hello'; \
         document.getElementById('form').requestSubmit()",
    );
    page.wait(LINES, &json!(["*: Welcome, alice", "alice: Hello"]), SOON);
}

#[test]
fn the_page_talks_with_tokens() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let token = issuer.token_of("alice", json!({}));
    // The relay must know the page's origin, and the page the relay's address.
    let relay_port = port::free();
    let url = format!("ws://127.0.0.1:{relay_port}/ws");
    let page = block("## 4. The first page", "html");
    assert!(page.contains(RELAY_URL), "{page}");
    let address = application(page.replace(RELAY_URL, &url), Some(token));
    let secret = issuer.secret_file();
    let flags = ["--auth", "jwt", "--jwt-secret-file", &secret];
    let _relay = relay(&redis, relay_port, address, &flags);
    converse(&redis, address);
}

/// A relay on this port that lets pages of this address in.
#[track_caller]
fn relay(redis: &Redis, port: u16, page: SocketAddr, flags: &[&str]) -> Relay {
    let origin = format!("http://{page}");
    let listen = format!("127.0.0.1:{port}");
    let own = ["--allowed-origin", &origin, "--listen-ops", "127.0.0.1:0"];
    let relay = Relay::at("r1", &listen, &redis.url(), &[flags, &own].concat());
    relay.wait_ready();
    relay
}

#[test]
fn the_page_talks_with_sessions_that_python_and_node_know() {
    for (program, language, name) in [("python3", "python", "who.py"), ("node", "js", "who.mjs")] {
        let text = block("### Sessions", language);
        assert!(text.lines().count() <= 20 && text.contains(PORT), "{text}");
        let who = port::free();
        let dir = directory_with(name, &text.replace(PORT, &who.to_string()));
        let args = [OsString::from(dir.path().join(name))];
        let process = Process::spawn("application", Path::new(program), &args, dir.path());
        eventually("the application listens", LATER, || {
            TcpStream::connect(("127.0.0.1", who)).map(drop).map_err(|_| process.errors())
        });
        let redis = Redis::start();
        let relay_port = port::free();
        let page = block("## 4. The first page", "html");
        let page = page.replace(RELAY_URL, &format!("ws://127.0.0.1:{relay_port}/ws"));
        let page = page.replace(", getToken }", " }");
        let address = application(page, None);
        let who = format!("http://127.0.0.1:{who}/chat/who");
        let flags = ["--auth", "http", "--auth-url", &who, "--auth-forward", "cookie:session"];
        let relay = relay(&redis, relay_port, address, &flags);
        converse(&redis, address);
        drop(relay);
    }
}
