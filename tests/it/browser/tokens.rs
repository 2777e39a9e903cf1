//! Tokens of an application: the client in a browser, on real relays.

use chat_tests::clients::browser::{Browser, Page};
use chat_tests::servers::application::{Application, Conduct};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::servers::tokens::Issuer;
use chat_tests::wait::{LATER, SOON, eventually};
use serde_json::{Value, json};

/// A page of the relay without the chat, and in it a client of alice whose tokens are those of the
/// application's endpoint. `reasons` are why the endpoint was asked, `statuses` what happened.
#[track_caller]
fn client<'b>(browser: &'b Browser, relay: &Relay, token: &str) -> Page<'b> {
    let page = browser.open(&format!("http://{}/healthz", relay.address()));
    page.wait("location.pathname", &json!("/healthz"), LATER);
    page.evaluate(&format!(
        "(async () => {{
            const {{ ChatClient }} = await import('/sdk/chat.js');
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
            globalThis.client = new ChatClient({{
                urls: ['ws://{}/ws'], user: 'alice', storage: null, getToken,
            }});
            client.addEventListener('state', ({{ detail }}) => statuses.push(detail));
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

const STATE: &str = "globalThis.client?.status.state";
const CLOSE: &str = "[client.status.close?.name, client.status.close?.what, \
    client.status.close?.final]";

#[test]
fn the_client_renews_its_token_while_the_connection_stays_open() {
    let redis = Redis::start();
    let application = Application::start(Issuer::new());
    application.conduct(Conduct::Token(11, json!({})));
    let relay = application.issuer().relay("r1", &redis, &[]);
    let browser = Browser::start();
    let page = client(&browser, &relay, &ask(&application));
    page.wait(STATE, &json!("connected"), LATER);
    let name = page.evaluate("client.status.hello.connection");
    // At half of its life, again and again.
    page.wait("reasons.slice(0, 3)", &json!(["start", "ending", "ending"]), LATER);
    eventually("two renewals", SOON, || match relay.metric("chat_relay_logins_total") {
        Some(count) if count >= 3.0 => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(page.evaluate("client.status.hello.connection"), name);
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
    page.wait("globalThis.client?.status.error?.code", &json!("TOKEN"), LATER);
    assert_eq!(page.evaluate(STATE), json!("connecting"));
    application.conduct(Conduct::Token(600, json!({})));
    page.wait(STATE, &json!("connected"), LATER);
    assert_eq!(page.evaluate("client.status.error"), Value::Null);
    // No address that was ever opened holds a token.
    let urls = "performance.getEntries().map((entry) => entry.name).concat(client.status.url)\
        .filter((name) => tokens.some((token) => name.includes(token)))";
    assert_eq!(page.evaluate(urls), json!([]));
    assert!(application.asked().iter().all(|query| query == "user=alice"));
}
