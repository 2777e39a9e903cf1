//! nginx, HAProxy and Caddy, run from the files in `deploy/`, in front of two relays: sockets pass,
//! clients count by their own addresses, no token is logged, and a relay that drains or dies loses
//! no message.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use chat_protocol::close_code;
use chat_tests::checking::checker::Checker;
use chat_tests::checking::relays::Relays;
use chat_tests::clients::browser::Browser;
use chat_tests::clients::client::Client;
use chat_tests::clients::raw_socket::RawSocket;
use chat_tests::seed::{rounds, seeded};
use chat_tests::servers::balancer::{Balancer, Kind};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::Issuer;
use chat_tests::wait::{LATER, SOON, eventually};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use serde_json::json;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// The scenarios, once for each balancer.
macro_rules! with_each_balancer {
    ($($scenario:ident)*) => {
        mod nginx { $(#[test] fn $scenario() { super::$scenario(super::Kind::Nginx) })* }
        mod haproxy { $(#[test] fn $scenario() { super::$scenario(super::Kind::Haproxy) })* }
        mod caddy { $(#[test] fn $scenario() { super::$scenario(super::Kind::Caddy) })* }
    };
}

with_each_balancer! {
    sockets_pass_and_requests_are_bounded
    clients_count_by_their_own_addresses
    requests_of_the_api_pass_unchanged
    wrong_tokens_count_by_the_clients_address
    no_log_has_a_token
    tls_ends_at_the_balancer
    open_sockets_stay_while_redis_is_away
    a_page_comes_back_by_itself
    a_relay_that_drains_loses_no_message
    a_relay_that_dies_loses_no_message
}

/// Two relays as the file of this balancer asks for, with further options.
pub(crate) fn relays(kind: Kind, redis: &Redis, options: &[&str]) -> [Relay; 2] {
    let own = kind.options();
    let all: Vec<&str> = own.iter().map(String::as_str).chain(options.iter().copied()).collect();
    let relays = ["r1", "r2"].map(|name| Relay::with(name, &redis.url(), &all));
    relays.iter().for_each(Relay::wait_ready);
    relays
}

/// A connection from another address of this machine.
fn connection_from(last_byte: u8, to: SocketAddr) -> TcpStream {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    let from = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last_byte), 0));
    bind(&socket, &from).expect("an address of this machine");
    connect(&socket, &to).expect("the balancer listens");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(SOON)).expect("a socket option");
    stream
}

/// The status and the body of a request; 0: there was no answer. `head`: its first line without the
/// version, and further headers.
fn request_from(last_byte: u8, address: SocketAddr, head: &str, body: &[u8]) -> (u16, String) {
    let mut stream = connection_from(last_byte, address);
    let (first, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let host = format!("Host: {address}\r\nConnection: close\r\nContent-Length: {}", body.len());
    let headers = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
    // An error: it has refused already.
    let _ = write!(stream, "{first} HTTP/1.1\r\n{headers}{host}\r\n\r\n");
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    (status, body.to_owned())
}

fn request(address: SocketAddr, head: &str, body: &[u8]) -> (u16, String) {
    request_from(1, address, head, body)
}

fn sockets_pass_and_requests_are_bounded(kind: Kind) {
    let redis = Redis::start();
    let relays = relays(kind, &redis, &[]);
    let balancer = Balancer::start(kind, &relays);
    let address = balancer.address();
    let clients: Vec<Client> =
        (0..6).map(|n| Client::connect(address, &format!("user{n}"))).collect();
    for client in &clients {
        client.ok(json!({"op": "join", "room": "lobby"}));
    }
    let used = relays.each_ref().map(|relay| relay.metric("chat_relay_connections"));
    assert!(used.iter().all(|count| count.unwrap_or(0.0) > 0.0), "both are used: {used:?}");
    clients[0].ok(json!({"op": "send", "room": "lobby", "text": "to all"}));
    for client in &clients {
        assert_eq!(client.next_of("lobby", "message").json["text"], "to all");
    }
    let get = |head: &str| request(address, head, b"").0;
    assert_eq!((get("GET /readyz"), get("GET /"), get("GET /metrics")), (200, 200, 404));
    let token = "x".repeat(8 << 10);
    let bearer = |token: &str| format!("GET /healthz\r\nAuthorization: Bearer {token}");
    assert_eq!(get(&bearer(&token)), 200, "the longest token");
    let refused = get(&bearer(&token.repeat(8)));
    assert!(refused == 0 || (400..500).contains(&refused), "64 KiB: {refused}");
    let (too_large, _) = request(address, "POST /nothing", &vec![b'x'; 128 << 10]);
    let expected = if kind == Kind::Caddy { 502 } else { 413 };
    assert_eq!(too_large, expected, "128 KiB of a body");
}

fn clients_count_by_their_own_addresses(kind: Kind) {
    let redis = Redis::start();
    let relays = relays(kind, &redis, &["--max-connections-per-address", "1"]);
    let balancer = Balancer::start(kind, &relays);
    // Each relay lets one in.
    let enter = |last_byte: u8, forwarded: &str| {
        let mut stream = connection_from(last_byte, balancer.address());
        let host = balancer.address();
        write!(stream, "GET /ws?user=alice HTTP/1.1\r\nHost: {host}\r\n{forwarded}").expect("open");
        let mut socket = RawSocket::upgrade_after_head(stream);
        let first = socket.receive().expect("hello or the end");
        match first.close_code() {
            Some(code) => Err(code),
            None => Ok(socket),
        }
    };
    let mut inside = Vec::new();
    eventually("one connection to each relay", LATER, || {
        inside.extend(enter(2, ""));
        if inside.len() == 2 { Ok(()) } else { Err(format!("{}", inside.len())) }
    });
    let refused = Some(close_code::ADDRESS.number);
    for forwarded in ["", "X-Forwarded-For: 198.51.100.7\r\n"] {
        assert_eq!(enter(2, forwarded).err(), refused, "{forwarded}");
    }
    inside.push(enter(3, "").expect("another address is let in"));
}

fn requests_of_the_api_pass_unchanged(kind: Kind) {
    let redis = Redis::start();
    let relays = relays(kind, &redis, &[]);
    let balancer = Balancer::start(kind, &relays);
    let json = |head: &str, body: &str| {
        let head = format!("{head}\r\nContent-Type: application/json");
        let (status, body) = request(balancer.address(), &head, body.as_bytes());
        assert_eq!(status, 200, "{head}: {body}");
        // Some pass it on in chunks.
        let at = body.find('{').expect("an object");
        body[at..].to_owned()
    };
    let sent = json("POST /v1/rooms/a%2F%2Fb%C3%A9/messages?user=alice", r#"{"text":"café"}"#);
    let id = sent.split('"').nth(3).expect("an id").to_owned();
    json(
        &format!("PUT /v1/rooms/a%2F%2Fb%C3%A9/messages/{id}/reactions/%F0%9F%91%8D?user=alice"),
        "",
    );
    let found = json("GET /v1/rooms/a%2F%2Fb%C3%A9/messages?user=bob", "");
    assert!(found.contains("\"room\":\"a//bé\"") && found.contains("👍"), "{found}");
    json("POST /v1?user=alice", r#"{"op":"ping"}"#);
}

fn wrong_tokens_count_by_the_clients_address(kind: Kind) {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let file = issuer.secret_file();
    let options =
        ["--auth", "jwt", "--jwt-secret-file", &file, "--max-refusals", "5/1m", "--page", "off"];
    let relays = relays(kind, &redis, &options);
    let balancer = Balancer::start(kind, &relays);
    let wrong = "GET /v1/rooms\r\nAuthorization: Bearer wrong\r\nX-Forwarded-For: 127.0.0.3";
    let ask = |last_byte: u8| request_from(last_byte, balancer.address(), wrong, b"").0;
    let mut seen = Vec::new();
    // Each relay allows five.
    eventually("the end of the allowance", SOON, || {
        seen.push(ask(2));
        if seen.ends_with(&[429; 4]) { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    assert!(seen.iter().filter(|status| **status == 401).count() <= 10, "{seen:?}");
    assert_eq!([(); 4].map(|()| ask(3)), [401; 4], "another client");
}

fn no_log_has_a_token(kind: Kind) {
    let redis = Redis::start();
    let issuer = Issuer::new();
    let file = issuer.secret_file();
    let options = ["--auth", "jwt", "--jwt-secret-file", &file, "--jwt-query", "--log", "trace"];
    let mut relays = relays(kind, &redis, &options);
    let balancer = Balancer::start(kind, &relays);
    let address = balancer.address();
    let token = issuer.token_of("alice", json!({}));
    let open = |request: &str| {
        let mut stream = connection_from(1, address);
        write!(stream, "{request}").expect("it reads");
        stream
    };
    let query = format!("GET /ws?access_token={token} HTTP/1.1\r\nHost: {address}\r\n");
    let header = "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n";
    let header = format!("{header}Authorization: Bearer {token}\r\n");
    let subprotocol = "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n";
    let subprotocol =
        format!("{subprotocol}Sec-WebSocket-Protocol: redis-chat.v1, bearer.{token}\r\n");
    let mut sockets = [query.as_str(), &header, &subprotocol].map(|head| {
        let mut socket = RawSocket::upgrade_after_head(open(head));
        let hello = socket.receive().expect("hello").payload;
        assert!(String::from_utf8_lossy(&hello).contains("alice"));
        socket
    });
    // Requests that fail are logged in other places.
    relays.iter_mut().for_each(|relay| relay.process().kill());
    for socket in &mut sockets {
        while socket.receive().is_some() {}
    }
    drop(sockets);
    for path in ["/ws", "/x"] {
        let line = format!("GET {path}?access_token={token} HTTP/1.1\r\nHost: {address}\r\n");
        let mut stream = open(&format!("{line}Cookie: session={token}\r\n\r\n"));
        let mut start = [0; 12];
        stream.read_exact(&mut start).expect("an answer");
        assert!(start.starts_with(b"HTTP/1.1 50"), "{}", String::from_utf8_lossy(&start));
    }
    eventually("lines about the requests", SOON, || match balancer.written() {
        written if written.contains("/ws") && written.contains("/x") => Ok(()),
        written => Err(written),
    });
    let signature = token.rsplit('.').next().expect("three parts");
    for (name, written) in [
        ("the balancer", balancer.written()),
        ("r1", relays[0].process().errors()),
        ("r2", relays[1].process().errors()),
    ] {
        let line = written.lines().find(|line| line.contains(signature));
        assert!(line.is_none(), "{name} logs the token: {line:?}");
    }
}

fn tls_ends_at_the_balancer(kind: Kind) {
    let redis = Redis::start();
    let relays = relays(kind, &redis, &["--allowed-origin", "https://localhost"]);
    let balancer = Balancer::start_with_tls(kind, &relays);
    let mut roots = RootCertStore::empty();
    roots.add(balancer.certificate().expect("TLS")).expect("a certificate");
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = "localhost".try_into().expect("a name");
    let session = ClientConnection::new(config.into(), name).expect("a configuration");
    let mut stream = StreamOwned::new(session, connection_from(1, balancer.address()));
    write!(
        stream,
        "GET /ws?user=alice HTTP/1.1\r\nHost: localhost:{}\r\nOrigin: https://localhost\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        balancer.address().port()
    )
    .expect("it reads");
    let (mut read, mut piece) = (Vec::new(), [0; 1024]);
    while !String::from_utf8_lossy(&read).contains("hello") {
        let count = stream.read(&mut piece).expect("it answers");
        assert!(count > 0, "{}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&piece[..count]);
    }
    assert!(read.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&read));
}

fn open_sockets_stay_while_redis_is_away(kind: Kind) {
    let mut redis = Redis::durable();
    let relays = relays(kind, &redis, &["--probe", "200ms"]);
    let balancer = Balancer::start(kind, &relays);
    let clients = ["alice", "bob"].map(|user| Client::connect(balancer.address(), user));
    clients.iter().for_each(|client| drop(client.ok(json!({"op": "join", "room": "lobby"}))));
    redis.kill();
    relays.iter().for_each(Relay::wait_unready);
    // HAProxy and Caddy have left both relays then; nginx does not ask them.
    eventually("no relay", LATER, || match request(balancer.address(), "GET /readyz", b"") {
        (503, _) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let waiting = clients[0].ask(json!({"op": "send", "room": "lobby", "text": "later"}));
    redis.restart();
    relays.iter().for_each(Relay::wait_ready);
    assert_eq!(clients[1].next_of("lobby", "message").json["text"], "later");
    let sent = eventually("the send", SOON, || clients[0].reply(waiting).ok_or_else(String::new));
    sent.expect("it was stored");
    assert!(clients.iter().all(|client| client.closed().is_none()));
    eventually("new sockets", LATER, || {
        Client::try_connect(balancer.address(), "carol").map(drop).map_err(|code| code.to_string())
    });
}

fn a_page_comes_back_by_itself(kind: Kind) {
    const STATE: &str = "document.querySelector('#state')?.dataset.state";
    const RELAY: &str = "document.querySelector('#relay')?.textContent.trim()";
    const TEXTS: &str = "[...document.querySelectorAll('#messages .message .text')]\
        .map(text => text.textContent)";
    let redis = Redis::start();
    let mut relays = relays(kind, &redis, &[]);
    let balancer = Balancer::start(kind, &relays);
    let browser = Browser::start();
    let page = browser.open(&format!("http://{}/?user=alice&room=lobby", balancer.address()));
    page.wait(STATE, &json!("connected"), LATER);
    page.type_line("#compose", "one");
    page.wait(TEXTS, &json!(["one"]), SOON);
    let (used, other) = match page.evaluate(&format!("{RELAY}.includes('r1')")) == json!(true) {
        true => (0, "r2"),
        false => (1, "r1"),
    };
    relays[used].process().kill();
    page.wait(&format!("{RELAY}.includes('{other}')"), &json!(true), LATER);
    page.wait(STATE, &json!("connected"), LATER);
    page.type_line("#compose", "two");
    page.wait(TEXTS, &json!(["one", "two"]), SOON);
}

const FAST: &[&str] = &[
    "--operations-per-second",
    "100000",
    "--presence-ttl",
    "6s",
    "--grace",
    "1s",
    "--drain-time",
    "2s",
];

fn a_relay_that_drains_loses_no_message(kind: Kind) {
    let mut redis = Redis::start();
    let mut relays = relays(kind, &redis, FAST);
    let balancer = Balancer::start(kind, &relays);
    let known = Relays::new(&[balancer.address()]);
    let checker = Checker { messages: rounds(600), readers: 8, streams: 3, ..Checker::default() };
    let effects =
        checker.run(seeded("drain behind a balancer"), &known, &mut redis, |progress, _| {
            progress.wait(0.1);
            relays[0].process().terminate();
            relays[0].wait_unready();
            assert_eq!(relays[0].process().wait(LATER).code(), Some(0));
        });
    assert!(effects.reconnects > 0 && effects.reloads == 0, "{effects:?}");
    Client::connect(balancer.address(), "late").ok(json!({"op": "ping"}));
}

fn a_relay_that_dies_loses_no_message(kind: Kind) {
    let mut redis = Redis::start();
    let mut relays = relays(kind, &redis, FAST);
    let balancer = Balancer::start(kind, &relays);
    let known = Relays::new(&[balancer.address()]);
    let checker = Checker { messages: rounds(200), readers: 8, streams: 3, ..Checker::default() };
    let effects =
        checker.run(seeded("kill behind a balancer"), &known, &mut redis, |progress, _| {
            progress.wait(0.3);
            relays[0].process().kill();
        });
    assert!(effects.reconnects > 0 && effects.reloads == 0, "{effects:?}");
    for n in 0..4 {
        let client = eventually("to be let in", Duration::from_secs(5), || {
            Client::try_connect(balancer.address(), &format!("late{n}")).map_err(|e| e.to_string())
        });
        client.ok(json!({"op": "ping"}));
    }
}
