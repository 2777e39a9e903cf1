//! Tokens of an application: the client and the page in a browser, on real relays.

use std::io::ErrorKind;
use std::net::TcpListener;

use chat_tests::clients::browser::{Browser, Page};
use chat_tests::cmd;
use chat_tests::servers::application::{Application, Conduct};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::{Issuer, now_s};
use chat_tests::wait::{LATER, SOON, eventually};
use serde_json::{Value, json};

use crate::browser::page::{self, PEOPLE, RELAY, TEXTS, open};

/// A page of the relay without the chat, and in it a client of alice whose tokens are those of the
/// application's endpoint. `reasons` are why the endpoint was asked, `statuses` what happened.
#[track_caller]
fn client<'b>(browser: &'b Browser, relay: &Relay, token: &str) -> Page<'b> {
    let page = browser.open(&format!("http://{}/healthz", relay.address()));
    page.evaluate(&format!(
        "(async () => {{
            const {{ createClient }} = await import('/sdk.js');
            globalThis.reasons = [];
            globalThis.statuses = [];
            globalThis.tokens = [];
            const ask = {token};
            const getToken = async ({{ reason }}) => {{
                reasons.push(reason);
                const token = await ask();
                tokens.push(token);
                return token;
            }};
            globalThis.client = createClient({{
                url: 'ws://{}/ws', user: 'alice', storage: null, getToken, connect: false,
            }});
            client.on('status', (status) => statuses.push(status));
            client.connect();
        }})()",
        relay.address()
    ));
    page
}

fn ask(application: &Application) -> String {
    let url = application.url();
    format!("async () => (await (await fetch('{url}?user=alice')).json()).token")
}

const STATE: &str = "globalThis.client?.connection.state";
const CLOSE: &str = "[client.connection.close?.name, client.connection.close?.what, \
    client.connection.close?.final]";

#[test]
fn the_client_renews_its_token_while_the_connection_stays_open() {
    let redis = Redis::start();
    let application = Application::start(Issuer::new());
    application.conduct(Conduct::Token(11, json!({})));
    let relay = application.issuer().relay("r1", &redis, &[]);
    let browser = Browser::start();
    let page = client(&browser, &relay, &ask(&application));
    page.wait(STATE, &json!("connected"), LATER);
    let name = page.evaluate("client.connection.hello.connection");
    // At half of its life, again and again.
    page.wait("reasons.slice(0, 3)", &json!(["start", "ending", "ending"]), LATER);
    eventually("two renewals", SOON, || match relay.metric("chat_relay_logins_total") {
        Some(count) if count >= 3.0 => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(page.evaluate("client.connection.hello.connection"), name);
    assert_eq!(page.evaluate(STATE), json!("connected"));
    let room = "client.join('lobby').then((room) => { globalThis.room = room.name; })";
    page.evaluate(room);
    page.wait("globalThis.room", &json!("lobby"), SOON);
}

#[test]
fn the_client_asks_again_once_and_then_says_why_it_was_refused() {
    let redis = Redis::start();
    let application = Application::start(Issuer::new());
    let relay = application.issuer().relay("r1", &redis, &[]);
    let browser = Browser::start();
    // Signed by nobody the relay knows; ended long ago; of a user who is not alice.
    let issuer = application.issuer();
    let ended = issuer.token_of("alice", json!({"exp": 1_700_000_000}));
    let bobs = issuer.token_of("bob", json!({}));
    let rows = [
        ("a.b.c".to_owned(), json!(["unauthorised", "token", true]), json!(["start", "refused"])),
        (ended, json!(["expired", "expired", true]), json!(["start", "expired"])),
        (bobs, json!(["unauthorised", "user", true]), json!(["start"])),
    ];
    for (token, end, reasons) in rows {
        let page = client(&browser, &relay, &format!("async () => '{token}'"));
        page.wait(STATE, &json!("offline"), LATER);
        assert_eq!(page.evaluate(CLOSE), end);
        assert_eq!(page.evaluate("reasons"), reasons);
        page.close();
    }
    // A token that ended meanwhile is replaced.
    let once = "(() => { let first = true; return async () => { \
        if (!first) return (await (await fetch(URL)).json()).token; \
        first = false; return 'a.b.c'; }; })()";
    let once = once.replace("URL", &format!("'{}?user=alice'", application.url()));
    let page = client(&browser, &relay, &once);
    page.wait(STATE, &json!("connected"), LATER);
    assert_eq!(page.evaluate("reasons"), json!(["start", "refused"]));
}

#[test]
fn an_application_that_fails_delays_the_client_and_its_status_says_so() {
    let redis = Redis::start();
    let application = Application::start(Issuer::new());
    application.conduct(Conduct::Status(500));
    let relay = application.issuer().relay("r1", &redis, &[]);
    let browser = Browser::start();
    let page = client(&browser, &relay, &ask(&application));
    page.wait("globalThis.client?.connection.error?.code", &json!("TOKEN"), LATER);
    assert_eq!(page.evaluate(STATE), json!("connecting"));
    application.conduct(Conduct::Token(600, json!({})));
    page.wait(STATE, &json!("connected"), LATER);
    assert_eq!(page.evaluate("client.connection.error"), Value::Null);
    // No address that was ever opened holds a token.
    let urls = "performance.getEntries().map((entry) => entry.name).concat(client.connection.url)\
        .filter((name) => tokens.some((token) => name.includes(token)))";
    assert_eq!(page.evaluate(urls), json!([]));
    assert!(application.asked().iter().all(|query| query == "user=alice"));
}

/// Redis, two relays that trust the tokens of an application, and whose pages ask it.
fn start(life: u64) -> (Redis, Application, [Relay; 2]) {
    let redis = Redis::start();
    let application = Application::start(Issuer::new());
    application.conduct(Conduct::Token(life, json!({})));
    let relays = application.issuer().relays(&redis, &["--page-token-url", &application.url()]);
    (redis, application, relays)
}

const BANNER: &str = "document.querySelector('#banner:not([hidden]) #banner-text')?.textContent";

fn asked_for(application: &Application, user: &str) -> usize {
    application.asked().iter().filter(|query| **query == format!("user={user}")).count()
}

#[test]
fn two_pages_with_tokens_talk_while_the_tokens_are_replaced() {
    let (_redis, application, [mut r1, r2]) = start(11);
    let browser = Browser::start();
    let alice = open(&browser, "alice", &r1);
    let bob = open(&browser, "bob", &r2);
    for page in [&alice, &bob] {
        page.wait(PEOPLE, &json!(["alice", "bob"]), SOON);
    }
    alice.type_line("#compose", "hello");
    bob.wait(TEXTS, &json!(["hello"]), SOON);
    // Each of them has had three tokens, and none of them has lost its connection.
    eventually("two renewals", LATER, || {
        let counts = ["alice", "bob"].map(|user| asked_for(&application, user));
        if counts.iter().all(|count| *count >= 3) { Ok(()) } else { Err(format!("{counts:?}")) }
    });
    bob.type_line("#compose", "still here");
    alice.wait(TEXTS, &json!(["hello", "still here"]), SOON);
    assert_eq!(r1.metric("chat_relay_connections_opened_total"), Some(1.0));
    // The next relay takes the same tokens.
    r1.process().kill();
    alice.wait(&format!("{RELAY}.includes('r2')"), &json!(true), LATER);
    alice.wait(page::STATE, &json!("connected"), LATER);
    alice.type_line("#compose", "on the other relay");
    bob.wait(TEXTS, &json!(["hello", "still here", "on the other relay"]), LATER);
}

#[test]
fn a_page_whose_tokens_are_revoked_gets_another_if_the_application_gives_one() {
    let (redis, application, [r1, r2]) = start(600);
    let browser = Browser::start();
    let page = open(&browser, "alice", &r1);
    assert_eq!(asked_for(&application, "alice"), 1);
    cmd!(redis, "CHAT.ROOM", "@alice", "SET", "tokens_after", "now").ok();
    eventually("a second token", LATER, || match asked_for(&application, "alice") {
        2 => Ok(()),
        other => Err(format!("{other} questions")),
    });
    page.wait(page::STATE, &json!("connected"), LATER);
    page.type_line("#compose", "here again");
    page.wait(TEXTS, &json!(["here again"]), LATER);
    // An application where bob has signed out gives none.
    let bob = open(&browser, "bob", &r2);
    application.conduct(Conduct::Status(403));
    cmd!(redis, "CHAT.ROOM", "@bob", "SET", "tokens_after", "now").ok();
    bob.wait(&format!("{BANNER}?.includes('gave no token: it answered 403')"), &json!(true), LATER);
    assert_eq!(bob.evaluate(page::STATE), json!("connecting"));
    // One whose fresh tokens are revoked too keeps nobody waiting for ever.
    application.conduct(Conduct::Token(600, json!({"iat": now_s() - 100})));
    bob.wait(BANNER, &json!("You were signed out everywhere."), LATER);
    assert_eq!(bob.evaluate(page::STATE), json!("offline"));
}

#[test]
fn nothing_of_a_user_whom_the_relay_refuses_stays_on_the_page() {
    let (redis, application, [r1, _r2]) = start(600);
    let browser = Browser::start();
    let page = open(&browser, "alice", &r1);
    page.wait(PEOPLE, &json!(["alice"]), SOON);
    page.type_line("#compose", "/status with bob's competitor");
    let status = "document.querySelector('#me-status').textContent";
    page.wait(status, &json!("with bob's competitor"), SOON);
    page.type_line("#compose", "/nonsense");
    page.wait("document.querySelectorAll('#toasts .toast').length", &json!(1), SOON);
    page.evaluate("document.querySelector('#compose').select()");
    page.type_here("of alice");
    application.conduct(Conduct::Token(600, json!({"sub": "bob"})));
    cmd!(redis, "CHAT.ROOM", "@alice", "SET", "tokens_after", "now").ok();
    page.wait("document.body.dataset.page", &json!("welcome"), LATER);
    assert_eq!(page.evaluate("document.querySelectorAll('#toasts .toast').length"), json!(0));
    page.type_line("#name", "bob");
    page.wait(PEOPLE, &json!(["bob"]), LATER);
    assert_eq!(page.evaluate("document.querySelector('#compose').value"), json!(""));
    assert_eq!(page.evaluate(status), json!("online"));
}

#[test]
fn a_suspended_user_sees_why_and_until_when() {
    let (redis, _application, [r1, r2]) = start(600);
    let browser = Browser::start();
    let alice = open(&browser, "alice", &r1);
    let bob = open(&browser, "bob", &r2);
    bob.wait(PEOPLE, &json!(["alice", "bob"]), SOON);
    cmd!(redis, "CHAT.MOD", "@alice", "*", "BAN", "alice", "FOR", "3600000").ok();
    alice.wait(&format!("{BANNER}?.startsWith('You are suspended until ')"), &json!(true), LATER);
    assert_eq!(alice.evaluate(page::STATE), json!("offline"));
    bob.wait(PEOPLE, &json!(["bob"]), LATER);
    // Trying again, on either relay, changes nothing until the suspension is taken back.
    for _ in 0..2 {
        alice.click("#banner-action");
        alice.wait(page::STATE, &json!("offline"), LATER);
        let is_shown = format!("{BANNER}?.startsWith('You are suspended until ')");
        alice.wait(&is_shown, &json!(true), LATER);
    }
    cmd!(redis, "CHAT.MOD", "@alice", "*", "UNBAN", "alice").ok();
    alice.click("#banner-action");
    alice.wait(page::STATE, &json!("connected"), LATER);
    bob.wait(PEOPLE, &json!(["alice", "bob"]), LATER);
}

#[test]
fn no_link_decides_where_a_page_gets_or_sends_its_token() {
    let (_redis, application, [r1, r2]) = start(600);
    let evil = TcpListener::bind("127.0.0.1:0").expect("a port");
    evil.set_nonblocking(true).expect("a socket option");
    let elsewhere = evil.local_addr().expect("a bound listener");
    let browser = Browser::start();
    let page = browser.open(&format!(
        "http://{}/?user=alice&room=lobby&relays={elsewhere}&url=ws://{elsewhere}/ws\
         &token_url=http://{elsewhere}/token&tokenUrl=http://{elsewhere}/token",
        r1.address()
    ));
    page.wait(page::STATE, &json!("connected"), LATER);
    let script = format!(
        "fetch('http://{elsewhere}/').then(() => 'reached', () => 'refused')\
         .then((outcome) => {{ document.body.dataset.outcome = outcome; }})"
    );
    page.evaluate(&script);
    page.wait("document.body.dataset.outcome", &json!("refused"), SOON);
    let came = evil.accept().map_err(|error| error.kind());
    assert!(matches!(came, Err(ErrorKind::WouldBlock)), "{came:?}");
    // The page may connect to exactly its own relay, the relays and the application.
    let policy = "fetch('/').then((answer) => { document.body.dataset.policy = \
        answer.headers.get('content-security-policy'); })";
    page.evaluate(policy);
    let application = application.url().replace("/token", "");
    let expected =
        format!("connect-src 'self' ws://{} ws://{} {application}; ", r1.address(), r2.address());
    page.wait(
        &format!("document.body.dataset.policy?.includes({})", json!(expected)),
        &json!(true),
        SOON,
    );
}

#[test]
fn a_page_without_an_endpoint_for_tokens_says_so() {
    let redis = Redis::start();
    let relay = Issuer::new().relay("r1", &redis, &[]);
    let browser = Browser::start();
    let page = browser.open(&format!("http://{}/?user=alice", relay.address()));
    let problem = "document.querySelector('#name-problem')?.textContent\
        .includes('--page-token-url')";
    page.wait(problem, &json!(true), LATER);
}

#[test]
fn a_page_whose_application_fails_says_so_and_goes_on_once_it_answers() {
    let (_redis, application, [r1, _r2]) = start(600);
    application.conduct(Conduct::Status(500));
    let browser = Browser::start();
    let page = browser.open(&format!("http://{}/?user=alice&room=lobby", r1.address()));
    let is_told = format!("{BANNER}?.includes('gave no token: it answered 500')");
    page.wait(&is_told, &json!(true), LATER);
    application.conduct(Conduct::Token(600, json!({})));
    page.wait(page::STATE, &json!("connected"), LATER);
    page.wait(BANNER, &Value::Null, SOON);
}
