//! What the page shows, and where it leads: texts, emoji, lists of people, names, addresses.

use chat_tests::checking::view::history;
use chat_tests::clients::browser::{Browser, Page};
use chat_tests::servers::redis::Redis;
use chat_tests::servers::relay::Relay;
use chat_tests::wait::{LATER, SOON};
use chat_tests::{args, cmd};
use serde_json::{Value, json};

use crate::browser::page::{STATE, STORED, choose_emoji, count_of, open, text_of, texts_of};

/// Says something as the person would, and waits until it is stored.
#[track_caller]
fn say(page: &Page<'_>, text: &str, stored: usize) {
    page.type_line("#compose", text);
    page.wait(STORED, &json!(stored), SOON);
}

#[test]
fn texts_are_shown_as_markdown_and_do_nothing() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let browser = Browser::start();
    let page = open(&browser, "alice", &relay);
    let hostile = "**bold** `code` <img src=x onerror=\"window.broken=1\"> \
                   [link](javascript:window.broken=1) [good](https://x.example/)";
    cmd!(redis, "CHAT.SEND", "lobby", "bob", hostile).ok();
    cmd!(redis, "CHAT.SEND", "lobby", "bob", "```js\nlet a = 1;\n```\n> said\n\n- one\n- two").ok();
    page.wait(&texts_of("#messages .text strong"), &json!(["bold"]), SOON);
    assert_eq!(page.evaluate(&texts_of("#messages .text > code")), json!(["code"]));
    page.wait(&texts_of("#messages .text .fence code"), &json!(["let a = 1;"]), SOON);
    assert_eq!(page.evaluate(&texts_of("#messages .text blockquote")), json!(["said"]));
    assert_eq!(page.evaluate(&texts_of("#messages .text li")), json!(["one", "two"]));
    let links = "[...document.querySelectorAll('#messages .text a')].map((one) => one.href)";
    assert_eq!(page.evaluate(links), json!(["https://x.example/"]));
    assert_eq!(page.evaluate(&count_of("#messages .text img")), json!(0));
    assert_eq!(page.evaluate("window.broken ?? null"), Value::Null);
}

#[test]
fn emoji_are_found_by_name_for_texts_and_for_reactions() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let browser = Browser::start();
    let page = open(&browser, "alice", &relay);
    say(&page, "first", 1);
    page.click("#emoji");
    // The arrow keys walk rows as they are seen, also past one that is not full, and back to the field.
    let is_loaded = format!("{} > 1", count_of(".emoji-menu .menu-heading"));
    page.wait(&is_loaded, &json!(true), LATER);
    let focused = "document.activeElement.className";
    page.wait(focused, &json!("emoji-search"), SOON);
    let column = "Math.round(document.activeElement.getBoundingClientRect().left)";
    page.press("ArrowDown");
    page.wait(focused, &json!(""), SOON);
    let first = page.evaluate(column);
    for _ in 0..4 {
        page.press("ArrowDown");
        page.wait(column, &first, SOON);
    }
    for _ in 0..5 {
        page.press("ArrowUp");
    }
    page.wait(focused, &json!("emoji-search"), SOON);
    choose_emoji(&page, "party popper");
    page.wait("document.querySelector('#compose').value", &json!("🎉"), SOON);
    assert_eq!(page.evaluate("document.activeElement.id"), json!("compose"));
    say(&page, " tea", 2);
    page.evaluate("document.querySelector('#messages .message').focus()");
    page.press("+");
    choose_emoji(&page, "teacup");
    page.wait(&texts_of("#messages .reaction .emoji"), &json!(["🍵"]), SOON);
}

/// The rows of the list of people that is open: who and what.
const ROWS: &str = "[...document.querySelectorAll('.member')].map((row) => \
    [row.dataset.user, row.querySelector('.quiet').textContent])";

#[test]
fn members_bans_and_blocks_are_listed_and_lifted() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let browser = Browser::start();
    let page = open(&browser, "alice", &relay);
    say(&page, "mine", 1);
    for user in ["bob", "bert", "carol"] {
        cmd!(redis, "CHAT.JOIN", "lobby", user).ok();
    }
    cmd!(redis, "CHAT.MOD", "lobby", "alice", "BAN", "eve").ok();
    cmd!(redis, "CHAT.MOD", "lobby", "alice", "MUTE", "bob").ok();
    cmd!(redis, "CHAT.MOD", "@alice", "alice", "BAN", "mallory").ok();

    cmd!(redis, "CHAT.ROOM", "@bob", "SET", "name", "Robert").ok();
    page.type_line("#compose", "/members");
    // What somebody is called is asked once their row is there.
    let name = text_of(".member[data-user=bob] .member-name");
    page.wait(&name, &json!("Robert · bob"), LATER);
    let all =
        json!([["alice", "owner"], ["bert", "member"], ["bob", "member"], ["carol", "member"]]);
    page.wait(&format!("{ROWS}.sort()"), &all, SOON);
    page.evaluate(
        "(field => { field.value = 'b'; field.dispatchEvent(new Event('input')); })\
         (document.querySelector('dialog input[type=search]'))",
    );
    page.wait(&format!("{ROWS}.sort()"), &json!([["bert", "member"], ["bob", "member"]]), SOON);
    page.click("dialog .confirm");

    page.type_line("#compose", "/bans");
    page.wait(&format!("{ROWS}.sort()"), &json!([["bob", "muted"], ["eve", "banned"]]), SOON);
    page.click(".member[data-user=eve] button");
    page.wait(ROWS, &json!([["bob", "muted"]]), SOON);
    // The keyboard goes on from there.
    page.wait("document.activeElement.ariaLabel", &json!("Unmute Robert"), SOON);
    let sanctions = cmd!(redis, "CHAT.SANCTIONS", "lobby");
    assert!(!format!("{sanctions:?}").contains("eve"), "{sanctions:?}");
    page.click("dialog .confirm");

    page.type_line("#compose", "/blocks");
    page.wait(ROWS, &json!([["mallory", "blocked"]]), SOON);
    page.click(".member[data-user=mallory] button");
    page.wait(ROWS, &json!([]), SOON);
    page.wait(&text_of("dialog [role=status]"), &json!("You block nobody."), SOON);
    let sanctions = cmd!(redis, "CHAT.SANCTIONS", "@alice");
    assert!(!format!("{sanctions:?}").contains("mallory"), "{sanctions:?}");
}

#[test]
fn nobody_passes_for_somebody_else_by_a_name() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let browser = Browser::start();
    let page = open(&browser, "alice", &relay);
    for (user, name) in
        [("bob", "Bob"), ("eve", "BOB"), ("mallory", "Server"), ("blank", "\u{200b}x")]
    {
        cmd!(redis, "CHAT.ROOM", format!("@{user}"), "SET", "name", name).ok();
        cmd!(redis, "CHAT.SEND", "lobby", user, format!("I am {user}")).ok();
    }
    cmd!(redis, "CHAT.SEND", "lobby", "*", "from the backend").ok();
    let names = json!(["Bob (@bob)", "BOB (@eve)", "Server (@mallory)", "x", "Server"]);
    page.wait(&texts_of("#messages .author"), &names, LATER);
}

#[test]
fn the_address_names_the_room_and_back_leads_to_the_one_before() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let browser = Browser::start();
    let page = open(&browser, "alice", &relay);
    let title = "document.querySelector('#room-title').textContent";
    page.wait(title, &json!("lobby"), SOON);
    for room in ["tea&cake", "dev"] {
        page.type_line("#room-input", room);
        page.wait(title, &json!(room), SOON);
    }
    let room = "new URL(location).searchParams.get('room')";
    assert_eq!(page.evaluate(room), json!("dev"));
    for before in ["tea&cake", "lobby"] {
        page.evaluate("history.back()");
        page.wait(title, &json!(before), SOON);
        assert_eq!(page.evaluate(room), json!(before));
    }
    page.evaluate("history.forward()");
    page.wait(title, &json!("tea&cake"), SOON);
    assert_eq!(page.evaluate("document.querySelector('#state').dataset.state"), json!("connected"));
    // The address names nobody; who is signed in stays so.
    assert_eq!(page.evaluate("new URL(location).searchParams.get('user')"), Value::Null);
    page.reload();
    page.wait(STATE, &json!("connected"), LATER);
    page.wait(title, &json!("tea&cake"), SOON);
    assert_eq!(page.evaluate(&text_of("#me-name")), json!("alice"));
    // A room that was left is not joined by going back to it.
    page.click("#leave");
    page.wait(title, &json!("lobby"), SOON);
    let steps = "navigation.currentEntry.index - globalThis.before";
    page.evaluate("globalThis.before = navigation.currentEntry.index");
    page.evaluate(
        "new Promise((done) => {
            addEventListener('popstate', () => setTimeout(done), { once: true });
            history.back();
        })",
    );
    page.wait(room, &json!("lobby"), SOON);
    // Nor is it a wall: Back leads on from there.
    assert_eq!(page.evaluate(steps), json!(-1));
    let rooms = "[...document.querySelectorAll('#rooms .room[data-room]')]\
        .map((row) => row.dataset.room).sort()";
    assert_eq!(page.evaluate(rooms), json!(["dev", "lobby"]));
}

#[test]
fn the_page_is_few_small_files() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let browser = Browser::start();
    let page = open(&browser, "alice", &relay);
    let files = "performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))";
    let count = page.evaluate(&format!("{files}.length")).as_u64().expect("a number");
    assert!((4..=12).contains(&count), "{count} requests");
    let bytes = page.evaluate(&format!("{files}.reduce((sum, one) => sum + one.transferSize, 0)"));
    let bytes = bytes.as_u64().expect("a number");
    assert!((20_000..150_000).contains(&bytes), "{bytes} bytes");
}

#[test]
fn a_first_visit_begins_in_a_room_that_says_what_to_try() {
    let redis = Redis::start();
    let [mut r1, r2] = Relay::pair(&redis);
    let browser = Browser::start();
    let page = browser.open(&format!("http://{}/?user=alice", r1.address()));
    page.wait("document.querySelector('#room-title').textContent", &json!("lobby"), LATER);
    let welcome = "document.querySelector('#empty').textContent.includes('second window')";
    page.wait(welcome, &json!(true), SOON);
    say(&page, "here", 1);
    page.wait("document.querySelector('#empty').hidden", &json!(true), SOON);
    // Who leaves it has left it: it is not joined again with the next connection.
    page.click("#leave");
    page.wait(&count_of("#rooms .room"), &json!(0), SOON);
    let before = page.evaluate(&text_of("#relay"));
    r1.process().kill();
    page.wait(
        &format!("{STATE} === 'connected' && {} !== {before}", text_of("#relay")),
        &json!(true),
        LATER,
    );
    let bob = r2.connect("bob");
    bob.ok(json!({ "op": "send", "room": "dm:alice,bob", "text": "hi", "nonce": "n1" }));
    let rooms = "[...document.querySelectorAll('#rooms .room')].map((row) => row.dataset.room)";
    page.wait(rooms, &json!(["dm:alice,bob"]), LATER);
}

#[test]
fn who_is_mentioned_is_asked_of_the_room_and_the_writer_hears_whom_nobody_knows() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let browser = Browser::start();
    let page = open(&browser, "alice", &relay);
    say(&page, "first", 1);
    // More members than the page asks for by itself.
    for number in 0..300 {
        cmd!(redis, "CHAT.JOIN", "lobby", format!("user{number:03}")).ok();
    }
    cmd!(redis, "CHAT.JOIN", "lobby", "zoe").ok();
    cmd!(redis, "CHAT.JOIN", "lobby", "zacharias").ok();
    page.type_line("#compose", "hello @Zoe, and @nobody.");
    let toasts = texts_of("#toasts .toast p");
    let told =
        format!("{toasts}.some((text) => text.includes('@nobody') && !text.includes('Zoe'))");
    page.wait(&told, &json!(true), SOON);
    page.wait(&texts_of("#messages .mention"), &json!(["@Zoe"]), SOON);
    let page_of = history(&mut redis.wire(), "lobby", &[]);
    let last = &page_of.events.last().expect("a message").json;
    assert_eq!(last["mentions"], json!(["zoe"]), "{last}");
    // Completion asks too.
    page.evaluate(
        "(field => { field.focus(); field.value = '@zach'; field.setSelectionRange(5, 5); \
         field.dispatchEvent(new InputEvent('input', { bubbles: true })); })\
         (document.querySelector('#compose'))",
    );
    page.wait(&texts_of("#choices .choice-name"), &json!(["zacharias"]), SOON);
}

#[test]
fn reactions_count_together_whichever_way_their_emoji_was_written() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let browser = Browser::start();
    let page = open(&browser, "alice", &relay);
    let id = cmd!(redis, "CHAT.SEND", "lobby", "bob", "look").text().to_owned();
    cmd!(redis, "CHAT.JOIN", "lobby", "carol").ok();
    cmd!(redis, "CHAT.REACT", "lobby", "bob", &id, "\u{2764}\u{fe0f}").ok();
    cmd!(redis, "CHAT.REACT", "lobby", "carol", &id, "\u{2764}").ok();
    let counts = texts_of("#messages .reaction .count");
    page.wait(&counts, &json!(["2"]), SOON);
    page.click("#messages .reaction");
    page.wait(&counts, &json!(["3"]), SOON);
    page.click("#messages .reaction");
    page.wait(&counts, &json!(["2"]), SOON);
}

#[test]
fn who_is_removed_hears_why() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let browser = Browser::start();
    let page = open(&browser, "alice", &relay);
    say(&page, "here", 1);
    cmd!(redis, "CHAT.MOD", "lobby", "*", "KICK", "alice", "REASON", "off topic").ok();
    let banner = "document.querySelector('#banner-text').textContent";
    page.wait(banner, &json!("You were removed from this room: off topic."), SOON);
}

#[test]
fn a_link_leads_to_a_message_of_long_ago() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let browser = Browser::start();
    let mut wire = redis.wire();
    let first = cmd!(redis, "CHAT.SEND", "lobby", "bob", "long ago").text().to_owned();
    let sends: Vec<_> = (0..500).map(|n| args!["CHAT.SEND", "lobby", "bob", n]).collect();
    wire.pipeline(&sends);
    let address = relay.address();
    let page = browser.open(&format!("http://{address}/?user=alice&room=lobby&message={first}"));
    let focused = "document.activeElement.querySelector('.text')?.textContent ?? null";
    page.wait(focused, &json!("long ago"), LATER);
    // The address of another one.
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }");
    page.press("l");
    page.wait("typeof window.copied", &json!("string"), SOON);
    let link = page.evaluate("window.copied");
    let link = link.as_str().expect("a link");
    assert!(link.ends_with(&format!("room=lobby&message={first}")), "{link}");
}

#[test]
fn notices_are_there_again_after_a_reload() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let browser = Browser::start();
    let page = open(&browser, "alice", &relay);
    say(&page, "first", 1);
    cmd!(redis, "CHAT.ROOM", "lobby", "SET", "topic", "tea", "BY", "alice").ok();
    cmd!(redis, "CHAT.MOD", "lobby", "alice", "MUTE", "bob").ok();
    say(&page, "second", 2);
    let shown = "[...document.querySelectorAll('#messages > *')].map((one) => \
        one.querySelector('.text, .notice-text').textContent)";
    let all =
        json!(["first", "The topic is now “tea” by alice", "bob was muted by alice", "second"]);
    let from_first = format!("{shown}.slice({shown}.indexOf('first'))");
    page.wait(&from_first, &all, SOON);
    page.reload();
    page.wait(shown, &all, LATER);
}

#[test]
fn one_chooses_a_picture_that_others_see_at_once() {
    let redis = Redis::start();
    let [r1, r2] = Relay::pair(&redis);
    let browser = Browser::start();
    let alice = open(&browser, "alice", &r1);
    let bob = open(&browser, "bob", &r2);
    cmd!(redis, "CHAT.SEND", "lobby", "alice", "hi").ok();
    let seen = "document.querySelector('#messages .avatar').style.backgroundImage";
    for page in [&alice, &bob] {
        page.wait(&count_of("#messages .avatar"), &json!(1), SOON);
        assert_eq!(page.evaluate(seen), json!(""));
    }
    alice.show_no_file_dialogues();
    // A large one, each pixel of which is another.
    let choose = "(async () => {
        const canvas = new OffscreenCanvas(900, 600);
        const context = canvas.getContext('2d');
        const image = context.createImageData(900, 600);
        image.data.forEach((_, at) => { image.data[at] = (at * 7919) % 251; });
        context.putImageData(image, 0, 0);
        const files = new DataTransfer();
        files.items.add(new File([await canvas.convertToBlob()], 'noise.png'));
        const input = document.querySelector('#picture-file');
        input.files = files.files;
        input.dispatchEvent(new Event('change'));
    })()";
    let wait_for_the_field = || {
        let there = "document.querySelector('#picture-file') !== null";
        alice.wait(there, &json!(true), SOON);
    };
    alice.type_line("#compose", "/picture");
    wait_for_the_field();
    alice.evaluate(choose);
    for page in [&alice, &bob] {
        page.wait(&format!("{seen}.startsWith('url(\"data:image/')"), &json!(true), LATER);
    }
    // What is no picture is refused, and changes nothing.
    alice.type_line("#compose", "/picture");
    wait_for_the_field();
    alice.evaluate(&choose.replace("[await canvas.convertToBlob()]", "['no picture']"));
    let refused = "document.querySelector('#toasts').textContent.includes('no picture')";
    alice.wait(refused, &json!(true), SOON);
    assert_ne!(alice.evaluate(seen), json!(""));
    alice.type_line("#compose", "/picture none");
    for page in [&alice, &bob] {
        page.wait(seen, &json!(""), LATER);
    }
}

#[test]
fn pictures_of_people_are_shown_and_none_is_fetched_from_elsewhere() {
    let redis = Redis::start();
    let relay = Relay::start("r1", &redis);
    let browser = Browser::start();
    let page = open(&browser, "alice", &relay);
    let pixel = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==";
    let pictures = [
        ("bob", pixel),
        ("carol", "/carol.png"),
        ("eve", "http://127.0.0.1:1/track.png"),
        ("mallory", "javascript:alert(1)"),
        ("trent", "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E"),
        ("victor", "/v1/events?rooms=lobby&x=.png"),
    ];
    for (user, avatar) in pictures {
        cmd!(redis, "CHAT.ROOM", format!("@{user}"), "SET", "avatar", avatar).ok();
        cmd!(redis, "CHAT.SEND", "lobby", user, "hello").ok();
    }
    let shown = "[...document.querySelectorAll('#messages .avatar')]\
        .map((one) => [one.style.backgroundImage.slice(5, 16), one.textContent])";
    let home = &format!("http://{}", relay.address())[..11];
    let all = json!([["data:image/", ""], [home, ""], ["", "E"], ["", "M"], ["", "T"], ["", "V"]]);
    page.wait(shown, &all, LATER);
}
