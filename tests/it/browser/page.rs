//! What scenarios ask a page: expressions in JavaScript, and steps that many take.

use chat_tests::clients::browser::{Browser, Page};
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, SOON};
use serde_json::json;

/// How the connection is.
pub(super) const STATE: &str = "document.querySelector('#state')?.dataset.state";
/// The name of the relay that it is connected to.
pub(super) const RELAY: &str = "document.querySelector('#relay')?.textContent.trim()";
/// Who is in the room, by name.
pub(super) const PEOPLE: &str = "[...document.querySelectorAll('#people .person')]\
    .map(person => person.dataset.user).sort()";
/// The texts of the messages, in order.
pub(super) const TEXTS: &str = "[...document.querySelectorAll('#messages .message .text')]\
    .map(text => text.textContent)";
/// How many messages are stored.
pub(super) const STORED: &str =
    "document.querySelectorAll('#messages .message[data-state=stored]').length";

/// The text of the first element that matches `selector`, `null` if none does.
pub(super) fn text_of(selector: &str) -> String {
    format!("(document.querySelector('{selector}')?.textContent.trim() ?? null)")
}

/// The texts of all elements that match.
pub(super) fn texts_of(selector: &str) -> String {
    format!("[...document.querySelectorAll('{selector}')].map((one) => one.textContent)")
}

/// How many elements match.
pub(super) fn count_of(selector: &str) -> String {
    format!("document.querySelectorAll('{selector}').length")
}

/// Opens the page of a relay as `user`, connected.
pub(super) fn open<'a>(browser: &'a Browser, user: &str, relay: &Relay) -> Page<'a> {
    let page = browser.open(&format!("http://{}/?user={user}&room=lobby", relay.address()));
    page.wait(STATE, &json!("connected"), LATER);
    page
}

/// Chooses an emoji by its name, in the picker that has just been opened.
#[track_caller]
pub(super) fn choose_emoji(page: &Page<'_>, name: &str) {
    page.wait("document.activeElement.className", &json!("emoji-search"), SOON);
    // All of them are there once they are loaded.
    let is_loaded = format!("{} > 5", count_of(".emoji-menu .menu-heading"));
    page.wait(&is_loaded, &json!(true), LATER);
    page.type_here(name);
    page.press("Enter");
}
