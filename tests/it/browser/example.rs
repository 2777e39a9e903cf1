//! `examples/token_endpoint.py`: pages get their tokens from it, as after `make run`.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use chat_tests::clients::browser::Browser;
use chat_tests::documents::root;
use chat_tests::port;
use chat_tests::process::Process;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::Issuer;
use chat_tests::wait::{LATER, SOON, eventually};
use serde_json::json;

use crate::browser::page::{PEOPLE, TEXTS, open};

/// The answer to `GET /token?user=alice`, with these header lines.
fn ask(address: SocketAddr, lines: &str) -> String {
    let mut socket = TcpStream::connect(address).expect("it listens");
    socket.set_read_timeout(Some(SOON)).expect("a socket option");
    write!(socket, "GET /token?user=alice HTTP/1.0\r\n{lines}\r\n").expect("it reads");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("UTF-8");
    answer
}

#[test]
fn the_example_gives_tokens_to_the_pages_of_its_relays_and_to_no_others() {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let port = port::free();
    let [r1, r2]: [Relay; 2] =
        issuer.relays(&redis, &["--page-token-url", &format!("http://127.0.0.1:{port}/token")]);
    let dir = tempfile::tempdir().expect("a directory");
    let [first, second] = [&r1, &r2].map(|relay| format!("http://{}", relay.address()));
    let program = root().join("examples/token_endpoint.py");
    let args = [program.into_os_string(), port.to_string().into(), issuer.secret_file().into()];
    let args: Vec<OsString> =
        args.into_iter().chain([first.clone().into(), second.into()]).collect();
    let application = Process::spawn("application", Path::new("python3"), &args, dir.path());
    eventually("the application", LATER, || {
        let output = application.output();
        if output.contains("listening on") { Ok(()) } else { Err(application.errors()) }
    });
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let good = ask(address, &format!("Origin: {first}\r\n"));
    assert!(good.starts_with("HTTP/1.0 200") && good.contains("\"token\""), "{good}");
    // Not to other pages, and not to one whose name resolves to this machine: it sends no Origin.
    for lines in ["Origin: https://evil.example\r\n", "Host: evil.example\r\n"] {
        let refused = ask(address, lines);
        assert!(refused.starts_with("HTTP/1.0 403") && !refused.contains("ey"), "{refused}");
    }
    let browser = Browser::start();
    let alice = open(&browser, "alice", &r1);
    let bob = open(&browser, "bob", &r2);
    bob.wait(PEOPLE, &json!(["alice", "bob"]), LATER);
    alice.type_line("#compose", "by the example");
    bob.wait(TEXTS, &json!(["by the example"]), SOON);
}
