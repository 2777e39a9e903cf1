//! The page without a pointer, and in narrow views.

use chat_tests::clients::browser::{Browser, Page};
use chat_tests::cmd;
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, SOON};
use serde_json::{Value, json};

use crate::browser::page::{STATE, STORED, choose_emoji, count_of, open, texts_of};

/// More than there are places for the focus on the page.
const STOPS: usize = 60;

/// What has the focus: what it is, what it is called, and whether one sees it.
const FOCUS: &str = "(() => {
    const here = document.activeElement;
    const { width, height, top, bottom, left, right } = here.getBoundingClientRect();
    const style = getComputedStyle(here);
    const label = here.labels?.[0]?.textContent ?? here.getAttribute('aria-label') ?? '';
    return {
        what: here.id || here.className || here.tagName,
        name: (label || here.title || here.textContent || here.placeholder || '').trim(),
        isOutlined: style.outlineStyle !== 'none' && style.outlineWidth !== '0px',
        isInView: width > 0 && height > 0
            && top < innerHeight && bottom > 0 && left < innerWidth && right > 0,
    };
})()";

/// Presses a key until the focus is at an element that matches, past others that are named and seen.
#[track_caller]
fn walk(page: &Page<'_>, key: &str, selector: &str) {
    let is_there = format!("document.activeElement.matches({})", Value::from(selector));
    let mut passed = Vec::new();
    while page.evaluate(&is_there) != json!(true) {
        assert!(passed.len() < STOPS, "{selector} gets no focus by {key}: {passed:?}");
        page.press(key);
        let stop = page.evaluate(FOCUS);
        if stop["what"] != "BODY" {
            assert_ne!(stop["name"], "", "no name: {stop}");
            assert_eq!(stop["isOutlined"], true, "no outline: {stop}");
            assert_eq!(stop["isInView"], true, "out of view: {stop}");
        }
        passed.push(stop["what"].clone());
    }
}

#[test]
fn everything_can_be_done_without_a_pointer() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "before").ok();
    cmd!(redis, "CHAT.SEND", "tea", "bob", "for two").ok();
    let browser = Browser::start();
    let page = browser.open(&format!("http://{}/", relay.address()));
    page.look();
    // Signing in: the focus waits there.
    page.wait("document.activeElement.id", &json!("name"), LATER);
    page.type_here("alice");
    page.press("Enter");
    page.wait(STATE, &json!("connected"), LATER);
    page.wait("document.activeElement.id", &json!("compose"), SOON);
    // Writing.
    page.type_here("first");
    page.press("Enter");
    page.wait(STORED, &json!(2), SOON);
    // A reaction to it, and back to where one was.
    walk(&page, "Shift+Tab", "#messages .message[data-user=alice]");
    page.press("+");
    choose_emoji(&page, "teacup");
    page.wait(&texts_of("#messages .reaction .emoji"), &json!(["🍵"]), SOON);
    page.wait("document.activeElement.closest('.message')?.dataset.user", &json!("alice"), SOON);
    // A menu: opened, left, and opened again to choose.
    walk(&page, "Shift+Tab", "#me");
    page.press("Enter");
    page.wait("document.activeElement.role?.startsWith('menuitem')", &json!(true), SOON);
    page.press("Escape");
    page.wait("document.activeElement.id", &json!("me"), SOON);
    page.press("Enter");
    page.wait("document.activeElement.role?.startsWith('menuitem')", &json!(true), SOON);
    let first = page.evaluate("document.activeElement.textContent");
    page.press("ArrowDown");
    assert_ne!(page.evaluate("document.activeElement.textContent"), first);
    page.press("Enter");
    page.wait("document.querySelector('.menu-box') === null", &json!(true), SOON);
    // Another room.
    walk(&page, "Shift+Tab", "#room-input");
    page.type_here("tea");
    page.press("Enter");
    page.wait("document.querySelector('#room-title').textContent", &json!("tea"), SOON);
    page.wait(&texts_of("#messages .message .text"), &json!(["for two"]), SOON);
    // Once around the page.
    walk(&page, "Tab", "#compose");
    walk(&page, "Tab", "#sign-out");
    page.press("Enter");
    page.wait("document.body.dataset.page", &json!("welcome"), SOON);
    page.wait("document.activeElement.id", &json!("name"), SOON);
}

#[test]
fn the_focus_comes_back_to_the_message_whose_tools_were_used() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let browser = Browser::start();
    let page = open(&browser, "alice", &relay);
    page.look();
    page.type_line("#compose", "mine");
    page.wait(STORED, &json!(1), SOON);
    for (tool, opened) in [(".tool.delete", "dialog"), (".tool.react", ".menu-box")] {
        page.evaluate("document.querySelector('#messages .message').focus()");
        walk(&page, "ArrowRight", tool);
        page.press("Enter");
        page.wait(
            &format!("document.activeElement.closest('{opened}') !== null"),
            &json!(true),
            SOON,
        );
        page.press("Escape");
        let is_back = "document.activeElement.closest('.message')?.dataset.user";
        page.wait(is_back, &json!("alice"), SOON);
    }
}

#[test]
fn nothing_is_cut_off_in_narrow_views() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let word = "w".repeat(300);
    let code = format!("```\n{word}\n```");
    for text in [&*word, &code, "https://x.example/", "short"] {
        cmd!(redis, "CHAT.SEND", "lobby", "bob", text).ok();
    }
    let browser = Browser::start();
    let page = open(&browser, "alice", &relay);
    page.wait(&count_of("#messages .message"), &json!(4), SOON);
    // A telephone; a view of 1,280 by 800 at 200 % and at 400 %.
    for (width, height) in [(360, 640), (640, 400), (320, 256)] {
        page.resize(width, height);
        let sideways = "document.documentElement.scrollWidth > innerWidth
            || document.querySelector('#messages').scrollWidth > innerWidth";
        page.wait(sideways, &json!(false), SOON);
        let outside = "[...document.querySelectorAll('#compose, #send, #messages .message')]
            .filter((one) => {
                const { left, right } = one.getBoundingClientRect();
                return left < 0 || right > innerWidth;
            }).map((one) => one.id || one.textContent)";
        page.wait(outside, &json!([]), SOON);
        let is_written_in = "(({ top, bottom }) => top >= 0 && bottom <= innerHeight)
            (document.querySelector('#compose').getBoundingClientRect())";
        page.wait(is_written_in, &json!(true), SOON);
    }
}
