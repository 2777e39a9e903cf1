//! What a user, or a link, cannot do to another user's page.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::TcpListener;

use chat_tests::args;
use chat_tests::clients::browser::Browser;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, SOON};
use serde_json::{Value, json};

use crate::browser::page::{RELAY, STATE, TEXTS, count_of, open};

/// Names of properties that every JavaScript object has.
const PROPERTIES: [&str; 6] =
    ["__proto__", "constructor", "hasOwnProperty", "isPrototypeOf", "toString", "valueOf"];

#[test]
fn no_link_decides_where_a_page_connects() {
    let redis = Redis::start();
    let [mut r1, _r2] = Relay::pair(&redis);
    let evil = TcpListener::bind("127.0.0.1:0").expect("a port");
    evil.set_nonblocking(true).expect("a socket option");
    let elsewhere = evil.local_addr().expect("a bound listener");
    let browser = Browser::start();
    let page = browser.open(&format!(
        "http://{}/?user=alice&room=lobby&relays={elsewhere}&relay={elsewhere}&urls=ws://{elsewhere}/ws",
        r1.address()
    ));
    page.wait(STATE, &json!("connected"), LATER);
    // The content security policy also refuses the connection, whatever the page does.
    let script = format!(
        "fetch('http://{elsewhere}/').then(() => 'reached', () => 'refused')\
         .then((outcome) => {{ document.body.dataset.outcome = outcome; }})"
    );
    page.evaluate(&script);
    page.wait("document.body.dataset.outcome", &json!("refused"), SOON);
    r1.process().kill();
    page.wait(&format!("{RELAY}.includes('r2')"), &json!(true), LATER);
    page.wait(STATE, &json!("connected"), LATER);
    let came = evil.accept().map_err(|error| error.kind());
    assert!(matches!(came, Err(ErrorKind::WouldBlock)), "{came:?}");
}

#[test]
fn rooms_and_users_may_have_names_of_object_properties() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let mut wire = redis.wire();
    let mut rooms: Vec<String> = PROPERTIES.iter().map(|&name| name.to_owned()).collect();
    rooms.extend(PROPERTIES.iter().map(|name| {
        let (first, second) = if *name < "alice" { (*name, "alice") } else { ("alice", *name) };
        format!("dm:{first},{second}")
    }));
    rooms.push("lobby".to_owned());
    let mut texts = BTreeMap::new();
    for (n, room) in rooms.iter().enumerate() {
        let user = PROPERTIES[n % PROPERTIES.len()];
        let text = format!("@alice meets @{user}");
        let all = [
            args!["CHAT.JOIN", room, "alice"],
            args!["CHAT.JOIN", room, user],
            args!["CHAT.FOLLOW", "@alice", room],
            args!["CHAT.SEND", room, user, text, "MENTION", "2", "alice", user],
        ];
        wire.pipeline(&all);
        texts.insert(room.clone(), text);
    }
    let browser = Browser::start();
    let page = open(&browser, "alice", &relay);
    let shown = "[...document.querySelectorAll('#rooms .room[data-room]')]\
        .map(room => room.dataset.room).sort()";
    rooms.sort();
    page.wait(shown, &json!(rooms), LATER);
    // The pages are brought to the front one after the other.
    for room in ["dm:alice,constructor", "dm:__proto__,alice"] {
        let open = format!("document.querySelector(`#rooms .room[data-room='{room}']`).click()");
        page.evaluate(&open);
        page.wait(TEXTS, &json!([texts[room]]), SOON);
        page.wait(&count_of("#messages .mention"), &json!(2), SOON);
        page.evaluate("document.querySelector('#leave').click()");
        let is_there = format!("{shown}.includes('{room}')");
        page.wait(&is_there, &json!(false), SOON);
    }
    page.wait(&format!("{shown}.length"), &json!(rooms.len() - 2), SOON);
}

#[test]
fn a_long_message_does_not_hold_up_the_page() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let mut wire = redis.wire();
    let texts = [
        format!("@{}", "a-".repeat(2_000)),
        format!("@{}", "\u{e9}".repeat(2_000)),
        "(@a".repeat(1_300),
        "@a ".repeat(1_300),
        format!("http://{}", "a.".repeat(1_900)),
        format!("http://a{}", ".".repeat(3_900)),
        "http://a ".repeat(400).trim_end().to_owned(),
        " ".repeat(3_999) + "x",
    ];
    for text in &texts {
        let send = args!["CHAT.SEND", "lobby", "bob", text, "MENTION", "2", "bob", "alice"];
        wire.pipeline(&[send]);
    }
    let browser = Browser::start();
    let page = open(&browser, "alice", &relay);
    page.wait(TEXTS, &Value::from(texts.to_vec()), SOON);
}
