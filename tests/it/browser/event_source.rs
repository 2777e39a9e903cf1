//! A browser's own `EventSource` reads a stream, and goes on by itself after a cut.

use chat_tests::clients::browser::Browser;
use chat_tests::servers::proxy::Proxy;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, SOON};
use serde_json::json;

#[test]
fn an_event_source_comes_back_with_its_positions() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let proxy = Proxy::to(relay.address());
    let bob = relay.connect("bob");
    bob.ok(json!({"op": "send", "room": "lobby", "text": "0"}));
    let browser = Browser::start();
    let page = browser.open(&format!("http://{}/healthz", proxy.address()));
    page.evaluate(
        "window.texts = []; window.began = 0; window.lastId = '';
         window.source = new EventSource('/v1/events?user=alice&rooms=lobby');
         source.addEventListener('hello', () => { began += 1; });
         source.addEventListener('reload', (event) => { texts.push('page'); });
         source.onmessage = (event) => {
             lastId = event.lastEventId;
             const { type, text } = JSON.parse(event.data);
             if (type === 'message') texts.push(text);
         }; undefined",
    );
    page.wait("texts", &json!(["page"]), SOON);
    let send = |text: &str| bob.ok(json!({"op": "send", "room": "lobby", "text": text}));
    send("1");
    page.wait("texts", &json!(["page", "1"]), SOON);
    // The browser shows the positions with the next event.
    let id = send("2")["id"].clone();
    page.wait("texts", &json!(["page", "1", "2"]), SOON);
    let follows = format!("lastId.includes('lobby=') && !lastId.includes({id})");
    page.wait(&follows, &json!(true), SOON);
    proxy.cut();
    send("3");
    page.wait("began", &json!(2), LATER);
    send("4");
    // What came after the last positions may come twice, `3` too if it was quicker than the cut.
    let once = "texts.filter((text, at, all) => all.indexOf(text) === at)";
    page.wait(once, &json!(["page", "1", "2", "3", "4"]), LATER);
    assert_eq!(page.evaluate("texts.filter((text) => text === 'page').length"), json!(1));
}
