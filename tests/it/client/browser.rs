//! The package in a browser: in a page, in a worker, and in several tabs over one socket.

use std::path::{Component, Path};

use chat_tests::clients::browser::{Browser, Page};
use chat_tests::cmd;
use chat_tests::servers::http_server::{HttpServer, Response};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, eventually};
use serde_json::json;

use super::package::unpacked;

const WORKER: &str = "
    import { createClient } from '/redis-chat/src/index.js';
    self.onmessage = async ({ data: url }) => {
      const chat = createClient({ url, user: 'alice' });
      const room = await chat.join('lobby');
      room.on('message', ({ user, text }) => self.postMessage(`${user}: ${text}`));
      await room.send('from a worker');
    };
    self.postMessage('ready');
";

/// An application whose pages have the package's modules.
fn application() -> HttpServer {
    HttpServer::start(|request| {
        let path = request.head.split(' ').nth(1).unwrap_or_default().to_owned();
        let (kind, body) = match path.strip_prefix("/redis-chat/") {
            None if path == "/worker.js" => ("text/javascript", Some(WORKER.into())),
            None => ("text/html", Some("<!doctype html><title>an application</title>".into())),
            Some(file) => ("text/javascript", module(Path::new(file))),
        };
        let (status, body) = body.map_or((404, Vec::new()), |body: Vec<u8>| (200, body));
        let head = format!(
            "HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            body.len()
        );
        Response::Raw([head.into_bytes(), body].concat())
    })
}

fn module(file: &Path) -> Option<Vec<u8>> {
    let is_below = file.components().all(|part| matches!(part, Component::Normal(_)));
    if is_below { std::fs::read(unpacked().join(file)).ok() } else { None }
}

/// A page of the application in which this script has run.
#[track_caller]
fn page<'b>(browser: &'b Browser, application: &HttpServer, script: &str) -> Page<'b> {
    let page = browser.open(&format!("http://127.0.0.1:{}/", application.port()));
    page.evaluate(&format!("(async () => {{ {script} }})()"));
    page
}

fn connections(relay: &Relay) -> Option<f64> {
    relay.metric("chat_relay_connections")
}

#[test]
fn a_worker_has_a_client_of_its_own() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let (browser, application) = (Browser::start(), application());
    let script = format!(
        "window.heard = [];
         const worker = new Worker('/worker.js', {{ type: 'module' }});
         worker.onmessage = ({{ data }}) => {{
             if (data === 'ready') worker.postMessage('ws://{}/ws'); else heard.push(data);
         }};",
        relay.address()
    );
    let page = page(&browser, &application, &script);
    page.wait("heard", &json!(["alice: from a worker"]), LATER);
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "hi").ok();
    page.wait("heard", &json!(["alice: from a worker", "bob: hi"]), LATER);
}

#[test]
fn a_page_in_a_network_without_sockets_uses_a_stream() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let (browser, application) = (Browser::start(), application());
    let script = format!(
        "const {{ createClient }} = await import('/redis-chat/src/index.js');
         class Blocked {{
             constructor() {{ setTimeout(() => this.onclose?.({{ code: 1006, reason: '' }}), 5); }}
             send() {{}}
             close() {{}}
         }}
         window.heard = [];
         window.chat = createClient({{ url: 'ws://{}/ws', user: 'alice', WebSocket: Blocked }});
         const room = await chat.join('lobby');
         room.on('message', ({{ user, text }}) => heard.push(`${{user}}: ${{text}}`));
         await room.send('no socket');",
        relay.address()
    );
    let page = page(&browser, &application, &script);
    page.wait("heard", &json!(["alice: no socket"]), LATER);
    assert_eq!(page.evaluate("chat.connection.transport"), json!("stream"));
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "hi").ok();
    page.wait("heard", &json!(["alice: no socket", "bob: hi"]), LATER);
}

/// A tab whose client shares its socket.
#[track_caller]
fn tab<'b>(
    browser: &'b Browser,
    application: &HttpServer,
    relay: &Relay,
    carrier: &str,
) -> Page<'b> {
    let script = format!(
        "const {{ createSharedClient }} = await import('/redis-chat/src/shared.js');
         window.heard = [];
         window.chat = createSharedClient({{
             url: 'ws://{}/ws', user: 'alice', storage: null, carrier: '{carrier}',
         }});
         window.room = await chat.join('lobby');
         room.on('message', ({{ text }}) => heard.push(text));",
        relay.address()
    );
    page(browser, application, &script)
}

#[track_caller]
fn one_connection(relay: &Relay) {
    eventually("one connection", LATER, || match connections(relay) {
        Some(1.0) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

fn tabs_share(carrier: &str) {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let (browser, application) = (Browser::start(), application());
    let first = tab(&browser, &application, &relay, carrier);
    let second = tab(&browser, &application, &relay, carrier);
    let third = tab(&browser, &application, &relay, carrier);
    let heard = |tabs: &[&Page<'_>], texts: &[&str]| {
        for tab in tabs {
            tab.wait("heard", &json!(texts), LATER);
        }
    };
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "to all").ok();
    heard(&[&first, &second, &third], &["to all"]);
    one_connection(&relay);
    second.evaluate("room.send('from the second')");
    heard(&[&first, &second, &third], &["to all", "from the second"]);
    // One tab does not want it any longer: the others do.
    assert_eq!(second.evaluate("room.unsubscribe().then(() => 'done')"), json!("done"));
    // The first tab ends, which may be the one with the socket.
    first.close();
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "after it").ok();
    heard(&[&third], &["to all", "from the second", "after it"]);
    // It may have come before the tab was gone.
    third.wait("chat.connection.state", &json!("connected"), LATER);
    one_connection(&relay);
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "later").ok();
    heard(&[&third], &["to all", "from the second", "after it", "later"]);
    assert_eq!(second.evaluate("heard.length"), json!(2));
    second.close();
    third.close();
    eventually("no connection", LATER, || match connections(&relay) {
        Some(0.0) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn tabs_share_one_socket_in_a_shared_worker() {
    tabs_share("worker");
}

#[test]
fn tabs_share_the_socket_of_the_one_that_leads() {
    tabs_share("leader");
}
