//! The operators' page in headless Chromium.

use chat_protocol::close_code;
use chat_tests::clients::browser::{Browser, Page};
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, SOON, eventually};
use serde_json::{Value, json};

use crate::operators::stage::{KEY, RELAYS, await_relays, keys, relay};

/// What is shown, and how far it is.
const SHOWN: &str = "[document.querySelector('#view').dataset.view, \
    document.querySelector('#view').dataset.state]";

/// The keys of the rows of a list.
fn rows(list: &str) -> String {
    format!(
        "[...document.querySelectorAll('[data-list={list}] tbody tr')].map(row => row.dataset.key)"
    )
}

fn value(name: &str) -> String {
    format!("document.querySelector('[data-value={name}]')?.textContent.trim()")
}

fn act(name: &str) -> String {
    format!("button[data-act={name}]")
}

/// The page of a relay, at this part of its address, before anybody has signed in.
fn open<'b>(browser: &'b Browser, relay: &Relay, place: &str) -> Page<'b> {
    let page = browser.open(&format!("http://{}/{place}", relay.ops_address()));
    page.wait("document.activeElement?.id", &json!("key"), LATER);
    page
}

/// The page with an operator at it.
fn signed_in<'b>(browser: &'b Browser, relay: &Relay, place: &str) -> Page<'b> {
    let page = open(browser, relay, place);
    page.type_line("#key", KEY);
    page.wait("document.querySelector('#view').dataset.state", &json!("ready"), LATER);
    page
}

/// Goes elsewhere, and waits until it is shown.
fn go(page: &Page<'_>, place: &str, view: &str) {
    page.evaluate(&format!("location.hash = {}", Value::from(place)));
    page.wait(&format!("{SHOWN}.concat(location.hash)"), &json!([view, "ready", place]), SOON);
}

#[test]
fn an_operator_signs_in_and_finds_relays_rooms_and_their_messages() {
    let redis = Redis::start();
    let keys = keys();
    let r1 = relay("r1", &redis.url(), &keys, &[]);
    let _r2 = relay("r2", &redis.url(), &keys, &[]);
    let processes = await_relays(&redis, &["r1", "r2"]);
    for n in 0..60 {
        cmd!(redis, "CHAT.SEND", format!("room-{n:02}"), "bob", format!("text {n}")).ok();
    }
    cmd!(redis, "CHAT.MOD", "room-07", "*", "BAN", "eve").ok();
    let alice = r1.connect("alice");
    alice.ok(json!({"op": "join", "room": "room-07"}));
    alice.refused(json!({"op": "dance"}));

    let browser = Browser::start();
    let page = open(&browser, &r1, "");
    page.type_line("#key", "a wrong key");
    let problem = "document.querySelector('#key-problem').textContent";
    page.wait(problem, &json!("This is no API key of this relay"), SOON);
    page.type_line("#key", KEY);
    page.wait(SHOWN, &json!(["overview", "ready"]), SOON);
    page.wait(&format!("{}.sort()", rows("relays")), &json!(processes), SOON);
    page.wait(&rows("nodes"), &json!([redis.address().to_string()]), SOON);
    page.wait(&value("connections"), &json!("1"), SOON);
    page.wait(&value("ready"), &json!("ready"), SOON);
    // Names no operation.
    page.wait(&rows("refusals"), &json!(["INVALID"]), SOON);
    // Rates need two readings.
    page.wait(&format!("{} !== '–'", value("received")), &json!(true), SOON);

    go(&page, "#/rooms", "rooms");
    // Personal rooms are in the order too, and not in the list.
    let is_full = format!("(count => count > 40 && count <= 50)({}.length)", rows("rooms"));
    page.wait(&is_full, &json!(true), SOON);
    page.click(&act("next"));
    page.wait(&format!("{}.includes('room-00')", rows("rooms")), &json!(true), SOON);
    page.click(&act("first"));
    page.wait(&is_full, &json!(true), SOON);
    page.type_line("#find", "m-07");
    page.wait(&rows("rooms"), &json!(["room-07"]), SOON);
    page.click("[data-list=rooms] a");
    page.wait(SHOWN, &json!(["room", "ready"]), SOON);
    page.wait(&format!("{}.sort()", rows("members")), &json!(["alice", "bob"]), SOON);
    page.wait(&rows("who"), &json!(["alice"]), SOON);
    page.wait(&rows("sanctions"), &json!(["eve"]), SOON);
    let topic = format!("{}.includes('topic')", rows("settings"));
    page.wait(&topic, &json!(true), SOON);
    assert_eq!(page.evaluate(&format!("{}.length", rows("messages"))), 0, "nobody asked for them");
    assert!(!page.text().contains("text 7"));
    page.click(&act("messages"));
    page.wait(&format!("{}.length", rows("messages")), &json!(1), SOON);
    assert!(page.text().contains("text 7"), "{}", page.text());

    // The key stays in this tab: not in a cookie, in the address, or for other tabs.
    page.reload();
    page.wait(SHOWN, &json!(["room", "ready"]), LATER);
    let kept =
        page.evaluate("[document.cookie, location.href, JSON.stringify(localStorage)].join()");
    assert!(!kept.to_string().contains(KEY), "{kept}");
    let _other = open(&browser, &r1, "#/rooms");
    // A key that does not count any more.
    keys.write("other:fedcba9876543210fedcba9876543210");
    let mut r1 = r1;
    r1.process().hang_up();
    eventually("the new key", SOON, || match r1.process().errors() {
        log if log.contains("API keys read again") => Ok(()),
        log => Err(log),
    });
    page.look();
    page.click("#refresh");
    page.wait(problem, &json!("The relay does not take this key any more"), SOON);
    assert_eq!(page.evaluate("document.querySelector('#view').children.length"), 0, "it is gone");
}

#[test]
fn an_operator_suspends_a_user_and_ends_sockets() {
    let redis = Redis::start();
    let keys = keys();
    let relay = relay("r1", &redis.url(), &keys, &[]);
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "join", "room": "lobby"}));
    let browser = Browser::start();
    let page = signed_in(&browser, &relay, "");
    page.evaluate("document.querySelector('#open-kind').value = 'user'");
    page.type_line("#open", "alice");
    page.wait(SHOWN, &json!(["user", "ready"]), SOON);
    page.wait(&value("sockets"), &json!("1"), SOON);
    page.wait(&rows("follows"), &json!(["lobby"]), SOON);
    page.wait(&value("suspended"), &json!("no"), SOON);

    // A question that is put away does nothing.
    page.click(&act("suspend"));
    page.click("dialog .cancel");
    page.wait("document.querySelector('dialog')", &Value::Null, SOON);
    page.click(&act("suspend"));
    page.wait("document.querySelector('dialog').open", &json!(true), SOON);
    page.evaluate("document.querySelector('dialog [name=time]').value = '3600000'");
    page.evaluate("document.querySelector('dialog [name=reason]').value = 'spam'");
    page.click("dialog .confirm");
    assert_eq!(alice.wait_closed(SOON).code, close_code::SUSPENDED.number);
    page.wait(&format!("{}?.startsWith('until 20')", value("suspended")), &json!(true), SOON);
    page.wait(&value("online"), &json!("no"), LATER);
    // The list is still there, though the user may do nothing.
    page.wait(&rows("follows"), &json!(["lobby"]), SOON);

    page.click(&act("unsuspend"));
    page.click("dialog .confirm");
    page.wait(&value("suspended"), &json!("no"), SOON);
    let alice = relay.connect("alice");
    alice.ok(json!({"op": "ping"}));
    page.click(&act("kick"));
    page.click("dialog .confirm");
    assert_eq!(alice.wait_closed(SOON).code, close_code::KICKED.number);
    // Without a pointer too.
    page.evaluate("document.querySelector('button[data-act=kick]').focus()");
    page.press("Enter");
    page.wait("document.activeElement.className", &json!("confirm primary"), SOON);
    page.press("Escape");
    page.wait("document.activeElement.dataset.act", &json!("kick"), SOON);
}

#[test]
fn nothing_that_others_have_written_is_markup() {
    let redis = Redis::start();
    let keys = keys();
    let relay = relay("r1", &redis.url(), &keys, &[]);
    await_relays(&redis, &["r1"]);
    let evil = "<img/src=x/onerror=hacked=1>";
    let words = "<img src=x onerror=hacked=1><script>hacked=1</script>";
    let link = "javascript:hacked=1";
    for (room, user) in [(evil, evil), (link, link)] {
        cmd!(redis, "CHAT.ROOM", room, "SET", "topic", words, "description", words).ok();
        cmd!(redis, "CHAT.SEND", room, user, words, "META", json!({"a": words}).to_string()).ok();
        cmd!(redis, "CHAT.PRESENCE", room, user, user, "TTL", "600000", "STATUS", evil).ok();
        cmd!(redis, "CHAT.MOD", room, "*", "BAN", "mallory", "REASON", words).ok();
        cmd!(redis, "CHAT.FOLLOW", format!("@{user}"), room).ok();
        cmd!(redis, "CHAT.ROOM", format!("@{user}"), "SET", "name", words, "status", evil).ok();
        // Who writes to Redis may announce anything.
        let status = format!("{evil} {evil} {link}");
        let status = status.get(..64).unwrap_or(&status);
        cmd!(redis, "CHAT.PRESENCE", RELAYS, user, user, "TTL", "600000", "STATUS", status).ok();
    }
    let client = relay.connect("alice");
    client.refused(json!({"op": evil}));
    client.refused(json!({"op": "history", "room": evil, "count": words}));

    let browser = Browser::start();
    let page = open(&browser, &relay, "");
    page.evaluate("document.addEventListener('securitypolicyviolation', () => { hacked = 2; })");
    page.type_line("#key", KEY);
    page.wait(SHOWN, &json!(["overview", "ready"]), SOON);
    let calm = || {
        let found = page.evaluate(
            "({ hacked: typeof hacked, elements: document.querySelectorAll('#view img, #view script').length,
                links: [...document.querySelectorAll('#view a')].map(a => a.getAttribute('href'))
                    .filter(href => !/^(#\\/(room|user)\\/[^:<]*|http:\\/\\/127[.]0[.]0[.]1:\\d+\\/)$/.test(href)) })",
        );
        assert_eq!(found, json!({"hacked": "undefined", "elements": 0, "links": []}));
    };
    page.wait(&format!("{}.length", rows("relays")), &json!(3), SOON);
    calm();
    go(&page, "#/rooms", "rooms");
    page.wait(&format!("{}.includes('{evil}')", rows("rooms")), &json!(true), SOON);
    assert!(page.text().contains(words), "shown as it is: {}", page.text());
    calm();
    page.type_line("#find", words);
    page.wait(&format!("{}.length", rows("rooms")), &json!(0), SOON);
    for name in [evil, link] {
        let place =
            |view: &str| format!("`#/{view}/${{encodeURIComponent({})}}`", Value::from(name));
        page.evaluate(&format!("location.hash = {}", place("room")));
        page.wait(&value("room"), &json!(name), SOON);
        page.wait(SHOWN, &json!(["room", "ready"]), SOON);
        page.click(&act("messages"));
        page.wait(&format!("{}.length > 0", rows("messages")), &json!(true), SOON);
        assert!(page.text().contains(words), "{}", page.text());
        calm();
        page.evaluate(&format!("location.hash = {}", place("user")));
        page.wait(&value("user"), &json!(name), SOON);
        page.wait(&value("name"), &json!(words), SOON);
        page.click(&act("suspend"));
        page.wait("document.querySelector('dialog').open", &json!(true), SOON);
        calm();
        page.click("dialog .cancel");
    }
    // An address that somebody sends to an operator does nothing.
    for place in ["#/user/%", "#/user/alice?act=ban", "#javascript:hacked=1", "#/__proto__/x"] {
        page.evaluate(&format!("location.hash = {}", Value::from(place)));
        page.wait("document.querySelector('#view').dataset.state", &json!("ready"), SOON);
        calm();
    }
}

#[test]
fn while_redis_is_away_the_page_says_so() {
    let mut redis = Redis::start();
    let keys = keys();
    let relay = relay("r1", &redis.url(), &keys, &[]);
    let browser = Browser::start();
    let page = signed_in(&browser, &relay, "");
    redis.kill();
    let node = "document.querySelector('[data-list=nodes] tbody').textContent.includes('away')";
    page.wait(node, &json!(true), LATER);
    page.wait(&format!("{}.includes('cannot be reached')", value("ready")), &json!(true), SOON);
    page.evaluate("location.hash = '#/rooms'");
    page.wait(SHOWN, &json!(["rooms", "failed"]), SOON);
    let problem = "document.querySelector('#problem').textContent.startsWith('UNAVAILABLE')";
    page.wait(problem, &json!(true), SOON);
    redis.restart();
    relay.wait_ready();
    page.click("#refresh");
    page.wait(SHOWN, &json!(["rooms", "ready"]), SOON);
    page.wait("document.querySelector('#problem').textContent", &json!(""), SOON);
}

#[test]
fn a_page_that_nobody_sees_asks_nothing() {
    let redis = Redis::start();
    let keys = keys();
    let relay = relay("r1", &redis.url(), &keys, &["--presence-ttl", "3s", "--grace", "1s"]);
    await_relays(&redis, &["r1"]);
    let calls = |name: &str| {
        let stats = cmd!(redis, "INFO", "commandstats").text().to_owned();
        let prefix = format!("cmdstat_{name}:calls=");
        let line = stats.lines().find_map(|line| line.strip_prefix(&prefix)?.split(',').next());
        line.map_or(0, |calls| calls.parse::<u64>().expect("a number"))
    };
    let wait_for = |name: &str, more: u64| {
        let wanted = calls(name) + more;
        eventually(name, SOON, || match calls(name) {
            now if now >= wanted => Ok(()),
            now => Err(format!("{now} of {wanted}")),
        });
    };
    let browser = Browser::start();
    let page = signed_in(&browser, &relay, "");
    // While somebody looks, again and again.
    wait_for("chat.who", 2);
    let turn = |state: &str| {
        page.evaluate(&format!(
            "Object.defineProperty(document, 'visibilityState', {{ value: '{state}', configurable: true }});
             document.dispatchEvent(new Event('visibilitychange'))"
        ));
    };
    turn("hidden");
    // What was on its way has come by then.
    wait_for("chat.presence", 1);
    let before = calls("chat.who");
    let requests = relay.metric("chat_relay_api_requests_total");
    // Longer than two of its turns.
    wait_for("chat.presence", 7);
    assert_eq!(calls("chat.who"), before);
    assert_eq!(relay.metric("chat_relay_api_requests_total"), requests);
    turn("visible");
    wait_for("chat.who", 2);
    // Other views are loaded once.
    let before = calls("chat.rooms");
    go(&page, "#/rooms", "rooms");
    wait_for("chat.presence", 7);
    assert_eq!(calls("chat.rooms"), before + 1);
}
