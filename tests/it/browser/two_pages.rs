//! The whole path up to the screen: two pages on two relays, one of which dies.

use std::time::Duration;

use chat_tests::checking::people::{events_of, leaves, ts};
use chat_tests::checking::subscriber::Subscriber;
use chat_tests::checking::view::history;
use chat_tests::clients::browser::{Browser, Page};
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, SOON, eventually, never};
use serde_json::{Value, json};

use crate::browser::page::{PEOPLE, RELAY, STATE, TEXTS, count_of, open, text_of};

/// Ids, authors and texts of all stored messages on the page, in order.
const LINES: &str = "[...document.querySelectorAll('#messages .message[data-id]')]\
    .filter(line => /^\\d+-\\d+$/.test(line.dataset.id))\
    .map(line => [line.dataset.id, line.querySelector('.author').textContent.trim(),\
                  line.querySelector('.text').textContent])";

fn say(page: &Page<'_>, text: &str) {
    page.type_line("#compose", text);
}

#[test]
fn two_users_chat_and_one_whose_relay_dies_reconnects_with_every_message() {
    let redis = Redis::start();
    let [mut r1, r2] = Relay::pair(&redis);
    let browser = Browser::start();
    let alice = open(&browser, "alice", &r1);
    let bob = open(&browser, "bob", &r2);
    alice.wait(&format!("{RELAY}.includes('r1')"), &json!(true), SOON);
    bob.wait(&format!("{RELAY}.includes('r2')"), &json!(true), SOON);
    for page in [&alice, &bob] {
        page.wait(PEOPLE, &json!(["alice", "bob"]), SOON);
    }

    say(&alice, "hello from alice");
    bob.wait(TEXTS, &json!(["hello from alice"]), SOON);
    say(&bob, "<b>hello</b> & \"good\" evening ☕");
    for page in [&alice, &bob] {
        page.wait(TEXTS, &json!(["hello from alice", "<b>hello</b> & \"good\" evening ☕"]), SOON);
    }

    r1.process().kill();
    say(&bob, "are you there?");
    alice.wait(STATE, &json!("connected"), LATER);
    alice.wait(&format!("{RELAY}.includes('r2')"), &json!(true), LATER);
    say(&alice, "yes, again");
    let all = json!([
        "hello from alice",
        "<b>hello</b> & \"good\" evening ☕",
        "are you there?",
        "yes, again"
    ]);
    for page in [&alice, &bob] {
        page.wait(TEXTS, &all, LATER);
    }

    let kept = history(&mut redis.wire(), "lobby", &[]);
    let expected: Vec<Value> = kept
        .events
        .iter()
        .map(|event| json!([event.json["id"], event.json["user"], event.json["text"]]))
        .collect();
    assert_eq!(expected.len(), 4);
    for page in [&alice, &bob] {
        page.wait(LINES, &Value::from(expected.clone()), SOON);
    }
}

#[test]
fn a_line_written_while_offline_is_sent_once_when_the_relay_is_back() {
    let redis = Redis::start();
    let [mut r1, _r2] = Relay::pair(&redis);
    let browser = Browser::start();
    let alice = open(&browser, "alice", &r1);
    say(&alice, "before");
    alice.wait(TEXTS, &json!(["before"]), SOON);
    r1.process().kill();
    // At once, before the page has found another relay.
    say(&alice, "in between");
    alice.wait(STATE, &json!("connected"), LATER);
    let page = eventually("both lines in the store", LATER, || {
        let page = history(&mut redis.wire(), "lobby", &[]);
        if page.events.len() == 2 { Ok(page) } else { Err(format!("{:?}", page.texts())) }
    });
    assert_eq!(page.texts(), ["before", "in between"]);
    alice.wait(&format!("{LINES}.length"), &json!(2), SOON);
}

#[test]
fn a_user_with_two_tabs_leaves_only_when_the_second_closes_after_the_grace() {
    const GRACE: u64 = 2_000;
    let redis = Redis::start();
    let [r1, r2] = &Relay::pair_with(&redis, &["--grace", "2s"]);
    let browser = Browser::start();
    let bob = open(&browser, "bob", r2);
    let (first, second) = (open(&browser, "alice", r1), open(&browser, "alice", r2));
    for page in [&bob, &first, &second] {
        // A hidden page does not ask who is online.
        page.look();
        page.wait(PEOPLE, &json!(["alice", "bob"]), SOON);
    }
    let channel = Subscriber::new(&redis, &["lobby", "@alice"]);
    first.close();
    never("alice to flicker", Duration::from_millis(2 * GRACE), || {
        let goings = [leaves(&channel, "lobby"), leaves(&channel, "@alice")].concat();
        let shown = bob.evaluate(PEOPLE);
        let is_there = goings.is_empty() && shown == json!(["alice", "bob"]);
        if is_there { Ok(()) } else { Err(format!("{goings:?}, shown: {shown}")) }
    });
    let joins = events_of(&channel, "lobby", "presence");
    assert!(joins.iter().all(|event| event["kind"] == "status"), "{joins:?}");
    let closed = redis.clock_ms();
    second.close();
    bob.wait(PEOPLE, &json!(["bob"]), LATER);
    // The page may hear it before this subscriber.
    let goings = eventually("a leave", SOON, || {
        let goings = leaves(&channel, "lobby");
        if goings.is_empty() { Err("none".to_owned()) } else { Ok(goings) }
    });
    assert_eq!((goings.len(), &goings[0]["user"]), (1, &json!("alice")), "{goings:?}");
    assert!(ts(&goings[0]) >= closed + GRACE, "{}, closed at {closed}", goings[0]);
}

#[test]
fn a_page_says_what_is_wrong_behind_its_relay_and_all_comes_back() {
    const WORKS: &str = "document.querySelector('#state').dataset.works";
    let mut redis = Redis::durable();
    let [r1, _] = Relay::pair(&redis);
    let browser = Browser::start();
    let alice = open(&browser, "alice", &r1);
    say(&alice, "before");
    alice.wait(TEXTS, &json!(["before"]), SOON);
    let banner = "(document.querySelector('#banner:not([hidden])')?.textContent ?? '')";
    redis.kill();
    alice.wait(WORKS, &json!("away"), LATER);
    alice.wait(&format!("{banner}.includes('cannot be reached')"), &json!(true), SOON);
    say(&alice, "meanwhile");
    redis.restart();
    alice.wait(WORKS, &json!("back"), LATER);
    alice.wait(TEXTS, &json!(["before", "meanwhile"]), LATER);
    // While Redis is full no room is lost, and the line waits.
    cmd!(redis, "CONFIG", "SET", "maxmemory", 1).ok();
    say(&alice, "too much");
    alice.wait(&count_of("#messages .message[data-state=pending]"), &json!(1), SOON);
    alice.wait(&format!("{banner}.includes('stored now')"), &json!(true), LATER);
    cmd!(redis, "CONFIG", "SET", "maxmemory", 0).ok();
    alice.wait(TEXTS, &json!(["before", "meanwhile", "too much"]), LATER);
    alice.wait(&count_of("#messages .message[data-state=pending]"), &json!(0), LATER);
    alice.wait("document.querySelector('#banner').hidden", &json!(true), LATER);
    assert_eq!(history(&mut redis.wire(), "lobby", &[]).events.len(), 3);
}

#[test]
fn a_page_whose_origin_is_refused_says_so() {
    let redis = Redis::start();
    // The page asks for itself by a name that the relay does not know.
    let relay = Relay::with("r1", &redis.url(), &["--allowed-origin", "https://chat.example.com"]);
    relay.wait_ready();
    let browser = Browser::start();
    let page = browser.open(&format!("http://{}/?user=alice&room=lobby", relay.address()));
    let banner = "(document.querySelector('#banner:not([hidden])')?.textContent ?? '')";
    page.wait(&format!("{banner}.includes('may not be allowed')"), &json!(true), LATER);
}

#[test]
fn a_room_that_is_opened_while_offline_is_whole_once_there_is_a_relay() {
    const ROWS: &str = "[...document.querySelectorAll('#messages > *')]\
        .map((row) => row.querySelector('.text, .notice-text').textContent)";
    let redis = Redis::start();
    let mut relay = Relay::start("r1", &redis);
    cmd!(redis, "CHAT.JOIN", "tea", "alice").ok();
    cmd!(redis, "CHAT.FOLLOW", "@alice", "tea").ok();
    cmd!(redis, "CHAT.SEND", "tea", "bob", "first").ok();
    cmd!(redis, "CHAT.ROOM", "tea", "SET", "topic", "cups", "BY", "alice").ok();
    let browser = Browser::start();
    let page = open(&browser, "alice", &relay);
    let channel = || {
        let listeners = cmd!(redis, "PUBSUB", "SHARDNUMSUB", "tea").list()[1].int();
        if listeners == 1 { Ok(()) } else { Err(listeners.to_string()) }
    };
    eventually("the relay in tea", LATER, channel);
    // It is loaded, or will be in a moment: what is said in it is counted in any case.
    cmd!(redis, "CHAT.SEND", "tea", "bob", "second").ok();
    page.wait(&text_of("#rooms [data-room=tea] .badge"), &json!("2"), SOON);
    let address = relay.address().to_string();
    relay.process().kill();
    page.wait(&format!("{STATE} === 'connected'"), &json!(false), LATER);
    page.click("#rooms .room[data-room=tea]");
    page.wait(ROWS, &json!(["first", "second"]), SOON);
    let relay = Relay::at("r1", &address, &redis.url(), &[]);
    relay.wait_ready();
    page.wait(STATE, &json!("connected"), LATER);
    page.wait(ROWS, &json!(["first", "The topic is now “cups” by alice", "second"]), LATER);
}
